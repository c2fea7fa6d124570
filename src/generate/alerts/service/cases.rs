//! Each number is met from both sides, as closely as makes sense.

use crate::generate::case::{Case, Cases};

const BAD: &str = r#"bingo_slo_requests_total{route="/r",method="GET",slo="availability",result="bad"}"#;
const GOOD: &str = r#"bingo_slo_requests_total{route="/r",method="GET",slo="availability",result="good"}"#;
const SLOW: &str = r#"bingo_slo_requests_total{route="/r",method="GET",slo="latency",result="bad"}"#;
const OBJECTIVE: &str = r#"bingo_slo_objective_ratio{route="/r",method="GET",slo="availability"}"#;
const LATENCY_OBJECTIVE: &str = r#"bingo_slo_objective_ratio{route="/r",method="GET",slo="latency"}"#;
const LINES: &str = r#"bingo_exporter_lines_total{source="access",result="counted"}"#;
const LATE: &str = r#"bingo_exporter_late_lines_total{source="access"}"#;
const APP_LINES: &str = r#"bingo_exporter_lines_total{source="app",result="counted"}"#;
const APP_LATE: &str = r#"bingo_exporter_late_lines_total{source="app"}"#;
const REQUESTS: &str = r#"bingo_http_requests_total{route="/r",method="GET",code="200"}"#;
const PINGS: &str = r#"bingo_http_requests_total{route="/ping",method="GET",code="200"}"#;
const ROUTE: &str = r#"bingo_http_route_info{route="/r",method="GET",probe="false"}"#;
const PROBE: &str = r#"bingo_http_route_info{route="/ping",method="GET",probe="true"}"#;

const OF_ROUTE: &str = r#"route="/r",method="GET""#;

pub(super) fn cases() -> Vec<Cases> {
    let cases = [
        spike(),
        late(),
        node_spike(),
        nodes(),
        noticed(),
        traffic(),
        load(),
    ];
    vec![Cases {
        name: "service",
        group: "service",
        interval: "5s",
        cases: cases.into_iter().flatten().collect(),
    }]
}

/// Two nodes on which so many requests fail and succeed between two samples, 200 samples long.
fn two_nodes(alert: &'static str, what: &'static str, bad: [f64; 2], good: [f64; 2]) -> Case {
    let mut case = Case::new(alert, what);
    for (index, node) in ["a", "b"].into_iter().enumerate() {
        case = case
            .on(node, BAD, &format!("0+{}x200", bad[index]))
            .on(node, GOOD, &format!("0+{}x200", good[index]))
            .on(node, OBJECTIVE, "0.99x200");
    }
    case
}

fn spike() -> Vec<Case> {
    let of = |what, bad, good| two_nodes("BingoErrorSpike", what, bad, good);
    vec![
        of(
            "5.5 % of a route's requests, all on one node",
            [11.0, 0.0],
            [89.0, 100.0],
        )
        .silent("5s")
        .fires("10s", OF_ROUTE)
        .fires("2m", OF_ROUTE),
        of("4.5 % are a matter of the budget", [9.0, 0.0], [91.0, 100.0]).silent("2m"),
        of("11 errors in a minute", [0.5, 0.42], [0.0, 0.0]).fires("2m", OF_ROUTE),
        of("9 errors in a minute, and others", [0.4, 0.35], [2.0, 2.0]).silent("2m"),
        Case::new(
            "BingoErrorSpike",
            "where 10 % are allowed, 9.5 % are no spike, and 10.5 % are",
        )
        .on("a", BAD, "0+9.5x60 580.5+10.5x60")
        .on("a", GOOD, "0+90.5x60 5519.5+89.5x60")
        .on("a", OBJECTIVE, "0.9x200")
        .on("a", LATENCY_OBJECTIVE, "0.99x200")
        .on("b", OBJECTIVE, "0.9x200")
        .silent("4m")
        .fires("7m", OF_ROUTE),
        Case::new("BingoErrorSpike", "slow requests are no errors")
            .on("a", SLOW, "0+50x200")
            .on("a", GOOD, "0+50x200")
            .on("a", OBJECTIVE, "0.99x200")
            .silent("2m"),
        Case::new(
            "BingoErrorSpike",
            "it goes on for five minutes after the last error, and no longer",
        )
        .on("a", BAD, "0+10x12 120x200")
        .on("a", GOOD, "0+10x212")
        .on("a", OBJECTIVE, "0.99x212")
        .fires("1m", OF_ROUTE)
        // The minute looked back over ends at 2m.
        .fires("6m45s", OF_ROUTE)
        .silent("7m15s"),
    ]
}

