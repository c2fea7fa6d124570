//! What bingo's own logs tell. Each log directory is a process with a life of its own, so nothing here is summed
//! over directories.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{CodeCounts, Histogram, Room};
use crate::clock::Now;
use crate::model::Model;
use crate::record::DurationUnit;
use crate::record::{AppRequest, Code, Event, EventKind, Level, Method, Nanos, UnixMillis, Unmeasured};
use crate::route::RouteId;

/// A start that took longer is no start: clocks were set, or lines are missing.
const DAY: UnixMillis = 86_400_000;

/// Longest directory name that becomes a label as it is.
const LABEL_BYTES: usize = 64;

/// How much of another name goes into its replacement.
const READABLE_BYTES: usize = 40;

/// The label of all directories that `limits.series` has no room for.
const OVERFLOW: &str = "other";

/// The label of a route, method or code that a line does not have.
pub const UNKNOWN: &str = "unknown";

/// All logs of bingo's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppTally {
    /// Upper edges of all latency buckets, ascending.
    pub edges: Arc<[Nanos]>,
    /// The unit durations are read in; without one there are none.
    pub unit: Option<DurationUnit>,
    /// One for each log directory ever seen, in order of directories.
    logs: Vec<LogTally>,
    /// Requests without a duration, by [`Unmeasured`]; all zero without a unit.
    pub unmeasured: [u64; Unmeasured::COUNT],
    /// How many more series may be made.
    pub room: Room,
}

/// The log of one directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogTally {
    /// The directory's path, not necessarily UTF-8; empty where there was no room to tell directories apart.
    directory: Vec<u8>,
    /// Label: the directory's name, or a replacement. No two logs have the same.
    pub id: String,
    /// Lines by [`Level`].
    pub lines: [u64; Level::COUNT],
    /// Lines by [`EventKind`].
    pub events: [u64; EventKind::COUNT],
    /// The newest time stamp in a line, by [`EventKind`].
    pub last_event: [Option<UnixMillis>; EventKind::COUNT],
    /// Starts without a shutdown before them.
    pub unclean_exits: u64,
    /// How long the last complete start took, in milliseconds.
    pub last_start: Option<u64>,
    /// bingo's version, the last one seen.
    pub version: Option<String>,
    /// The Go runtime's version, the last one seen.
    pub go_version: Option<String>,
    /// By [`RouteId`]; one more for requests without a path. Those that count nothing are not saved.
    #[serde(serialize_with = "counted_routes")]
    pub routes: Vec<AppRoute>,
    /// A start was seen, and no shutdown since.
    running: bool,
    /// Since when it is starting, while it is.
    starting: Option<UnixMillis>,
}

/// The requests of one route in one log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppRoute {
    /// Label.
    pub route: Arc<str>,
    /// Requests by code, by [`Method`]; one more for requests without a method.
    pub methods: [CodeCounts; Method::COUNT + 1],
    /// How long bingo took.
    pub durations: Histogram,
}

fn counted_routes<S: Serializer>(routes: &[AppRoute], serializer: S) -> Result<S::Ok, S::Error> {
    let is_counted = |route: &&AppRoute| route.methods.iter().any(|codes| codes.total() > 0);
    serializer.collect_seq(routes.iter().filter(is_counted))
}

/// What was found out about a directory when it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// It was seen before.
    Known,
    /// Its name is its label.
    Named,
    /// Its name is no label, or another directory's: it has a replacement.
    Renamed,
    /// No room to tell it apart, for the first time.
    Overflow,
}

impl AppTally {
    /// No log yet.
    pub fn new(model: &Model) -> Self {
        Self {
            edges: Arc::clone(&model.edges),
            unit: model.config.app.duration_unit,
            logs: vec![],
            unmeasured: [0; Unmeasured::COUNT],
            room: Room::new(model.config.limits.series),
        }
    }

    /// All logs, in order of directories.
    pub fn logs(&self) -> &[LogTally] {
        &self.logs
    }

