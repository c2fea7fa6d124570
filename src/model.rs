//! A configuration, compiled: what decoding, routing and counting look things up in. Immutable; a reload makes
//! another one and swaps it in between two lines.

use std::sync::Arc;

use anyhow::{Context, ensure};
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::Zone;
use crate::config::Config;
use crate::decode::{AccessDecoder, AppDecoder};
use crate::record::{Cache, Code, Nanos};
use crate::route::{Routes, Row};
use crate::slo::{Outcome, Slo};

/// Bucket edges every installation has, doubling over the range an HTTP service answers in; the thresholds of
/// the objectives are added, so that a share "under 400 ms" is a bucket, not an interpolation.
const EDGES_MS: [u64; 13] = [
    5, 10, 25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600,
];

/// Codes whose series exist from the start, since `rate()` misses a counter that is born at 1.
const ZERO_CODES: [i64; 7] = [200, 429, 499, 500, 502, 503, 504];

/// A compiled configuration.
#[derive(Debug)]
pub struct Model {
    /// What it was compiled from.
    pub config: Config,
    /// Rows, and the way to them.
    pub routes: Routes,
    /// Reads access log lines.
    pub decoder: AccessDecoder,
    /// Reads the lines of bingo's own log.
    pub app_decoder: AppDecoder,
    /// Upper edges of all latency buckets, ascending, without `+Inf`.
    pub edges: Arc<[Nanos]>,
    /// Codes that are shown before they are seen.
    pub zero_codes: Arc<[Code]>,
    /// How many files each source may follow: `limits.files`, or what the machine allows.
    pub files: usize,
    /// The same where the same requests and tries are good or bad.
    pub judgement: u64,
}

impl Model {
    /// Compiles a validated configuration.
    ///
    /// # Errors
    /// More series than `limits.series`, with the number needed.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let routes = Routes::new(&config).context("failed to compile the endpoints")?;
        let decoder =
            AccessDecoder::new(config.access.format.clone(), &config.access.fields).in_zone(&Zone::system());
        let app_decoder = AppDecoder::new(&config.app.fields, config.app.duration_unit);
        let thresholds = config
            .endpoints
            .iter()
            .filter_map(|e| e.objectives.latency.map(|latency| latency.under));
        let edges = sorted(EDGES_MS.iter().map(|ms| ms * 1_000_000).chain(thresholds));
        let literals = config
            .endpoints
            .iter()
            .map(|e| &e.objectives.error_codes)
            .chain([&config.error_codes]);
        let zero_codes = sorted(
            ZERO_CODES
                .into_iter()
                .map(Code::new)
                .chain(literals.flat_map(|codes| codes.literals())),
        );
        let limit = config.limits.series;
        let judged = |row: &Row| {
            let by_objective = row.objectives.ratio(Slo::Availability).is_some();
            (
                Arc::clone(&row.route),
                row.method,
                by_objective,
                row.objectives.error_codes.clone(),
            )
        };
        let judged: Vec<_> = routes.rows.iter().map(judged).collect();
        let model = Self {
            judgement: xxh3_64(format!("{:?} {judged:?}", config.error_codes).as_bytes()),
            files: config.limits.files,
            config,
            routes,
            decoder,
            app_decoder,
            edges: edges.into(),
            zero_codes: zero_codes.into(),
        };
        let series = model.series();
        ensure!(
            series <= limit,
            "limits.series is {limit}, but the endpoints make {series} series: raise it or drop endpoints"
        );
        Ok(model)
    }

    /// Request series once every row was seen, with the codes of the start: what `limits.series` must hold.
    pub fn series(&self) -> usize {
        const PER_HISTOGRAM: usize = 3; // sum, count, +Inf
        let histograms = Outcome::COUNT * (self.edges.len() + PER_HISTOGRAM);
        let events = 2 * Slo::COUNT;
        let bytes_retries_info = 3;
        let per_row = self.zero_codes.len() + histograms + events + bytes_retries_info;
        self.routes.rows.len() * per_row + self.routes.labels.len() * Cache::COUNT
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}
