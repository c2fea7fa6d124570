//! The rules as they are shipped, in a real Prometheus and a real Alertmanager, with real exporters: who is called, when,
//! and who is not.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::alertmanager::{Alertmanager, Call, Server};
use crate::support::clock::{DEADLINE, now, pause_until, unix_now, wait_for, wait_until};
use crate::support::exporter::{Exporter, command};
use crate::support::log;
use crate::support::ports::free_port;
use crate::support::prometheus::Prometheus;

/// Requests a second at each node.
const RATE: u32 = 20;

/// From the first failed request to the page.
const SPIKE_PAGES_WITHIN: Duration = Duration::from_secs(30);

/// From a dead node's last good scrape to the page: a minute, and one interval.
const NOT_BACK_PAGES_WITHIN: Duration = Duration::from_secs(65);

pub(crate) fn alerts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts")
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A proxy's log, a line every so often, good or bad.
struct Proxy {
    log: PathBuf,
    failing: Arc<AtomicBool>,
    first_failure: Arc<Mutex<Option<Instant>>>,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

/// A line of a time so many seconds ago.
fn line(number: u32, status: u16, ago: f64) -> String {
    #[expect(clippy::disallowed_methods, reason = "a log carries the time of day")]
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
        - ago;
    // Half of the requests are the route's that will fail.
    let request = ["GET /api/movie/5", "POST /operation"][(number / 2 % 2) as usize];
    let line = log::line(request, status, 50);
    line.replace(
        "\"time_iso8601\":\"2024-01-09T10:00:00+00:00\"",
        &format!("\"msec\":\"{time:.3}\""),
    )
}

impl Proxy {
    fn start(log: PathBuf) -> Self {
        log::append(&log, "");
        let mut proxy = Self {
            log: log.clone(),
            failing: Arc::default(),
            first_failure: Arc::default(),
            stop: Arc::default(),
            writer: None,
        };
        let (failing, first, stop) = (
            Arc::clone(&proxy.failing),
            Arc::clone(&proxy.first_failure),
            Arc::clone(&proxy.stop),
        );
        proxy.writer = Some(thread::spawn(move || {
            let begin = now();
            for number in 0.. {
                pause_until(begin + Duration::from_secs(1) * number / RATE);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // Every second request of one route.
                let fails = failing.load(Ordering::SeqCst) && number % 4 == 0;
                log::append(&log, &line(number, if fails { 502 } else { 200 }, 0.0));
                if fails {
                    first.lock().unwrap().get_or_insert_with(now);
                }
            }
        }));
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A proxy, its exporter, and something else to scrape.
struct Node {
    proxy: Proxy,
    exporter: Option<Exporter>,
    beside: Option<Server>,
    address: SocketAddr,
    beside_address: SocketAddr,
    dir: TempDir,
}

impl Node {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let mut node = Self {
            proxy: Proxy::start(dir.path().join("access.log")),
            exporter: None,
            beside: None,
            address: local(free_port()),
            beside_address: local(free_port()),
            dir,
        };
        node.revive();
        node
    }

    fn start_exporter(&mut self) {
        let address = self.address.to_string();
        let state = self.dir.path().join("state");
        let args = [
            "--source.access",
            self.proxy.log.to_str().unwrap(),
            "--source.app",
            "/nowhere/x/main.log",
            "--state.dir",
            state.to_str().unwrap(),
            "--web.listen-address",
            &address,
        ];
        let exporter = Exporter::spawn(&mut command(&args));
        exporter.wait_ready();
        self.exporter = Some(exporter);
    }

    fn stop_exporter(&mut self, signal: Signal) {
        self.exporter.take().unwrap().end(signal);
    }

    fn die(&mut self) {
        self.beside = None;
        self.stop_exporter(Signal::KILL);
    }

    fn revive(&mut self) {
        self.beside = Some(Server::target(self.beside_address));
        self.start_exporter();
    }
}

/// Everything that is running.
struct Stage {
    nodes: [Node; 2],
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    calls: Arc<Mutex<Vec<Call>>>,
    _somebody: Server,
}

impl Stage {
    fn start() -> Self {
        let nodes = [Node::start(), Node::start()];
        let (somebody, calls) = Server::somebody();
        let config = fs::read_to_string(alerts().join("alertmanager.yml")).unwrap();
        let config = replaced(&config, &[("127.0.0.1:9095", somebody.address)]);
        let alertmanager = Alertmanager::start(&config);
        let [a, b] = &nodes;
        let prometheus = Prometheus::configured(&prometheus_yml(&[
            ("127.0.0.1:9093", alertmanager.address),
            ("10.0.0.1:10352", a.address),
            ("10.0.0.2:10352", b.address),
            ("10.0.0.1:9100", a.beside_address),
            ("10.0.0.2:9100", b.beside_address),
        ]));
        Self {
            nodes,
            prometheus,
            alertmanager,
            calls,
            _somebody: somebody,
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits for a call about an alert on a node, or on a route.
    #[track_caller]
    fn called(&self, name: &str, firing: bool, label: (&str, &str)) -> Call {
        wait_for(&format!("{name}, firing: {firing}"), 2 * DEADLINE, || {
            let is =
                |call: &&Call| call.name == name && call.firing == firing && call.label(label.0) == label.1;
            self.calls().iter().find(is).cloned()
        })
    }

    #[track_caller]
    fn wait_series(&self, query: &str) {
        wait_until(query, 2 * DEADLINE, || !self.prometheus.query(query).is_empty());
    }
}

#[track_caller]
pub(crate) fn replaced(text: &str, addresses: &[(&str, SocketAddr)]) -> String {
    addresses.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, &to.to_string())
    })
}

/// The bundled one, at other addresses.
pub(crate) fn prometheus_yml(addresses: &[(&str, SocketAddr)]) -> String {
    let config = fs::read_to_string(alerts().join("prometheus.yml")).unwrap();
    let rules = format!("rule_files: ['{}/rules/*.yml']", alerts().display());
    replaced(&config, addresses).replace("rule_files: [rules/*.yml]", &rules)
}

/// What was measured, in the output of CI: past the test's capture.
pub(crate) fn say(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

#[test]
fn who_is_called_and_when() {
    let mut stage = Stage::start();
    stage.wait_series("count(node:bingo_http_requests:rate1m > 10) == 2");
    calm(&mut stage);
    a_node_dies(&mut stage);
    a_spike(&stage);
    // Nobody was called about anything else, and about each once.
    let mut counts: BTreeMap<(String, String, bool), u32> = BTreeMap::new();
    for call in stage.calls() {
        *counts
            .entry((call.to.clone(), call.name.clone(), call.firing))
            .or_default() += 1;
    }
    let expected = [
        ("page", "BingoErrorBudgetBurn", true),
        ("page", "BingoErrorSpike", true),
        ("page", "BingoNodeNotBack", false),
        ("page", "BingoNodeNotBack", true),
        ("page", "BingoTrafficGone", true),
        ("ticket", "BingoNodeDown", false),
        ("ticket", "BingoNodeDown", true),
    ];
    let expected = expected.map(|(to, name, firing)| ((to.to_owned(), name.to_owned(), firing), 1));
    assert_eq!(counts, BTreeMap::from(expected));
}

/// A rotation, a restart, a reload, and a stop after which ten minutes' lines are read at once: 200 a second over the last
/// minute. None of them is an error: errors that are read late are no spike now, but they did spend the budget, and nobody
/// was told while the exporter stood. Two minutes later BingoErrorBudgetBurn would page, and rightly.
fn calm(stage: &mut Stage) {
    let [a, b] = &mut stage.nodes;
    // The writer opens its file for each line.
    fs::rename(&a.proxy.log, a.dir.path().join("access.log.1")).unwrap();
    a.stop_exporter(Signal::TERM);
    a.start_exporter();
    a.exporter.as_ref().unwrap().signal(Signal::HUP);
    b.stop_exporter(Signal::TERM);
    let old = (0..12_000).map(|number| line(number, 200, 600.0 - f64::from(number) / 20.0));
    log::append(&b.proxy.log, &old.collect::<String>());
    b.start_exporter();
    // They have been seen, and what they would have raised had time to fire.
    stage.wait_series("sum_over_time((instance:bingo_late_lines:ratio_rate1m > bool 0.5)[1m:5s]) >= 3");
    assert!(stage.calls().is_empty(), "{:?}", stage.calls());
    let pending = stage.prometheus.query("ALERTS{alertstate=\"firing\"}");
    assert_eq!(pending.len(), 0, "{pending:?}");
}

fn a_node_dies(stage: &mut Stage) {
    let died = now();
    stage.nodes[1].die();
    let node = ("node", "bingo-2");
    let ticket = stage.called("BingoNodeDown", true, node);
    assert_eq!(ticket.to, "ticket");
    // Something else is said about both nodes meanwhile: about the dead one, nobody is called.
    let gone =
        |node: &str| json!({"labels": {"alertname": "BingoTrafficGone", "node": node, "severity": "page"}});
    stage
        .alertmanager
        .tell(&json!([gone("bingo-1"), gone("bingo-2")]));
    stage.called("BingoTrafficGone", true, ("node", "bingo-1"));
    wait_until("the dead node's alert to be inhibited", DEADLINE, || {
        stage
            .alertmanager
            .inhibits("BingoTrafficGone", ("node", "bingo-2"))
    });
    let page = stage.called("BingoNodeNotBack", true, node);
    // The dead node's ends before the node is back: nobody ever hears of it.
    let mut over = gone("bingo-2");
    over["startsAt"] = json!("2020-01-01T00:00:00Z");
    over["endsAt"] = json!("2020-01-01T00:01:00Z");
    stage.alertmanager.tell(&json!([over]));
    let [to_ticket, to_page] = [&ticket, &page].map(|call| call.at.duration_since(died));
    let last_good = "max_over_time(timestamp(up{job=\"node\",node=\"bingo-2\"} == 1)[5m:1s])";
    let last_good = stage.prometheus.query(last_good).sum("", &[]);
    let since_good = unix_now() - page.at.elapsed().as_secs_f64() - last_good;
    let back = now();
    stage.nodes[1].revive();
    let resolved = stage.called("BingoNodeDown", false, node).at.duration_since(back);
    stage.called("BingoNodeNotBack", false, node);
    say(&format!(
        "node killed: ticket after {to_ticket:.1?}, page after {to_page:.1?}, {since_good:.1} s after the last good scrape; \
         back: resolved after {resolved:.1?}"
    ));
    assert_eq!(page.to, "page");
    assert!(since_good < NOT_BACK_PAGES_WITHIN.as_secs_f64(), "{since_good}");
}

fn a_spike(stage: &Stage) {
    for node in &stage.nodes {
        node.proxy.failing.store(true, Ordering::SeqCst);
    }
    let page = stage.called("BingoErrorSpike", true, ("route", "/api/movie/{id}"));
    for node in &stage.nodes {
        node.proxy.failing.store(false, Ordering::SeqCst);
    }
    let first = stage
        .nodes
        .iter()
        .filter_map(|node| *node.proxy.first_failure.lock().unwrap())
        .min();
    let took = page.at.duration_since(first.unwrap());
    say(&format!(
        "error spike: page {took:.1?} after the first failed request"
    ));
    let annotation = |name: &str| page.alert["annotations"][name].as_str().unwrap().to_owned();
    assert!(
        annotation("summary").ends_with("% of GET /api/movie/{id} requests fail"),
        "{page:?}"
    );
    assert!(annotation("description").contains("used up in "), "{page:?}");
    assert!(
        annotation("dashboard").contains("/d/bingo-routes?var-route=%2Fapi%2Fmovie%2F%7Bid%7D&viewPanel="),
        "{page:?}"
    );
    assert!(annotation("runbook_url").ends_with("/BingoErrorSpike.md"));
    assert!(took < SPIKE_PAGES_WITHIN, "{took:?}");
    one_page_a_cause(stage);
}

/// What goes on for some minutes burns the budget too. Of that route, nobody is called again; of another, somebody is.
fn one_page_a_cause(stage: &Stage) {
    let burn = |route: &str, method: &str| {
        json!({"labels": {"alertname": "BingoErrorBudgetBurn", "route": route, "method": method,
                          "slo": "availability", "window": "1h", "severity": "page"}})
    };
    let (same, other) = ("/api/movie/{id}", "/operation");
    stage
        .alertmanager
        .tell(&json!([burn(same, "GET"), burn(other, "POST")]));
    stage.called("BingoErrorBudgetBurn", true, ("route", other));
    wait_until("the same route's alert to be inhibited", DEADLINE, || {
        stage
            .alertmanager
            .inhibits("BingoErrorBudgetBurn", ("route", same))
    });
}