fn late() -> Vec<Case> {
    let of = |what, late: &str| {
        two_nodes("BingoErrorSpike", what, [50.0, 0.0], [50.0, 100.0])
            .on("a", LINES, "0+100x200")
            .on("a", LATE, late)
            .on("b", LINES, "0+100x200")
            .on("b", LATE, "0x200")
    };
    vec![
        of("lines of long ago are no spike", "0+55x200")
            .on("a", APP_LINES, "0+1000x200")
            .silent("2m"),
        of("some of them late are one", "0+45x200")
            .on("a", APP_LINES, "0+1x200")
            .on("a", APP_LATE, "0+1000x200")
            .fires("2m", OF_ROUTE),
        two_nodes(
            "BingoErrorSpike",
            "few lines, all of them late",
            [50.0, 0.0],
            [50.0, 100.0],
        )
        .on("a", LINES, "0+3x200")
        .on("a", LATE, "0+3x200")
        .silent("2m"),
    ]
}

fn node_spike() -> Vec<Case> {
    let of = |what, bad, good| two_nodes("BingoNodeErrorSpike", what, bad, good);
    vec![
        of("5.5 % of a node's requests", [11.0, 0.0], [189.0, 100.0])
            .silent("5s")
            .fires("10s", r#"node="a""#)
            .fires("2m", r#"node="a""#),
        of("4.5 % of a node's requests", [4.5, 4.5], [95.5, 95.5]).silent("2m"),
        of("11 errors in a minute", [0.92, 0.0], [0.0, 1.0]).fires("2m", r#"node="a""#),
        of("9 errors in a minute on each", [0.75, 0.75], [2.0, 2.0]).silent("2m"),
        Case::new(
            "BingoNodeErrorSpike",
            "it goes on for five minutes after the last error, and no longer",
        )
        .on("a", BAD, "0+10x12 120x200")
        .on("a", GOOD, "0+10x212")
        .fires("6m45s", r#"node="a""#)
        .silent("7m15s"),
    ]
}

fn nodes() -> Vec<Case> {
    // Down from 1m on, for a minute.
    let dies = |alert, what| {
        Case::new(alert, what)
            .exporter("a", "1x12 0x11 1x60")
            .beside("a", "1x12 0x11 1x60")
            .exporter("b", "1x84")
            .beside("b", "1x84")
    };
    vec![
        dies("BingoNodeDown", "one of two nodes is down for a minute")
            .silent("1m10s")
            .fires("1m15s", r#"node="a""#)
            .fires("2m", r#"node="a""#)
            .silent("2m10s"),
        Case::new(
            "BingoNodeDown",
            "what has no exporter, or no node, is none of ours",
        )
        .exporter("b", "1x60")
        .beside("c", "0x60")
        .series(r#"up{job="$job",instance="x"}"#, "0x60")
        .silent("5m"),
        Case::new("BingoNodeDown", "a node whose exporter alone is dead lives")
            .exporter("a", "0x60")
            .beside("a", "1x60")
            .silent("5m"),
        dies("BingoNodeNotBack", "a node that is down for a minute")
            .silent("1m50s")
            .fires("1m55s", r#"node="a""#)
            .silent("2m10s"),
        dies("BingoAllNodesDown", "one of two nodes is down").silent("2m"),
        Case::new("BingoAllNodesDown", "both nodes are down")
            .exporter("a", "1x12 0x60")
            .exporter("b", "1x12 0x60")
            .silent("1m10s")
            .fires("1m15s", "")
            .fires("5m", ""),
    ]
}

fn noticed() -> Vec<Case> {
    let of = |what, down: &str, bad, good| {
        two_nodes("BingoFailoverNoticed", what, bad, good)
            .exporter("a", "1x200")
            .exporter("b", down)
    };
    vec![
        of(
            "1.1 % fail while a node is down",
            "0x200",
            [11.0, 0.0],
            [989.0, 0.0],
        )
        .silent("5s")
        .fires("10s", "")
        .fires("2m", ""),
        of("1.1 % fail while both are up", "1x200", [1.1, 0.0], [98.9, 0.0]).silent("2m"),
        of(
            "0.9 % fail while a node is down",
            "0x200",
            [1.8, 0.0],
            [198.2, 0.0],
        )
        .silent("2m"),
        of("11 errors in a minute", "0x200", [0.92, 0.0], [1.0, 0.0]).fires("2m", ""),
        of("9 errors in a minute", "0x200", [0.75, 0.0], [1.0, 0.0]).silent("2m"),
        Case::new(
            "BingoFailoverNoticed",
            "the objective of latency says nothing of errors",
        )
        .exporter("b", "0x200")
        .on("a", BAD, "0+2x200")
        .on("a", GOOD, "0+98x200")
        .on("a", OBJECTIVE, "0.97x200")
        .on("a", LATENCY_OBJECTIVE, "0.99x200")
        .silent("2m"),
        Case::new(
            "BingoFailoverNoticed",
            "it goes on for a minute after the last error",
        )
        .exporter("b", "0x200")
        .on("a", BAD, "0+10x12 120x200")
        .on("a", GOOD, "0+10x212")
        .on("a", OBJECTIVE, "0.99x212")
        .fires("2m50s", "")
        .silent("3m5s"),
    ]
}

fn traffic() -> Vec<Case> {
    let of = |what, before: &str| {
        Case::new("BingoTrafficGone", what)
            .every("4s")
            .on("a", REQUESTS, before)
            .on("a", PINGS, "0+10x900")
            .on("a", ROUTE, "1x900")
            .on("a", PROBE, "1x900")
            .on("b", REQUESTS, "0+5x900")
    };
    let files = |state| format!(r#"bingo_exporter_files{{source="access",state="{state}"}}"#);
    vec![
        // The last request at 11m4s.
        of("1.6 requests a second, then none", "0+6.4x166 1062.4x125")
            .on("a", &files("unreadable"), "0x900")
            .on("a", &files("following"), "1x900")
            .on("a", &files("missing"), "1x900")
            .on(
                "a",
                r#"bingo_exporter_files{source="app",state="unreadable"}"#,
                "1x900",
            )
            .silent("11m")
            .silent("13m")
            .fires("13m5s", r#"node="a""#)
            .fires("15m", r#"node="a""#),
        of("fewer than one a second, then none", "0+3.6x166 597.6x125").silent("18m"),
        of("an unreadable log", "0+6.4x166 1062.4x125")
            .on("a", &files("unreadable"), "1x900")
            .silent("15m"),
        of("a log that is thrown away", "0+6.4x166 1062.4x125")
            .on("a", &files("discarded"), "1x900")
            .silent("15m"),
        of("fewer requests", "0+6.4x166 1062.4+0.1x125").silent("15m"),
    ]
}

fn load() -> Vec<Case> {
    let of = |what, values: &str| {
        Case::new("BingoLoadAbovePeak", what)
            .on("a", REQUESTS, values)
            .on("b", REQUESTS, values)
    };
    vec![
        of("130 requests a second", "0+325x200")
            .silent("1m55s")
            .fires("2m", ""),
        of("110 requests a second and health checks", "0+275x200")
            .on("a", PINGS, "0+1000x200")
            .on("a", PROBE, "1x200")
            .silent("3m"),
        of("130 requests a second, half of them read late", "0+325x200")
            .on("a", LINES, "0+325x200")
            .on("a", LATE, "0+179x200")
            .silent("3m"),
        of("130 requests a second, a few of them read late", "0+325x200")
            .on("a", ROUTE, "1x200")
            .on("a", LINES, "0+325x200")
            .on("a", LATE, "0+146x200")
            .fires("3m", ""),
    ]
}
