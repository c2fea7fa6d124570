//! Whether the exporters can be trusted, and what they cost.

use serde_json::json;

use super::board::Board;
use super::view::View;
use crate::generate::rule::Dashboard;

pub(super) fn board() -> Board {
    Board {
        dashboard: Dashboard::Exporter,
        title: "bingo: exporter",
        about: "Whether the exporters can be trusted, and what they cost.",
        variables: vec![],
        sections: vec![
            ("", trust()),
            ("Reading", reading()),
            ("Lines", lines()),
            ("State and configuration", state()),
            ("Cost", cost()),
        ],
    }
}

const WHO: &str = "{{node}} {{instance}}";
const SOURCE: &str = "{{source}} {{node}}";

fn rate(by: &str, metric: &str, more: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{$of{more}}}[$__rate_interval]))")
}

fn trust() -> Vec<View> {
    vec![
        View::lines("Exporter up", "none")
            .says(
                "1 while an exporter answers Prometheus, which is good. One that is down loses nothing for now: \
                 it reads on from where it was. Start it again before the logs it has not read are removed.",
            )
            .ask("max by (node, instance) (up{$of})", WHO)
            .states()
            .words(&[("0", "✕ down", "red"), ("1", "✓ up", "green")]),
        View::lines("Data complete", "none")
            .says(
                "1 while the numbers of the last ten minutes can be trusted, which is good. At 0, the panels \
                 below say what it was: lines that were lost, rejected, or waited for too long.",
            )
            .ask("min by (node, source) (bingo_exporter_complete{$of})", SOURCE)
            .states()
            .words(&[("0", "✕ incomplete", "red"), ("1", "✓ complete", "green")]),
        View::lines("Catching up", "none")
            .says(
                "1 from an exporter's start until it has counted what was on disk then; so long there are no \
                 request series. Seconds are good; minutes mean that it was away for hours, or that the disk is \
                 slow.",
            )
            .ask("max by (node, instance) (bingo_exporter_catching_up{$of})", WHO)
            .states()
            .words(&[("0", "✓ done", "green"), ("1", "… catching up", "orange")]),
    ]
}

fn reading() -> Vec<View> {
    let last = "max by (node, source) (bingo_exporter_last_line_timestamp_seconds{$of})";
    vec![
        View::lines("Lag", "s")
            .says(
                "How long the oldest unread byte waited, the worst of the last minute. A second or two are \
                 good, up to 15 where nothing had come for long or there are hundreds of files. Where it grows beyond, the \
                 exporter has too little CPU, or the disk is slow.",
            )
            .ask("max by (node, source) (bingo_exporter_oldest_unread_seconds{$of})", SOURCE),
        View::lines("Unread bytes", "bytes")
            .says(
                "What is on disk and not read yet. Near 0 is good, a mountain after a stop too, as long as it \
                 shrinks.",
            )
            .ask("sum by (node, source) (bingo_exporter_unread_bytes{$of})", SOURCE),
        View::lines("Age of the newest line", "s")
            .says(
                "How old the newest line is that was read. Seconds are good: bingo writes several lines a second, \
                 the proxy one for each request. Where it grows while requests come, the log is not the one that \
                 is written: see the files, run check.",
            )
            .ask(&format!("clamp_min(time() - {last}, 0)"), SOURCE),
        View::stack("Bytes read", "Bps")
            .says(
                "How much log is read. Good is that it follows the traffic; a mountain after a restart is what \
                 was missed meanwhile.",
            )
            .ask(&rate("node, source", "bingo_exporter_read_bytes_total", ""), SOURCE),
        View::lines("Files", "none")
            .says(
                "Log files by what became of them. All following is good. Unreadable needs a group or a mode, \
                 missing a path, discarded is a link to /dev/null: run check on the node.",
            )
            .ask("sum by (node, source, state) (bingo_exporter_files{$of}) > 0", "{{state}} {{source}} {{node}}"),
        View::lines("Rotations", "none")
            .says(
                "Log files that were renamed, truncated or made anew, per interval. Renaming is good: nothing is \
                 lost by it. Truncation (copytruncate) can lose lines that nobody could have read: prefer \
                 renaming.",
            )
            .ask(
                "sum by (kind, source) (increase(bingo_exporter_rotations_total{$of}[$__rate_interval]))",
                "{{kind}} {{source}}",
            )
            .drawn("drawStyle", json!("bars"))
            .drawn("fillOpacity", json!(60)),
    ]
}

