//! The program under test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clock::{DEADLINE, now, pause, wait_until};
use super::exposition::Exposition;
use super::http::{self, Response};
use super::process::{Process, run};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_bingo-exporter");

/// Scrapes closer together than this may be answered from one look at the logs.
const SHARED_PASS: Duration = Duration::from_millis(250);

pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    process: Process,
    last_scrape: Mutex<Option<Instant>>,
}

impl Exporter {
    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let exporter = Self::spawn(&mut command(args));
        exporter.wait_ready();
        exporter
    }

    /// Starts it, with anything about it that a test wants otherwise, and waits until it listens.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let process = Process::start(command, "the exporter");
        let address = process.wait_said("the address it listens on", listening);
        Self {
            address,
            process,
            last_scrape: Mutex::new(None),
        }
    }

    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        wait_until("the exporter to be ready", DEADLINE, || {
            self.get("/-/ready").status == 200
        });
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        http::ask(self.address, "GET", path, &[])
    }

    /// One scrape, as a Prometheus would do it with this `Accept`.
    #[track_caller]
    pub(crate) fn scrape(&self, accept: &str) -> Response {
        let response = http::ask(self.address, "GET", "/metrics", &[("Accept", accept)]);
        assert_eq!(response.status, 200);
        *self.last_scrape.lock().unwrap() = Some(now());
        response
    }

    /// One scrape that holds everything on disk now, not what an earlier scrape has seen.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Exposition {
        let last = *self.last_scrape.lock().unwrap();
        if let Some(left) = last.and_then(|last| SHARED_PASS.checked_sub(last.elapsed())) {
            pause(left);
        }
        Exposition::parse(self.scrape("*/*").text())
    }

    /// Waits until a sample with exactly these labels has this value.
    #[track_caller]
    pub(crate) fn wait_value(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let what = format!("{name} {labels:?} to be {value}");
        wait_until(&what, DEADLINE, || {
            self.metrics().value(name, labels) == Some(value)
        });
    }

    /// What it has logged so far.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Asks it to end and waits: the exit code and all it said.
    #[track_caller]
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        self.process.signal(signal);
        (self.process.wait(), self.process.said())
    }
}

/// The exporter on a free port, not started yet.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(["--web.listen-address", "127.0.0.1:0"])
        .args(args)
        .env("STATE_DIRECTORY", state_directory());
    command
}

/// A directory of its own for each exporter that is not told another, writable by whatever user it runs as.
fn state_directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "state-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    path
}

/// Runs it with these arguments alone, to its end.
#[track_caller]
pub(crate) fn run_to_end(args: &[&str]) -> Output {
    run(
        Command::new(BINARY)
            .args(args)
            .env("STATE_DIRECTORY", state_directory()),
        "the exporter",
    )
}

/// Where it listens, from its log: a logfmt line with `msg=listening` and `address=127.0.0.1:PORT`.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log
        .lines()
        .find(|line| line.contains("msg=listening") || line.contains("msg=\"listening\""))?;
    let address = line.split_once("address=")?.1.split_whitespace().next()?;
    address.trim_matches('"').parse().ok()
}

#[test]
fn reads_the_address_from_the_log() {
    let log =
        "ts=1 level=info msg=starting\nts=2 level=info msg=\"listening\" address=127.0.0.1:4711 tls=false\n";
    assert_eq!(listening(log), Some(SocketAddr::from(([127, 0, 0, 1], 4711))));
    assert_eq!(
        listening("level=info msg=listening address=\"127.0.0.1:1\""),
        listening("msg=listening address=127.0.0.1:1")
    );
    assert_eq!(listening("level=info msg=starting address=127.0.0.1:1\n"), None);
}
