//! Every counter and histogram of one source, as plain integers. Pure: `now` is handed in, nothing is shared.
//! A tally knows the names of its series, so that a saved one can be carried over into another configuration.

mod app;
mod counts;
mod exemplars;
mod upstreams;

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

pub use app::{AppRoute, AppTally, LogTally, Sighting, UNKNOWN};
pub use counts::{CodeCounts, Histogram, Room};
pub use exemplars::{Exemplar, Exemplars};
pub use upstreams::{Upstream, Upstreams};

use crate::clock::Now;
use crate::model::Model;
use crate::record::{Cache, Method, Nanos, Protocol, Request, Scheme, Unmeasured};
use crate::route::{RouteId, RowId};
use crate::slo::{Outcome, Slo};

/// The requests of an access log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Upper edges of all latency buckets, ascending; one closed set for every route.
    pub edges: Arc<[Nanos]>,
    /// By [`RowId`]. Those that count nothing are not saved.
    #[serde(serialize_with = "counted_rows")]
    pub rows: Vec<RowTally>,
    /// By [`RouteId`]. Those that count nothing are not saved.
    #[serde(serialize_with = "counted_routes")]
    pub routes: Vec<RouteTally>,
    /// By protocol, then scheme.
    pub protocols: [[u64; Scheme::COUNT]; Protocol::COUNT],
    /// Nodes behind the proxy.
    pub upstreams: Upstreams,
    /// Requests without a duration, by [`Unmeasured`].
    pub unmeasured: [u64; Unmeasured::COUNT],
    /// Whether a line ever carried a time: before that, latency is unmeasured, not met.
    pub timed: bool,
    /// How many more series may be made.
    pub room: Room,
}

/// The counts of one (route, method).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowTally {
    /// Label.
    pub route: Arc<str>,
    /// Label.
    pub method: Method,
    /// Exposed: configured, or seen once.
    pub shown: bool,
    /// Requests by status code.
    pub codes: CodeCounts,
    /// Durations by [`Outcome`].
    pub durations: [Histogram; Outcome::COUNT],
    /// A request for each bucket of these. No count: they begin anew with each start.
    #[serde(skip)]
    pub exemplars: [Exemplars; Outcome::COUNT],
    /// Bytes sent to clients.
    pub bytes: u64,
    /// Requests that needed more than one try.
    pub retried: u64,
    /// Events by [`Slo`]: bad, good.
    pub events: [[u64; 2]; Slo::COUNT],
}

/// The counts of one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteTally {
    /// Label.
    pub route: Arc<str>,
    /// Requests by [`Cache`] status.
    pub cache: [u64; Cache::COUNT],
}

impl Tally {
    /// All series of the configuration, at zero.
    pub fn new(model: &Model) -> Self {
        let row = |row: &crate::route::Row| RowTally {
            route: Arc::clone(&row.route),
            method: row.method,
            shown: row.from_start,
            codes: CodeCounts::zeros(&model.zero_codes),
            durations: Default::default(),
            exemplars: Default::default(),
            bytes: 0,
            retried: 0,
            events: [[0; 2]; Slo::COUNT],
        };
        let route = |route: &Arc<str>| RouteTally {
            route: Arc::clone(route),
            cache: [0; Cache::COUNT],
        };
        Self {
            edges: Arc::clone(&model.edges),
            rows: model.routes.rows.iter().map(row).collect(),
            routes: model.routes.labels.iter().map(route).collect(),
            protocols: [[0; Scheme::COUNT]; Protocol::COUNT],
            upstreams: Upstreams::new(
                &model.config.access.upstreams,
                model.config.limits.upstreams,
                &model.zero_codes,
            ),
            unmeasured: [0; Unmeasured::COUNT],
            timed: false,
            room: Room::new(model.config.limits.series.saturating_sub(model.series())),
        }
    }

