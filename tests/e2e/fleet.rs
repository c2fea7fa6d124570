//! The rules' selectors, and where a fleet outgrows one Prometheus: VictoriaMetrics, what is sent on, many nodes.

#[path = "../generate/selectors.rs"]
mod selectors;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::generate::alerts::{Set, sets};
use tempfile::TempDir;

use crate::alerts::{alerts, local, prometheus_yml, say};
use crate::support::alertmanager::Server;
use crate::support::clock::{DEADLINE, POLL, now, pause, wait_until};
use crate::support::exporter::{Exporter, command};
use crate::support::exposition::Exposition;
use crate::support::log;
use crate::support::ports::free_port;
use crate::support::process::{Process, program};
use crate::support::prometheus::{Prometheus, ask};

/// Error ratio by route and method, from two rates.
const ERROR_RATIO: &str = "sum by (route, method) (rate(bingo_slo_requests_total{slo=\"availability\",result=\"bad\"}[1m])) \
                           / (sum by (route, method) (rate(bingo_slo_requests_total{slo=\"availability\"}[1m])) > 0)";

fn rules() -> Vec<Set> {
    sets(&Config::load(None, &Overrides::default()).unwrap())
}

/// VictoriaMetrics, from Debian's package.
struct Victoria {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Victoria {
    fn start(args: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let address = local(free_port());
        let mut command = program("victoria-metrics");
        command.arg(format!("-httpListenAddr={address}")).args(args);
        command.arg(format!("-storageDataPath={}", dir.path().join("data").display()));
        // Without it what was scraped last is hidden for half a minute.
        command.arg("-search.latencyOffset=0s");
        Self {
            address,
            _process: Process::start(&mut command, "victoria-metrics"),
            _dir: dir,
        }
    }
}

/// The demo, and what scrapes it: Prometheus with the rules, VictoriaMetrics without.
struct Scraped {
    prometheus: Prometheus,
    victoria: Victoria,
    _beside: Server,
    _demo: Exporter,
    _dir: TempDir,
}

fn scraped() -> Scraped {
    let demo = Exporter::spawn(&mut command(&["demo", "--rps", "60"]));
    let beside = Server::target(local(0));
    let unlabelled =
        "  - job_name: bingo-exporter-unlabelled\n    static_configs: [{targets: ['127.0.0.1:1']}]\n";
    let addresses = [
        ("10.0.0.1:10352", demo.address),
        ("10.0.0.1:9100", beside.address),
        ("10.0.0.2:10352", demo.address),
        ("10.0.0.2:9100", beside.address),
    ];
    let config = prometheus_yml(&addresses) + unlabelled;
    let dir = TempDir::new().unwrap();
    let scrape = dir.path().join("scrape.yml");
    let only_scrapes = config.split_once("scrape_configs:").unwrap().1;
    fs::write(
        &scrape,
        format!("global: {{scrape_interval: 15s}}\nscrape_configs:{only_scrapes}"),
    )
    .unwrap();
    let victoria = Victoria::start(&["-promscrape.config", scrape.to_str().unwrap()]);
    Scraped {
        prometheus: Prometheus::configured(&config),
        victoria,
        _beside: beside,
        _demo: demo,
        _dir: dir,
    }
}

#[test]
fn every_selector_has_series_and_victoria_metrics_agrees() {
    let scraped = scraped();
    let sets = rules();
    let mut missing: BTreeSet<String> = BTreeSet::new();
    for (_, mut selector) in selectors::selectors(&sets, ".*bingo-exporter.*") {
        // As it was then is what comes to be now.
        selector.offset = None;
        missing.insert(selector.to_string());
    }
    assert!(missing.len() > 50, "{missing:?}");
    let all = missing.clone();
    let deadline = now() + 3 * DEADLINE;
    while !missing.is_empty() {
        assert!(now() < deadline, "no series: {missing:?}");
        pause(POLL);
        missing.retain(|selector| scraped.prometheus.query(&format!("count({selector})")).is_empty());
    }
    let queries = all
        .iter()
        .filter(|selector| !selector.contains(':') || selector.starts_with("up"));
    let mut compared = 0;
    for selector in queries {
        let query = format!("count by (__name__) ({selector})");
        // They scrape at different moments, and the demo goes on: a code seen first between the two is soon known to both.
        let agreement = format!("the same number of series of {selector}");
        wait_until(&agreement, DEADLINE, || {
            let here = scraped.prometheus.query(&query);
            here.difference(&ask(scraped.victoria.address, &query)).is_empty()
        });
        compared += 1;
    }
    assert!(compared > 25, "{compared}");
}

/// Counts that are the same for both, then ones that rose by the same: raw values are equal, what is made of rates is within
/// 2 %, since only Prometheus extrapolates to the ends of the window. Beside that, what is sent on is all that rules need.
#[test]
fn victoria_metrics_has_the_same_numbers_scraped_or_sent() {
    let dir = TempDir::new().unwrap();
    let access = dir.path().join("access.log");
    log::append(&access, &log::many(3000));
    let exporter = Exporter::start(&[
        "--source.read-from=beginning",
        "--source.access",
        access.to_str().unwrap(),
        "--source.app=/nowhere/x/main.log",
    ]);
    let scrapes = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: bingo-exporter\n    \
         static_configs: [{{targets: ['{}'], labels: {{node: a}}}}]\n",
        exporter.address
    );
    let config = dir.path().join("scrape.yml");
    fs::write(&config, &scrapes).unwrap();
    let scraping = Victoria::start(&["-promscrape.config", config.to_str().unwrap()]);
    let sent_to = Victoria::start(&[]);
    let remote_write = fs::read_to_string(alerts().join("remote-write.yml")).unwrap();
    let (_, remote_write) = remote_write.split_once("remote_write:").unwrap();
    let remote_write =
        remote_write.replace("victoria-metrics.example.org:8428", &sent_to.address.to_string());
    let prometheus = Prometheus::configured(&format!("{scrapes}remote_write:{remote_write}"));
    let others = [scraping.address, sent_to.address];
    let agree = |count: &str| {
        for other in others {
            wait_until("the same counts in both", DEADLINE, || {
                let all = "sum(bingo_exporter_lines_total)";
                let counted = |from: &Exposition| from.sum("", &[]).to_string() == count;
                counted(&prometheus.query(all)) && counted(&ask(other, all))
            });
            for name in [
                "bingo_slo_requests_total",
                "bingo_http_requests_total",
                "bingo_slo_objective_ratio",
            ] {
                let (here, there) = (prometheus.query(name), ask(other, name));
                assert!(here.len() > 10);
                assert_eq!(here.difference(&there), "", "{name}");
            }
        }
    };
    agree("3000");
    log::append(&access, &log::many(3000));
    agree("6000");
    for other in others {
        let (here, there) = (prometheus.query(ERROR_RATIO), ask(other, ERROR_RATIO));
        assert!(here.len() > 5 && here.len() == there.len(), "{here:?} {there:?}");
        for (labels, ratio) in here.series("") {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let theirs = there.sum("", &labels);
            assert!(
                (ratio - theirs).abs() <= 0.02 * ratio,
                "{labels:?}: {ratio} {theirs}"
            );
        }
    }
    let count = |of: SocketAddr| ask(of, "count({node=\"a\"})").sum("", &[]);
    let (all, sent) = (count(scraping.address), count(sent_to.address));
    let buckets = ask(sent_to.address, "{__name__=~\".+_bucket|process_.+|.+:.+\"}");
    assert!(buckets.is_empty(), "{buckets:?}");
    say(&format!("sent on: {sent} of {all} series"));
    assert!(sent < 0.5 * all, "{sent} of {all}");
}