    /// The index of a directory's log, valid until the next call. On first sight of the directory its closed set
    /// appears at zero, under its name, which is `None` where it has none.
    pub fn sight(&mut self, model: &Model, directory: &[u8], name: Option<&[u8]>) -> (usize, Sighting) {
        let place = match self.find(directory) {
            Ok(index) => return (index, Sighting::Known),
            Err(place) => place,
        };
        if !self.room.reserve(LogTally::series(model)) {
            return match self.find(b"") {
                Ok(index) => (index, Sighting::Known),
                Err(place) => {
                    self.logs
                        .insert(place, LogTally::new(model, b"", OVERFLOW.into()));
                    (place, Sighting::Overflow)
                }
            };
        }
        let free = |id: &&str| self.logs.iter().all(|log| log.id != *id);
        let (id, sighting) = match name.and_then(label).filter(free) {
            Some(id) => (id.to_owned(), Sighting::Named),
            None => (
                self.replacement(directory, name.unwrap_or_default()),
                Sighting::Renamed,
            ),
        };
        self.logs.insert(place, LogTally::new(model, directory, id));
        (place, sighting)
    }

    /// Counts one event in its log.
    pub fn count(&mut self, model: &Model, log: usize, event: &Event<'_>, now: Now) {
        let log = &mut self.logs[log];
        log.lines[event.level as usize] += 1;
        log.events[event.kind as usize] += 1;
        if let Some(time) = event.time {
            let time = now.plausible(time);
            let last = &mut log.last_event[event.kind as usize];
            // The clock may have been set back since.
            *last = Some(last.map_or(time, |last| now.plausible(last).max(time)));
        }
        if log.is_overflow() {
            self.room.hits += 1;
        } else {
            log.follow(event);
        }
        let Some(request) = &event.request else { return };
        let route = &mut log.routes[route(model, request)];
        let method = request.method.map_or(Method::COUNT, |method| method as usize);
        route.methods[method].add(request.code, &mut self.room);
        match request.duration {
            Some(Ok(duration)) => drop(route.durations.observe(&self.edges, duration)),
            Some(Err(reason)) => self.unmeasured[reason as usize] += 1,
            None => {}
        }
    }

    /// The same counts under another configuration: directories and routes that still exist go on, new ones start at
    /// zero. So do durations whose unit changed, since they were not what they said.
    pub fn carried_over(self, model: &Model, exists: impl Fn(&[u8]) -> bool) -> Self {
        let mut fresh = Self::new(model);
        let measured = self.unit == fresh.unit;
        let kept = |log: &LogTally| log.is_overflow() || exists(&log.directory);
        for old in self.logs.into_iter().filter(kept) {
            fresh.room.reserve(LogTally::series(model));
            let mut log = LogTally::new(model, &old.directory, old.id.clone());
            for route in &mut log.routes {
                let Some(old) = old.routes.iter().find(|old| old.route == route.route) else {
                    continue;
                };
                for (new, old) in route.methods.iter_mut().zip(&old.methods) {
                    new.merge(old, &mut fresh.room);
                }
                if measured {
                    route.durations = old.durations.with_edges(&self.edges, &model.edges);
                }
            }
            fresh.logs.push(LogTally {
                routes: log.routes,
                ..old
            });
        }
        if measured {
            fresh.unmeasured = self.unmeasured;
        }
        fresh.room.hits = self.room.hits;
        fresh
    }

    /// Counts from zero. What the processes were last seen doing is no count: after the machine went down, their
    /// next start is an unclean exit's.
    pub fn reset(&mut self, model: &Model) {
        for log in &mut self.logs {
            let id = std::mem::take(&mut log.id);
            *log = LogTally {
                last_event: log.last_event,
                last_start: log.last_start,
                version: log.version.take(),
                go_version: log.go_version.take(),
                running: log.running,
                starting: log.starting,
                ..LogTally::new(model, &log.directory, id)
            };
        }
        (self.unmeasured, self.room.hits) = ([0; Unmeasured::COUNT], 0);
    }

    fn find(&self, directory: &[u8]) -> Result<usize, usize> {
        self.logs
            .binary_search_by(|log| log.directory.as_slice().cmp(directory))
    }

