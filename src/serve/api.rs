//! `/api/v1/status`: the published state as JSON, for people and programs that are not Prometheus.
//! Times are Unix seconds, durations seconds, sizes bytes; what is not known is `null` or absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Now;
use crate::decode::Decided;
use crate::record::{EventKind, Reject, UnixMillis, Unmeasured};
use crate::route::Row;
use crate::slo::{Objectives, Slo};
use crate::source::Snapshot;
use crate::tail::{FileStatus, Rotation};
use crate::tally::{CodeCounts, LogTally, RowTally, Upstream};

/// The whole document.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    version: &'static str,
    revision: &'static str,
    /// When the figures were taken.
    time: f64,
    /// Everything on disk at the start is counted; until then `endpoints`, `upstreams` and `apps` are empty.
    ready: bool,
    sources: Vec<SourceStatus<'a>>,
    endpoints: Vec<EndpointStatus<'a>>,
    upstreams: Vec<UpstreamStatus<'a>>,
    apps: Vec<AppStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct SourceStatus<'a> {
    source: &'static str,
    /// Whether the numbers of the last ten minutes can be trusted; `null` without a log.
    complete: Option<bool>,
    counted: u64,
    ignored: u64,
    rejected: u64,
    rejected_by_reason: BTreeMap<&'static str, u64>,
    unmeasured_by_reason: BTreeMap<&'static str, u64>,
    late: u64,
    early: u64,
    last_line_time: Option<f64>,
    read_bytes: u64,
    unread_bytes: u64,
    lost_bytes: u64,
    oldest_unread_seconds: Option<f64>,
    rotations: BTreeMap<&'static str, u64>,
    files: Vec<FileView<'a>>,
}

/// A file, and how its lines are read.
#[derive(Debug, Serialize)]
struct FileView<'a> {
    #[serde(flatten)]
    file: &'a FileStatus,
    /// Of an access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Decided>,
}

#[derive(Debug, Serialize)]
struct EndpointStatus<'a> {
    route: &'a str,
    method: &'static str,
    probe: bool,
    requests: u64,
    codes: BTreeMap<String, u64>,
    response_bytes: u64,
    retried: u64,
    objectives: Vec<ObjectiveStatus>,
}

#[derive(Debug, Serialize)]
struct ObjectiveStatus {
    slo: &'static str,
    /// Share that must be good.
    objective: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_seconds: Option<f64>,
    good: u64,
    bad: u64,
    /// Share that was good since counting began; `null` before the first event.
    ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
struct UpstreamStatus<'a> {
    upstream: &'a str,
    attempts: u64,
    codes: BTreeMap<String, u64>,
}

/// A log of bingo's own.
#[derive(Debug, Serialize)]
struct AppStatus<'a> {
    log_id: &'a str,
    version: Option<&'a str>,
    go_version: Option<&'a str>,
    starts: u64,
    /// Starts without a shutdown before them.
    unclean_exits: Option<u64>,
    last_start_duration_seconds: Option<f64>,
    last_heartbeat_time: Option<f64>,
    /// Requests the rate limiter refused.
    throttled: u64,
}

impl<'a> Status<'a> {
    /// Of these sources.
    pub(super) fn new(sources: &'a [Arc<Snapshot>], now: Now) -> Self {
        let ready = !sources.iter().any(|source| source.catching_up);
        let counted = || sources.iter().filter(move |_| ready);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("BINGO_EXPORTER_REVISION"),
            time: sources
                .iter()
                .map(|source| seconds(source.now.unix))
                .fold(0.0, f64::max),
            ready,
            sources: sources
                .iter()
                .map(|source| SourceStatus::new(source, now))
                .collect(),
            endpoints: counted().flat_map(|source| EndpointStatus::all(source)).collect(),
            upstreams: counted()
                .filter_map(|source| source.requests())
                .flat_map(|tally| tally.upstreams.iter().map(UpstreamStatus::new))
                .collect(),
            apps: counted()
                .filter_map(|source| source.apps())
                .flat_map(|tally| tally.logs().iter().map(AppStatus::new))
                .collect(),
        }
    }
}

