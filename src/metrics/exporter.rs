//! What the exporter knows of itself: `bingo_exporter_*` and `process_*`.

use super::exposition::Exposition;
use super::{Scrape, unix_seconds};
use crate::checkpoint::saver::Checkpoint;
use crate::process::ProcessStats;
use crate::record::{Reject, Unmeasured};
use crate::reload::Outcome;
use crate::source::{Snapshot, SourceName};
use crate::tail::{FileState, Rotation};

/// The exporter's own figures, read at the scrape.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Of the operating system.
    pub process: ProcessStats,
    /// How often each limit of the HTTP server and the log was hit.
    pub limit_hits: Vec<(&'static str, u64)>,
    /// How the last reload of the configuration went.
    pub reload: Option<Outcome>,
}

/// `checkpoint` is `None` where no state is kept.
pub(super) fn write_checkpoint(text: &mut Exposition, checkpoint: Option<Checkpoint>) {
    text.single(
        "bingo_exporter_checkpoint_timestamp_seconds",
        "When positions and counts were last saved.",
        checkpoint
            .and_then(|checkpoint| checkpoint.saved)
            .map(unix_seconds),
    );
    text.single_counter(
        "bingo_exporter_checkpoint_failures",
        "How often saving positions and counts failed; after a restart the counters may begin at 0 then.",
        checkpoint.map(|checkpoint| checkpoint.failures),
    );
}

pub(super) fn write(text: &mut Exposition, scrape: &Scrape) {
    lines(text, scrape);
    files(text, scrape);
    trust(text, scrape);
    limits(text, scrape);
    process(text, &scrape.own.process);
}

fn lines(text: &mut Exposition, scrape: &Scrape) {
    let sources = || {
        scrape
            .sources
            .iter()
            .map(|source| (source.source, &source.state.intake.lines))
    };
    text.counter_by(
        "result",
        "bingo_exporter_lines",
        "Complete lines read, by what became of them; the three add up to all lines.",
        sources().map(|(name, lines)| {
            let results = [
                ("counted", lines.counted),
                ("ignored", lines.ignored),
                ("rejected", lines.rejected_total()),
            ];
            (("source", name), results)
        }),
    );
    text.counter_by(
        "reason",
        "bingo_exporter_rejected_lines",
        "Lines that could not be counted, by reason.",
        sources().map(|(name, lines)| (("source", name), Reject::ALL.iter().copied().zip(lines.rejected))),
    );
    text.counter_by(
        "reason",
        "bingo_exporter_unmeasured_requests",
        "Requests that were counted without a duration, by reason; most often the log format has no $request_time.",
        scrape.sources.iter().map(|source| {
            let counts = source.unmeasured().into_iter().flatten().copied();
            (("source", source.source), Unmeasured::ALL.iter().copied().zip(counts))
        }),
    );
    text.counter(
        "bingo_exporter_late_lines",
        "Lines read more than 60 seconds after their own time stamp: catching up, or a proxy that buffers its log.",
        sources().map(|(name, lines)| (("source", name), lines.late)),
    );
    text.counter(
        "bingo_exporter_early_lines",
        "Lines with a time stamp more than 60 seconds ahead of this machine's clock: a clock or a time zone is wrong.",
        sources().map(|(name, lines)| (("source", name), lines.early)),
    );
    text.gauge(
        "bingo_exporter_last_line_timestamp_seconds",
        "The newest time stamp seen in a line.",
        sources().filter_map(|(name, lines)| {
            lines
                .last_timestamp
                .map(|time| (("source", name), unix_seconds(time)))
        }),
    );
}

