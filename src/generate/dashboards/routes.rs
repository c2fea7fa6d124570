//! One endpoint in detail, or all of them.

use super::board::{Board, Variable};
use super::query::{allowed, bad_ratio};
use super::view::View;
use crate::generate::rule::Dashboard;

const ROUTE: &str = r#"$of,route=~"$route""#;

pub(super) fn board() -> Board {
    Board {
        dashboard: Dashboard::Routes,
        title: "bingo: routes",
        about: "One endpoint in detail, or all of them: choose above.",
        variables: vec![Variable::Route],
        sections: vec![("", traffic()), ("Latency", latency()), ("Proxy", proxy())],
    }
}

fn rate(by: &str, metric: &str, more: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{ROUTE}{more}}}[$__rate_interval]))")
}

fn traffic() -> Vec<View> {
    let availability = r#"slo="availability",route=~"$route""#;
    vec![
        View::stack("Requests by route", "reqps")
            .says(
                "What users ask for. Steady is good. A route that is suddenly gone is not reached any more; one \
                 that grows alone may be a client that repeats itself.",
            )
            .ask(&rate("route, method", "bingo_http_requests_total", ""), "{{method}} {{route}}"),
        View::lines("Error ratio", "percentunit")
            .says(
                "Share of requests that failed, a line for each route, and dashed what its objective allows. \
                 Under its dashed line a route is good. Above, the codes beside it say who failed: 502 and 504 \
                 bingo is gone or hangs, 500 it answers but its database does not, 429 it is over its limit.",
            )
            .ask(&bad_ratio("route, method", availability, "$__rate_interval"), "{{method}} {{route}}")
            .limit(&allowed("route, method", availability), "allowed: {{method}} {{route}}"),
        View::stack("Errors by code", "reqps")
            .says(
                "Answers that are no success. 5xx and 429 are failures; 499 are clients that gave up; other 4xx \
                 are the client's own fault. None is good; what counts against the objective stands beside it.",
            )
            .ask(&rate("code", "bingo_http_requests_total", ",code!~\"1..|2..|3..\""), "{{code}}"),
    ]
}

fn latency() -> Vec<View> {
    let quantile = |quantile: &str| {
        let buckets = rate(
            "le",
            "bingo_http_request_duration_seconds_bucket",
            ",outcome=\"ok\"",
        );
        // Idle is no time, not a broken one.
        format!("histogram_quantile({quantile}, {buckets}) >= 0")
    };
    let limit = |which: &str| format!("{which}(bingo_slo_latency_threshold_seconds{{{ROUTE}}})");
    let judged = r#"slo="latency",route=~"$route""#;
    vec![
        View::lines("Latency", "s")
            .says(
                "How long answers that were no failure took: half, 90 % and 99 % of them were at most so slow. It \
                 is good to stay under the limit of its objective, dashed, of the chosen routes the strictest and \
                 the loosest.",
            )
            .sized(12, 9)
            .ask(&quantile("0.5"), "half")
            .ask(&quantile("0.9"), "90 %")
            .ask(&quantile("0.99"), "99 %")
            .limit(&limit("min"), "strictest limit")
            .limit(&limit("max"), "loosest limit"),
        View::heatmap("Latency heatmap", "s")
            .says(
                "How many answers took how long. One dark band low down is good. A second band is a part that is \
                 slow: a node, a query without an index. A band that moves up is all of it: load.",
            )
            .sized(12, 9)
            .ask(
                &rate("le", "bingo_http_request_duration_seconds_bucket", ",outcome=\"ok\"")
                    .replace("rate(", "increase("),
                "{{le}}",
            ),
        View::lines("Latency by route", "s")
            .says(
                "90 % of a route's answers were at most so slow. Below its limit, dashed, is good; above it, the \
                 route is about to miss its objective, or does.",
            )
            .sized(12, 9)
            .ask(
                &format!(
                    "histogram_quantile(0.9, {}) >= 0",
                    rate("route, method, le", "bingo_http_request_duration_seconds_bucket", ",outcome=\"ok\"")
                ),
                "{{method}} {{route}}",
            )
            .limit(
                &format!("max by (route, method) (bingo_slo_latency_threshold_seconds{{{ROUTE}}})"),
                "limit: {{method}} {{route}}",
            ),
        View::lines("Too slow", "percentunit")
            .says(
                "Share of a route's answers that took longer than they may, and dashed how many may. Below is \
                 good. Above its dashed line a route misses its objective: look at the load, at the nodes, at the \
                 database.",
            )
            .sized(12, 9)
            .ask(&bad_ratio("route, method", judged, "$__rate_interval"), "{{method}} {{route}}")
            .limit(&allowed("route, method", judged), "allowed: {{method}} {{route}}"),
    ]
}

fn proxy() -> Vec<View> {
    vec![
        View::stack("Cache", "reqps")
            .says(
                "Answers by what the proxy's cache did. Only /long_dummy may be cached, for a minute: there, \
                 mostly hits are good, and never stale. A hit on any other route is wrong: switch its cache off.",
            )
            .ask(
                &(rate("route, cache", "bingo_http_cache_requests_total", "") + " > 0"),
                "{{cache}} {{route}}",
            )
            .unknown("– no cache is asked"),
        View::stack("Retried requests by route", "reqps")
            .says(
                "Requests that needed more than one bingo. Users do not notice, but a node is failing: see the \
                 dashboard of nodes. None is good.",
            )
            .ask(
                &(rate("route, method", "bingo_upstream_retried_requests_total", "") + " > 0"),
                "{{method}} {{route}}",
            )
            .unknown("✓ none"),
        View::stack("Bytes sent", "Bps")
            .says(
                "What goes to clients. It is good where it follows the requests; where it does not, answers have \
                 changed their size.",
            )
            .ask(&rate("route, method", "bingo_http_response_bytes_total", ""), "{{method}} {{route}}"),
    ]
}
