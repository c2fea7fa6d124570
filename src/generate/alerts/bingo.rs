//! What bingo's own log and the proxy tell of its nodes.

mod cases;

use super::Set;
use crate::config::Config;
use crate::generate::rule::{Alert, Dashboard, Group, Panel, Rule};

/// The one endpoint whose answer may come from a cache, for a minute.
const CACHED: &str = "/long_dummy";

const LIFE: Panel = Dashboard::Nodes.panel("Starts and unclean exits", &["node"]);
const CACHE: Panel = Dashboard::Routes.panel("Cache", &["route"]);

pub(super) fn set(config: &Config) -> Set {
    let has_cached = config.endpoints.iter().any(|endpoint| endpoint.path == CACHED);
    let mut rules = Vec::from(life());
    rules.extend([
        throttling(),
        requests(),
        retries(),
        log_stale(),
        uncachable(&config.unmatched),
    ]);
    rules.extend(has_cached.then(stale));
    let mut cases = cases::cases(&config.unmatched);
    for cases in &mut cases {
        cases
            .cases
            .retain(|case| has_cached || case.alert != "BingoLongDummyStale");
    }
    Set {
        group: Group {
            name: "bingo",
            interval: 5,
            about: "What bingo's own log and the proxy's tell of its nodes: crashes, silence, throttling, caches, retries.",
            rules,
        },
        cases,
    }
}

fn life() -> [Rule; 4] {
    [
        Alert::page("BingoHeartbeatSilent", Dashboard::Nodes.panel("Heartbeat age", &["node"]))
            .when(
                r#"
                time() - max by (node, log_id) (bingo_app_last_event_timestamp_seconds{event="heartbeat"}) > 45 < 86400
                unless on (node) bingo_exporter_files{source="app",state=~"unreadable|discarded"} > 0
                "#,
                "10s",
                "45: seconds; bingo says that it lives every 10 to 15. With the 10s a dead bingo pages before its minute is \
                 over. 86400: a day later the directory is one of a bingo that was taken away.\n\
                 A log that cannot be read says nothing. One that is missing may be renamed, and still followed, until bingo \
                 starts again.",
            )
            .says(
                "bingo {{ $labels.log_id }} on {{ $labels.node }} gives no sign of life",
                "bingo {{ $labels.log_id }} on node {{ $labels.node }} has not said for {{ $value | humanizeDuration }} that \
                 it is alive; it does so every 15 seconds. It is dead or it hangs, and has to be back within a minute.",
            ),
        Alert::page("BingoCrashLoop", LIFE)
            .when(
                r#"
                sum by (node, log_id) (increase(bingo_app_unclean_exits_total[10m])) >= 3
                unless on (node)
                  sum by (node) (increase(bingo_exporter_late_lines_total{source="app"}[10m]))
                    > 0.5 * sum by (node) (increase(bingo_exporter_lines_total{source="app"}[10m]))
                "#,
                "0s",
                "3: deaths in ten minutes. bingo dies by itself after 10 to 25: three of these do not come together.\n\
                 0.5: most lines are late, of a log that could not be read until now; its deaths are of long ago.",
            )
            .says(
                "bingo {{ $labels.log_id }} on {{ $labels.node }} dies again and again",
                "In the last ten minutes bingo {{ $labels.log_id }} on node {{ $labels.node }} was started {{ $value | humanize \
                 }} times without having shut down before. It does not stay up: the node is as good as gone.",
            ),
        Alert::ticket("BingoUncleanExit", LIFE)
            .when(
                "sum by (node, log_id) (increase(bingo_app_unclean_exits_total[15m])) > 0",
                "0s",
                "0: every death counts. It is seen when bingo starts again.",
            )
            .says(
                "bingo {{ $labels.log_id }} on {{ $labels.node }} died and was started again",
                "In the last 15 minutes bingo {{ $labels.log_id }} on node {{ $labels.node }} was started without having shut \
                 down before: it crashed, was killed or ran out of memory.",
            ),
        Alert::ticket("BingoSlowStart", Dashboard::Nodes.panel("Each bingo", &["node"]))
            .when(
                r#"
                max by (node, log_id) (bingo_app_last_start_duration_seconds) > 10
                and on (node, log_id)
                  time() - max by (node, log_id) (bingo_app_last_event_timestamp_seconds{event="ready"}) < 900
                "#,
                "0s",
                "10: seconds; a start takes less than one, and 30 where 8.8.8.8:80 cannot be reached and nothing says so.\n\
                 900: seconds since that start, after which it is no news.",
            )
            .says(
                "bingo {{ $labels.log_id }} on {{ $labels.node }} took {{ $value | humanizeDuration }} to start",
                "The last start of bingo {{ $labels.log_id }} on node {{ $labels.node }} took {{ $value | humanizeDuration }}. \
                 A dead node has to be back in a minute; at this pace half of it is gone.",
            ),
    ]
}

