//! A real nginx before two nodes, clients with every fault we know, and what the exporter makes of the logs: it
//! must agree with what the clients, the nodes and nginx saw, to the last request.

mod expected;
mod journal;
mod load;
mod plan;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::exporter::Exporter;
use crate::support::exposition::{Exposition, whole};
use crate::support::nginx::{Nginx, logrotate};
use crate::support::ports::free_port;
use crate::support::upstream::{Board, Upstream};
use expected::{Expected, Histogram};
use journal::Line;
use load::Entry;
use plan::Course;

/// Everything the program can know about a request, in JSON, and the same requests in the format nginx has by
/// default. One node is asked after another where one fails; /long_dummy is cached, briefly, so that entries
/// expire while the clients ask. A client can ask to be sent to a group with no live node, and to where nginx
/// has little patience.
fn http_block(port: u16, dir: &Path, nodes: [&Upstream; 2]) -> String {
    let [a, b] = nodes.map(|node| node.address);
    let [c, d] = [free_port(), free_port()];
    let dir = dir.display();
    format!(
        r#"
        log_format json escape=json '{{"time_iso8601":"$time_iso8601","id":"$http_x_id","request_id":"$request_id","request":"$request",'
            '"request_method":"$request_method","request_uri":"$request_uri","status":"$status",'
            '"request_time":"$request_time","body_bytes_sent":"$body_bytes_sent",'
            '"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",'
            '"upstream_response_time":"$upstream_response_time",'
            '"upstream_cache_status":"$upstream_cache_status","server_protocol":"$server_protocol",'
            '"scheme":"$scheme"}}';
        access_log {dir}/access.json json;
        access_log {dir}/access.log combined;
        upstream bingo {{ server {a} max_fails=0; server {b} max_fails=0; }}
        upstream gone {{ server 127.0.0.1:{c} fail_timeout=60s; server 127.0.0.1:{d} fail_timeout=60s; }}
        map $http_x_group $group {{ default bingo; gone gone; }}
        proxy_cache_path {dir}/cache keys_zone=long_dummy:1m;
        proxy_next_upstream error timeout http_503;
        server {{
            listen 127.0.0.1:{port};
            if ($http_x_stall) {{ rewrite ^ /stalled last; }}
            location / {{ proxy_pass http://$group; }}
            location = /stalled {{ proxy_pass http://bingo; proxy_read_timeout 250ms; }}
            location = /long_dummy {{
                proxy_pass http://$group;
                proxy_cache long_dummy;
                proxy_cache_key $request_uri;
                proxy_cache_valid 200 1s;
                proxy_cache_use_stale updating http_500;
            }}
        }}"#
    )
}

/// What is left of a run of the load: what everyone saw.
struct Run {
    entries: Vec<Entry>,
    lines: Vec<Line>,
    /// By node, what it says it answered; the second was killed.
    nodes: [(String, BTreeMap<String, u64>); 2],
}

/// Lets the clients loose; the second node is killed when a third of the requests are sent.
fn run(plan: &[plan::Planned], nginx: &mut Nginx, nodes: [Upstream; 2], board: &Board) -> Run {
    let [live, doomed] = nodes;
    let doomed = Mutex::new(doomed);
    let entries = load::run(plan, nginx.address, board, &|number| {
        if number == plan.len() / 3 {
            doomed.lock().unwrap().kill();
        }
    });
    nginx.quit();
    let lines = journal::read(&[&nginx.file("access.json")]);
    let nodes = [&live, &doomed.lock().unwrap()].map(|node| (node.address.to_string(), node.answers()));
    Run {
        entries,
        lines,
        nodes,
    }
}

/// The harness itself: if the clients, the nodes and nginx did not agree among themselves, there would be
/// nothing to compare the exporter with.
fn check_witnesses(run: &Run) {
    assert_eq!(
        run.lines.len(),
        run.entries.len(),
        "nginx logged another number of requests than were sent"
    );
    let logged = journal::by_id(&run.lines);
    let mut nameless = 0;
    for entry in &run.entries {
        let Some(line) = logged.get(&entry.planned.id) else {
            nameless += 1;
            continue;
        };
        assert_eq!(line.status, entry.status.to_string(), "{entry:?} {line:?}");
        assert_eq!(line.bytes(), entry.bytes, "{entry:?} {line:?}");
        if let (Course::Answered { delay }, 200, "MISS" | "") =
            (entry.planned.course, entry.status, &*line.upstream_cache_status)
        {
            assert!(line.millis() >= delay, "{entry:?} {line:?}");
        }
    }
    let unnamed = run.lines.iter().filter(|line| line.id().is_none()).count();
    assert_eq!(nameless, unnamed);
    // nginx cannot have taken longer than its clients waited, but for the rounding.
    let by_nginx: u64 = run.lines.iter().map(Line::millis).sum();
    let by_clients: u64 = run.entries.iter().map(|entry| entry.millis + 1).sum();
    println!("{by_nginx} ms by nginx's clock, {by_clients} by the clients'");
    assert!(by_nginx <= by_clients);

    let tries = expected::tries(&run.lines);
    let [live, killed] = &run.nodes;
    assert_eq!(expected::codes_at(&tries, &live.0), live.1, "the live node");
    let mut at_killed = expected::codes_at(&tries, &killed.0);
    assert!(
        at_killed.remove("502").is_some_and(|refused| refused > 100),
        "it was to be missed"
    );
    // One that hung there when it died is a 502 to nginx.
    at_killed.remove("hung");
    let mut answers = killed.1.clone();
    answers.remove("hung");
    assert_eq!(at_killed, answers, "the killed node, before");
}

#[test]
fn the_metrics_equal_what_clients_nodes_and_nginx_saw() {
    let plan = plan::plan(0x00b1_4960, 3000);
    let board = Arc::new(Board::default());
    let nodes = [Upstream::start(&board), Upstream::start(&board)];
    let mut nginx = Nginx::start(|port, dir| http_block(port, dir, [&nodes[0], &nodes[1]]));
    let [json, combined] = ["access.json", "access.log"].map(|name| {
        let path = nginx.file(name);
        Exporter::start(&["--source.access", path.to_str().unwrap()])
    });

    let run = scraping_meanwhile(&json, || run(&plan, &mut nginx, nodes, &board));
    check_witnesses(&run);
    check_variety(&run);

    // One scrape each, and no waiting: a scrape holds what was on disk before it.
    let (from_json, from_combined) = (json.metrics(), combined.metrics());
    let expected = Expected::new(&run.entries, &run.lines);
    check_requests(&from_json, &run.entries);
    check_durations(&from_json, &expected);
    check_nodes(&from_json, &run);
    check_rest(&from_json, &run);
    assert_eq!(
        from_json.counts("bingo_slo_requests_total", SLO_LABELS),
        expected.slo
    );

    check_requests(&from_combined, &run.entries);
    assert_eq!(
        from_combined.counts("bingo_slo_requests_total", SLO_LABELS),
        expected.slo_without_times
    );
    let latency = from_combined
        .series("bingo_slo_requests_total")
        .filter(|(labels, _)| labels["slo"] == "latency");
    assert_eq!(latency.count(), 0, "latency is unmeasured, not met");
    assert_eq!(
        from_combined.sum("bingo_http_request_duration_seconds_count", &[]),
        0.0
    );
    assert_eq!(from_combined.sum("bingo_upstream_attempts_total", &[]), 0.0);
}

const SLO_LABELS: [&str; 4] = ["route", "method", "slo", "result"];

/// Runs something while a scraper looks all the time: nothing that it sees ever goes back.
fn scraping_meanwhile<T>(exporter: &Exporter, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let scraper = || {
        let mut last = BTreeMap::new();
        while !done.load(Ordering::Relaxed) {
            let next = exporter
                .metrics()
                .counts("bingo_http_requests_total", ["route", "method", "code"]);
            for (key, count) in &last {
                assert!(
                    next.get(key).is_some_and(|now| now >= count),
                    "{key:?} was {count}"
                );
            }
            last = next;
        }
    };
    thread::scope(|scope| {
        let scraper = scope.spawn(scraper);
        let result = work();
        done.store(true, Ordering::Relaxed);
        scraper.join().unwrap();
        result
    })
}

/// That the load held what it was made for.
fn check_variety(run: &Run) {
    let by_status = expected::count(run.entries.iter().map(|entry| entry.status));
    for status in [200, 301, 400, 404, 429, 499, 500, 502, 503, 504, 505] {
        assert!(by_status.contains_key(&status), "no {status} in {by_status:?}");
    }
    let cached = |what: &str| {
        run.lines
            .iter()
            .filter(|line| line.upstream_cache_status == what)
            .count()
    };
    assert!(cached("HIT") > 0 && cached("MISS") > 0 && cached("EXPIRED") > 0);
    assert!(
        run.lines
            .iter()
            .any(|line| line.status == "502" && line.tries().is_empty()),
        "none without a node"
    );
    println!("{by_status:?}");
}

fn check_requests(metrics: &Exposition, entries: &[Entry]) {
    let counts = metrics.counts("bingo_http_requests_total", ["route", "method", "code"]);
    assert_eq!(counts, expected::count(entries.iter().map(Entry::key)));
    assert_eq!(
        whole(metrics.sum("bingo_http_requests_total", &[])),
        entries.len() as u64
    );
    let lines = |result| {
        metrics.value(
            "bingo_exporter_lines_total",
            &[("source", "access"), ("result", result)],
        )
    };
    assert_eq!(lines("counted"), Some(entries.len() as f64));
    assert_eq!(lines("rejected"), Some(0.0));
    assert_eq!(metrics.sum("bingo_exporter_rejected_lines_total", &[]), 0.0);
    let bytes = metrics.counts("bingo_http_response_bytes_total", ["route", "method"]);
    assert_eq!(bytes, expected::bytes(entries));
}

fn check_durations(metrics: &Exposition, expected: &Expected) {
    const NAME: &str = "bingo_http_request_duration_seconds";
    for (row, histogram) in &expected.durations {
        let [route, method, outcome] = row.each_ref().map(String::as_str);
        let labels = [("route", route), ("method", method), ("outcome", outcome)];
        check_histogram(metrics, NAME, &labels, histogram);
    }
    let total: u64 = expected
        .durations
        .values()
        .map(|histogram| histogram.count())
        .sum();
    assert_eq!(
        whole(metrics.sum(&format!("{NAME}_count"), &[])),
        total,
        "no other series has any"
    );
}

fn check_histogram(metrics: &Exposition, name: &str, labels: &[(&str, &str)], expected: &Histogram) {
    let count = metrics.value(&format!("{name}_count"), labels);
    assert_eq!(count, Some(expected.count() as f64), "{name}_count {labels:?}");
    let sum = metrics.value(&format!("{name}_sum"), labels).unwrap();
    let error = (sum * 1000.0 - expected.sum() as f64).abs();
    assert!(
        error < 0.001,
        "{name}_sum {labels:?}: {sum}, expected {} ms",
        expected.sum()
    );
    let bucket = format!("{name}_bucket");
    let mut edges = 0;
    for (of, value) in metrics
        .series(&bucket)
        .filter(|(of, _)| labels.iter().all(|(name, is)| of[*name] == *is))
    {
        let edge = &of["le"];
        assert_eq!(
            whole(value),
            expected.up_to(edge),
            "{bucket} {labels:?} le={edge}"
        );
        edges += 1;
    }
    assert!(edges > 13, "{bucket} {labels:?} has {edges} buckets");
}

fn check_nodes(metrics: &Exposition, run: &Run) {
    let tries = expected::tries(&run.lines);
    let attempts = metrics.counts("bingo_upstream_attempts_total", ["upstream", "code"]);
    assert_eq!(attempts, expected::by_node_and_code(&tries));
    for (node, histogram) in expected::durations_by_node(&tries) {
        check_histogram(
            metrics,
            "bingo_upstream_duration_seconds",
            &[("upstream", &node)],
            &histogram,
        );
    }
    let retried = metrics.counts("bingo_upstream_retried_requests_total", ["route", "method"]);
    let expected = expected::retried(&run.entries, &run.lines);
    assert!(expected.values().sum::<u64>() > 100);
    assert_eq!(retried, expected);
}

fn check_rest(metrics: &Exposition, run: &Run) {
    let cache = metrics.counts("bingo_http_cache_requests_total", ["route", "cache"]);
    let expected = run
        .lines
        .iter()
        .filter(|line| !line.upstream_cache_status.is_empty());
    let expected = expected::count(expected.map(|line| {
        [
            "/long_dummy".to_owned(),
            line.upstream_cache_status.to_lowercase(),
        ]
    }));
    assert_eq!(cache, expected);

    const PROTOCOL: &str = "bingo_http_protocol_requests_total";
    assert_eq!(whole(metrics.sum(PROTOCOL, &[])), run.lines.len() as u64);
    let old = run
        .lines
        .iter()
        .filter(|line| line.server_protocol == "HTTP/1.0")
        .count();
    assert_eq!(
        metrics.value(PROTOCOL, &[("protocol", "HTTP/1.0"), ("scheme", "http")]),
        Some(old as f64)
    );
}

/// logrotate renames, creates and asks nginx to reopen; until then nginx writes on into the renamed file.
#[test]
fn logrotate_loses_nothing() {
    let plan = plan::plan(0x0010_9207, 1200);
    let board = Arc::new(Board::default());
    let nodes = [Upstream::start(&board), Upstream::start(&board)];
    let mut nginx = Nginx::start(|port, dir| http_block(port, dir, [&nodes[0], &nodes[1]]));
    let log = nginx.file("access.json");
    let exporter = Exporter::start(&["--source.access", log.to_str().unwrap()]);
    let entries = scraping_meanwhile(&exporter, || {
        let entries = load::run(&plan, nginx.address, &board, &|number| {
            if number % 400 == 200 {
                logrotate(&nginx, &log);
            }
        });
        nginx.quit();
        entries
    });
    let logs =
        ["access.json.3", "access.json.2", "access.json.1", "access.json"].map(|name| nginx.file(name));
    assert_eq!(
        journal::read(&logs.each_ref().map(|log| log.as_path())).len(),
        entries.len()
    );

    let metrics = exporter.metrics();
    check_requests(&metrics, &entries);
    let rotations = metrics.value(
        "bingo_exporter_rotations_total",
        &[("source", "access"), ("kind", "renamed")],
    );
    assert_eq!(rotations, Some(3.0));
    assert_eq!(
        metrics.value("bingo_exporter_lost_bytes_total", &[("source", "access")]),
        Some(0.0)
    );
}
