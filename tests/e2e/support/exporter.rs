//! The program under test.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::clock::{DEADLINE, now, pause, wait_until};
use super::exposition::Exposition;
use super::http::{self, Response};
use super::process::{Process, run};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_bingo-exporter");

/// What systemd tells a service its state directory by.
pub(crate) const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// Scrapes closer together than this may be answered from one look at the logs.
const SHARED_PASS: Duration = Duration::from_millis(250);

pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    process: Process,
    last_scrape: Mutex<Option<Instant>>,
    _state: Option<TempDir>,
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
        let state = give_state(command);
        let process = Process::start(command, "the exporter");
        let address = process.wait_said("the address it listens on", listening);
        Self {
            address,
            process,
            last_scrape: Mutex::new(None),
            _state: state,
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

    /// Kills it: nothing is said or saved any more.
    #[track_caller]
    pub(crate) fn end_at_once(&mut self) -> Option<i32> {
        self.process.signal(Signal::KILL);
        self.process.wait()
    }

    /// Asks it to end and waits: the exit code and all it said.
    #[track_caller]
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        self.process.signal(signal);
        (self.process.wait(), self.process.said())
    }
}

/// The exporter, not started yet; on a free port unless the arguments say otherwise.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    if !args.contains(&"--web.listen-address") {
        command.args(["--web.listen-address", "127.0.0.1:0"]);
    }
    command.args(args);
    command
}

/// A directory of its own for each exporter that is not told one, writable by whatever user it runs as. Without,
/// those that root runs would all meet in the default one.
fn give_state(command: &mut Command) -> Option<TempDir> {
    let told = command.get_args().any(|arg| arg == "--state.dir")
        || command.get_envs().any(|(name, _)| name == STATE_DIRECTORY);
    if told {
        return None;
    }
    let state = TempDir::new().unwrap();
    fs::set_permissions(state.path(), Permissions::from_mode(0o777)).unwrap();
    command.env(STATE_DIRECTORY, state.path());
    Some(state)
}

/// Runs it with these arguments alone, to its end.
#[track_caller]
pub(crate) fn run_to_end(args: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    let _state = give_state(command.args(args));
    run(&mut command, "the exporter")
}

/// Where it listens, from its log: a logfmt line with `msg=listening` and `address=127.0.0.1:PORT`.
pub(crate) fn listening(log: &str) -> Option<SocketAddr> {
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
