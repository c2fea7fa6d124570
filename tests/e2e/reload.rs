//! Another configuration while the program runs.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::Exporter;
use crate::support::exposition::Exposition;
use crate::support::http::{self, Response};
use crate::support::ledger;
use crate::support::log::{append, line};
use crate::support::writer::{Progress, Reopening, Writer};

const SUCCESSFUL: &str = "bingo_exporter_config_last_reload_successful";
const SUCCEEDED: &str = "bingo_exporter_config_last_reload_success_timestamp_seconds";

/// A log, and a configuration of it that changes.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration: the paths of the access log, and everything else.
    fn configure(&self, logs: &[&str], more: &str) {
        let paths: Vec<_> = logs
            .iter()
            .map(|log| self.at(log).display().to_string())
            .collect();
        let text = format!(
            "sources:\n  access: {{paths: [{}]}}\n  app: {{paths: []}}\n{more}\n",
            paths.join(", ")
        );
        // A reload under way must not find half of it.
        fs::write(self.at("config.new"), text).unwrap();
        fs::rename(self.at("config.new"), self.at("config.yaml")).unwrap();
    }

    #[track_caller]
    fn start(&self, more: &[&str]) -> Exporter {
        let config = self.at("config.yaml");
        Exporter::start(&[&["--config.file", config.to_str().unwrap()], more].concat())
    }
}

#[track_caller]
fn post(exporter: &Exporter) -> Response {
    http::ask(exporter.address, "POST", "/-/reload", &[("Content-Length", "0")])
}

/// Sends SIGHUP and waits for what it comes to.
#[track_caller]
fn hang_up(exporter: &Exporter, expect: &str) {
    let count = |exporter: &Exporter| exporter.said().matches(expect).count();
    let before = count(exporter);
    exporter.signal(Signal::HUP);
    wait_until(expect, DEADLINE, || count(exporter) > before);
}

const RELOADED: &str = "msg=\"configuration reloaded\"";
const REFUSED: &str = "msg=\"failed to reload the configuration";

fn requests(metrics: &Exposition, route: &str) -> Option<f64> {
    let series = [("route", route), ("method", "GET"), ("code", "200")];
    metrics.value("bingo_http_requests_total", &series)
}

fn endpoints(paths: &[&str]) -> String {
    let entry = |path: &&str| format!("  - {{method: GET, path: \"{path}\"}}\n");
    format!("endpoints:\n{}", paths.iter().map(entry).collect::<String>())
}

