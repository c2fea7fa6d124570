//! Each number is met from both sides, as closely as makes sense. Time begins at 0, and so do time stamps.

use crate::generate::case::{Case, Cases};

const UNCLEAN: &str = r#"bingo_app_unclean_exits_total{log_id="x"}"#;
const HEARTBEAT: &str = r#"bingo_app_last_event_timestamp_seconds{log_id="x",event="heartbeat"}"#;
const READY: &str = r#"bingo_app_last_event_timestamp_seconds{log_id="x",event="ready"}"#;
const QUOTA: &str = r#"bingo_app_last_event_timestamp_seconds{log_id="x",event="quota"}"#;
const STARTED: &str = r#"bingo_app_last_start_duration_seconds{log_id="x"}"#;
const REQUESTS: &str = r#"bingo_http_requests_total{route="/r",method="GET",code="200"}"#;
const REFUSED: &str = r#"bingo_http_requests_total{route="/r",method="GET",code="429"}"#;
const THROTTLED: &str = r#"bingo_app_events_total{log_id="x",event="throttled"}"#;
const OTHERS: &str = r#"bingo_app_events_total{log_id="x",event="quota"}"#;
const RETRIED: &str = r#"bingo_upstream_retried_requests_total{route="/r",method="GET"}"#;
const APP_LINE: &str = r#"bingo_exporter_last_line_timestamp_seconds{source="app"}"#;
const ACCESS_LINE: &str = r#"bingo_exporter_last_line_timestamp_seconds{source="access"}"#;

const NODE: &str = r#"node="a""#;
const PROCESS: &str = r#"node="a",log_id="x""#;

pub(super) fn cases(unmatched: &str) -> Vec<Cases> {
    let cases = [
        heartbeat(),
        exits(),
        starts(),
        throttling(),
        retries(),
        log_stale(),
        uncachable(unmatched),
        stale(),
    ];
    vec![Cases {
        name: "bingo",
        group: "bingo",
        interval: "5s",
        cases: cases.into_iter().flatten().collect(),
    }]
}

const APP_LINES: &str = r#"bingo_exporter_lines_total{source="app",result="counted"}"#;
const ACCESS_LINES: &str = r#"bingo_exporter_lines_total{source="access",result="counted"}"#;
const ACCESS_LATE: &str = r#"bingo_exporter_late_lines_total{source="access"}"#;
const APP_LATE: &str = r#"bingo_exporter_late_lines_total{source="app"}"#;

