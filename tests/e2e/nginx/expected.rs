//! What the exporter must say, from the clients' ledger and nginx's own words; none of the exporter's code.

use std::collections::BTreeMap;

use super::journal::{self, Line, Try};
use super::load::Entry;
use super::plan::Course;

pub(crate) struct Expected {
    /// By route, method and outcome.
    pub(crate) durations: BTreeMap<[String; 3], Histogram>,
    /// By route, method, objective and result; what is zero is not there.
    pub(crate) slo: BTreeMap<[String; 4], u64>,
    /// The same from a log without times.
    pub(crate) slo_without_times: BTreeMap<[String; 4], u64>,
}

/// Milliseconds, all of them.
#[derive(Debug, Default)]
pub(crate) struct Histogram(Vec<u64>);

impl Histogram {
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many are at most this many seconds.
    pub(crate) fn up_to(&self, edge: &str) -> u64 {
        let edge: f64 = edge.parse().unwrap();
        self.0
            .iter()
            .filter(|millis| **millis as f64 <= edge * 1000.0)
            .count() as u64
    }
}

impl Expected {
    pub(crate) fn new(entries: &[Entry], lines: &[Line]) -> Self {
        let logged = journal::by_id(lines);
        let mut expected = Self {
            durations: BTreeMap::new(),
            slo: BTreeMap::new(),
            slo_without_times: BTreeMap::new(),
        };
        for entry in entries {
            // What has no line by its number is no request, and nobody's objective.
            if let Some(line) = logged.get(&entry.planned.id) {
                expected.observe(entry.row(), outcome(entry.status), line.millis());
                expected.judge(entry, line.millis());
            }
        }
        for line in lines.iter().filter(|line| line.id().is_none()) {
            let method = if line.request.starts_with("OPTIONS ") {
                "OPTIONS"
            } else {
                "OTHER"
            };
            expected.observe(["other", method].map(str::to_owned), "ok", line.millis());
        }
        expected
    }

    fn observe(&mut self, [route, method]: [String; 2], outcome: &str, millis: u64) {
        self.durations
            .entry([route, method, outcome.to_owned()])
            .or_default()
            .0
            .push(millis);
    }

    fn judge(&mut self, entry: &Entry, logged_millis: u64) {
        let objectives = entry.planned.kind.objectives;
        if !objectives.availability {
            return;
        }
        let [route, method] = entry.row();
        let event = |slo: &str, good: bool| {
            let result = if good { "good" } else { "bad" };
            [&*route, &*method, slo, result].map(str::to_owned)
        };
        let mut count = |slo, good| *self.slo.entry(event(slo, good)).or_insert(0) += 1;
        if let Course::GivenUp { after } = entry.planned.course {
            // Early, it says nothing; late, the service failed its client. Where the machine was so busy that
            // early came late, nginx knows.
            let patience = objectives.latency.unwrap_or(1000);
            if after > patience || logged_millis > patience {
                count("availability", false);
                if objectives.latency.is_some() {
                    count("latency", false);
                }
            }
            return;
        }
        let good = outcome(entry.status) == "ok";
        count("availability", good);
        if let Some(under) = objectives.latency.filter(|_| good) {
            count("latency", was_fast(entry, under, logged_millis));
        }
        *self
            .slo_without_times
            .entry(event("availability", good))
            .or_insert(0) += 1;
    }
}

/// Where the client knows: it had its answer long before the threshold, or the node was told to take longer.
/// Between the two, on a machine that was busy with something else, only nginx can tell what it measured.
fn was_fast(entry: &Entry, under: u64, logged_millis: u64) -> bool {
    let told = match entry.planned.course {
        Course::Answered { delay } => delay,
        Course::GivenUp { .. } | Course::Raw { .. } => 0,
    };
    if told > under && entry.millis >= told {
        false
    } else if entry.millis * 2 < under {
        true
    } else {
        logged_millis <= under
    }
}

/// An answer counts as an error by its code; a client that gave up had none.
fn outcome(status: u16) -> &'static str {
    if matches!(status, 429 | 499 | 500..) {
        "error"
    } else {
        "ok"
    }
}

/// Every try at a node in the log.
pub(crate) fn tries(lines: &[Line]) -> Vec<Try> {
    lines.iter().flat_map(Line::tries).collect()
}

pub(crate) fn by_node_and_code(tries: &[Try]) -> BTreeMap<[String; 2], u64> {
    count(tries.iter().map(|one| [one.node.clone(), one.code.clone()]))
}

pub(crate) fn durations_by_node(tries: &[Try]) -> BTreeMap<String, Histogram> {
    let mut histograms: BTreeMap<String, Histogram> = BTreeMap::new();
    for one in tries {
        histograms
            .entry(one.node.clone())
            .or_default()
            .0
            .extend(one.millis);
    }
    histograms
}

/// One node's tries by code, in the node's own words: one without an answer, or that nginx did not wait for,
/// was left hanging.
pub(crate) fn codes_at(tries: &[Try], node: &str) -> BTreeMap<String, u64> {
    let at_node = tries.iter().filter(|one| one.node == node);
    count(at_node.map(|one| {
        if matches!(&*one.code, "none" | "504") {
            "hung".to_owned()
        } else {
            one.code.clone()
        }
    }))
}

/// Requests that needed more than one node, by route and method.
pub(crate) fn retried(entries: &[Entry], lines: &[Line]) -> BTreeMap<[String; 2], u64> {
    let logged = journal::by_id(lines);
    let is_retried = |entry: &&Entry| {
        logged
            .get(&entry.planned.id)
            .is_some_and(|line| line.tries().len() > 1)
    };
    count(entries.iter().filter(is_retried).map(Entry::row))
}

pub(crate) fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// Body bytes by route and method; what is zero is not there.
pub(crate) fn bytes(entries: &[Entry]) -> BTreeMap<[String; 2], u64> {
    let mut sums = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.bytes > 0) {
        *sums.entry(entry.row()).or_insert(0) += entry.bytes;
    }
    sums
}
