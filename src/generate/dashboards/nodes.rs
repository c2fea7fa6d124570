//! bingo's nodes: as Prometheus, the proxy and their own logs see them.

use serde_json::json;

use super::board::Board;
use super::overview::NODE_UP;
use super::query::{allowed_of_all, bad_ratio};
use super::view::{View, mappings};
use crate::generate::rule::Dashboard;

pub(super) fn board() -> Board {
    Board {
        dashboard: Dashboard::Nodes,
        title: "bingo: nodes and upstreams",
        about: "bingo's nodes, as Prometheus, the proxy and their own logs see them.",
        variables: vec![],
        sections: vec![
            ("", nodes()),
            ("Upstreams, as the proxy sees them", upstreams()),
            ("bingo's own log", life()),
        ],
    }
}

fn rate(by: &str, metric: &str, more: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{$of{more}}}[$__rate_interval]))")
}

/// Where most of what there may be never is: only what is.
fn seen(by: &str, metric: &str, more: &str) -> String {
    format!("{} > 0", rate(by, metric, more))
}

fn nodes() -> Vec<View> {
    let window = "$__rate_interval";
    vec![
        View::lines("Node up", "none")
            .says(
                "1 while anything on the node answers Prometheus, which is good. A node that is down has to be \
                 back in a minute.",
            )
            .ask(NODE_UP, "{{node}}")
            .states()
            .words(&[("0", "✕ down", "red"), ("1", "✓ up", "green")]),
        View::lines("Error ratio by node", "percentunit")
            .says(
                "Share of the requests through each node that failed, and dashed what all objectives together \
                 allow: below it is good. One node far above the other: take it out and restart it. Both: look at \
                 what they share, the database first.",
            )
            .ask(&bad_ratio("node", "slo=\"availability\"", window), "{{node}}")
            .limit(&allowed_of_all("", window), "allowed"),
        View::stack("Protocols", "reqps")
            .says(
                "How clients speak to the proxy. Good is that HTTP, HTTPS and HTTP/3 are all served: one that \
                 vanishes does not get through any more.",
            )
            .ask(&seen("protocol, scheme", "bingo_http_protocol_requests_total", ""), "{{protocol}} {{scheme}}"),
    ]
}

fn upstreams() -> Vec<View> {
    let failed = r#",code=~"5..|429|none""#;
    let attempts = |more: &str| rate("node, upstream", "bingo_upstream_attempts_total", more);
    vec![
        View::stack("Attempts by upstream", "reqps")
            .says(
                "Tries at each bingo, retries included. Equal parts are good; one takes 100 a second at most.",
            )
            .ask(&attempts(""), "{{upstream}} {{node}}"),
        View::lines("Imbalance", "percentunit")
            .says(
                "Share of all tries that went to each bingo. Equal shares are good. One that sinks is slow or was \
                 taken out by the proxy; at 0 % the other one carries everything.",
            )
            .ask(
                &format!(
                    "{} / on (node) group_left () ({} > 0)",
                    attempts(""),
                    rate("node", "bingo_upstream_attempts_total", "")
                ),
                "{{upstream}} {{node}}",
            )
            .up_to(1.0),
        View::lines("Failed attempts", "percentunit")
            .says(
                "Share of the tries at each bingo that ended with 5xx, 429 or without an answer. Near 0 is good. \
                 Users see what a second try did not mend.",
            )
            .ask(&format!("{} / ({} > 0)", attempts(failed), attempts("")), "{{upstream}} {{node}}")
            .up_to(1.0),
        View::lines("Retried requests", "percentunit")
            .says(
                "Share of the requests that needed more than one bingo. Near 0 is good. More is hidden from users \
                 only as long as another bingo works.",
            )
            .ask(
                &format!(
                    "{} / ({} > 0)",
                    rate("node", "bingo_upstream_retried_requests_total", ""),
                    rate("node", "bingo_http_requests_total", "")
                ),
                "{{node}}",
            ),
        View::lines("Time per attempt", "s")
            .says(
                "90 % of the tries at a bingo took at most so long. Equal is good; one bingo that is slower than \
                 the other has a problem of its own.",
            )
            .ask(
                &format!(
                    "histogram_quantile(0.9, {}) >= 0",
                    rate("node, upstream, le", "bingo_upstream_duration_seconds_bucket", "")
                ),
                "{{upstream}} {{node}}",
            ),
        View::stack("Codes of attempts", "reqps")
            .says(
                "What the bingos answered the proxy. Nearly all 200 is good. None is no answer at all: see that \
                 bingo is up.",
            )
            .ask(&seen("code", "bingo_upstream_attempts_total", ""), "{{code}}"),
    ]
}