fn throttling() -> Rule {
    Alert::ticket("BingoThrottling", Dashboard::Nodes.panel("Throttled requests", &["node"]))
        .when(
            r#"
            sum by (node) (increase(bingo_http_requests_total{code="429"}[5m])) >= 10
            or
            sum by (node) (increase(bingo_app_events_total{event="throttled"}[5m])) >= 10
            "#,
            "1m",
            "10: refusals in five minutes. A node takes 100 requests a second; who meets its limit was not served.",
        )
        .says(
            "Node {{ $labels.node }} refuses requests",
            "{{ $value | humanize }} requests were refused on node {{ $labels.node }} in the last five minutes because \
             bingo's limit of 100 a second was reached.",
        )
}

fn requests() -> Rule {
    Rule::record(
        "node:bingo_http_requests:rate5m",
        "sum by (node) (rate(bingo_http_requests_total[5m]))",
        "Recorded, since it takes many series: on 200 nodes most of this group's time.",
    )
}

fn retries() -> Rule {
    Alert::ticket("BingoRetriesHideErrors", Dashboard::Nodes.panel("Retried requests", &["node"]))
        .when(
            r#"
            sum by (node) (rate(bingo_upstream_retried_requests_total[5m]))
              / (node:bingo_http_requests:rate5m > 0)
              > 0.05
            and on (node)
              sum by (node) (increase(bingo_upstream_retried_requests_total[5m])) >= 10
            "#,
            "2m",
            "0.05: a node of two that fails always shows as half, one that dies as a moment's few. 10: requests in five \
             minutes.",
        )
        .says(
            "{{ $value | humanizePercentage }} of the requests need a second try",
            "On node {{ $labels.node }} the proxy had to ask a second bingo for {{ $value | humanizePercentage }} of the \
             requests of the last five minutes. Users do not notice yet: the errors of a node are hidden, and there is nothing \
             left to hide those of another.",
        )
}

fn log_stale() -> Rule {
    Alert::ticket("BingoLogStale", Dashboard::Exporter.panel("Age of the newest line", &["node"]))
        .when(
            r#"
            time() - max by (node) (bingo_exporter_last_line_timestamp_seconds{source="app"}) > 120
            and on (node) node:bingo_http_requests:rate5m > 0.1
            "#,
            "1m",
            "120: seconds; bingo writes several lines a second, asked or not. 0.1: requests a second at the proxy: bingo \
             lives, so it is the log that is not followed.",
        )
        .says(
            "bingo's log on {{ $labels.node }} tells nothing any more",
            "Node {{ $labels.node }} answers requests, but the newest line of bingo's own log is {{ $value | humanizeDuration \
             }} old: crashes, starts and throttling would not be seen.",
        )
}

fn uncachable(unmatched: &str) -> Rule {
    let expr = r#"
        sum by (node, route) (
          increase(bingo_http_cache_requests_total{route!~"$routes",cache=~"hit|stale|updating|revalidated"}[5m])
        ) > 0
        "#;
    Alert::ticket("BingoUncachableCached", CACHE)
        .when(
            &expr.replace("$routes", &format!("{CACHED}|{unmatched}")),
            "1m",
            "0: one such answer is one too many.",
        )
        .says(
            "{{ $labels.route }} is answered from a cache",
            "{{ $value | humanize }} answers of {{ $labels.route }} on node {{ $labels.node }} came from the proxy's cache in the \
             last five minutes. They may be wrong: only /long_dummy may be cached.",
        )
}

fn stale() -> Rule {
    Alert::ticket("BingoLongDummyStale", CACHE)
        .when(
            r#"
            sum by (node, route) (increase(bingo_http_cache_requests_total{route="/long_dummy",cache=~"stale|updating"}[1m])) > 0
            or
            sum by (node, route) (increase(bingo_http_cache_requests_total{route="/long_dummy",cache="hit"}[15s])) > 0
            and on (node) count by (node) (bingo_http_cache_requests_total offset 75s)
            unless on (node)
              sum by (node) (increase(bingo_http_cache_requests_total{route="/long_dummy",cache=~"miss|expired|revalidated"}[75s])) > 0
            "#,
            "15s",
            "0: one such answer is one too many. 15s, 75s: who is answered from the cache now, and it was filled over 75 seconds \
             ago, gets an answer that was a minute old 15 seconds ago.\n\
             Nobody knows when it was filled who was not there 75 seconds ago, as after a stop of the exporter.",
        )
        .says(
            "/long_dummy is answered with what is older than a minute",
            "On node {{ $labels.node }} the proxy answers /long_dummy from its cache with what it got more than a minute ago, the \
             oldest an answer may be.",
        )
}
