//! What an operator asks: how much, how many errors, how slow, is that within the objectives, since when. Pure: figures
//! from the history, for one node or for several together.

pub(crate) mod text;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::verdict::{Level, Problem, Verdict};
use crate::history::sheet::{cache, row};
use crate::history::{History, Key, Live, Rise};
use crate::record::{Method, Nanos, UnixMillis};
use crate::route::Row;
use crate::slo::{Objectives, Slo};

const MINUTE: UnixMillis = 60_000;

/// The windows figures are given for, ascending, as PromQL writes them.
pub const WINDOWS: [(&str, UnixMillis); 7] = [
    (NOW, MINUTE),
    (RECENT, 5 * MINUTE),
    ("30m", 30 * MINUTE),
    ("1h", 60 * MINUTE),
    ("2h", 120 * MINUTE),
    ("6h", 360 * MINUTE),
    ("1d", 1440 * MINUTE),
];

/// What is going on now.
const NOW: &str = "1m";

/// What went on a moment ago.
const RECENT: &str = "5m";

/// The windows with buckets, and so with quantiles.
const MEASURED: [&str; 2] = [RECENT, "1h"];

/// Pairs of windows over which the budget burns at least so fast: a long one, so that it matters, and a short one, so
/// that it still goes on (SRE workbook, chapter 5). The first two page, the last makes a ticket.
const BURNS: [(&str, &str, f64, &str); 3] = [
    ("5m", "1h", 14.4, "page"),
    ("30m", "6h", 6.0, "page"),
    ("2h", "1d", 3.0, "ticket"),
];

/// Fewer bad requests in a minute are chance.
const FEW: u64 = 5;

/// What failed again within this time has failed all the while.
const PAUSE: UnixMillis = MINUTE;

/// An endpoint, over all windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Label.
    pub route: Arc<str>,
    /// Label.
    pub method: Method,
    /// By window's name.
    pub windows: BTreeMap<String, Window>,
    /// Since when it has been missing an objective, in Unix seconds.
    pub since: Option<f64>,
}

/// What happened in a window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How much of the window is known.
    pub seconds: f64,
    /// Requests a second.
    pub rate: f64,
    /// Requests.
    pub requests: u64,
    /// Bad for availability.
    pub bad: u64,
    /// Good for availability.
    pub good: u64,
    /// Good for availability, but over the latency objective's threshold.
    pub slow: u64,
    /// Within it.
    pub fast: u64,
    /// Needed more than one try.
    pub retried: u64,
    /// Answered from the cache, of all methods of the route.
    pub cache_hits: u64,
    /// The cache was asked.
    pub cache_asked: u64,
    /// Requests that were good for availability, by duration; the last is over the last edge. Only for some windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<u64>,
}

/// How an endpoint stands to its objectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It misses one now.
    Misses,
    /// It missed one in the last five minutes and meets it now.
    Recovering,
    /// It is over what is allowed, by too few requests to judge.
    TooFew,
    /// It meets all.
    Meets,
    /// It has none.
    NoObjective,
    /// Nobody asked within the last five minutes.
    Idle,
}

impl Endpoint {
    /// From the history.
    pub fn new(history: &History, live: &Live, fixed: &Row, method: Method) -> Self {
        let key = Key::Row(Arc::clone(&fixed.route), method);
        let lengths = WINDOWS.map(|(_, length)| length);
        let rises = history.rises(live, &key, row::width(history.edges().len()), &lengths);
        let caches = history.rises(
            live,
            &Key::Cache(Arc::clone(&fixed.route)),
            cache::WIDTH,
            &lengths,
        );
        let named = WINDOWS.iter().zip(rises.iter().zip(&caches));
        let windows: BTreeMap<_, _> = named
            .map(|((name, _), (rise, cache))| ((*name).to_owned(), Window::new(name, rise, cache)))
            .collect();
        let mut endpoint = Self {
            route: Arc::clone(&fixed.route),
            method,
            windows,
            since: None,
        };
        let missed = Slo::ALL
            .iter()
            .filter(|slo| endpoint.standing_to(&fixed.objectives, **slo) == Standing::Misses);
        let since = missed.filter_map(|slo| {
            let allowed = 1.0 - fixed.objectives.ratio(*slo)?;
            since(history, live, &key, cells(*slo), allowed)
        });
        endpoint.since = since.reduce(f64::min);
        endpoint
    }