#[test]
fn hup_takes_up_endpoints_and_paths() {
    let place = Place::new();
    place.configure(&["a.log"], &endpoints(&["/a", "/b"]));
    append(&place.at("b.log"), &line("GET /a", 200, 5));
    let exporter = place.start(&[]);
    append(
        &place.at("a.log"),
        &(line("GET /a", 200, 5) + &line("GET /b", 200, 5) + &line("GET /c", 200, 5)),
    );
    let metrics = exporter.metrics();
    assert_eq!(
        ["/a", "/b", "/c", "other"].map(|route| requests(&metrics, route)),
        [Some(1.0), Some(1.0), None, Some(1.0)]
    );
    let started = metrics.value(SUCCEEDED, &[]).unwrap();
    assert_eq!(metrics.value(SUCCESSFUL, &[]), Some(1.0));

    place.configure(&["*.log"], &endpoints(&["/a", "/c"]));
    // What is written before the signal is counted as it was configured then.
    append(&place.at("a.log"), &line("GET /c", 200, 5));
    hang_up(&exporter, RELOADED);
    for file in ["a.log", "b.log", "new.log"] {
        append(&place.at(file), &line("GET /a", 200, 5).repeat(10));
    }
    append(&place.at("a.log"), &line("GET /c", 200, 5));
    let metrics = exporter.metrics();
    assert_eq!(
        ["/a", "/b", "/c", "other"].map(|route| requests(&metrics, route)),
        [Some(31.0), None, Some(1.0), Some(2.0)]
    );
    assert!(metrics.value(SUCCEEDED, &[]).unwrap() > started);

    place.configure(&["b.log"], &endpoints(&["/a", "/c"]));
    hang_up(&exporter, RELOADED);
    append(&place.at("a.log"), &line("GET /a", 200, 5));
    append(&place.at("b.log"), &line("GET /a", 200, 5));
    assert_eq!(requests(&exporter.metrics(), "/a"), Some(32.0));
    let said = exporter.said();
    assert_eq!(said.matches("no longer followed").count(), 2, "{said}");
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let place = Place::new();
    place.configure(&["a.log"], &endpoints(&["/a"]));
    let exporter = place.start(&["--web.enable-lifecycle"]);
    place.configure(&["b.log"], "endpoints:\n  - {method: GET, path: a}\n");
    let answer = post(&exporter);
    assert_eq!(answer.status, 500);
    let at = format!("{}:5:", place.at("config.yaml").display());
    for part in [&*at, "endpoints[0].path", "expected"] {
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    assert!(!answer.text().contains("\"a\""), "{}", answer.text());
    hang_up(&exporter, REFUSED);
    assert!(exporter.said().contains(&at), "{}", exporter.said());
    place.configure(&["b.log"], "limits: {series: 10}\n");
    let at = format!("{}:4:", place.at("config.yaml").display());
    let answer = post(&exporter);
    assert!(
        answer.status == 500 && answer.text().contains(&at),
        "{}",
        answer.text()
    );

    // Valid in itself, but more than the limit allows.
    place.configure(&["a.log"], "limits: {series: 5}");
    let answer = post(&exporter);
    let at = format!("{}:4:18: limits.series is 5", place.at("config.yaml").display());
    assert!(
        answer.status == 500 && answer.text().contains(&at),
        "{}",
        answer.text()
    );

    append(&place.at("a.log"), &line("GET /a", 200, 5));
    let metrics = exporter.metrics();
    assert_eq!(requests(&metrics, "/a"), Some(1.0));
    assert_eq!(metrics.value(SUCCESSFUL, &[]), Some(0.0));
    assert_eq!(exporter.get("/-/ready").status, 200);

    place.configure(&["a.log"], &endpoints(&["/a"]));
    assert_eq!(post(&exporter).status, 200);
    assert_eq!(exporter.metrics().value(SUCCESSFUL, &[]), Some(1.0));
}

#[test]
fn over_http_only_when_enabled_and_only_post() {
    let place = Place::new();
    place.configure(&["a.log"], "");
    for (args, expect) in [(&[][..], 403), (&["--web.enable-lifecycle"], 200)] {
        let exporter = place.start(args);
        assert_eq!(post(&exporter).status, expect);
        let get = exporter.get("/-/reload");
        assert_eq!((get.status, get.header("allow")), (405, Some("POST, PUT")));
        if expect == 200 {
            wait_until("word of the reload", DEADLINE, || {
                exporter.said().contains(RELOADED)
            });
        }
        let (_, said) = exporter.end(Signal::TERM);
        assert_eq!(said.contains(RELOADED), expect == 200, "{said}");
    }
}

#[test]
fn flags_stay_in_force() {
    let place = Place::new();
    place.configure(&["elsewhere.log"], "");
    let log = place.at("a.log");
    let exporter = place.start(&["--source.access", log.to_str().unwrap()]);
    place.configure(&["elsewhere.log"], &endpoints(&["/new"]));
    hang_up(&exporter, RELOADED);
    append(&log, &line("GET /new", 200, 5));
    assert_eq!(requests(&exporter.metrics(), "/new"), Some(1.0));
}

#[test]
fn a_source_that_was_off_is_switched_on() {
    let place = Place::new();
    place.configure(&["a.log"], "");
    let exporter = place.start(&[]);
    let lines = [("source", "app"), ("result", "counted")];
    let value = || exporter.metrics().value("bingo_exporter_lines_total", &lines);
    assert_eq!(value(), None);
    let (config, logs) = (place.at("config.yaml"), place.at("logs/x"));
    fs::create_dir_all(&logs).unwrap();
    let text = fs::read_to_string(&config).unwrap();
    let app = format!("paths: [\"{}/*/main.log\"]", place.at("logs").display());
    fs::write(&config, text.replace("paths: []", &app)).unwrap();
    hang_up(&exporter, RELOADED);
    append(
        &logs.join("main.log"),
        "{\"level\":\"info\",\"msg\":\"Prepare app.\"}\n",
    );
    assert_eq!(value(), Some(1.0));
    fs::write(&config, text).unwrap();
    hang_up(&exporter, RELOADED);
    assert_eq!(value(), None);
}

/// Objectives whose thresholds are new bucket edges, and paths that find the log under another pattern.
const CONFIGURATIONS: [(&str, &str); 3] = [
    ("access.log", ""),
    (
        "access*.log",
        "endpoints:\n  - {method: GET, path: \"/api/movie/{id}\", objectives: {latency: {under: 333ms, ratio: 0.5}}}\n",
    ),
    (
        "?ccess.log",
        "endpoints:\n  - {method: GET, path: \"/api/movie/{name}\", objectives: {latency: {under: 777ms, ratio: 0.9}}}\n",
    ),
];

/// Each line once, whatever the configuration is when it is read; and over a kill, too.
#[test]
fn no_line_is_lost_or_doubled_under_load() {
    const LINES: u64 = 30_000;
    const RATE: u64 = 5_000;
    const RELOADS: usize = 6;
    let place = Place::new();
    let (path, state) = (place.at("access.log"), place.at("state"));
    append(&path, "");
    let configure = |turn: usize| {
        let (paths, more) = CONFIGURATIONS[turn % CONFIGURATIONS.len()];
        place.configure(&[paths], more);
    };
    configure(0);
    let args = ["--web.enable-lifecycle", "--state.dir", state.to_str().unwrap()];
    let mut exporter = place.start(&args);
    let progress = Progress::default();
    let mut reloads = 0;
    thread::scope(|scope| {
        let writer = Writer::new(
            &path,
            ledger::line,
            place.at("marker"),
            Reopening::AtOnce,
            &progress,
        );
        scope.spawn(|| writer.write(LINES, RATE));
        // On a busy machine the writer may be done first; the kill at least comes while it writes.
        while progress.written.load(Ordering::SeqCst) < LINES || reloads < RELOADS {
            reloads += 1;
            configure(reloads);
            // Signals that meet a reload under way lose nothing either.
            exporter.signal(Signal::HUP);
            assert_eq!(post(&exporter).status, 200);
            if reloads == 3 {
                // What is shown is saved.
                exporter.metrics();
                assert_eq!(exporter.end_at_once(), None);
                exporter = place.start(&args);
            }
        }
    });
    let metrics = exporter.metrics();
    let lines = [("source", "access"), ("result", "counted")];
    assert_eq!(
        metrics.value("bingo_exporter_lines_total", &lines),
        Some(LINES as f64)
    );
    assert_eq!(metrics.sum("bingo_exporter_lost_bytes_total", &[]), 0.0);
    assert_eq!(
        metrics.value("bingo_exporter_complete", &[("source", "access")]),
        Some(1.0)
    );
}

#[test]
fn a_new_bucket_edge_never_claims_more_than_was_measured() {
    let place = Place::new();
    let under = |under| {
        let objective = format!("objectives: {{latency: {{under: {under}, ratio: 0.9}}}}");
        place.configure(
            &["a.log"],
            &format!("endpoints: [{{method: GET, path: /a, {objective}}}]"),
        );
    };
    under("400ms");
    let exporter = place.start(&[]);
    let write = || {
        append(
            &place.at("a.log"),
            &(line("GET /a", 200, 150) + &line("GET /a", 200, 250)),
        )
    };
    let bucket = |metrics: &Exposition, le| {
        let series = [("route", "/a"), ("method", "GET"), ("outcome", "ok"), ("le", le)];
        metrics.value("bingo_http_request_duration_seconds_bucket", &series)
    };
    write();
    assert_eq!(bucket(&exporter.metrics(), "0.4"), Some(2.0));
    under("300ms");
    hang_up(&exporter, RELOADED);
    let metrics = exporter.metrics();
    assert_eq!(
        ["0.2", "0.3", "0.4", "+Inf"].map(|le| bucket(&metrics, le)),
        [1.0, 1.0, 2.0, 2.0].map(Some)
    );
    write();
    let metrics = exporter.metrics();
    assert_eq!(
        ["0.2", "0.3", "0.4", "+Inf"].map(|le| bucket(&metrics, le)),
        [2.0, 3.0, 4.0, 4.0].map(Some)
    );
}

/// In the demo the logs are its own, whatever the file says.
#[test]
fn the_demo_keeps_its_logs() {
    let place = Place::new();
    place.configure(&["a.log"], "");
    let config = place.at("config.yaml");
    let exporter = Exporter::start(&["demo", "--config.file", config.to_str().unwrap()]);
    place.configure(&["a.log"], "unmatched: rest");
    hang_up(&exporter, RELOADED);
    let following = [("source", "access"), ("state", "following")];
    exporter.wait_value("bingo_exporter_files", &following, 1.0);
    assert_eq!(
        exporter.metrics().series("bingo_exporter_files").count(),
        8,
        "both logs"
    );
}