/// How long the rules of many nodes take: `FLEET_NODES`, else few. What an exporter shows is scraped from somebody who only
/// repeats it: else the exporters of all nodes would take this machine's time, too.
#[test]
fn the_rules_of_many_nodes_are_evaluated_in_time() {
    let nodes: u32 = env::var("FLEET_NODES").map_or(10, |text| text.parse().unwrap());
    let demo = Exporter::start(&["demo", "--rps", "60"]);
    wait_until("both bingos to have answered", DEADLINE, || {
        let upstreams = demo
            .metrics()
            .counts("bingo_upstream_attempts_total", ["upstream"]);
        upstreams.values().filter(|count| **count > 0).count() == 2
    });
    let shown = demo.scrape("");
    drop(demo);
    let shown = Server::showing(local(0), String::from_utf8(shown.body).unwrap());
    let beside = Server::target(local(0));
    let mut jobs = [String::new(), String::new()];
    for (job, address) in jobs.iter_mut().zip([shown.address, beside.address]) {
        for node in 1..=nodes {
            let labels = format!("{{node: n{node}, instance: 'n{node}'}}");
            writeln!(job, "      - {{targets: ['{address}'], labels: {labels}}}").unwrap();
        }
    }
    let job = |name: &str, targets: &str| {
        format!(
            "  - job_name: {name}\n    scrape_interval: 5s\n    scrape_timeout: 4s\n    static_configs:\n{targets}"
        )
    };
    let prometheus = Prometheus::configured(&format!(
        "rule_files: ['{}/rules/*.yml']\nscrape_configs:\n{}{}",
        alerts().display(),
        job("bingo-exporter", &jobs[0]),
        job("node", &jobs[1])
    ));
    wait_until("every node's rate", 2 * DEADLINE, || {
        let known = prometheus.query("count(node:bingo_http_requests:rate1m)");
        known.sum("", &[]) >= f64::from(nodes)
    });
    // With full windows of the fast rules.
    wait_until("a full minute", 2 * DEADLINE, || {
        let full = prometheus.query("count_over_time(max(node:bingo_http_requests:rate1m)[2m:5s]) >= 13");
        !full.is_empty()
    });
    let own = prometheus.own();
    for (labels, seconds) in own.series("prometheus_rule_group_last_duration_seconds") {
        let group = labels["rule_group"].rsplit(';').next().unwrap();
        let interval = own.sum(
            "prometheus_rule_group_interval_seconds",
            &[("rule_group", &labels["rule_group"])],
        );
        say(&format!(
            "{nodes} nodes: {group} took {seconds:.3} s of every {interval} s"
        ));
        assert!(2.0 * seconds < interval, "{group}: {seconds}");
    }
    let missed = own.sum("prometheus_rule_group_iterations_missed_total", &[]);
    assert!(missed < 1.0, "{missed}");
}
