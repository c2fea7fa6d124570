//! The program under a service manager: what it tells, and the sockets it is handed.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, now};
use crate::support::exporter::{BINARY, Exporter, command};
use crate::support::http;
use crate::support::log::{append, line};
use crate::support::ports::free_port;
use crate::support::process::Process;

/// Where there is no log of bingo's.
const NOWHERE: &str = "/nowhere/*/main.log";

/// The manager's end: a socket that hears what the service tells.
struct Manager {
    dir: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { dir, socket }
    }

    /// An exporter of this manager's, with a watchdog of `watchdog_usec` microseconds.
    #[track_caller]
    fn start(&self, watchdog_usec: u32, app: &str) -> Exporter {
        let log = self.log();
        let config = self.dir.path().join("config.yaml");
        fs::write(&config, format!("sources: {{app: {{paths: [{app}]}}}}\n")).unwrap();
        let mut command = command(&[
            "--source.access",
            log.to_str().unwrap(),
            "--config.file",
            config.to_str().unwrap(),
        ]);
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        command.env("WATCHDOG_USEC", watchdog_usec.to_string());
        Exporter::spawn(&mut command)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("access.log")
    }

    /// Listens until a message says `word`; all messages up to that one.
    #[track_caller]
    fn hear(&self, word: &str) -> Vec<String> {
        let (begun, mut heard) = (now(), vec![]);
        let mut buffer = [0; 4096];
        loop {
            let size = match self.socket.recv(&mut buffer) {
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("{word} never came: {heard:?}"),
                Err(error) => panic!("{error}"),
            };
            heard.push(String::from_utf8(buffer[..size].to_vec()).unwrap());
            if heard.last().unwrap().contains(word) {
                return heard;
            }
            assert!(begun.elapsed() < DEADLINE, "{word} never came: {heard:?}");
        }
    }

    /// How many signs of life come within some time in which at least `tells` messages do.
    fn beats(&self, tells: usize) -> usize {
        (0..tells)
            .filter(|_| self.hear("STATUS=")[0].contains("WATCHDOG=1"))
            .count()
    }
}

#[test]
fn it_tells_when_it_serves_how_it_stands_and_when_it_ends() {
    let manager = Manager::new();
    append(&manager.log(), &line("GET /api/movie/1", 200, 5));
    let exporter = manager.start(600_000, NOWHERE);
    assert_eq!(manager.hear("READY=1").len(), 1, "nothing is told before");
    assert_eq!(exporter.get("/-/healthy").status, 200);
    manager.hear("STATUS=following 1 file\n");
    let beats = manager.hear("WATCHDOG=1");
    assert!(beats.iter().all(|told| told.starts_with("STATUS=")), "{beats:?}");
    let (code, said) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0), "{said}");
    manager.hear("STOPPING=1");
}

#[test]
fn each_sign_of_life_needs_a_pass() {
    let manager = Manager::new();
    // A pass is asked for at each sign of life, but passes keep 250 ms apart: of beats every 50 ms most have nothing to tell.
    let exporter = manager.start(150_000, NOWHERE);
    exporter.wait_ready();
    manager.hear("WATCHDOG=1");
    let alive = manager.beats(60);
    assert!((1..=20).contains(&alive), "{alive} of 60 beats");
    drop(exporter);
}

#[test]
fn a_source_that_is_switched_off_is_alive_too() {
    let manager = Manager::new();
    let _exporter = manager.start(600_000, "");
    for _ in 0..4 {
        manager.hear("WATCHDOG=1");
    }
}

#[test]
fn it_serves_on_the_sockets_it_is_handed_and_on_no_other() {
    let (dir, port) = (TempDir::new().unwrap(), free_port());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = activated(&address.to_string(), dir.path());
    let exporter = Process::start(&mut command, "systemd");
    exporter.wait_said("the socket", |said| said.contains("Listening on").then_some(()));
    // The first client starts it, and is the first to be served.
    let response = http::ask(address, "GET", "/-/healthy", &[]);
    assert_eq!(response.status, 200);
    let said = exporter.said();
    assert!(
        said.contains("the service manager's sockets instead of --web.listen-address"),
        "{said}"
    );
    assert_eq!(said.matches("msg=listening").count(), 1, "{said}");
}

#[test]
fn a_handed_socket_that_is_not_for_http_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("socket");
    let mut command = activated(path.to_str().unwrap(), dir.path());
    let mut exporter = Process::start(&mut command, "systemd");
    exporter.wait_said("the socket", |said| said.contains("Listening on").then_some(()));
    drop(UnixStream::connect(&path).unwrap());
    assert_eq!(exporter.wait(), Some(1));
    let said = exporter.said();
    assert!(said.contains("ListenStream= takes a port"), "{said}");
}

/// The exporter as socket activation starts it, once a client comes to `address`.
fn activated(address: &str, state: &Path) -> Command {
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", address, BINARY, "--web.listen-address", "127.0.0.1:1"]);
    command.args(["--source.access", "/nowhere/access.log", "--state.dir"]);
    command.arg(state);
    command
}