    /// Figures of two nodes together.
    pub fn add(&mut self, other: &Self, edges: &[Nanos], other_edges: &[Nanos]) {
        for (name, window) in &mut self.windows {
            if let Some(other) = other.windows.get(name) {
                window.add(other, edges == other_edges);
            }
        }
        self.since = match (self.since, other.since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// A window by its name.
    pub fn window(&self, name: &str) -> Option<&Window> {
        self.windows.get(name)
    }

    /// How it stands to all its objectives: as to the one it stands worst to.
    pub fn standing(&self, objectives: &Objectives) -> Standing {
        if self.window(RECENT).is_none_or(|window| window.requests == 0) {
            return Standing::Idle;
        }
        let standings = Slo::ALL.iter().map(|slo| self.standing_to(objectives, *slo));
        standings
            .min_by_key(|standing| *standing as u8)
            .unwrap_or(Standing::NoObjective)
    }

    /// How it stands to one objective.
    pub fn standing_to(&self, objectives: &Objectives, slo: Slo) -> Standing {
        let Some(objective) = objectives.ratio(slo) else {
            return Standing::NoObjective;
        };
        let over = |name: &str, few: u64| {
            let events = self.window(name).map(|window| window.events(slo));
            events.is_some_and(|(bad, good)| {
                bad >= few && ratio(bad, good).is_some_and(|ratio| ratio > 1.0 - objective)
            })
        };
        if over(NOW, FEW) || over(RECENT, 2 * FEW) && over(NOW, 1) {
            Standing::Misses
        } else if over(RECENT, FEW) {
            Standing::Recovering
        } else if over(RECENT, 1) {
            Standing::TooFew
        } else {
            Standing::Meets
        }
    }

    /// How many times faster than allowed the budget of an objective is spent, by window.
    pub fn burn_rates(&self, objective: f64, slo: Slo) -> BTreeMap<&str, f64> {
        let burn = |(name, window): (&String, &Window)| {
            let (bad, good) = window.events(slo);
            Some((
                WINDOWS.iter().find(|(known, _)| known == name)?.0,
                ratio(bad, good)? / (1.0 - objective),
            ))
        };
        self.windows.iter().filter_map(burn).collect()
    }
}

/// What should be done about these burn rates: `page`, `ticket` or nothing.
pub fn burning(burn_rates: &BTreeMap<&str, f64>) -> Option<&'static str> {
    let over = |window: &str, factor: f64| burn_rates.get(window).is_some_and(|burn| *burn > factor);
    let burns = BURNS
        .iter()
        .find(|(short, long, factor, _)| over(short, *factor) && over(long, *factor));
    burns.map(|(.., what)| *what)
}

impl Window {
    fn new(name: &str, rise: &Rise, cache: &Rise) -> Self {
        let cell = |index: usize| rise.cells.get(index).copied().unwrap_or_default();
        let measured = MEASURED.contains(&name);
        let buckets = measured.then(|| rise.cells.get(row::BUCKETS..)).flatten();
        Self {
            seconds: rise.seconds,
            rate: per_second(cell(row::REQUESTS), rise.seconds),
            requests: cell(row::REQUESTS),
            bad: cell(row::BAD),
            good: cell(row::GOOD),
            slow: cell(row::SLOW),
            fast: cell(row::FAST),
            retried: cell(row::RETRIED),
            cache_hits: cache.cells[cache::HITS],
            cache_asked: cache.cells[cache::ASKED],
            buckets: buckets.unwrap_or_default().to_vec(),
        }
    }