fn lines() -> Vec<View> {
    let lines = |more: &str| rate("node, source", "bingo_exporter_lines_total", more);
    vec![
        View::stack("Lines by result", "cps")
            .says(
                "Lines that were counted, ignored or rejected. Rejected ones are in no other number: near 0 is \
                 good. Where they come, the reasons stand beside, and check shows a sample.",
            )
            .ask(&rate("source, result", "bingo_exporter_lines_total", ""), "{{result}} {{source}}"),
        View::stack("Rejected lines by reason", "cps")
            .says(
                "Why lines could not be counted. None is good, a few torn or empty ones are nothing; an unknown \
                 format means that somebody changed the proxy's log_format.",
            )
            .ask(&rate("source, reason", "bingo_exporter_rejected_lines_total", ""), "{{reason}} {{source}}"),
        View::lines("Late lines", "percentunit")
            .says(
                "Share of lines that were over a minute old when they were read. 0 is good. After a stop of the \
                 exporter they are what it missed; otherwise the proxy holds its lines back: see buffer and flush \
                 in its access_log.",
            )
            .ask(
                &format!("{} / ({} > 0)", rate("node, source", "bingo_exporter_late_lines_total", ""), lines("")),
                SOURCE,
            )
            .up_to(1.0),
        View::stack("Requests without a time", "reqps")
            .says(
                "Requests whose line has no usable duration: they are counted, but their latency is not judged. \
                 None is good. Missing on all lines: add $request_time to the log_format.",
            )
            .ask(&rate("node, reason", "bingo_exporter_unmeasured_requests_total", ""), "{{reason}} {{node}}"),
        View::lines("Bytes lost", "bytes")
            .says(
                "Bytes that are known to be gone before they were read, per interval. 0 is good. All figures of \
                 that time are too low; see that logs are renamed, not truncated, and kept for a while.",
            )
            .ask(
                "sum by (node, source) (increase(bingo_exporter_lost_bytes_total{$of}[$__rate_interval]))",
                SOURCE,
            )
            .drawn("drawStyle", json!("bars"))
            .drawn("fillOpacity", json!(60)),
        View::lines("Limits hit", "cps")
            .says(
                "How often a limit was hit, of the configuration, the HTTP server or the exporter's own log. 0 is \
                 good. Raise the limit that it names, or find out who makes so many series or connections.",
            )
            .ask(&rate("limit", "bingo_exporter_limit_hits_total", ""), "{{limit}}"),
    ]
}

fn state() -> Vec<View> {
    vec![
        View::lines("Checkpoint", "s")
            .says(
                "Since the state was last saved, and dashed how often that failed per interval. A few seconds and \
                 no failure are good. Otherwise free or remount the disk: after the next restart counters would \
                 begin at 0.",
            )
            .ask("time() - max by (node, instance) (bingo_exporter_checkpoint_timestamp_seconds{$of})", WHO)
            .limit(
                "sum by (node, instance) (increase(bingo_exporter_checkpoint_failures_total{$of}[$__rate_interval]))",
                "failures {{node}} {{instance}}",
            ),
        View::lines("Configuration", "none")
            .says(
                "1 while the last reload was taken, which is good. At 0 the file was refused and the one before \
                 is in force; the log says which line is wrong. Mend it before the next restart, which would \
                 fail.",
            )
            .ask("min by (node, instance) (bingo_exporter_config_last_reload_successful{$of})", WHO)
            .states()
            .words(&[("0", "✕ refused", "red"), ("1", "✓ taken", "green")]),
        View::table("Exporters")
            .says(
                "What runs where. The same version everywhere is good.",
            )
            .label("node", "Node", None)
            .label("instance", "Instance", None)
            .label("version", "Version", None)
            .column(
                "max by (node, instance, version) (bingo_exporter_build_info{$of})",
                "Info",
                "none",
                &[],
            )
            .column(
                "max by (node, instance) (process_start_time_seconds{$of}) * on (node, instance) group_left (version) \
                 max by (node, instance, version) (bingo_exporter_build_info{$of}) * 1000",
                "Started",
                "dateTimeFromNow",
                &[],
            )
            .sorted(&["Value #A"], "node", false),
    ]
}

fn cost() -> Vec<View> {
    vec![
        View::lines("CPU", "percentunit")
            .says(
                "Share of one core. Under 5 % is good at 120 requests a second; catching up after a stop takes a \
                 whole core for a moment.",
            )
            .ask(&rate("node, instance", "process_cpu_seconds_total", ""), WHO),
        View::lines("Memory", "bytes")
            .says(
                "What the process holds in memory. A level line is good, whatever the traffic; a slope over days \
                 is a fault of ours: report it.",
            )
            .ask("max by (node, instance) (process_resident_memory_bytes{$of})", WHO),
        View::lines("Scrape duration", "s")
            .says(
                "How long Prometheus waits for an answer. Under a second is good; at the scrape timeout (4 s) \
                 series begin to have holes.",
            )
            .ask("max by (node, instance) (scrape_duration_seconds{$of})", WHO),
    ]
}
