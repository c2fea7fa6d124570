//! Is bingo serving, and if not, what is wrong: the first look at night.

use serde_json::json;

use super::board::{Board, Variable};
use super::query::{allowed, allowed_of_all, bad_ratio, missed};
use super::view::{View, mappings, thresholds};
use crate::generate::rule::Dashboard;

/// Requests of users: health checks go on when nobody comes any more.
pub(super) const USERS: &str = r#"rate(bingo_http_requests_total{$of}[$__rate_interval]) unless on (route, method) bingo_http_route_info{$of,probe="true"}"#;

/// 1 where anything on a node that has an exporter answers Prometheus. What that is has another job and instance.
pub(super) const NODE_UP: &str =
    r#"max by (node) (up{node!="",node=~"$node"} and on (node) up{$of} or up{$of})"#;

const BUDGET: (&str, &str) = ("route, method, slo", r#"route=~"$route""#);

pub(super) fn board() -> Board {
    Board {
        dashboard: Dashboard::Overview,
        title: "bingo: overview",
        about: "Is bingo serving, and if not, what is wrong: read it from the top.",
        variables: vec![Variable::Route, Variable::Window],
        sections: vec![
            ("", verdict()),
            ("Node by node", vec![nodes()]),
            ("Routes, worst first", vec![routes(), budget()]),
            ("Over time", over_time()),
        ],
    }
}

fn verdict() -> Vec<View> {
    let none_of = r#"0 * count(bingo_slo_objective_ratio{$of})"#;
    vec![
        View::stat("Verdict", "none")
            .says(
                "Whether any objective was missed in the last five minutes, by at least five requests. Met is \
                 good. Where it says missed, the table of routes below names them; where it says that nothing is \
                 known, Prometheus gets no figures: see the nodes.",
            )
            .sized(8, 4)
            .ask(&format!("count({} > 0) or {none_of}", missed("")), "")
            .words(&[("0", "✓ objectives met", "green"), ("1..", "✕ objectives missed", "red")])
            .steps(&[("green", None), ("red", Some(1.0))])
            .unknown("? no figures"),
        View::stat("Requests", "reqps")
            .says(
                "Requests of users a second, health checks apart. Usual and good are 60; at a peak 120, for a \
                 minute. 0 is an outage, or nobody gets through: look at the proxy.",
            )
            .ask(&format!("sum({USERS})"), "")
            .with_graph()
            .unknown("? no figures"),
        View::stat("Errors of what is allowed", "percentunit")
            .says(
                "Failed requests of the last five minutes, as a share of what all objectives together allow for \
                 this traffic. Up to 100 % is good. Above, users notice: the table of routes says where.",
            )
            .sized(4, 4)
            .ask(
                &format!("({}) / ({})", bad_ratio("", "slo=\"availability\"", "5m"), allowed_of_all("", "5m")),
                "",
            )
            .steps(&[("green", None), ("red", Some(1.0))])
            .unknown("– idle"),
        View::stat("Nodes down", "none")
            .says(
                "Nodes on which nothing answers Prometheus. None is good; one is a ticket, and a page when it is \
                 not back in a minute; all of them is an outage.",
            )
            .ask(&format!("count({NODE_UP} == 0) or 0 * count({NODE_UP})"), "")
            .words(&[("0", "✓ none", "green")])
            .steps(&[("green", None), ("red", Some(1.0))])
            .unknown("? no targets"),
        View::stat("Numbers", "none")
            .says(
                "Whether the figures can be trusted. Good is complete: of all nodes' logs nothing was lost, left \
                 unread or not understood in the last ten minutes. Where not, the exporter's dashboard says which \
                 log and why.",
            )
            .ask("min(bingo_exporter_complete{$of})", "")
            .words(&[("0", "✕ incomplete", "red"), ("1", "✓ complete", "green")])
            .steps(&[("red", None), ("green", Some(1.0))])
            .unknown("? no figures"),
    ]
}

fn nodes() -> View {
    let up = mappings(&[
        ("0", "✕ down", "red"),
        ("1", "✓ up", "green"),
        ("null", "? not scraped", "orange"),
    ]);
    let complete = mappings(&[("0", "✕ incomplete", "red"), ("1", "✓ complete", "green")]);
    let colored = json!({"type": "color-text"});
    View::table("Nodes")
        .says(
                "Each node: whether it answers, how much it serves, and how much of that fails. Up and below 100 \
                 % is good. A node that is down is no harm as long as the other one serves; it has to be back in \
                 a minute. The dashboard of nodes has the rest.",
            )
        .sized(24, 5)
        .label("node", "Node", None)
        .column(
            NODE_UP,
            "State",
            "none",
            &[("mappings", up), ("custom.cellOptions", colored.clone())],
        )
        .column(
            r#"count by (node) (up{$of} == 1) or 0 * count by (node) (up{$of})"#,
            "Exporters that answer",
            "none",
            &[],
        )
        .column(&format!("sum by (node) ({})", USERS.replace("$__rate_interval", "1m")), "Requests/s", "reqps", &[])
        .column(
            &format!("({}) / ({})", bad_ratio("node", "slo=\"availability\"", "5m"), allowed_of_all("node", "5m")),
            "Errors of what is allowed",
            "percentunit",
            &[
                ("thresholds", thresholds(&[("green", None), ("red", Some(1.0))])),
                ("custom.cellOptions", colored.clone()),
            ],
        )
        .column(
            "min by (node) (bingo_exporter_complete{$of})",
            "Numbers",
            "none",
            &[("mappings", complete), ("custom.cellOptions", colored)],
        )
        .column(
            r#"time() - min by (node) (bingo_app_last_event_timestamp_seconds{$of,event="heartbeat"})"#,
            "Oldest heartbeat",
            "s",
            &[],
        )
        .sorted(&[], "node", false)
}

fn routes() -> View {
    let availability = "slo=\"availability\",route=~\"$route\"";
    let by = "route, method";
    let state = mappings(&[
        ("0", "✓ met", "green"),
        ("1", "✕ missed", "red"),
        ("null", "– idle", "text"),
    ]);
    let quantile = |quantile: &str| {
        format!(
            "histogram_quantile({quantile}, sum by ({by}, le) \
             (rate(bingo_http_request_duration_seconds_bucket{{$of,outcome=\"ok\",route=~\"$route\"}}[5m]))) >= 0"
        )
    };
    View::table("Routes")
        .says(
                "The last five minutes of each endpoint with an objective, those that fail most, measured by what \
                 their objective allows, first. Up to 100 % of what is allowed is good. A click on a route shows \
                 its codes and times.",
            )
        .sized(24, 10)
        .label("method", "Method", Some(90))
        .route()
        .column(
            &format!("max by ({by}) ({})", missed("route=~\"$route\",")),
            "Objectives",
            "none",
            &[
                ("mappings", state),
                ("custom.cellOptions", json!({"type": "color-text"})),
            ],
        )
        .column(
            &format!("({}) / on ({by}) {}", bad_ratio(by, availability, "5m"), allowed(by, availability)),
            "Of what is allowed",
            "percentunit",
            &[
                ("thresholds", thresholds(&[("green", None), ("red", Some(1.0))])),
                ("custom.cellOptions", json!({"type": "color-text"})),
            ],
        )
        .column(&bad_ratio(by, availability, "5m"), "Errors", "percentunit", &[])
        .column(
            &format!("sum by ({by}) (rate(bingo_slo_requests_total{{$of,{availability}}}[5m]))"),
            "Judged requests/s",
            "reqps",
            &[],
        )
        .column(&quantile("0.5"), "Half within", "s", &[])
        .column(&quantile("0.9"), "90 % within", "s", &[])
        .column(
            &format!("max by ({by}) (bingo_slo_latency_threshold_seconds{{$of,route=~\"$route\"}})"),
            "Fast is at most",
            "s",
            &[],
        )
        .sorted(&[], "Value #B", true)
}

fn budget() -> View {
    let (by, more) = BUDGET;
    let bad = bad_ratio(by, more, "$window");
    let number = |result: &str| {
        format!("sum by ({by}) (increase(bingo_slo_requests_total{{$of,{more}{result}}}[$window]))")
    };
    View::table("Error budget left")
        .says(
                "Of the bad requests that an objective allows, how many are left over the time chosen above. \
                 Above 0 % is good: the objective is met. Where the budget is gone, stop what is not urgent and \
                 look at the route.",
            )
        .sized(24, 10)
        .label("method", "Method", Some(90))
        .route()
        .label("slo", "Objective", Some(120))
        .column(
            &format!("1 - ({bad}) / on ({by}) {}", allowed(by, more)),
            "Budget left",
            "percentunit",
            &[
                ("min", json!(0)),
                ("max", json!(1)),
                ("thresholds", thresholds(&[("red", None), ("green", Some(0.0))])),
                ("custom.cellOptions", json!({"type": "gauge", "mode": "basic", "valueDisplayMode": "text"})),
            ],
        )
        .column(
            &format!("max by ({by}) (bingo_slo_objective_ratio{{$of,{more}}})"),
            "Must be good",
            "percentunit",
            &[],
        )
        .column(&format!("1 - ({bad})"), "Were good", "percentunit", &[("decimals", json!(2))])
        .column(&number(",result=\"bad\""), "Bad requests", "locale", &[("decimals", json!(0))])
        .column(&number(""), "Requests", "locale", &[("decimals", json!(0))])
        .sorted(&[], "Value #A", false)
}

fn over_time() -> Vec<View> {
    let window = "$__rate_interval";
    vec![
        View::stack("Requests by node", "reqps")
            .says(
                "Requests of users a second, health checks apart. Equal parts are good. A node that goes to 0 is \
                 dead or cut off: look whether the other took over. More than 120 in all is more than the service \
                 is built for.",
            )
            .sized(12, 9)
            .ask(&format!("sum by (node) ({USERS})"), "{{node}}"),
        View::lines("Error ratio", "percentunit")
            .says(
                "Share of all requests that failed, and what all objectives together allow for this traffic. \
                 Below the dashed line is good. Above it users notice: the table of routes says where.",
            )
            .sized(12, 9)
            .ask(&bad_ratio("", "slo=\"availability\"", window), "failed")
            .limit(&allowed_of_all("", window), "allowed")
            .colored("orange"),
    ]
}
