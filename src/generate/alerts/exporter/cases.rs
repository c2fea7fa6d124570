//! Each number is met from both sides, as closely as makes sense.

use crate::generate::case::{Case, Cases};

const REJECTED: &str = r#"bingo_exporter_lines_total{source="access",result="rejected"}"#;
const COUNTED: &str = r#"bingo_exporter_lines_total{source="access",result="counted"}"#;
const LATE: &str = r#"bingo_exporter_late_lines_total{source="access"}"#;
const LOST: &str = r#"bingo_exporter_lost_bytes_total{source="access"}"#;
const COMPLETE: &str = r#"bingo_exporter_complete{source="access"}"#;
const FAILURES: &str = "bingo_exporter_checkpoint_failures_total";
const RELOADED: &str = "bingo_exporter_config_last_reload_successful";

const SOURCE: &str = r#"node="a",source="access""#;
const NODE: &str = r#"node="a""#;

pub(super) fn cases() -> Vec<Cases> {
    let cases = [targets(), fleet(), rejected(), late(), data(), own()];
    vec![Cases {
        name: "exporter",
        group: "exporter",
        interval: "15s",
        cases: cases.into_iter().flatten().collect(),
    }]
}

fn targets() -> Vec<Case> {
    let unlabelled = r#"up{job="$job",instance="x"}"#;
    vec![
        Case::new("BingoNoExporterAnswers", "all exporters down, then one is back")
            .exporter("a", "1x3 0x5 1x20")
            .exporter("b", "1x3 0x30")
            .beside("b", "1x30")
            .silent("1m45s")
            .fires("2m", "")
            .silent("2m30s"),
        Case::new("BingoExporterDown", "an exporter down, its node alive")
            .exporter("a", "1x3 0x100")
            .beside("a", "1x103")
            .exporter("b", "1x103")
            .beside("b", "1x103")
            .silent("15m45s")
            .fires("16m", r#"job="$job",instance="a:10352",node="a""#),
        Case::new(
            "BingoExporterDown",
            "node and exporter down; another exporter on it is no sign of life",
        )
        .exporter("a", "0x100")
        .beside("a", "0x100")
        .series(r#"up{job="$job",instance="a:2",node="a"}"#, "1x100")
        .exporter("b", "1x100")
        .beside("b", "1x100")
        .series(r#"up{job="other",instance="c",node="c"}"#, "0x100")
        .beside("c", "1x100")
        .silent("20m"),
        Case::new(
            "BingoExporterDown",
            "targets without a node are not on the same one",
        )
        .series(unlabelled, "0x100")
        .series(r#"up{job="node",instance="y"}"#, "1x100")
        .silent("20m"),
        Case::new("BingoNodeLabelMissing", "a target without a node")
            .series(unlabelled, "_ 1x30")
            .series(r#"up{job="node",instance="y"}"#, "1x30")
            .exporter("b", "1x30")
            .silent("5m")
            .fires("5m15s", r#"job="$job",instance="x""#),
        Case::new("BingoNodeLabelMissing", "all have one")
            .exporter("a", "1x30")
            .silent("6m"),
    ]
}

fn fleet() -> Vec<Case> {
    let half = |what, vanish: usize| {
        (0..10).fold(Case::new("BingoFleetHalved", what), |case, index| {
            let values = if index < vanish { "1x20 _x300" } else { "1x320" };
            case.series(&format!(r#"up{{job="$job",instance="{index}"}}"#), values)
                .series(
                    &format!(r#"up{{job="node",instance="{index}"}}"#),
                    if vanish == 5 { "1x320" } else { values },
                )
                .series(
                    &format!(r#"up{{job="more",instance="{index}"}}"#),
                    if vanish == 5 { "1x320" } else { values },
                )
        })
    };
    vec![
        half("five of ten vanish", 5)
            .silent("59m")
            .silent("1h4m45s")
            .fires("1h5m", ""),
        half("four of ten vanish", 4)
            .series(r#"up{job="young",instance="1"}"#, "_x100 1x220")
            .silent("1h6m"),
    ]
}

fn rejected() -> Vec<Case> {
    let of = |what, rejected: &str, counted: &str| {
        Case::new("BingoLinesRejected", what)
            .on("a", REJECTED, rejected)
            .on("a", COUNTED, counted)
            .on("b", REJECTED, "0x60")
            .on("b", COUNTED, "0+100x60")
    };
    vec![
        of("1.1 % of a node's lines", "0+11x60", "0+989x60")
            .silent("5m")
            .fires("5m15s", SOURCE),
        of("0.9 %", "0+9x60", "0+991x60").silent("12m"),
        of("11 lines in five minutes, and no others", "0+0.56x60", "0x60").fires("12m", SOURCE),
        of("9 lines in five minutes, and others", "0+0.45x60", "0+1x60").silent("12m"),
    ]
}

fn late() -> Vec<Case> {
    let of = |what, late: &str, counted: &str| {
        Case::new("BingoLinesLate", what)
            .on("a", LATE, late)
            .on("a", COUNTED, counted)
            .on("b", LATE, "0+49x160")
            .on("b", COUNTED, "0+100x160")
    };
    vec![
        of(
            "51 % of a node's lines, 49 % of another's",
            "0+51x160",
            "0+100x160",
        )
        .silent("20m")
        .fires("20m15s", SOURCE)
        .fires("38m", SOURCE),
        of(
            "a buffer that is full once in 14 minutes",
            "0x20 100x55 200x55 300x30",
            "0x20 100x55 200x55 300x30",
        )
        .fires("38m", SOURCE),
        of(
            "what was missed during a stop",
            "0x20 100x140",
            "0+1x20 120+1x139",
        )
        .silent("38m"),
    ]
}

fn data() -> Vec<Case> {
    vec![
        Case::new("BingoBytesLost", "half a byte, which no counter shows")
            .on("a", LOST, "0x3 0.5x100")
            .on("b", LOST, "7x103")
            .silent("45s")
            .fires("1m", SOURCE)
            .silent("16m15s"),
        Case::new("BingoDataIncomplete", "one source of one node, for a while")
            .on("a", COMPLETE, "1x3 0x9 1x20")
            .on("b", COMPLETE, "1x30")
            .silent("1m45s")
            .fires("2m", SOURCE)
            .silent("3m30s"),
    ]
}

fn own() -> Vec<Case> {
    vec![
        Case::new("BingoCheckpointFailing", "half a failure, which no counter shows")
            .on("a", FAILURES, "0x3 0.5+0.5x40")
            .on("b", FAILURES, "7x43")
            .silent("2m45s")
            .fires("3m", NODE),
        Case::new("BingoCheckpointFailing", "one bad moment")
            .on("a", FAILURES, "0x3 1x40")
            .silent("2m")
            .silent("3m")
            .silent("4m"),
        Case::new("BingoConfigReloadFailed", "one node's is refused, then corrected")
            .on("a", RELOADED, "1x3 0x9 1x20")
            .on("b", RELOADED, "1x30")
            .silent("1m45s")
            .fires("2m", NODE)
            .silent("3m30s"),
    ]
}
