//! What bingo's own log tells: `bingo_app_*`.

use std::fmt;

use super::histograms::Histograms;
use super::labels::Value;
use super::{Families, unix_seconds};
use crate::record::{Code, EventKind, Level, Method};
use crate::tally::{AppRoute, AppTally, LogTally, UNKNOWN};

pub(super) fn encode(families: &mut Families<'_>, tally: &AppTally) -> fmt::Result {
    events(families, tally)?;
    life(families, tally)?;
    requests(families, tally)
}

fn events(families: &mut Families<'_>, tally: &AppTally) -> fmt::Result {
    families.counter(
        "bingo_app_log_lines",
        "Lines of bingo's own log, by the level bingo gave them.",
        tally.logs().iter().flat_map(|log| {
            Level::ALL
                .iter()
                .map(|level| ([id(log), ("level", level.as_str())], log.lines[*level as usize]))
        }),
    )?;
    families.counter(
        "bingo_app_events",
        "Lines of bingo's own log, by what they tell of; throttled are requests that the rate limiter refused.",
        tally.logs().iter().flat_map(|log| {
            EventKind::ALL
                .iter()
                .map(|kind| ([id(log), ("event", kind.as_str())], log.events_of(*kind)))
        }),
    )?;
    families.gauge(
        "bingo_app_last_event_timestamp_seconds",
        "When bingo last wrote a line of this kind, by the line's own time stamp; a heartbeat that grows old means \
         that bingo is gone or hangs.",
        tally.logs().iter().flat_map(|log| {
            EventKind::ALL.iter().filter_map(|kind| {
                let last = log.last_event[*kind as usize]?;
                Some(([id(log), ("event", kind.as_str())], unix_seconds(last)))
            })
        }),
    )
}

/// Starts and deaths, of logs that are one process's.
fn life(families: &mut Families<'_>, tally: &AppTally) -> fmt::Result {
    let logs = || tally.logs().iter().filter(|log| !log.is_overflow());
    families.counter(
        "bingo_app_unclean_exits",
        "Starts of bingo that no graceful shutdown came before: it crashed or was killed. Rises at the next start, \
         since a death leaves no line.",
        logs().map(|log| ([id(log)], log.unclean_exits)),
    )?;
    families.gauge(
        "bingo_app_last_start_duration_seconds",
        "How long bingo's last complete start took until it served; half a minute means that it waited for an address \
         it cannot reach.",
        logs().filter_map(|log| log.last_start.map(|millis| ([id(log)], millis as f64 / 1e3))),
    )?;
    families.gauge(
        "bingo_app_info",
        "1; the versions of bingo and of its Go runtime that last wrote to the log.",
        logs().map(|log| {
            let (version, go_version) = (log.version.as_deref(), log.go_version.as_deref());
            (
                [
                    id(log),
                    ("version", version.unwrap_or(UNKNOWN)),
                    ("go_version", go_version.unwrap_or(UNKNOWN)),
                ],
                1u64,
            )
        }),
    )
}

fn requests(families: &mut Families<'_>, tally: &AppTally) -> fmt::Result {
    families.counter(
        "bingo_app_requests",
        "Requests that bingo itself says it answered, by endpoint, method and status code; unknown is what its log \
         does not say.",
        routes(tally).flat_map(|(log, route)| {
            route.methods.iter().enumerate().flat_map(move |(method, codes)| {
                let method = Method::ALL.get(method).map_or(UNKNOWN, |method| method.as_str());
                codes.iter().map(move |(code, count)| {
                    let labels = [id(log), ("route", &*route.route), ("method", method)];
                    ((labels, ("code", Told(code))), count)
                })
            })
        }),
    )
}

pub(super) fn histograms(histograms: &mut Histograms<'_>, tally: &AppTally) -> fmt::Result {
    histograms.family(
        "bingo_app_request_duration_seconds",
        "How long bingo itself says it took to answer, without the proxy and the network.",
        &tally.edges,
        routes(tally)
            .filter(|_| tally.unit.is_some())
            .map(|(log, route)| ([id(log), ("route", &*route.route)], &route.durations, None)),
    )
}

fn routes(tally: &AppTally) -> impl Iterator<Item = (&LogTally, &AppRoute)> {
    let logs = tally.logs().iter();
    logs.flat_map(|log| log.routes.iter().map(move |route| (log, route)))
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