    /// A label for a directory whose name cannot be one: what can be read of the name, and a hash of the path.
    fn replacement(&self, directory: &[u8], name: &[u8]) -> String {
        let readable = name.iter().take(READABLE_BYTES);
        let readable: String = readable
            .map(|byte| if is_plain(byte) { char::from(*byte) } else { '_' })
            .collect();
        let mut seed = 0;
        loop {
            // Somebody may have named a directory like this one's replacement.
            let id = format!("{readable}-{:016x}", xxh3_64_with_seed(directory, seed));
            if self.logs.iter().all(|log| log.id != id) {
                return id;
            }
            seed += 1;
        }
    }
}

impl LogTally {
    /// The directory stands for all that there was no room for, so what it tells of is not one process's life.
    pub fn is_overflow(&self) -> bool {
        self.directory.is_empty()
    }

    /// Lines of this kind.
    pub fn events_of(&self, kind: EventKind) -> u64 {
        self.events[kind as usize]
    }

    fn new(model: &Model, directory: &[u8], id: String) -> Self {
        let (unknown, no_code) = (Arc::from(UNKNOWN), Arc::from([Code::NONE]));
        let route = |route: &Arc<str>| AppRoute {
            route: Arc::clone(route),
            methods: std::array::from_fn(|method| match method {
                Method::COUNT => CodeCounts::zeros(&no_code),
                _ => CodeCounts::default(),
            }),
            durations: Histogram::default(),
        };
        let mut routes: Vec<_> = model.routes.labels.iter().chain([&unknown]).map(route).collect();
        for row in model.routes.rows.iter().filter(|row| row.from_start) {
            routes[row.route_id].methods[row.method as usize] = CodeCounts::zeros(&model.zero_codes);
        }
        Self {
            directory: directory.into(),
            id,
            lines: [0; Level::COUNT],
            events: [0; EventKind::COUNT],
            last_event: [None; EventKind::COUNT],
            unclean_exits: 0,
            last_start: None,
            version: None,
            go_version: None,
            routes,
            running: false,
            starting: None,
        }
    }

    /// How many series a log makes before its first request.
    fn series(model: &Model) -> usize {
        const PER_HISTOGRAM: usize = 3; // sum, count, +Inf
        const EXITS_START_INFO: usize = 3;
        let routes = model.routes.labels.len() + 1;
        let from_start = model.routes.rows.iter().filter(|row| row.from_start).count();
        let measured = model.config.app.duration_unit.is_some();
        let histograms = if measured {
            routes * (model.edges.len() + PER_HISTOGRAM)
        } else {
            0
        };
        Level::COUNT
            + 2 * EventKind::COUNT
            + EXITS_START_INFO
            + from_start * model.zero_codes.len()
            + routes
            + histograms
    }

    /// Follows the life of the process. A death leaves no line: it shows as a start without a shutdown before it.
    /// What was before the first start ever seen is not known.
    fn follow(&mut self, event: &Event<'_>) {
        match event.kind {
            EventKind::Start => {
                self.unclean_exits += u64::from(self.running);
                (self.running, self.starting) = (true, event.time);
            }
            EventKind::Ready => {
                let took = self
                    .starting
                    .take()
                    .zip(event.time)
                    .map(|(begun, ready)| ready - begun);
                let took = took
                    .filter(|took| *took <= DAY)
                    .and_then(|took| u64::try_from(took).ok());
                self.last_start = took.or(self.last_start);
            }
            EventKind::Shutdown => (self.running, self.starting) = (false, None),
            _ => {}
        }
        replace(&mut self.version, event.version.as_deref());
        replace(&mut self.go_version, event.go_version.as_deref());
    }
}

fn replace(known: &mut Option<String>, seen: Option<&str>) {
    if seen.is_some() && known.as_deref() != seen {
        *known = seen.map(str::to_owned);
    }
}

/// The index of a request's route.
fn route(model: &Model, request: &AppRequest<'_>) -> RouteId {
    let path = request.path.as_ref();
    path.map_or(model.routes.labels.len(), |path| {
        model.routes.resolve_path(request.method, path)
    })
}

/// A directory's name where it can be a label.
fn label(name: &[u8]) -> Option<&str> {
    let plain = (1..=LABEL_BYTES).contains(&name.len()) && name.iter().all(is_plain);
    str::from_utf8(name)
        .ok()
        .filter(|name| plain && *name != OVERFLOW)
}

fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(byte)
}

#[cfg(test)]
mod tests;
