//! What of a published state goes into the history, as rows of plain numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::record::{Cache, Code, EventKind, Method};
use crate::slo::{ErrorCodes, Outcome, Slo};
use crate::source::Snapshot;
use crate::tally::{AppTally, CodeCounts, RowTally, Tally};

/// What a series is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// An endpoint: cells as in [`row`].
    Row(Arc<str>, Method),
    /// A route's cache: cells as in [`cache`].
    Cache(Arc<str>),
    /// A node behind the proxy: cells as in [`upstream`].
    Upstream(String),
    /// A log of bingo's own, by `log_id`: cells as in [`app`].
    App(String),
}

impl Key {
    /// Cells that tell what is good or bad: a configuration may judge anew what was counted before it.
    pub(super) fn judged(&self) -> &'static [usize] {
        match self {
            Self::Row(..) => &[row::BAD, row::GOOD],
            Self::Upstream(_) => &[upstream::BAD],
            Self::Cache(_) | Self::App(_) => &[],
        }
    }
}

/// Counts, or what they rose by, by series and cell.
pub type Sheet = BTreeMap<Key, Vec<u64>>;

/// The cells of an endpoint.
pub mod row {
    /// All requests.
    pub const REQUESTS: usize = 0;
    /// Bad for availability; by code alone where the endpoint has no such objective.
    pub const BAD: usize = 1;
    /// Good for availability.
    pub const GOOD: usize = 2;
    /// Over the latency objective's threshold.
    pub const SLOW: usize = 3;
    /// Within it.
    pub const FAST: usize = 4;
    /// Needed more than one try.
    pub const RETRIED: usize = 5;
    /// From here on, by duration's bucket, requests that were good.
    pub const BUCKETS: usize = 6;

    /// How many cells, with so many edges between the buckets.
    pub const fn width(edges: usize) -> usize {
        BUCKETS + edges + 1
    }
}

/// The cells of a route's cache.
pub mod cache {
    /// Answered from it.
    pub const HITS: usize = 0;
    /// All requests it was asked for.
    pub const ASKED: usize = 1;
    /// How many cells.
    pub const WIDTH: usize = 2;
}

/// The cells of a node behind the proxy.
pub mod upstream {
    /// Tries.
    pub const ATTEMPTS: usize = 0;
    /// Tries that ended in one of the configuration's `error_codes`, or without an answer.
    pub const BAD: usize = 1;
    /// How many cells.
    pub const WIDTH: usize = 2;
}

/// The cells of a log of bingo's own.
pub mod app {
    /// Processes that began.
    pub const STARTS: usize = 0;
    /// Starts without a shutdown before them.
    pub const UNCLEAN: usize = 1;
    /// Requests that the rate limiter refused.
    pub const THROTTLED: usize = 2;
    /// How many cells.
    pub const WIDTH: usize = 3;
}

/// The counts of these sources; `None` while what was on disk at the start is not counted.
pub fn sheet(sources: &[Arc<Snapshot>]) -> Option<Sheet> {
    if sources.iter().any(|source| source.catching_up) {
        return None;
    }
    let mut sheet = Sheet::new();
    for source in sources {
        if let Some(tally) = source.requests() {
            requests(&mut sheet, &source.model, tally);
        }
        if let Some(tally) = source.apps() {
            apps(&mut sheet, tally);
        }
    }
    Some(sheet)
}

fn requests(sheet: &mut Sheet, model: &Model, tally: &Tally) {
    for (fixed, row) in model.routes.rows.iter().zip(&tally.rows) {
        if row.shown {
            let judged = fixed.objectives.ratio(Slo::Availability).is_some();
            let codes = (!judged).then_some(&fixed.objectives.error_codes);
            let cells = endpoint(row, codes, tally.edges.len());
            sheet.insert(Key::Row(Arc::clone(&row.route), row.method), cells);
        }
    }
    for route in &tally.routes {
        let (hits, asked) = (route.cache[Cache::Hit as usize], route.cache.iter().sum());
        sheet.insert(Key::Cache(Arc::clone(&route.route)), vec![hits, asked]);
    }
    for node in tally.upstreams.iter() {
        let (attempts, bad) = (node.codes.total(), bad(&node.codes, &model.config.error_codes));
        sheet.insert(Key::Upstream(node.name.clone()), vec![attempts, bad]);
    }
}

/// `codes` where no objective says what is bad.
fn endpoint(row: &RowTally, codes: Option<&ErrorCodes>, edges: usize) -> Vec<u64> {
    let requests = row.codes.total();
    let [bad, good] = match codes {
        Some(codes) => {
            let bad = bad(&row.codes, codes);
            [bad, requests - bad]
        }
        None => row.events[Slo::Availability as usize],
    };
    let [slow, fast] = row.events[Slo::Latency as usize];
    let mut cells = vec![requests, bad, good, slow, fast, row.retried];
    cells.extend_from_slice(row.durations[Outcome::Ok as usize].counts());
    cells.resize(row::width(edges), 0);
    cells
}

fn bad(codes: &CodeCounts, error_codes: &ErrorCodes) -> u64 {
    let bad = |code: Code| code != Code::OTHER && error_codes.contains(code);
    let counts = codes.iter().filter(|(code, _)| bad(*code));
    counts.map(|(_, count)| count).sum()
}

fn apps(sheet: &mut Sheet, tally: &AppTally) {
    for log in tally.logs() {
        let (starts, throttled) = (
            log.events_of(EventKind::Start),
            log.events_of(EventKind::Throttled),
        );
        sheet.insert(
            Key::App(log.id.clone()),
            vec![starts, log.unclean_exits, throttled],
        );
    }
}