fn heartbeat() -> Vec<Case> {
    let files = |state| format!(r#"bingo_exporter_files{{source="app",state="{state}"}}"#);
    let of = |what| Case::new("BingoHeartbeatSilent", what).on("a", QUOTA, "0+5x50");
    vec![
        // Lives until 1m.
        of("the last sign of life a minute ago")
            .on("a", HEARTBEAT, "0+5x12 60x30")
            .on("b", HEARTBEAT, "0+5x50")
            .on("a", &files("following"), "1x50")
            // Rotated by renaming, and not yet begun anew.
            .on("a", &files("missing"), "1x50")
            .on("a", &files("unreadable"), "0x50")
            .on(
                "a",
                r#"bingo_exporter_files{source="access",state="unreadable"}"#,
                "1x50",
            )
            .silent("1m55s")
            .fires("2m", PROCESS),
        of("40 seconds ago").on("a", HEARTBEAT, "-40+5x50").silent("3m"),
        of("50 seconds ago")
            .on("a", HEARTBEAT, "-50+5x50")
            .fires("1m", PROCESS),
        of("other events after it")
            .on("a", HEARTBEAT, "-50+5x50")
            .on("b", QUOTA, "-50+5x50")
            .fires("1m", PROCESS),
        of("nothing but other events, long ago")
            .on("b", QUOTA, "-50+5x50")
            .silent("1m"),
        of("most of a day ago")
            .on("a", HEARTBEAT, "-80000+5x50")
            .fires("1m", PROCESS),
        of("yesterday").on("a", HEARTBEAT, "-90000+5x50").silent("1m"),
        of("a log that cannot be read")
            .on("a", HEARTBEAT, "-50+5x50")
            .on("a", &files("unreadable"), "1x50")
            .silent("1m"),
        of("a log that is thrown away")
            .on("a", HEARTBEAT, "-50+5x50")
            .on("a", &files("discarded"), "1x50")
            .silent("1m"),
    ]
}

fn exits() -> Vec<Case> {
    vec![
        Case::new(
            "BingoCrashLoop",
            "three deaths in ten minutes, on one of two nodes",
        )
        .on("a", UNCLEAN, "0x11 1x24 2x24 3.1x60")
        .on("b", UNCLEAN, "0x11 1x120")
        .silent("5m5s")
        .fires("5m10s", PROCESS),
        // As one reads what it could not read before, and as one that reads a few lines late does.
        Case::new("BingoCrashLoop", "three deaths of long ago")
            .on("a", UNCLEAN, "0x11 3.1x60")
            .on("a", APP_LINES, "0x11 100x60")
            .on("a", APP_LATE, "0x11 60x60")
            .on("a", ACCESS_LINES, "0x11 1000x60")
            .silent("1m")
            .silent("4m"),
        Case::new("BingoCrashLoop", "three deaths, and some late lines")
            .on("a", UNCLEAN, "0x11 3.1x60")
            .on("a", APP_LINES, "0x11 100x60")
            .on("a", APP_LATE, "0x11 45x60")
            .on("a", ACCESS_LATE, "0x11 90x60")
            .fires("1m", PROCESS),
        Case::new("BingoCrashLoop", "not quite three, and one on each of two nodes")
            .on("a", UNCLEAN, "0x11 2.7x60")
            .on("b", UNCLEAN, "0x11 2.7x60")
            .silent("4m"),
        Case::new("BingoUncleanExit", "half a death, which no counter shows")
            .on("a", UNCLEAN, "0x11 0.5x200")
            .on("b", UNCLEAN, "7x211")
            .silent("55s")
            .fires("1m", PROCESS)
            .fires("15m", PROCESS)
            .silent("16m5s"),
    ]
}

fn starts() -> Vec<Case> {
    let of = |what, took, ready| {
        Case::new("BingoSlowStart", what)
            .on("a", STARTED, took)
            .on("a", READY, ready)
            .on("a", QUOTA, "0+5x100")
    };
    vec![
        of("11 s", "_ 11x100", "_ 0x100")
            .silent("0s")
            .fires("5s", PROCESS),
        of("9 s", "9x100", "0x100").silent("1m"),
        of("a quarter of an hour ago, nearly", "11x100", "-800x100").fires("50s", PROCESS),
        of("over a quarter of an hour ago", "11x100", "-950x100").silent("50s"),
    ]
}

fn throttling() -> Vec<Case> {
    let of = |what, series, values| Case::new("BingoThrottling", what).on("a", series, values);
    vec![
        // 11 and 9 in five minutes.
        of("11 refusals that the proxy saw", REFUSED, "0x59 0+1x11 11x60")
            .on("b", REQUESTS, "0+10x200")
            .on("b", OTHERS, "0+10x200")
            .silent("6m45s")
            .fires("6m50s", NODE),
        of("9 refusals that the proxy saw", REFUSED, "0x59 0+1x9 9x60").silent("8m"),
        of("11 refusals that bingo saw", THROTTLED, "0x59 0+1x11 11x60").fires("6m50s", NODE),
        of("9 refusals that bingo saw", THROTTLED, "0x59 0+1x9 9x60").silent("8m"),
    ]
}

fn retries() -> Vec<Case> {
    let of = |what, retried: &str, requests: &str| {
        Case::new("BingoRetriesHideErrors", what)
            .on("a", RETRIED, retried)
            .on("a", REQUESTS, requests)
            .on("b", REQUESTS, "0+100x200")
            .on("b", RETRIED, "0+1x200")
    };
    vec![
        of("5.5 % of a node's requests", "0+11x100", "0+200x100")
            .silent("2m")
            .fires("2m5s", NODE),
        of("4.5 %", "0+9x100", "0+200x100").silent("5m"),
        // 60 samples in five minutes.
        of("11 requests in five minutes", "0+0.19x200", "0+0.4x200").fires("9m", NODE),
        of("9 requests in five minutes", "0+0.15x200", "0+0.4x200").silent("9m"),
    ]
}

fn log_stale() -> Vec<Case> {
    let of = |what, last: &str, requests: &str| {
        Case::new("BingoLogStale", what)
            .on("a", APP_LINE, last)
            .on("a", ACCESS_LINE, "0+5x100")
            .on("a", REQUESTS, requests)
            .on("b", APP_LINE, "0+5x100")
            .on("b", ACCESS_LINE, "-500x100")
            .on("b", REQUESTS, "0+5x100")
    };
    vec![
        of("130 s old", "-130+5x100", "0+50x100")
            .silent("1m")
            .fires("1m5s", NODE),
        of("110 s old", "-110+5x100", "0+5x100").silent("5m"),
        of("hardly any requests", "-130+5x100", "0+0.55x100").fires("6m", NODE),
        of("too few requests to say", "-130+5x100", "0+0.45x100").silent("6m"),
    ]
}

fn cached(route: &str, cache: &str) -> String {
    format!(r#"bingo_http_cache_requests_total{{route="{route}",cache="{cache}"}}"#)
}

fn uncachable(unmatched: &str) -> Vec<Case> {
    let of = |what| Case::new("BingoUncachableCached", what).on("a", &cached("/r", "miss"), "0+5x100");
    vec![
        of("half an answer, which no counter shows")
            .on("a", &cached("/r", "hit"), "0x11 0.5x100")
            .silent("1m55s")
            .fires("2m", r#"node="a",route="/r""#),
        of("what may be cached, and misses")
            .on("a", &cached("/long_dummy", "hit"), "0+5x100")
            .on("a", &cached(unmatched, "hit"), "0+5x100")
            .silent("5m"),
    ]
}

fn stale() -> Vec<Case> {
    const FIRES: &str = r#"node="a",route="/long_dummy""#;
    let hit = cached("/long_dummy", "hit");
    let of = |what, cache: &str, values: &str| {
        Case::new("BingoLongDummyStale", what)
            .on("a", &cached("/long_dummy", cache), values)
            .on("a", &cached("/r", cache), "0+5x100")
    };
    vec![
        of(
            "half an answer that is known to be stale",
            "stale",
            "0x11 0.5x100",
        )
        .on("a", &cached("/long_dummy", "bypass"), "0+5x100")
        .silent("1m10s")
        .fires("1m15s", FIRES),
        of("misses only", "miss", "0+5x100").silent("3m"),
        of(
            "fractions of hits, and filled for the last time at 1m",
            "miss",
            "0+1x12 12x100",
        )
        .on("a", &hit, "0+0.3x100")
        .on("b", &cached("/long_dummy", "miss"), "0+1x100")
        .on("b", &hit, "0+1x100")
        .silent("2m20s")
        .fires("2m40s", FIRES),
        of("fractions of fillings", "expired", "0+0.06x100")
            .on("a", &hit, "0+1x100")
            .silent("3m"),
        of(
            "filled for the last time long ago, and nobody is answered from it",
            "miss",
            "0+1x12 12x100",
        )
        .on("a", &hit, "0+1x12 12x100")
        .on("a", &cached("/long_dummy", "bypass"), "0+1x100")
        .silent("3m"),
        Case::new(
            "BingoLongDummyStale",
            "seen for the first time, or again after a stop, and filled long ago",
        )
        .on("a", &cached("/long_dummy", "miss"), "_x24 7x100")
        .on("a", &hit, "_x24 7+1x100")
        .silent("3m25s")
        .fires("3m35s", FIRES),
        of("other routes are hit", "miss", "0x100")
            .on("a", &cached("/r", "hit"), "0+1x100")
            .on("a", &cached("/r", "stale"), "0+1x100")
            .silent("3m"),
    ]
}
