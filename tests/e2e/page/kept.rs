//! The history over a restart.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::Watched;
use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::Exporter;
use crate::support::http;
use crate::support::log;

/// What a status says of `/api/movie/{id}` over the last hour.
fn last_hour(exporter: &Exporter) -> (u64, f64) {
    let status = http::ask(exporter.address, "GET", "/api/v1/status", &[]);
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let mut endpoints = status["endpoints"].as_array().unwrap().iter();
    let movie = endpoints.find(|one| one["route"] == "/api/movie/{id}" && one["method"] == "GET");
    let window = &movie.unwrap()["windows"]["1h"];
    (
        window["requests"].as_u64().unwrap(),
        status["history_begin"].as_f64().unwrap(),
    )
}

#[test]
fn a_restart_leaves_no_hole_and_a_damaged_history_no_harm() {
    let state = TempDir::new().unwrap();
    let kept = ["--state.dir", state.path().to_str().unwrap()];
    let watched = Watched::start(&kept);
    log::append(&watched.path, &log::line("GET /api/movie/1", 200, 20).repeat(30));
    wait_until("the lines", DEADLINE, || last_hour(&watched.exporter).0 == 30);
    let (_, begin) = last_hour(&watched.exporter);
    let Watched { exporter, path, _dir } = watched;
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));

    // Written while nobody looked, and counted after the start.
    log::append(&path, &log::line("GET /api/movie/1", 200, 20).repeat(20));
    let args = [&["--source.access", path.to_str().unwrap()], &kept[..]].concat();
    let exporter = Exporter::start(&args);
    wait_until("all lines", DEADLINE, || last_hour(&exporter) == (50, begin));
    exporter.signal(Signal::KILL);
    drop(exporter);
    let exporter = Exporter::start(&args);
    wait_until("all lines after a kill", DEADLINE, || {
        last_hour(&exporter) == (50, begin)
    });
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));

    let file = state.path().join("history");
    assert!(fs::metadata(&file).unwrap().len() < 2_000_000);
    fs::write(&file, "bingo-exporter-history 1 damaged").unwrap();
    let exporter = Exporter::start(&args);
    assert!(exporter.said().contains("history cannot be used and begins anew"));
    exporter.wait_value(
        "bingo_http_requests_total",
        &[("route", "/api/movie/{id}"), ("method", "GET"), ("code", "200")],
        50.0,
    );
}