impl<'a> SourceStatus<'a> {
    fn new(source: &'a Snapshot, now: Now) -> Self {
        let intake = &source.state.intake;
        let lines = &intake.lines;
        let named = |names: Vec<&'static str>, counts: &[u64]| {
            names.into_iter().zip(counts.iter().copied()).collect()
        };
        Self {
            source: source.source.as_str(),
            complete: source.is_complete(now),
            counted: lines.counted,
            ignored: lines.ignored,
            rejected: lines.rejected_total(),
            rejected_by_reason: named(
                Reject::ALL.iter().map(|reason| reason.as_str()).collect(),
                &lines.rejected,
            ),
            unmeasured_by_reason: named(
                Unmeasured::ALL.iter().map(|reason| reason.as_str()).collect(),
                source.unmeasured().map_or(&[], |counts| counts),
            ),
            late: lines.late,
            early: lines.early,
            last_line_time: lines.last_timestamp.map(seconds),
            read_bytes: intake.read_bytes,
            unread_bytes: source.unread_bytes,
            lost_bytes: intake.lost_bytes,
            oldest_unread_seconds: source.oldest_unread(now).map(|waited| waited.as_secs_f64()),
            rotations: named(
                Rotation::ALL.iter().map(|kind| kind.as_str()).collect(),
                &intake.rotations,
            ),
            files: source
                .files
                .iter()
                .map(|file| FileView {
                    file,
                    format: source.format(&file.path),
                })
                .collect(),
        }
    }
}

impl<'a> EndpointStatus<'a> {
    fn all(source: &'a Snapshot) -> impl Iterator<Item = Self> {
        source.requests().into_iter().flat_map(|tally| {
            let rows = source.model.routes.rows.iter().zip(&tally.rows);
            rows.filter(|(_, row)| row.shown)
                .map(|(fixed, row)| Self::new(fixed, row))
        })
    }

    fn new(row: &Row, tally: &'a RowTally) -> Self {
        Self {
            route: &tally.route,
            method: tally.method.as_str(),
            probe: row.probe,
            requests: tally.codes.total(),
            codes: by_code(&tally.codes),
            response_bytes: tally.bytes,
            retried: tally.retried,
            objectives: Slo::ALL
                .iter()
                .filter_map(|slo| ObjectiveStatus::new(*slo, &row.objectives, tally))
                .collect(),
        }
    }
}

impl ObjectiveStatus {
    fn new(slo: Slo, objectives: &Objectives, tally: &RowTally) -> Option<Self> {
        let objective = objectives.ratio(slo)?;
        let threshold = objectives
            .latency
            .filter(|_| slo == Slo::Latency)
            .map(|latency| latency.under as f64 / 1e9);
        let [bad, good] = tally.events[slo as usize];
        let ratio = (bad + good > 0).then(|| good as f64 / (bad + good) as f64);
        Some(Self {
            slo: slo.as_str(),
            objective,
            threshold_seconds: threshold,
            good,
            bad,
            ratio,
        })
    }
}

impl<'a> UpstreamStatus<'a> {
    fn new(upstream: &'a Upstream) -> Self {
        Self {
            upstream: &upstream.name,
            attempts: upstream.codes.total(),
            codes: by_code(&upstream.codes),
        }
    }
}

impl<'a> AppStatus<'a> {
    fn new(log: &'a LogTally) -> Self {
        // Of directories that are counted together, only sums mean something.
        let one = !log.is_overflow();
        Self {
            log_id: &log.id,
            version: log.version.as_deref(),
            go_version: log.go_version.as_deref(),
            starts: log.events_of(EventKind::Start),
            unclean_exits: one.then_some(log.unclean_exits),
            last_start_duration_seconds: log.last_start.map(|millis| millis as f64 / 1e3),
            last_heartbeat_time: log.last_event[EventKind::Heartbeat as usize].map(seconds),
            throttled: log.events_of(EventKind::Throttled),
        }
    }
}

/// Codes that occurred.
fn by_code(codes: &CodeCounts) -> BTreeMap<String, u64> {
    codes
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| (code.to_string(), count))
        .collect()
}

fn seconds(millis: UnixMillis) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests;
