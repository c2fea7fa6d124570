//! The status page, in a real browser.

mod checks;
mod demo;
mod figures;
mod hostile;
mod kept;
mod pair;

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::Exporter;
use crate::support::http;
use crate::support::log;

/// An exporter of a log, started before the log's lines are written.
struct Watched {
    exporter: Exporter,
    path: PathBuf,
    _dir: TempDir,
}

impl Watched {
    fn start(more: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("access.log");
        log::append(&path, "");
        let apps = format!("{}/*/main.log", dir.path().display());
        let args = [
            &["--source.access", path.to_str().unwrap(), "--source.app", &apps],
            more,
        ]
        .concat();
        let exporter = Exporter::start(&args);
        // What is written from now on is the history's.
        wait_until("the history to begin", DEADLINE, || {
            let status = http::ask(exporter.address, "GET", "/api/v1/status", &[]);
            !serde_json::from_slice::<Value>(&status.body).unwrap()["history_begin"].is_null()
        });
        Self {
            exporter,
            path,
            _dir: dir,
        }
    }
}
