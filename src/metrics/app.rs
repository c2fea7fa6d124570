//! What bingo's own log tells: `bingo_app_*`.

use super::exposition::Exposition;
use super::labels::{Text, Value};
use super::unix_seconds;
use crate::record::{Code, EventKind, Level, Method};
use crate::tally::{AppRoute, AppTally, LogTally, UNKNOWN};

pub(super) fn write(text: &mut Exposition, tally: &AppTally) {
    events(text, tally);
    life(text, tally);
    requests(text, tally);
}

fn events(text: &mut Exposition, tally: &AppTally) {
    text.counter_by(
        "level",
        "bingo_app_log_lines",
        "Lines of bingo's own log, by the level bingo gave them.",
        tally
            .logs()
            .iter()
            .map(|log| (id(log), Level::ALL.iter().copied().zip(log.lines))),
    );
    text.counter_by(
        "event",
        "bingo_app_events",
        "Lines of bingo's own log, by what they tell of; throttled are requests that the rate limiter refused.",
        tally
            .logs()
            .iter()
            .map(|log| (id(log), EventKind::ALL.iter().map(|kind| (*kind, log.events_of(*kind))))),
    );
    text.gauge_by(
        "event",
        "bingo_app_last_event_timestamp_seconds",
        "When bingo last wrote a line of this kind, by the line's own time stamp; a heartbeat that grows old means \
         that bingo is gone or hangs.",
        tally.logs().iter().map(|log| {
            let last = EventKind::ALL.iter().zip(log.last_event);
            (id(log), last.filter_map(|(kind, time)| Some((*kind, unix_seconds(time?)))))
        }),
    );
}

/// Starts and deaths, of logs that are one process's.
fn life(text: &mut Exposition, tally: &AppTally) {
    let logs = || tally.logs().iter().filter(|log| !log.is_overflow());
    text.counter(
        "bingo_app_unclean_exits",
        "Starts of bingo that no graceful shutdown came before: it crashed or was killed. Rises at the next start, \
         since a death leaves no line.",
        logs().map(|log| (id(log), log.unclean_exits)),
    );
    text.gauge(
        "bingo_app_last_start_duration_seconds",
        "How long bingo's last complete start took until it served; half a minute means that it waited for an address \
         it cannot reach.",
        logs().filter_map(|log| log.last_start.map(|millis| (id(log), millis as f64 / 1e3))),
    );
    text.gauge(
        "bingo_app_info",
        "1; the versions of bingo and of its Go runtime that last wrote to the log.",
        logs().map(|log| {
            let (version, go_version) = (log.version.as_deref(), log.go_version.as_deref());
            (
                (
                    id(log),
                    ("version", version.unwrap_or(UNKNOWN)),
                    ("go_version", go_version.unwrap_or(UNKNOWN)),
                ),
                1u64,
            )
        }),
    );
}

fn requests(text: &mut Exposition, tally: &AppTally) {
    let routes = shown(tally);
    text.counter_by(
        "code",
        "bingo_app_requests",
        "Requests that bingo itself says it answered, by endpoint, method and status code; unknown is what its log \
         does not say.",
        routes.iter().flat_map(|(labels, route)| {
            route.methods.iter().enumerate().map(move |(method, codes)| {
                let method = Method::ALL.get(method).map_or(UNKNOWN, |method| method.as_str());
                let codes = codes.iter().map(|(code, count)| (Told(code), count));
                ((labels, ("method", method)), codes)
            })
        }),
    );
    text.histogram(
        "bingo_app_request_duration_seconds",
        "How long bingo itself says it took to answer, without the proxy and the network.",
        &tally.edges,
        routes
            .iter()
            .filter(|_| tally.unit.is_some())
            .map(|(labels, route)| (labels, &route.durations, None)),
    );
}

/// The routes of all logs, each with the labels that its samples have.
fn shown(tally: &AppTally) -> Vec<(Text, &AppRoute)> {
    let logs = tally.logs().iter();
    let routes = logs.flat_map(|log| log.routes.iter().map(move |route| (log, route)));
    routes
        .map(|(log, route)| (Text::of(&(id(log), ("route", &*route.route))), route))
        .collect()
}

/// A code where the log tells one.
struct Told(Code);

impl Value for Told {
    fn write(&self, text: &mut String) {
        match self.0 {
            Code::NONE => UNKNOWN.write(text),
            code => code.write(text),
        }
    }
}

fn id(log: &LogTally) -> (&'static str, &str) {
    ("log_id", &log.id)
}
