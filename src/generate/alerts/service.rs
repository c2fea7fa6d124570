//! What users notice within a minute: errors, nodes, traffic.

mod cases;

use super::{MONTH, Set};
use crate::generate::rule::{Alert, Dashboard, Group, Rule};

/// Seconds between evaluations, and between scrapes: a page about an error spike is due 30 seconds after its first
/// request, and scrape, evaluation, `for` and Alertmanager's wait each take up to one of these.
const INTERVAL: u32 = 5;

pub(super) fn set() -> Set {
    Set {
        group: group(),
        cases: cases::cases(),
    }
}

fn group() -> Group {
    let rules = [records(), errors().into(), nodes().into(), traffic().into()];
    Group {
        name: "service",
        interval: INTERVAL,
        about: "What users notice within a minute: errors, dead nodes, missing traffic.\nEvaluated every 5 seconds: a \
                page about an error spike is due 30 seconds after its first request.",
        rules: rules.into_iter().flatten().collect(),
    }
}

fn records() -> Vec<Rule> {
    vec![
        Rule::record(
            "node:bingo_up:max",
            r#"max by (node) (up{node!=""} and on (node) up{job=~"$job"})"#,
            "1 if anything on a node that has an exporter answers Prometheus.",
        ),
        Rule::record(
            "instance:bingo_late_lines:ratio_rate1m",
            r#"
            sum without (source) (rate(bingo_exporter_late_lines_total{source="access"}[1m]))
            /
            (sum without (source, result) (rate(bingo_exporter_lines_total{source="access"}[1m])) > 0)
            "#,
            "Share of the last minute's lines that were a minute old when they were read, as after a stop of the \
             exporter.",
        ),
        Rule::record(
            "node_route_method_result:bingo_slo_requests:rate1m",
            r#"
            sum by (node, route, method, result) (
              rate(bingo_slo_requests_total{slo="availability"}[1m])
              unless on (job, instance) instance:bingo_late_lines:ratio_rate1m > 0.5
            )
            "#,
            "Exporters that mostly read old lines are left out: what happened long ago would look like a spike now.",
        ),
        Rule::record(
            "route_method:bingo_slo_errors:ratio_rate1m",
            r#"
            sum by (route, method) (node_route_method_result:bingo_slo_requests:rate1m{result="bad"})
            /
            (sum by (route, method) (node_route_method_result:bingo_slo_requests:rate1m) > 0)
            "#,
            "",
        ),
        Rule::record(
            "node:bingo_http_requests:rate1m",
            r#"
            sum by (node) (
              rate(bingo_http_requests_total[1m])
              unless on (route, method) bingo_http_route_info{probe="true"}
              unless on (job, instance) instance:bingo_late_lines:ratio_rate1m > 0.5
            )
            "#,
            "Health checks are left out: they go on when no user comes any more.",
        ),
    ]
}

fn errors() -> [Rule; 2] {
    [
        Alert::page(
            "BingoErrorSpike",
            Dashboard::Routes.panel("Error ratio", &["route"]),
        )
        .when(
            r#"
            route_method:bingo_slo_errors:ratio_rate1m
              > on (route, method) clamp_min(1 - max by (route, method) (bingo_slo_objective_ratio{slo="availability"}), 0.05)
            and on (route, method)
              sum by (route, method) (node_route_method_result:bingo_slo_requests:rate1m{result="bad"}) * 60 >= 10
            "#,
            "5s",
            "0.05: five times what most objectives allow, and never less than what the route's own allows.\n\
             10: errors in the last minute, so that one on a quiet route wakes nobody.\n\
             5s: a second look, since one scrape may be odd. 5m: a spike that comes and goes is one page.",
        )
        .keep("5m")
        .says(
            "{{ $value | humanizePercentage }} of {{ $labels.method }} {{ $labels.route }} requests fail",
            &("In the last minute {{ $value | humanizePercentage }} of the {{ $labels.method }} {{ $labels.route }} \
               requests failed. "
                .to_owned()
                + MONTH),
        ),
        Alert::page(
            "BingoNodeErrorSpike",
            Dashboard::Nodes.panel("Error ratio by node", &["node"]),
        )
        .when(
            r#"
            sum by (node) (node_route_method_result:bingo_slo_requests:rate1m{result="bad"})
              / (sum by (node) (node_route_method_result:bingo_slo_requests:rate1m) > 0)
              > 0.05
            and on (node)
              sum by (node) (node_route_method_result:bingo_slo_requests:rate1m{result="bad"}) * 60 >= 10
            "#,
            "5s",
            "As for a route, for errors that are spread over so many routes that none of them stands out.",
        )
        .keep("5m")
        .says(
            "{{ $value | humanizePercentage }} of all requests to node {{ $labels.node }} fail",
            "In the last minute {{ $value | humanizePercentage }} of the requests that node {{ $labels.node }} answered \
             failed, over all routes.",
        ),
    ]
}

