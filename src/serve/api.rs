//! `/api/v1/status`: the published state as JSON, for people and programs that are not Prometheus.
//! Times are Unix seconds, durations seconds, sizes bytes; what is not known is `null` or absent.

mod endpoint;
mod figures;
mod history;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use self::endpoint::EndpointStatus;
pub(super) use self::figures::{Figures, Scope};
pub(super) use self::history::{Columns, Query};
use super::peers::PeerStatus;
use crate::checkpoint::saver::Checkpoint;
use crate::clock::Now;
use crate::decode::Decided;
use crate::metrics::{Own, promql};
use crate::record::{EventKind, Reject, UnixMillis, Unmeasured};
use crate::source::Snapshot;
use crate::summary::Verdict;
use crate::tail::{FileStatus, Rotation};
use crate::tally::{CodeCounts, LogTally, Upstream};

/// The whole document.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    /// The machine's name.
    node: &'a str,
    version: &'static str,
    revision: &'static str,
    /// When the figures were taken.
    time: f64,
    /// Everything on disk at the start is counted; until then `endpoints`, `upstreams` and `apps` are empty.
    ready: bool,
    verdict: Verdict,
    /// Where the metrics are.
    telemetry_path: &'a str,
    /// The other nodes, where a scope was asked for.
    peers: Option<&'a [PeerStatus]>,
    /// Since when figures over time are known.
    history_begin: Option<f64>,
    /// Whose figures the endpoints show: `node`, or `pair` together with the peers that answered.
    scope: Scope,
    /// By window: requests a second, without health checks.
    rate: BTreeMap<&'static str, f64>,
    /// Upper edges of `buckets`, in seconds; the last bucket has none.
    edges_seconds: Vec<f64>,
    endpoints: Vec<EndpointStatus<'a>>,
    upstreams: Vec<UpstreamStatus<'a>>,
    apps: Vec<AppStatus<'a>>,
    sources: Vec<SourceStatus<'a>>,
    exporter: ExporterStatus,
    /// What gives the same figures in Prometheus, by figure.
    promql: BTreeMap<&'static str, &'static str>,
}

/// The exporter itself.
#[derive(Debug, Serialize)]
struct ExporterStatus {
    /// When state was last saved; `null` where none is kept.
    checkpoint_time: Option<f64>,
    checkpoint_failures: Option<u64>,
    resident_memory_bytes: Option<u64>,
    start_time: Option<f64>,
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
struct UpstreamStatus<'a> {
    upstream: &'a str,
    attempts: u64,
    codes: BTreeMap<String, u64>,
    /// `up`, `failing` or `idle`, by the last minute.
    state: &'static str,
    /// Since when it has been failing.
    since: Option<f64>,
    /// When a try was last counted.
    last_attempt_time: Option<f64>,
    /// Share of the last minute's tries that failed.
    error_ratio: Option<f64>,
    /// A pattern of the codes that are errors, for PromQL.
    error_codes: String,
    /// By window: share of all tries that went here.
    share: BTreeMap<&'static str, f64>,
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
    last_start_time: Option<f64>,
    /// Requests the rate limiter refused.
    throttled: u64,
    /// By window, how many more there were of these.
    starts_in: BTreeMap<&'static str, u64>,
    unclean_exits_in: BTreeMap<&'static str, u64>,
    throttled_in: BTreeMap<&'static str, u64>,
}

impl<'a> Status<'a> {
    /// Of these sources, with what the history says of them.
    pub(super) fn new(
        sources: &'a [Arc<Snapshot>],
        figures: &'a Figures,
        site: &'a About<'a>,
        own: &Own,
    ) -> Self {
        let ready = !sources.iter().any(|source| source.catching_up);
        let counted = || sources.iter().filter(move |_| ready);
        let upstreams: Vec<_> = counted()
            .filter_map(|source| Some((source.requests()?, &source.model.config.error_codes)))
            .flat_map(|(tally, codes)| tally.upstreams.iter().map(move |node| (node, codes)))
            .map(|(node, codes)| UpstreamStatus::new(node, endpoint::pattern(codes.patterns()), figures))
            .collect();
        Self {
            node: site.node,
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("BINGO_EXPORTER_REVISION"),
            time: sources
                .iter()
                .map(|source| seconds(source.now.unix))
                .fold(0.0, f64::max),
            ready,
            verdict: figures.verdict(sources, &upstreams, site.now),
            telemetry_path: site.telemetry_path,
            peers: site.peers.as_deref(),
            history_begin: figures.begin.map(seconds),
            scope: figures.scope,
            rate: figures.rates(),
            edges_seconds: figures.edges.iter().map(|edge| *edge as f64 / 1e9).collect(),
            endpoints: figures.statuses(sources),
            upstreams,
            apps: counted()
                .filter_map(|source| source.apps())
                .flat_map(|tally| tally.logs())
                .map(|log| AppStatus::new(log, figures))
                .collect(),
            sources: sources
                .iter()
                .map(|source| SourceStatus::new(source, site.now))
                .collect(),
            exporter: ExporterStatus::new(own, site.checkpoint),
            promql: promql::questions(),
        }
    }
}

/// What is known of the answer besides its figures.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// The machine's name.
    pub(super) node: &'a str,
    /// Where the metrics are.
    pub(super) telemetry_path: &'a str,
    /// The other nodes.
    pub(super) peers: Option<Vec<PeerStatus>>,
    /// When it is asked.
    pub(super) now: Now,
    /// How saving goes; `None` where no state is kept.
    pub(super) checkpoint: Option<Checkpoint>,
}

impl ExporterStatus {
    fn new(own: &Own, checkpoint: Option<Checkpoint>) -> Self {
        Self {
            checkpoint_time: checkpoint.and_then(|checkpoint| checkpoint.saved).map(seconds),
            checkpoint_failures: checkpoint.map(|checkpoint| checkpoint.failures),
            resident_memory_bytes: own.process.resident_memory_bytes,
            start_time: own.process.start_time_seconds,
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

impl<'a> UpstreamStatus<'a> {
    fn new(upstream: &'a Upstream, error_codes: String, figures: &Figures) -> Self {
        let seen = figures.upstreams.get(&upstream.name).cloned().unwrap_or_default();
        let state = match seen.error_ratio {
            None => "idle",
            Some(ratio) if ratio > verdict::UPSTREAM_FAILS => "failing",
            Some(_) => "up",
        };
        Self {
            upstream: &upstream.name,
            attempts: upstream.codes.total(),
            codes: by_code(&upstream.codes),
            state,
            since: seen.since.filter(|_| state == "failing"),
            last_attempt_time: Some(upstream.last_seen).filter(|seen| *seen > 0).map(seconds),
            error_ratio: seen.error_ratio,
            error_codes,
            share: seen.share,
        }
    }
}

impl<'a> AppStatus<'a> {
    fn new(log: &'a LogTally, figures: &Figures) -> Self {
        let [starts_in, unclean_exits_in, throttled_in] = figures.app(&log.id);
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
            last_start_time: log.last_event[EventKind::Start as usize].map(seconds),
            throttled: log.events_of(EventKind::Throttled),
            starts_in,
            unclean_exits_in,
            throttled_in,
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
