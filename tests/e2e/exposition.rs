//! The exposition read by those it is written for: promtool, Prometheus, and the strictest OpenMetrics parser.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::Exporter;
use crate::support::exposition::Exposition;
use crate::support::http;
use crate::support::log;
use crate::support::process::{program, run};
use crate::support::prometheus::{Prometheus, judge};

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";

/// What a Prometheus 2.42 sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// An exporter that has counted a log with a bit of everything, and has nothing more to read.
struct Counted {
    exporter: Exporter,
    _dir: TempDir,
}

impl Counted {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("access.log");
        let text = log::many(2000) + &log::line("GET /api/movie/1", 499, 700) + "{\"status\": \n\n";
        log::append(&path, &text);
        let args = [
            "--source.access",
            path.to_str().unwrap(),
            "--source.read-from",
            "beginning",
        ];
        Self {
            exporter: Exporter::start(&args),
            _dir: dir,
        }
    }
}

#[test]
fn promtool_has_nothing_to_say() {
    let counted = Counted::start();
    let text = counted.exporter.scrape("text/plain");
    assert!(
        text.header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let (content, words) = judge(
        program("promtool").args(["check", "metrics"]),
        text.text(),
        "prometheus",
    );
    assert_eq!((content, &*words), (true, ""));
}

#[test]
fn the_strict_openmetrics_parser_reads_it() {
    let counted = Counted::start();
    let text = counted.exporter.scrape(OPENMETRICS);
    assert!(
        text.header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    // Prints how many samples it read.
    let program = "import sys\n\
                   from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                   print(sum(len(family.samples) for family in read(sys.stdin.read())))";
    let (content, words) = judge(python().args(["-c", program]), text.text(), "python3-venv");
    assert!(content, "{words}");
    assert_eq!(words.trim(), Exposition::parse(text.text()).len().to_string());
}

#[test]
fn exemplars_are_read_and_stored() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let now = jiff::Timestamp::now();
    let line = format!(
        "{{\"time\":\"{now}\",\"request\":\"GET /api/movie/1 HTTP/1.1\",\"status\":200,\"request_time\":0.7,\
         \"request_id\":\"8f3a-slow\"}}\n"
    );
    log::append(&path, &line);
    let source = path.to_str().unwrap();
    let exporter = Exporter::start(&["--source.access", source, "--source.read-from", "beginning"]);

    let program = "import sys\n\
                   from prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                   print(*[(s.labels['le'], s.exemplar.labels, s.exemplar.value) for family in read(sys.stdin.read()) \
                   for s in family.samples if s.exemplar])";
    let text = exporter.scrape(OPENMETRICS);
    let (content, words) = judge(python().args(["-c", program]), text.text(), "python3-venv");
    assert!(content, "{words}");
    assert_eq!(words.trim(), "('0.8', {'request_id': '8f3a-slow'}, 0.7)");
    assert!(!exporter.scrape("text/plain").text().contains("8f3a-slow"));

    let prometheus = Prometheus::start(exporter.address);
    wait_until("the exemplar to be stored", DEADLINE, || {
        let exemplars = prometheus.exemplars("bingo_http_request_duration_seconds_bucket");
        exemplars.iter().any(|labels| labels["request_id"] == "8f3a-slow")
    });
}

/// The Python with prometheus_client in it.
fn python() -> Command {
    let made_by_setup = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    Command::new(std::env::var_os("E2E_PYTHON").map_or_else(made_by_setup, PathBuf::from))
}

#[test]
fn both_formats_carry_the_same_samples() {
    let counted = Counted::start();
    let [classic, open] =
        ["text/plain", OPENMETRICS].map(|accept| Exposition::parse(counted.exporter.scrape(accept).text()));
    assert!(classic.len() > 500, "{}", classic.len());
    // These may change between two scrapes; what there is of them may not.
    let changes = |name: &str| name.starts_with("process_") || name == "bingo_exporter_oldest_unread_seconds";
    let lasting = |exposition: &Exposition| exposition.only(|name| !changes(name));
    assert_eq!(lasting(&classic).difference(&lasting(&open)), "");
    assert_eq!(classic.len(), open.len());
}

#[test]
fn compressed_when_accepted() {
    let counted = Counted::start();
    let ask = |headers: &[(&str, &str)]| http::ask(counted.exporter.address, "GET", "/metrics", headers);
    let (plain, zipped) = (ask(&[]), ask(&[("Accept-Encoding", "gzip")]));
    assert_eq!(
        (
            plain.header("content-encoding"),
            zipped.header("content-encoding")
        ),
        (None, Some("gzip"))
    );
    assert!(
        zipped.body.len() * 5 < plain.body.len(),
        "{} of {}",
        zipped.body.len(),
        plain.body.len()
    );
    let unzipped = gunzip(&zipped.body);
    let requests = |text: &str| Exposition::parse(text).only(|name| name.starts_with("bingo_http_"));
    assert_eq!(requests(&unzipped).difference(&requests(plain.text())), "");
}

fn gunzip(bytes: &[u8]) -> String {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("body.gz");
    std::fs::write(&file, bytes).unwrap();
    let output = run(program("gzip").arg("-dc").arg(&file), "gzip");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn prometheus_stores_the_same_numbers() {
    let counted = Counted::start();
    let prometheus = Prometheus::start(counted.exporter.address);
    wait_until("up to be 1", DEADLINE, || {
        prometheus.query("up").value("up", &[]) == Some(1.0)
    });

    let of_the_log = |name: &str| {
        ["bingo_http_", "bingo_slo_", "bingo_upstream_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let exposed = Exposition::parse(counted.exporter.scrape(PROMETHEUS).text()).only(of_the_log);
    let stored = prometheus.query("{__name__=~\"bingo_(http|slo|upstream)_.+\"}");
    assert!(stored.len() > 500, "{}", stored.len());
    assert_eq!(exposed.difference(&stored), "");
    assert_eq!(
        prometheus.query("sum(bingo_http_requests_total)").value("", &[]),
        Some(2001.0)
    );
}
