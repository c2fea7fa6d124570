//! An endpoint in the status document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::by_code;
use crate::record::Nanos;
use crate::route::Row;
use crate::slo::{Objectives, Slo};
use crate::summary::{Endpoint, Standing, Window, burning, quantile, ratio};
use crate::tally::RowTally;

#[derive(Debug, Serialize)]
pub(super) struct EndpointStatus<'a> {
    route: &'a str,
    method: &'static str,
    probe: bool,
    requests: u64,
    codes: BTreeMap<String, u64>,
    response_bytes: u64,
    retried: u64,
    /// A pattern of the codes that are errors, for PromQL.
    error_codes: String,
    standing: Standing,
    /// Since when it has been missing an objective.
    since: Option<f64>,
    objectives: Vec<ObjectiveStatus<'a>>,
    /// By window: the last 1m, 5m, 30m, 1h, 2h, 6h, 1d.
    windows: BTreeMap<&'a str, WindowStatus<'a>>,
    /// Requests a second, and bad ones, of each half minute of the last quarter of an hour.
    sparkline: Sparkline,
}

#[derive(Debug, Serialize)]
struct ObjectiveStatus<'a> {
    slo: &'static str,
    /// Share that must be good.
    objective: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_seconds: Option<f64>,
    good: u64,
    bad: u64,
    /// Share that was good since counting began; `null` before the first event.
    ratio: Option<f64>,
    /// How it stands to this one.
    standing: Standing,
    /// By window: how many times faster than allowed the budget is spent; 1 is just allowed.
    burn_rates: BTreeMap<&'a str, f64>,
    /// By window: share of the window's budget that is left; below 0 where more was spent.
    budget_left: BTreeMap<&'a str, f64>,
    /// `page` or `ticket` where two windows burn too fast (multi-window burn rates).
    burning: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct WindowStatus<'a> {
    #[serde(flatten)]
    counts: &'a Window,
    /// Share of judged requests that were bad; `null` without any.
    error_ratio: Option<f64>,
    /// Share of good requests within the latency threshold.
    fast_ratio: Option<f64>,
    cache_hit_ratio: Option<f64>,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

/// Requests and errors a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Sparkline {
    pub(super) rate: Vec<f64>,
    pub(super) bad: Vec<f64>,
}

impl<'a> EndpointStatus<'a> {
    pub(super) fn new(
        fixed: &'a Row,
        tally: &RowTally,
        endpoint: &'a Endpoint,
        edges: &[Nanos],
        sparkline: Sparkline,
    ) -> Self {
        let windows = endpoint.windows.iter();
        let standing = endpoint.standing(&fixed.objectives);
        Self {
            route: &fixed.route,
            method: fixed.method.as_str(),
            probe: fixed.probe,
            requests: tally.codes.total(),
            codes: by_code(&tally.codes),
            response_bytes: tally.bytes,
            retried: tally.retried,
            error_codes: pattern(fixed.objectives.error_codes.patterns()),
            standing,
            // Of several nodes one may miss what all together meet.
            since: endpoint
                .since
                .filter(|_| matches!(standing, Standing::Misses | Standing::Recovering)),
            objectives: Slo::ALL
                .iter()
                .filter_map(|slo| ObjectiveStatus::new(*slo, &fixed.objectives, tally, endpoint))
                .collect(),
            windows: windows
                .map(|(name, window)| (name.as_str(), WindowStatus::new(window, edges)))
                .collect(),
            sparkline,
        }
    }
}

impl<'a> ObjectiveStatus<'a> {
    fn new(slo: Slo, objectives: &Objectives, tally: &RowTally, endpoint: &'a Endpoint) -> Option<Self> {
        let objective = objectives.ratio(slo)?;
        let threshold = objectives
            .latency
            .filter(|_| slo == Slo::Latency)
            .map(|latency| latency.under as f64 / 1e9);
        let [bad, good] = tally.events[slo as usize];
        let burn_rates = endpoint.burn_rates(objective, slo);
        Some(Self {
            slo: slo.as_str(),
            objective,
            threshold_seconds: threshold,
            good,
            bad,
            ratio: ratio(good, bad),
            standing: endpoint.standing_to(objectives, slo),
            budget_left: burn_rates
                .iter()
                .map(|(window, burn)| (*window, 1.0 - burn))
                .collect(),
            burning: burning(&burn_rates),
            burn_rates,
        })
    }
}

impl<'a> WindowStatus<'a> {
    fn new(window: &'a Window, edges: &[Nanos]) -> Self {
        let quantile = |q| quantile(q, edges, &window.buckets);
        Self {
            counts: window,
            error_ratio: ratio(window.bad, window.good),
            fast_ratio: ratio(window.fast, window.slow),
            cache_hit_ratio: ratio(
                window.cache_hits,
                window.cache_asked.saturating_sub(window.cache_hits),
            ),
            p50_seconds: quantile(0.5),
            p90_seconds: quantile(0.9),
            p99_seconds: quantile(0.99),
        }
    }
}

/// `5xx` and `429` as a regular expression; no code at all is always an error.
pub(super) fn pattern(codes: impl Iterator<Item = String>) -> String {
    let codes: Vec<_> = codes
        .map(|code| code.replace('x', "."))
        .chain(["none".to_owned()])
        .collect();
    codes.join("|")
}
