//! All figures over time of one answer, taken from the history at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{EndpointStatus, Sparkline};
use super::history::Points;
use super::{UpstreamStatus, verdict};
use crate::clock::Now;
use crate::history::sheet::{app, row, sheet, upstream};
use crate::history::{History, Key, Live, Sheet};
use crate::record::{Nanos, UnixMillis};
use crate::source::Snapshot;
use crate::summary::{self, Endpoint, Problem, Verdict, WINDOWS, ratio, since};

/// Points of a sparkline, and seconds between them.
const SPARKLINE: (usize, u32) = (30, 30);

/// Whose figures endpoints show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve) enum Scope {
    /// This node's.
    #[default]
    Node,
    /// This node's and its peers' together.
    Pair,
}

/// All figures over time of one answer.
#[derive(Debug)]
pub(in crate::serve) struct Figures {
    pub(super) scope: Scope,
    pub(super) begin: Option<UnixMillis>,
    pub(super) edges: Arc<[Nanos]>,
    /// Of the rows that are shown, in their order.
    endpoints: Vec<Endpoint>,
    sparklines: Vec<Sparkline>,
    pub(super) upstreams: BTreeMap<String, Attempts>,
    apps: BTreeMap<String, Vec<(&'static str, Vec<u64>)>>,
    /// By index of a window: requests a second without health checks, and how much of the window is known.
    total: Vec<(&'static str, f64, f64)>,
    /// What is wrong elsewhere.
    pub(in crate::serve) more: Vec<Problem>,
}

/// Tries at a node behind the proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts {
    pub(super) error_ratio: Option<f64>,
    pub(super) since: Option<f64>,
    pub(super) share: BTreeMap<&'static str, f64>,
}

impl Figures {
    pub(in crate::serve) fn new(sources: &[Arc<Snapshot>], history: &History, now: Now) -> Self {
        let counts = sheet(sources).unwrap_or_default();
        let access = sources.iter().find(|source| source.requests().is_some());
        let live = history.live(&counts, access.map(|source| source.model.judgement), now.unix);
        let mut figures = Self {
            scope: Scope::Node,
            begin: history.begin(),
            edges: Arc::clone(history.edges()),
            endpoints: vec![],
            sparklines: vec![],
            upstreams: attempts(history, &live, &counts),
            apps: apps(history, &live, &counts),
            total: WINDOWS.map(|(name, _)| (name, 0.0, 0.0)).into(),
            more: vec![],
        };
        for fixed in shown(sources, &counts) {
            let endpoint = Endpoint::new(history, &live, fixed, fixed.method);
            let (points, step) = SPARKLINE;
            let key = Key::Row(Arc::clone(&fixed.route), fixed.method);
            let line = Points::new(history, &live, &[key], step).newest(points);
            figures.sparklines.push(Sparkline {
                rate: line.rates(row::REQUESTS),
                bad: line.rates(row::BAD),
            });
            figures.endpoints.push(endpoint);
        }
        figures.sum_up(sources);
        figures
    }

    /// Adds a peer's endpoints to those of the same name.
    pub(in crate::serve) fn add(
        &mut self,
        endpoints: &[Endpoint],
        edges: &[Nanos],
        sources: &[Arc<Snapshot>],
    ) {
        self.scope = Scope::Pair;
        for endpoint in &mut self.endpoints {
            let same = |other: &&Endpoint| other.route == endpoint.route && other.method == endpoint.method;
            if let Some(other) = endpoints.iter().find(same) {
                endpoint.add(other, &self.edges, edges);
            }
        }
        self.sum_up(sources);
    }

    fn sum_up(&mut self, sources: &[Arc<Snapshot>]) {
        let rows = shown_rows(sources);
        for (name, rate, seconds) in &mut self.total {
            (*rate, *seconds) = (0.0, 0.0);
            for (_, endpoint) in rows.iter().zip(&self.endpoints).filter(|(row, _)| !row.probe) {
                let window = endpoint.windows.get(*name);
                *rate += window.map_or(0.0, |window| window.rate);
                *seconds = window.map_or(*seconds, |window| window.seconds.max(*seconds));
            }
        }
    }

    pub(super) fn rates(&self) -> BTreeMap<&'static str, f64> {
        self.total.iter().map(|(name, rate, _)| (*name, *rate)).collect()
    }

    pub(super) fn statuses<'a>(&'a self, sources: &'a [Arc<Snapshot>]) -> Vec<EndpointStatus<'a>> {
        let tallies = sources
            .iter()
            .filter(|source| !source.catching_up)
            .filter_map(|source| {
                let tally = source.requests()?;
                Some(
                    source
                        .model
                        .routes
                        .rows
                        .iter()
                        .zip(&tally.rows)
                        .filter(|(_, row)| row.shown),
                )
            });
        let figures = self.endpoints.iter().zip(&self.sparklines);
        let rows = tallies.flatten().zip(figures);
        rows.map(|((fixed, tally), (endpoint, line))| {
            EndpointStatus::new(fixed, tally, endpoint, &self.edges, line.clone())
        })
        .collect()
    }