fn nodes() -> [Rule; 4] {
    let nodes = Dashboard::Overview.panel("Nodes", &[]);
    let node = Dashboard::Nodes.panel("Node up", &["node"]);
    [
        Alert::ticket("BingoNodeDown", node)
            .when(
                "node:bingo_up:max == 0",
                "10s",
                "10s: two scrapes more. A ticket, since the other nodes carry on and the node should be back in a minute.",
            )
            .says(
                "Node {{ $labels.node }} is down",
                "Nothing on node {{ $labels.node }} answers Prometheus. Users should not notice: the other nodes serve \
                 them. If it is not back within a minute, that is a page.",
            ),
        Alert::page("BingoNodeNotBack", node)
            .when(
                "node:bingo_up:max == 0",
                "50s",
                "50s: a node has to be back in a minute; less one scrape and one evaluation.",
            )
            .says(
                "Node {{ $labels.node }} has been down for a minute",
                "Nothing on node {{ $labels.node }} has answered Prometheus for a minute, the time in which a dead node \
                 has to be back. Users do not notice yet; the death of one more node they will.",
            ),
        Alert::page("BingoAllNodesDown", nodes)
            .when(
                "max(node:bingo_up:max) == 0",
                "10s",
                "10s: two scrapes more, against a hiccup of Prometheus' own network.",
            )
            .says(
                "All nodes are down",
                "Nothing answers on any node: for users there is no service. If it is there for you, Prometheus has lost \
                 its network.",
            ),
        Alert::page(
            "BingoFailoverNoticed",
            Dashboard::Overview.panel("Error ratio", &[]),
        )
        .when(
            r#"
            sum(node_route_method_result:bingo_slo_requests:rate1m{result="bad"})
              > sum(
                sum by (route, method) (node_route_method_result:bingo_slo_requests:rate1m)
                * on (route, method) (1 - max by (route, method) (bingo_slo_objective_ratio{slo="availability"}))
              )
            and sum(node_route_method_result:bingo_slo_requests:rate1m{result="bad"}) * 60 >= 10
            and count(node:bingo_up:max == 0)
            "#,
            "5s",
            "More errors than all objectives together allow for this traffic, while a node is down. 10: errors in the \
             last minute.",
        )
        .keep("1m")
        .says(
            "A node is down and users notice",
            "A node is down, and {{ $value | humanize }} requests a second fail, over all routes: more than the objectives \
             allow. The death of one node must not be noticed by users.",
        ),
    ]
}

fn traffic() -> [Rule; 2] {
    [
        Alert::page(
            "BingoTrafficGone",
            Dashboard::Overview.panel("Requests by node", &["node"]),
        )
        .when(
            r#"
            node:bingo_http_requests:rate1m == 0
            and avg_over_time(node:bingo_http_requests:rate1m[30m] offset 10m) > 1
            unless on (node) bingo_exporter_files{source="access",state=~"unreadable|discarded"} > 0
            "#,
            "1m",
            "1m: with the minute the rate looks back, two minutes without a request.\n\
             1: requests a second until ten minutes ago. Where there were fewer, none for two minutes is nothing unusual.\n\
             30m: so long the alert stays, at least, while nobody comes.\n\
             A log that cannot be read says nothing about traffic; one that is missing may be one of several.",
        )
        .says(
            "No requests on node {{ $labels.node }}",
            "For two minutes nobody has asked node {{ $labels.node }} for anything, health checks apart; until ten \
             minutes ago there was more than a request a second. Connections that are refused reach no log: users may \
             not get through.",
        ),
        Alert::ticket(
            "BingoLoadAbovePeak",
            Dashboard::Overview.panel("Requests by node", &[]),
        )
        .when(
            "sum(node:bingo_http_requests:rate1m) > 120",
            "1m",
            "120: requests a second, the peak the service is built for, and 1m: how long it may last. One node takes 100: \
             with one of two gone, requests are refused.",
        )
        .says(
            "{{ $value | humanize }} requests a second, more than the peak of 120",
            "For two minutes there have been more than the 120 requests a second that the service is built for, \
             {{ $value | humanize }} now. One node takes 100: if one dies now, the rest is refused.",
        ),
    ]
}