    /// Another node's: counts and rates add up; so do buckets over the same edges, others tell nothing together.
    pub fn add(&mut self, other: &Self, same_edges: bool) {
        self.seconds = self.seconds.max(other.seconds);
        self.rate += other.rate;
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.bad, other.bad),
            (&mut self.good, other.good),
            (&mut self.slow, other.slow),
            (&mut self.fast, other.fast),
            (&mut self.retried, other.retried),
            (&mut self.cache_hits, other.cache_hits),
            (&mut self.cache_asked, other.cache_asked),
        ] {
            *sum = sum.saturating_add(more);
        }
        if same_edges && self.buckets.len() == other.buckets.len() {
            for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
                *sum = sum.saturating_add(*more);
            }
        } else {
            self.buckets.clear();
        }
    }

    /// Bad and good events of an objective.
    pub fn events(&self, slo: Slo) -> (u64, u64) {
        match slo {
            Slo::Availability => (self.bad, self.good),
            Slo::Latency => (self.slow, self.fast),
        }
    }
}

/// Of an endpoint's history: bad and good events.
fn cells(slo: Slo) -> (usize, usize) {
    match slo {
        Slo::Availability => (row::BAD, row::GOOD),
        Slo::Latency => (row::SLOW, row::FAST),
    }
}

/// Since when a series has had more than this share of bad events, in Unix seconds, within the last hour. Half minutes
/// are looked at, since a single error is chance; a minute's pause is none.
pub fn since(
    history: &History,
    live: &Live,
    key: &Key,
    (bad, good): (usize, usize),
    allowed: f64,
) -> Option<f64> {
    const HALF_MINUTE: u32 = 6;
    let (first, points) = history.points(live, key, row::BUCKETS, HALF_MINUTE);
    let length = crate::history::STEP * UnixMillis::from(HALF_MINUTE);
    let is_wrong = |point: &Vec<u64>| {
        point[bad] > 1 && ratio(point[bad], point[good]).is_some_and(|ratio| ratio > allowed)
    };
    let mut since: Option<UnixMillis> = None;
    for (index, _) in points
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, point)| is_wrong(point))
    {
        let begin = first + index as UnixMillis * length;
        if since.is_some_and(|since| since - (begin + length) > PAUSE) {
            break;
        }
        since = Some(begin);
    }
    let since = since?;
    // Within that half minute, from the first of them.
    let (first, points) = history.points(live, key, row::BUCKETS, 1);
    let begins = points.iter().enumerate().filter(|(_, point)| point[bad] > 0);
    let mut begins = begins.map(|(index, _)| first + index as UnixMillis * crate::history::STEP);
    Some(begins.find(|begin| *begin >= since).unwrap_or(since) as f64 / 1e3)
}

/// The share of bad ones; `None` where there are no events.
pub fn ratio(bad: u64, good: u64) -> Option<f64> {
    let all = bad.saturating_add(good);
    (all > 0).then(|| bad as f64 / all as f64)
}

/// How many a second.
pub fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// The quantile as Prometheus' `histogram_quantile` gives it, in seconds: on a straight line within a bucket, and the
/// last edge where it lies above.
pub fn quantile(quantile: f64, edges: &[Nanos], buckets: &[u64]) -> Option<f64> {
    let all: u64 = buckets.iter().sum();
    if all == 0 || buckets.len() != edges.len() + 1 {
        return None;
    }
    let mut rank = quantile * all as f64;
    for (index, count) in buckets.iter().map(|count| *count as f64).enumerate() {
        if rank <= count && count > 0.0 {
            let lower = index.checked_sub(1).map_or(0, |index| edges[index]) as f64;
            let Some(upper) = edges.get(index) else {
                return Some(lower / 1e9);
            };
            return Some((lower + (*upper as f64 - lower) * (rank / count)) / 1e9);
        }
        rank -= count;
    }
    edges.last().map(|edge| *edge as f64 / 1e9)
}

#[cfg(test)]
mod tests;
