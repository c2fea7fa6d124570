//! `bingo-exporter demo`, as a new user meets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::decode::Detection;
use bingo_exporter::model::Model;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::{Exporter, command, run_to_end};

/// Starts it, and waits until it has counted so many lines.
#[track_caller]
fn demo(more: &[&str], counted: f64) -> Exporter {
    let args = [&["demo", "--rps", "600", "--seed", "1"], more].concat();
    let exporter = Exporter::spawn(&mut command(&args));
    wait_until("the first figures", DEADLINE, || {
        exporter.metrics().sum("bingo_http_requests_total", &[]) >= counted
    });
    exporter
}

fn logs(said: &str) -> PathBuf {
    let line = said.lines().find_map(|line| line.strip_prefix("Logs: "));
    line.unwrap().split(" (").next().unwrap().into()
}

#[test]
fn it_shows_figures_and_leaves_nothing_behind() {
    let exporter = demo(&[], 100.0);
    let metrics = exporter.metrics();
    assert_eq!(metrics.sum("bingo_exporter_rejected_lines_total", &[]), 0.0);
    assert_eq!(
        metrics.sum("bingo_exporter_complete", &[("source", "access")]),
        1.0
    );
    for id in ["3a956b711f", "c457cc00f8"] {
        let starts = [("log_id", id), ("event", "start")];
        assert_eq!(metrics.value("bingo_app_events_total", &starts), Some(1.0));
    }
    let said = exporter.said();
    let page = format!("Demo: http://{}/ ", exporter.address);
    assert!(said.lines().any(|line| line.starts_with(&page)), "{said}");
    let logs = logs(&said);
    assert!(logs.join("access.log").exists());
    assert!(logs.join("3a956b711f/main.log").exists() && logs.join("c457cc00f8/main.log").exists());

    let (code, _) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(!logs.exists());
}

/// Lines of the access log by route, method and code, the first so many.
fn counts(log: &Path, lines: u64) -> BTreeMap<[String; 3], u64> {
    let model = Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap();
    let content = fs::read(log).unwrap();
    let (mut counts, mut format) = (BTreeMap::new(), Detection::default());
    for line in content.split(|byte| *byte == b'\n').take(lines as usize) {
        let request = model.decoder.decode(line, &mut format).unwrap().unwrap();
        let row = &model.routes.rows[model.routes.resolve(request.line.as_ref())];
        let key = [
            row.route.to_string(),
            row.method.to_string(),
            request.code.to_string(),
        ];
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

#[test]
fn what_it_shows_is_what_the_kept_log_holds() {
    let parent = TempDir::new().unwrap();
    let keep = parent.path().join("logs");
    let exporter = demo(&["--keep", keep.to_str().unwrap()], 500.0);
    let shown = exporter
        .metrics()
        .counts("bingo_http_requests_total", ["route", "method", "code"]);
    let (code, said) = exporter.end(Signal::INT);
    assert_eq!(code, Some(0));
    assert_eq!(logs(&said), keep.canonicalize().unwrap());
    // The log was written on after the scrape: what was shown is its beginning.
    assert_eq!(counts(&keep.join("access.log"), shown.values().sum()), shown);

    let again = run_to_end(&["demo", "--keep", keep.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    let error = String::from_utf8(again.stderr).unwrap();
    assert!(
        error.ends_with("it is not empty; name a new directory\n"),
        "{error}"
    );
}

#[test]
fn nothing_is_left_behind_where_it_cannot_listen() {
    let temporary = TempDir::new().unwrap();
    let first = demo(&[], 0.0);
    let mut second = std::process::Command::new(crate::support::exporter::BINARY);
    second.env("TMPDIR", temporary.path());
    second.args(["demo", "--web.listen-address", &first.address.to_string()]);
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        String::from_utf8(second.stderr)
            .unwrap()
            .contains("address already in use")
    );
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}