fn files(text: &mut Exposition, scrape: &Scrape) {
    let now = scrape.now;
    // Nothing waits in a log nobody has seen would hide a wrong path.
    let known = |(_, source): &(SourceName, &Snapshot)| source.is_complete(now).is_some();
    let sources = || scrape.sources.iter().map(|source| (source.source, &**source));
    text.counter(
        "bingo_exporter_read_bytes",
        "Bytes read from the logs.",
        sources().map(|(name, source)| (("source", name), source.state.intake.read_bytes)),
    );
    text.gauge(
        "bingo_exporter_unread_bytes",
        "Bytes on disk that were not read yet, without the held part of an unfinished line.",
        sources()
            .filter(known)
            .map(|(name, source)| (("source", name), source.unread_bytes)),
    );
    text.gauge(
        "bingo_exporter_oldest_unread_seconds",
        "How long the oldest unread byte waited to be read, maximum of the last minute.",
        sources().filter_map(|(name, source)| {
            source
                .oldest_unread(now)
                .map(|waited| (("source", name), waited.as_secs_f64()))
        }),
    );
    text.counter(
        "bingo_exporter_lost_bytes",
        "Bytes known to be gone before they were read: cut off by a truncation, say.",
        sources().map(|(name, source)| (("source", name), source.state.intake.lost_bytes)),
    );
    text.gauge_by(
        "state",
        "bingo_exporter_files",
        "Log files by what the exporter does with them; unreadable most often means a missing group, discarded that \
         the path leads to /dev/null, missing that nothing matches a configured path.",
        sources().map(|(name, source)| {
            (("source", name), FileState::ALL.iter().map(move |state| (*state, count(source, *state))))
        }),
    );
    text.gauge(
        "bingo_exporter_watching",
        "1 if the kernel tells of new log files, 0 if inotify is exhausted or missing and they are found by looking once \
         a second.",
        sources().map(|(name, source)| (("source", name), u64::from(source.watching))),
    );
    text.counter_by(
        "kind",
        "bingo_exporter_rotations",
        "How often a log file became another one.",
        sources().map(|(name, source)| {
            let rotations = Rotation::ALL.iter().copied().zip(source.state.intake.rotations);
            (("source", name), rotations)
        }),
    );
}

fn trust(text: &mut Exposition, scrape: &Scrape) {
    text.gauge(
        "bingo_exporter_complete",
        "1 if in the last 10 minutes nothing was lost, every file could be read, no byte waited 30 seconds and at most \
         1 % of the lines were rejected; absent without a log.",
        scrape.sources.iter().filter_map(|source| {
            source.is_complete(scrape.now).map(|complete| (("source", source.source), u64::from(complete)))
        }),
    );
    text.single(
        "bingo_exporter_catching_up",
        "1 from the start until what was on disk then is counted; request metrics are left out meanwhile.",
        Some(u64::from(scrape.is_catching_up())),
    );
    let reload = scrape.own.reload;
    text.single(
        "bingo_exporter_config_last_reload_successful",
        "1 if the last reload of the configuration succeeded, 0 if it was refused and the one before is in force.",
        reload.map(|outcome| u64::from(outcome.successful)),
    );
    text.single(
        "bingo_exporter_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was last read, at the start or by a reload.",
        reload.map(|outcome| unix_seconds(outcome.succeeded)),
    );
    text.gauge(
        "bingo_exporter_build_info",
        "1; the version and the source revision that run.",
        [(
            (
                ("version", env!("CARGO_PKG_VERSION")),
                ("revision", env!("BINGO_EXPORTER_REVISION")),
            ),
            1u64,
        )],
    );
}

fn limits(text: &mut Exposition, scrape: &Scrape) {
    let sum = |of: fn(&Snapshot) -> u64| scrape.sources.iter().map(|source| of(source)).sum::<u64>();
    let sources = [
        ("files", sum(|source| source.state.intake.over_limit)),
        (
            "line_bytes",
            sum(|source| source.state.intake.lines.rejected[Reject::TooLong as usize]),
        ),
        ("series", sum(|source| source.room().hits)),
        (
            "upstreams",
            sum(|source| source.requests().map_or(0, |tally| tally.upstreams.hits)),
        ),
    ];
    text.counter(
        "bingo_exporter_limit_hits",
        "How often a limit was hit: those of the configuration (limits.*), of the HTTP server, of the exporter's own log and of the page's history.",
        sources.into_iter().chain(scrape.own.limit_hits.iter().copied()).map(|(limit, hits)| (("limit", limit), hits)),
    );
}

fn process(text: &mut Exposition, process: &ProcessStats) {
    text.single_counter(
        "process_cpu_seconds",
        "Processor time used by the exporter, user and system.",
        process.cpu_seconds_total,
    );
    text.single("process_open_fds", "Open file descriptors.", process.open_fds);
    text.single(
        "process_max_fds",
        "File descriptors the exporter may open.",
        process.max_fds,
    );
    text.single(
        "process_virtual_memory_bytes",
        "Virtual memory size.",
        process.virtual_memory_bytes,
    );
    text.single(
        "process_resident_memory_bytes",
        "Resident memory size.",
        process.resident_memory_bytes,
    );
    text.single(
        "process_start_time_seconds",
        "When the exporter was started, Unix time.",
        process.start_time_seconds,
    );
}

fn count(source: &Snapshot, state: FileState) -> u64 {
    source.files.iter().filter(|file| file.state == state).count() as u64
}
