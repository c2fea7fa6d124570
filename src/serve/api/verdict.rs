//! What is wrong with a node, of all its sources together.

use std::sync::Arc;

use crate::clock::Now;
use crate::record::EventKind;
use crate::source::{Snapshot, SourceName};
use crate::summary::{Level, Problem, Verdict, text};
use crate::tail::FileState;

use super::UpstreamStatus;

/// bingo's heartbeats come every few seconds; one that is older than this is missing.
const HEARTBEAT: f64 = 60.0;

/// More than this share of attempts failing is a failing upstream.
pub(super) const UPSTREAM_FAILS: f64 = 0.05;

/// What the sources say about themselves and about bingo's processes.
pub(super) fn problems(sources: &[Arc<Snapshot>], now: Now) -> Vec<Problem> {
    let mut problems = vec![];
    for source in sources {
        let name = source.source;
        for file in source
            .files
            .iter()
            .filter(|file| file.state == FileState::Unreadable)
        {
            let why = file.problem.as_deref().unwrap_or("it cannot be read");
            let text = format!("the {name} log {} cannot be read: {why}", file.path.display());
            problems.push(Problem::new(Level::Warning, text, None));
        }
        if source.is_complete(now) == Some(false) {
            let text =
                format!("the {name} log's figures are incomplete: lines were lost, rejected or are waiting");
            problems.push(Problem::new(Level::Warning, text, None));
        }
        for log in source.apps().into_iter().flat_map(|tally| tally.logs()) {
            let heartbeat = log.last_event[EventKind::Heartbeat as usize].map(|time| time as f64 / 1e3);
            let age = heartbeat.map(|time| now.unix as f64 / 1e3 - time);
            if age.is_some_and(|age| age > HEARTBEAT) && !log.is_overflow() {
                let text = format!("bingo {} gives no heartbeat", log.id);
                problems.push(Problem::new(Level::Warning, text, heartbeat));
            }
        }
    }
    problems
}

/// An upstream whose attempts fail.
pub(super) fn upstream(upstream: &UpstreamStatus<'_>) -> Option<Problem> {
    let ratio = upstream.error_ratio.filter(|_| upstream.state == "failing")?;
    let text = format!(
        "upstream {} fails {} of its attempts",
        upstream.upstream,
        text::percent(ratio)
    );
    Some(Problem::new(Level::Warning, text, upstream.since))
}

/// The verdict where nothing can be said of the requests: of the rest.
pub(super) fn blind(sources: &[Arc<Snapshot>], now: Now) -> Option<Verdict> {
    if sources.iter().any(|source| source.catching_up) {
        // What was read up to here is old, and so are its heartbeats.
        let why = "catching up with what was written before the start; figures follow in a moment";
        return Some(Verdict::unknown(why.to_owned()));
    }
    let why = unseen(sources)?;
    let problems = problems(sources, now);
    Some(if problems.is_empty() {
        Verdict::unknown(why)
    } else {
        Verdict::new(&why, problems, now.unix as f64 / 1e3)
    })
}

/// Why no request was seen, where that is so.
fn unseen(sources: &[Arc<Snapshot>]) -> Option<String> {
    let Some(access) = sources.iter().find(|source| source.source == SourceName::Access) else {
        return Some("no access log is configured: nothing is known of requests".to_owned());
    };
    if access.files.iter().any(|file| file.state == FileState::Following)
        || access.state.intake.lines.total() > 0
    {
        return None;
    }
    let files: Vec<_> = access
        .files
        .iter()
        .map(|file| format!("{} is {}", file.path.display(), file.state))
        .collect();
    Some(format!("no access log to read yet: {}", files.join(", ")))
}

/// What is being done, and what is wrong.
pub(super) fn verdict(
    rate: f64,
    known_seconds: f64,
    ever: bool,
    problems: Vec<Problem>,
    now: f64,
) -> Verdict {
    let state = match () {
        () if rate > 0.0 => format!("serving {}", text::rate(rate)),
        () if !ever => "no requests yet".to_owned(),
        () => format!("no requests in the last {}", text::duration(known_seconds)),
    };
    let quiet = rate <= 0.0 && problems.is_empty();
    let verdict = Verdict::new(&state, problems, now);
    if quiet {
        Verdict {
            level: Level::Unknown,
            sentence: state,
            ..verdict
        }
    } else {
        verdict
    }
}