    /// Counts one request in its row.
    pub fn count(&mut self, model: &Model, id: RowId, request: &Request<'_>, now: Now) {
        let (fixed, row) = (&model.routes.rows[id], &mut self.rows[id]);
        let duration = request.duration.ok();
        let verdict = fixed
            .objectives
            .judge(request.code, request.client_gave_up, duration);

        row.shown = true;
        row.codes.add(request.code, &mut self.room);
        row.bytes = row.bytes.saturating_add(request.bytes);
        match request.duration {
            Ok(duration) => {
                let outcome = verdict.outcome as usize;
                let bucket = row.durations[outcome].observe(&self.edges, duration);
                if let Some(exemplar) = Exemplar::of(request, duration, now.unix) {
                    row.exemplars[outcome].keep(bucket, exemplar);
                }
                self.timed = true;
            }
            Err(reason) => self.unmeasured[reason as usize] += 1,
        }
        for (slo, good) in [
            (Slo::Availability, verdict.availability),
            (Slo::Latency, verdict.latency),
        ] {
            if let (Some(good), Some(_)) = (good, fixed.objectives.ratio(slo)) {
                row.events[slo as usize][usize::from(good)] += 1;
            }
        }
        self.protocols[request.protocol as usize][request.scheme as usize] += 1;
        self.count_cache(fixed.route_id, request.cache);
        self.count_attempts(id, request, now);
    }

    fn count_cache(&mut self, route: RouteId, cache: Option<Cache>) {
        if let Some(cache) = cache {
            self.routes[route].cache[cache as usize] += 1;
        }
    }

    fn count_attempts(&mut self, id: RowId, request: &Request<'_>, now: Now) {
        let (attempts, upstreams) = (&request.attempts, &mut self.upstreams);
        if attempts.addresses.is_empty() && attempts.untold == 0 {
            return;
        }
        // What most lines tell: one try, at a known node.
        if let Some(index) = upstreams.index_of(&attempts.addresses)
            && let Some((code, duration)) = attempts.single()
        {
            upstreams.count_at(index, code, Some(duration), &self.edges, now.unix, &mut self.room);
            return;
        }
        let mut tries = 0;
        for attempt in attempts.iter() {
            tries += 1;
            upstreams.count(&attempt, &self.edges, now.unix, &mut self.room);
        }
        self.rows[id].retried += u64::from(tries > 1);
    }

    /// Drops upstreams that nobody tried for long.
    pub fn forget(&mut self, now: Now) {
        self.upstreams.forget(now.unix, &mut self.room);
    }

    /// The same counts under another configuration: series that still exist go on, new ones start at zero, and
    /// a bucket edge that is new takes its lower neighbour's cumulative count.
    pub fn carried_over(mut self, model: &Model) -> Self {
        let mut fresh = Self::new(model);
        for row in &mut fresh.rows {
            let Some(old) = self
                .rows
                .iter_mut()
                .find(|old| old.route == row.route && old.method == row.method)
            else {
                continue;
            };
            row.shown |= old.shown;
            row.codes.merge(&old.codes, &mut fresh.room);
            for (new, old) in row.durations.iter_mut().zip(&old.durations) {
                *new = old.with_edges(&self.edges, &model.edges);
            }
            (row.bytes, row.retried, row.events) = (old.bytes, old.retried, old.events);
        }
        for route in &mut fresh.routes {
            if let Some(old) = self.routes.iter().find(|old| old.route == route.route) {
                route.cache = old.cache;
            }
        }
        fresh
            .upstreams
            .merge(self.upstreams, &self.edges, &model.edges, &mut fresh.room);
        fresh.room.hits = self.room.hits;
        Self {
            protocols: self.protocols,
            unmeasured: self.unmeasured,
            timed: self.timed,
            ..fresh
        }
    }
}

fn counted_rows<S: Serializer>(rows: &[RowTally], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().filter(|row| row.codes.total() > 0))
}

fn counted_routes<S: Serializer>(routes: &[RouteTally], serializer: S) -> Result<S::Ok, S::Error> {
    let is_counted = |route: &&RouteTally| route.cache.iter().any(|count| *count > 0);
    serializer.collect_seq(routes.iter().filter(is_counted))
}

#[cfg(test)]
mod tests;