    /// Starts, unclean exits and throttled requests of a log of bingo's own, by window.
    pub(super) fn app(&self, log_id: &str) -> [BTreeMap<&'static str, u64>; app::WIDTH] {
        std::array::from_fn(|cell| {
            let windows = self.apps.get(log_id).into_iter().flatten();
            windows.map(|(name, cells)| (*name, cells[cell])).collect()
        })
    }

    pub(super) fn verdict(
        &self,
        sources: &[Arc<Snapshot>],
        upstreams: &[UpstreamStatus<'_>],
        now: Now,
    ) -> Verdict {
        if let Some(blind) = verdict::blind(sources, now) {
            return blind;
        }
        let mut problems = verdict::problems(sources, now);
        problems.extend(upstreams.iter().filter_map(verdict::upstream));
        let judged = shown_rows(sources).into_iter().zip(&self.endpoints);
        let missed = judged.filter_map(|(row, endpoint)| Problem::of(endpoint, &row.objectives));
        problems.extend(missed);
        problems.extend(self.more.iter().cloned());
        let ever = self
            .endpoints
            .iter()
            .any(|endpoint| endpoint.windows.values().any(|window| window.requests > 0));
        let (_, rate, seconds) = self.total[0];
        verdict::verdict(rate, seconds, ever, problems, now.unix as f64 / 1e3)
    }
}

/// The rows that are shown, where they are counted.
fn shown<'a>(sources: &'a [Arc<Snapshot>], counts: &Sheet) -> Vec<&'a crate::route::Row> {
    if counts.is_empty() {
        vec![]
    } else {
        shown_rows(sources)
    }
}

fn shown_rows(sources: &[Arc<Snapshot>]) -> Vec<&crate::route::Row> {
    let shown = sources.iter().filter_map(|source| {
        let tally = source.requests()?;
        Some(
            source
                .model
                .routes
                .rows
                .iter()
                .zip(&tally.rows)
                .filter(|(_, row)| row.shown),
        )
    });
    shown.flatten().map(|(fixed, _)| fixed).collect()
}

fn attempts(history: &History, live: &Live, counts: &Sheet) -> BTreeMap<String, Attempts> {
    let lengths = WINDOWS.map(|(_, length)| length);
    let mut rises = BTreeMap::new();
    for key in counts.keys() {
        if let Key::Upstream(name) = key {
            rises.insert(
                name.clone(),
                (key, history.rises(live, key, upstream::WIDTH, &lengths)),
            );
        }
    }
    let all: Vec<u64> = (0..lengths.len())
        .map(|window| {
            rises
                .values()
                .map(|(_, rises)| rises[window].cells[upstream::ATTEMPTS])
                .sum()
        })
        .collect();
    let attempts = |(key, rises): &(&Key, Vec<crate::history::Rise>)| {
        let cells = |window: usize| &rises[window].cells;
        let share = WINDOWS
            .iter()
            .zip(&all)
            .enumerate()
            .filter_map(|(window, ((name, _), all))| {
                let tries = cells(window)[upstream::ATTEMPTS];
                Some((*name, ratio(tries, all - tries)?))
            });
        let now = cells(0);
        Attempts {
            error_ratio: ratio(
                now[upstream::BAD],
                now[upstream::ATTEMPTS].saturating_sub(now[upstream::BAD]),
            ),
            since: since(
                history,
                live,
                key,
                (upstream::BAD, upstream::ATTEMPTS),
                // Of the good ones and the bad together, as `since` counts, it is a little less.
                verdict::UPSTREAM_FAILS / (1.0 + verdict::UPSTREAM_FAILS),
            ),
            share: share.collect(),
        }
    };
    rises
        .iter()
        .map(|(name, seen)| (name.clone(), attempts(seen)))
        .collect()
}

fn apps(history: &History, live: &Live, counts: &Sheet) -> BTreeMap<String, Vec<(&'static str, Vec<u64>)>> {
    let windows: Vec<_> = summary::WINDOWS
        .iter()
        .filter(|(name, _)| matches!(*name, "1h" | "1d"))
        .collect();
    let lengths: Vec<_> = windows.iter().map(|(_, length)| *length).collect();
    let mut apps = BTreeMap::new();
    for key in counts.keys() {
        if let Key::App(log_id) = key {
            let rises = history.rises(live, key, app::WIDTH, &lengths);
            let named = windows
                .iter()
                .zip(rises)
                .map(|((name, _), rise)| (*name, rise.cells));
            apps.insert(log_id.clone(), named.collect());
        }
    }
    apps
}
