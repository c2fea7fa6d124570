//! Whether the exporters themselves can be trusted.

mod cases;

use super::Set;
use crate::generate::rule::{Alert, Dashboard, Group, Panel, Rule};

const NODES: Panel = Dashboard::Overview.panel("Nodes", &[]);
const UP: Panel = Dashboard::Exporter.panel("Exporter up", &["node"]);
const LINES: Panel = Dashboard::Exporter.panel("Lines by result", &["node"]);
const LATE: Panel = Dashboard::Exporter.panel("Late lines", &["node"]);
const COMPLETE: Panel = Dashboard::Exporter.panel("Data complete", &["node"]);
const CHECKPOINT: Panel = Dashboard::Exporter.panel("Checkpoint", &["node"]);

pub(super) fn set() -> Set {
    let rules = Vec::from(targets()).into_iter().chain(data()).chain(own());
    Set {
        group: Group {
            name: "exporter",
            interval: 15,
            about: "Whether the exporters themselves can be trusted.",
            rules: rules.collect(),
        },
        cases: cases::cases(),
    }
}

fn targets() -> [Rule; 4] {
    [
        Alert::page("BingoNoExporterAnswers", Dashboard::Exporter.panel("Exporter up", &[]))
            .when(
                r#"absent(up{job=~"$job"} == 1)"#,
                "1m",
                "1m: a restart of Prometheus or of a single exporter is shorter.",
            )
            .says(
                "Nobody watches bingo",
                "For a minute Prometheus has not reached a single exporter, or has none to scrape: no other alert can tell of \
                 errors now.",
            ),
        Alert::ticket("BingoExporterDown", UP)
            .when(
                r#"
                up{job=~"$job"} == 0
                and on (node) max by (node) (up{job!~"$job",node!=""}) == 1
                "#,
                "15m",
                "15m: an exporter that was stopped catches up with all it missed, so an upgrade or a stop of ten minutes is \
                 nobody's concern. If the node itself is down, that is another alert.",
            )
            .says(
                "The exporter on {{ $labels.node }} is down",
                "Node {{ $labels.node }} lives, but its exporter has not answered for 15 minutes: errors on this node are not \
                 seen. Nothing is lost yet: when it starts, it reads what it missed, unless the logs are rotated away first.",
            ),
        Alert::ticket("BingoNodeLabelMissing", NODES)
            .when(
                r#"up{job=~"$job",node=""}"#,
                "5m",
                "5m: a relabelling that is being worked on.",
            )
            .says(
                "Target {{ $labels.instance }} has no node label",
                "The scrape configuration gives {{ $labels.instance }} no label `node`: alerts about nodes cannot see it.",
            ),
        Alert::ticket("BingoFleetHalved", NODES)
            .when(
                r#"count(up{job=~"$job"}) <= 0.5 * count(up{job=~"$job"} offset 1h)"#,
                "5m",
                "0.5: what is gone from service discovery is down for nobody; half of the fleet does not go by itself.\n\
                 1h: so old is what it is compared with. 5m: a discovery that is being rewritten may be empty for a moment.",
            )
            .says(
                "Prometheus knows only {{ $value }} exporters, half as many as an hour ago",
                "An hour ago Prometheus scraped at least twice as many exporters. What is not scraped is not watched: if the \
                 nodes were not taken out on purpose, service discovery has lost them.",
            ),
    ]
}

fn data() -> [Rule; 4] {
    [
        Alert::ticket("BingoLinesRejected", LINES)
            .when(
                r#"
                sum by (node, source) (rate(bingo_exporter_lines_total{result="rejected"}[5m]))
                  / (sum by (node, source) (rate(bingo_exporter_lines_total[5m])) > 0)
                  > 0.01
                and on (node, source)
                  sum by (node, source) (increase(bingo_exporter_lines_total{result="rejected"}[5m])) >= 10
                "#,
                "5m",
                "0.01: what scanners and torn lines make is far below. 10: lines in five minutes.",
            )
            .says(
                "{{ $value | humanizePercentage }} of the {{ $labels.source }} lines on {{ $labels.node }} are not understood",
                "{{ $value | humanizePercentage }} of the lines of the {{ $labels.source }} log on node {{ $labels.node }} cannot be \
                 read, so they are in no number. Most often somebody changed the log format.",
            ),
        Alert::ticket("BingoLinesLate", LATE)
            .when(
                r#"
                sum by (node, source) (rate(bingo_exporter_late_lines_total[15m]))
                  / sum by (node, source) (rate(bingo_exporter_lines_total[15m]))
                  > 0.5
                "#,
                "20m",
                "0.5: what mostly reads old lines is left out of the alerts about a spike, or a crash loop. 15m: a proxy that \
                 waits until its buffer is full writes seldom. 20m: that long what was missed during a stop is no news.",
            )
            .says(
                "The lines of the {{ $labels.source }} log on {{ $labels.node }} are read too late",
                "{{ $value | humanizePercentage }} of the lines of the {{ $labels.source }} log on node {{ $labels.node }} are over \
                 a minute old when they are read. Alerts about spikes leave this node out: they would tell of what is over.",
            ),
        Alert::ticket("BingoBytesLost", Dashboard::Exporter.panel("Bytes lost", &["node"]))
            .when(
                "sum by (node, source) (increase(bingo_exporter_lost_bytes_total[15m])) > 0",
                "0s",
                "0: nothing has to be lost.",
            )
            .says(
                "{{ $value | humanize1024 }}B of the {{ $labels.source }} log on {{ $labels.node }} are lost",
                "In the last 15 minutes {{ $value | humanize1024 }}B of the {{ $labels.source }} log on node {{ $labels.node }} were \
                 gone before they were read. All numbers of that time are too low.",
            ),
        Alert::ticket("BingoDataIncomplete", COMPLETE)
            .when(
                "min by (node, source) (bingo_exporter_complete) == 0",
                "1m",
                "0: the exporter says so itself, of the last ten minutes.",
            )
            .says(
                "The {{ $labels.source }} numbers of {{ $labels.node }} cannot be trusted",
                "In the last ten minutes something of the {{ $labels.source }} log on node {{ $labels.node }} was lost, could not be \
                 read, waited over 30 seconds, or was not understood. Errors may be missing from the other alerts' numbers.",
            ),
    ]
}

fn own() -> [Rule; 2] {
    [
        Alert::ticket("BingoCheckpointFailing", CHECKPOINT)
            .when(
                "sum by (node) (increase(bingo_exporter_checkpoint_failures_total[1m])) > 0",
                "2m",
                "0: saving never fails on a healthy disk. 2m: longer than one bad moment; 1m: a failure is tried again every 15 \
                 seconds.",
            )
            .says(
                "The exporter on {{ $labels.node }} cannot save its state",
                "The exporter on node {{ $labels.node }} counts on, but cannot save where it is. After its next restart its counters \
                 begin at 0. Most often the disk is full or read-only.",
            ),
        Alert::ticket("BingoConfigReloadFailed", Dashboard::Exporter.panel("Configuration", &["node"]))
            .when(
                "min by (node) (bingo_exporter_config_last_reload_successful) == 0",
                "1m",
                "0: the last reload was refused. 1m: time to correct it.",
            )
            .says(
                "The exporter on {{ $labels.node }} refused its configuration",
                "The configuration of the exporter on node {{ $labels.node }} was changed and refused; the one before is still in \
                 force. After its next restart it will not come up.",
            ),
    ]
}