fn life() -> Vec<View> {
    vec![
        bingos(),
        View::lines("Heartbeat age", "s")
            .says(
                "Since a bingo last said that it lives. Up to 15 seconds are good. One that grows beyond 45 is \
                 dead or hangs: restart it.",
            )
            .ask(
                r#"time() - max by (node, log_id) (bingo_app_last_event_timestamp_seconds{$of,event="heartbeat"})"#,
                "{{log_id}} {{node}}",
            ),
        View::lines("Starts and unclean exits", "none")
            .says(
                "Starts, and how many of them followed a death without a goodbye, per interval. None is good. A \
                 bingo dies by itself after 10 to 25 minutes; it must be back in a minute, and not die again at \
                 once.",
            )
            .ask(
                r#"sum by (node, log_id) (increase(bingo_app_events_total{$of,event="start"}[$__rate_interval]))"#,
                "start {{log_id}} {{node}}",
            )
            .ask(
                "sum by (node, log_id) (increase(bingo_app_unclean_exits_total{$of}[$__rate_interval]))",
                "unclean exit {{log_id}} {{node}}",
            )
            .drawn("drawStyle", json!("bars"))
            .drawn("fillOpacity", json!(60)),
        View::lines("Throttled requests", "reqps")
            .says(
                "Requests that bingo refused because it was over its limit of 100 a second, as it says itself and \
                 as users saw it. None is good. Where there are some, a node is missing or the load is above the \
                 peak.",
            )
            .ask(&rate("node", "bingo_app_events_total", ",event=\"throttled\""), "bingo's log {{node}}")
            .ask(&rate("node", "bingo_http_requests_total", ",code=\"429\""), "429 to users {{node}}"),
        View::stack("Events", "cps")
            .says(
                "What bingo's log tells of, quota lines apart. A steady picture is good: heartbeats, and as many \
                 requests as the proxy sends. Init failures mean that its database or network is not there.",
            )
            .ask(&seen("event", "bingo_app_events_total", ",event!=\"quota\""), "{{event}}"),
        View::stack("Log lines by level", "cps")
            .says(
                "Lines of bingo's own log. Mostly debug and info is good; errors that begin to come say why \
                 others here look bad: read the log.",
            )
            .ask(&seen("level", "bingo_app_log_lines_total", ""), "{{level}}"),
    ]
}

fn bingos() -> View {
    let by = "node, log_id";
    let event = |event: &str| {
        format!("max by ({by}) (bingo_app_last_event_timestamp_seconds{{$of,event=\"{event}\"}})")
    };
    let clean = mappings(&[("0", "✓ none", "green")]);
    View::table("Each bingo")
        .says(
                "Each bingo by its log directory. A good one has a young heartbeat, a start that took under a \
                 second, and the same version everywhere. A start of 30 seconds means that 8.8.8.8:80 cannot be \
                 reached.",
            )
        .sized(24, 7)
        .label("node", "Node", None)
        .label("log_id", "Log", None)
        .label("version", "Version", None)
        .label("go_version", "Go", None)
        .column(&format!("max by ({by}, version, go_version) (bingo_app_info{{$of}})"), "Info", "none", &[])
        .column(
            &format!("({}) * on ({by}) group_left (version, go_version) max by ({by}, version, go_version) (bingo_app_info{{$of}}) * 1000", event("start")),
            "Started",
            "dateTimeFromNow",
            &[],
        )
        .column(
            &format!(
                "(max by ({by}) (bingo_app_last_start_duration_seconds{{$of}})) * on ({by}) group_left (version, go_version) \
                 max by ({by}, version, go_version) (bingo_app_info{{$of}})"
            ),
            "Start took",
            "s",
            &[],
        )
        .column(
            &format!(
                "(time() - {}) * on ({by}) group_left (version, go_version) max by ({by}, version, go_version) (bingo_app_info{{$of}})",
                event("heartbeat")
            ),
            "Last heartbeat",
            "s",
            &[],
        )
        .column(
            &format!(
                "round(sum by ({by}) (increase(bingo_app_unclean_exits_total{{$of}}[1d]))) * on ({by}) \
                 group_left (version, go_version) max by ({by}, version, go_version) (bingo_app_info{{$of}})"
            ),
            "Unclean exits in a day",
            "none",
            &[("mappings", clean)],
        )
        .sorted(&["Value #A"], "log_id", false)
}
