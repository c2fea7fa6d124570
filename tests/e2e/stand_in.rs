//! The stand-in for bingo behaves like bingo: else what is tested with it proves nothing.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, now, wait_for, wait_until};
use crate::support::exporter::BINARY;
use crate::support::http::{Connection, Response, ask};
use crate::support::process::{Process, run};

/// The first ten digits of sha1 of the default address.
const LOG_ID: &str = "567159d622";

/// What must be in the log and nowhere else.
pub(crate) const CANARY: &str = "hunter2-canary";

/// Where it finds its configuration and its log.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) log: PathBuf,
}

pub(crate) struct StandIn {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        Self::of("test@example.com", LOG_ID, 0)
    }

    /// For the address that the log's directory follows from, and a port; 0 is any.
    pub(crate) fn of(email: &str, log_id: &str, port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join(log_id).join("main.log");
        fs::create_dir(log.parent().unwrap()).unwrap();
        let default = bingo(&["print_default_config"]);
        let config = String::from_utf8(default.stdout).unwrap();
        let config = config
            .replace("test@example.com", email)
            .replace("27352", &port.to_string());
        fs::write(dir.path().join("bingo.yaml"), config).unwrap();
        Self { dir, log }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.env("BINGO_LOGS", self.dir.path()).env("SECRET", CANARY);
        command
            .arg("--config")
            .arg(self.dir.path().join("bingo.yaml"))
            .args(args);
        command
    }

    /// Starts the server, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(&self, more: &[&str]) -> StandIn {
        let args = [&["run_server", "--init-takes", "20"], more].concat();
        let process = Process::start(&mut self.command(&args), "the stand-in");
        let port = process.wait_said("the port", |said| {
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix("listening on port "))?;
            line.parse().ok()
        });
        StandIn {
            process,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    /// One that lives.
    #[track_caller]
    fn healthy(&self) -> StandIn {
        self.start(&["--death", "none"])
    }

    /// Whole lines so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn count(&self, msg: &str) -> usize {
        self.lines().iter().filter(|line| line["msg"] == msg).count()
    }

    /// What it said, but for the noise.
    fn story(&self) -> Vec<String> {
        let noise = ["Quota updated.", "I am alive.", "I`m fine.", "request completed"];
        let of_nodes = [
            "Started updating nodes.",
            "Node is alive.",
            "Notified all waiters.",
        ];
        let lines = self.lines();
        let told = lines.iter().map(|line| line["msg"].as_str().unwrap());
        told.filter(|msg| !noise.contains(msg) && !of_nodes.contains(msg))
            .map(str::to_owned)
            .collect()
    }
}

impl StandIn {
    #[track_caller]
    fn get(&self, path: &str) -> Response {
        ask(self.address, "GET", path, &[])
    }

    /// The answer, if there is one: death gives none.
    pub(crate) fn operate(&self, number: u32) -> Option<Response> {
        let body = format!("{{\"operation\": {number}}}");
        let request = format!(
            "POST /operation HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = Connection::open(self.address).unwrap();
        connection.send(request.as_bytes()).unwrap();
        connection
            .receive(false)
            .ok()
            .filter(|response| response.status > 0)
    }
}

fn binary() -> PathBuf {
    let path = Path::new(BINARY).with_file_name("examples").join("bingo");
    assert!(
        path.exists(),
        "{} is built by `cargo test`, or `cargo build --examples`",
        path.display()
    );
    path
}

fn bingo(args: &[&str]) -> Output {
    run(Command::new(binary()).args(args), "the stand-in")
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
}

#[test]
fn its_commands() {
    check(&bingo(&["version"]), 0, "20231121T1537\n", "");
    let default = bingo(&["print_default_config"]);
    assert!(
        default
            .stdout
            .starts_with(b"student_email: test@example.com\nport: 27352\n")
    );

    let place = Place::new();
    let config = fs::read_to_string(place.dir.path().join("bingo.yaml")).unwrap();
    check(
        &place.command(&["print_current_config"]).output().unwrap(),
        0,
        &config,
        "",
    );
    let prepared = place.command(&["prepare_db"]).output().unwrap();
    check(&prepared, 0, "Preparing database.\nDatabase is prepared.\n", "");

    for args in [&[][..], &["serve"], &["run-server"]] {
        let output = bingo(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("Usage: bingo"),
            "{output:?}"
        );
    }
}

#[test]
fn without_configuration_or_directory_it_does_not_start() {
    let place = Place::new();
    for command in ["run_server", "prepare_db", "print_current_config"] {
        check(
            &bingo(&["--config", "/nonexistent.yaml", command]),
            1,
            "",
            "bingo: failed to read the configuration /nonexistent.yaml; print_default_config prints one to begin \
             with: No such file or directory (os error 2)\n",
        );
    }
    fs::remove_dir(place.log.parent().unwrap()).unwrap();
    let output = place.command(&["run_server"]).output().unwrap();
    let expect = format!(
        "bingo: failed to open {}; its directory must exist and be writable: No such file or directory (os error 2)\n",
        place.log.display()
    );
    check(&output, 1, "", &expect);
    fs::write(place.dir.path().join("bingo.yaml"), "port: 1").unwrap();
    let output = place.command(&["run_server"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn its_endpoints() {
    let place = Place::new();
    let bingo = place.healthy();
    assert_eq!(bingo.get("/ping").text(), "pong");
    let begun = now();
    assert_eq!(bingo.get("/db_dummy").status, 200);
    assert!(begun.elapsed().as_millis() >= 100);
    assert_eq!(bingo.operate(7).unwrap().text(), r#"{"operation":7}"#);
    assert!(bingo.get("/config").text().contains("student_email"));
    let movie: Value = serde_json::from_str(bingo.get("/api/movie/5000000?x").text()).unwrap();
    assert_eq!(movie["id"], 5_000_000);

    let ask = |method, path| ask(bingo.address, method, path, &[]).status;
    let slow = ["/long_dummy", "/api/movie", "/api/customer", "/api/session"];
    thread::scope(|scope| {
        for path in slow {
            scope.spawn(move || assert_eq!(ask("GET", path), 200, "{path}"));
        }
    });
    for (method, path, status) in [
        ("GET", "/", 200),
        ("POST", "/", 200),
        ("HEAD", "/ping", 200),
        ("GET", "/api/customer/1", 200),
        ("POST", "/api/session", 200),
        ("GET", "/api/session/1", 200),
        ("DELETE", "/api/session/1", 200),
        ("GET", "/api/movie/5000001", 404),
        ("GET", "/nope", 404),
        ("POST", "/operation", 400),
        ("DELETE", "/api/movie/5", 405),
    ] {
        assert_eq!(ask(method, path), status, "{method} {path}");
    }
    if TcpStream::connect((Ipv6Addr::LOCALHOST, bingo.address.port())).is_err() {
        // A machine without IPv6 serves IPv4 alone.
        assert!(std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err());
    }
}

#[test]
fn its_log_from_the_start_to_a_graceful_end() {
    let place = Place::new();
    let mut bingo = place.start(&["--death", "none", "--init-fails", "--offset", "300"]);
    assert_eq!(bingo.get("/api/movie/5?x=y").status, 200);
    wait_until(
        "the quota, the heartbeats and the database's host",
        DEADLINE,
        || {
            [
                "Quota updated.",
                "I am alive.",
                "I`m fine.",
                "Notified all waiters.",
            ]
            .iter()
            .all(|msg| place.count(msg) > 0)
        },
    );
    bingo.process.signal(Signal::TERM);
    assert_eq!(bingo.process.wait(), Some(0));
    assert_eq!(
        place.story(),
        [
            "Prepare app.",
            "Init app.",
            "Create core.",
            "Init core.",
            "Run initialization request.",
            "Failed initialization request.",
            "Core initialization finished.",
            "Init routes.",
            "Init middlewares.",
            "Run server.",
            "Shutdown server.",
        ]
    );
    let lines = place.lines();
    let request = lines
        .iter()
        .find(|line| line["msg"] == "request completed")
        .unwrap();
    assert_eq!(
        (&request["url_path"], request["event_duration"].is_u64()),
        (&"/api/movie/5".into(), true)
    );
    for line in &lines {
        assert!(line["timestamp"].as_str().unwrap().ends_with("+0500"));
        let env = line["os_env"].as_array().unwrap();
        assert!(env.contains(&format!("SECRET={CANARY}").into()));
        assert_eq!(line["os_pid"], bingo.process.id());
    }
}

#[test]
fn it_writes_on_into_a_renamed_log_until_it_is_restarted() {
    let place = Place::new();
    let bingo = place.healthy();
    let renamed = place.log.with_extension("log.1");
    fs::rename(&place.log, &renamed).unwrap();
    bingo.get("/ping");
    assert!(
        fs::read_to_string(&renamed)
            .unwrap()
            .contains("request completed")
            && !place.log.exists()
    );
    drop(bingo);
    let _again = place.healthy();
    assert_eq!(place.count("Prepare app."), 1);
}

#[test]
fn over_its_limit_it_refuses() {
    let place = Place::new();
    let bingo = place.healthy();
    let (mut asked, mut refused) = (0, 0);
    // On a busy machine a round may take so long that nobody is refused.
    wait_until("a refusal", DEADLINE, || {
        let statuses: Vec<u16> = thread::scope(|scope| {
            let threads: Vec<_> = (0..60)
                .map(|_| scope.spawn(|| bingo.get("/ping").status))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        asked += statuses.len();
        refused += statuses.iter().filter(|status| **status == 429).count();
        assert!(
            statuses.iter().all(|status| [200, 429].contains(status)),
            "{statuses:?}"
        );
        refused > 0
    });
    assert_eq!(
        (place.count("Too many requests"), place.count("request completed")),
        (refused, asked)
    );
}

#[test]
fn it_dies_on_a_switch() {
    for (how, code) in [("exit", 0), ("error", 1), ("panic", 2)] {
        let place = Place::new();
        let mut bingo = place.start(&["--death", how, "--death-after", "0"]);
        assert_eq!(bingo.process.wait(), Some(code), "{how}");
        assert_eq!(
            bingo.process.said().contains("goroutine 1 [running]:"),
            how == "panic"
        );
        assert_eq!(
            place.story().last().unwrap(),
            "Run server.",
            "death leaves no line"
        );
    }
}

#[test]
fn it_dies_of_an_operation() {
    for (number, code) in [(1001, 0), (1002, 1), (1003, 2)] {
        let place = Place::new();
        let mut bingo = place.healthy();
        assert!(bingo.operate(number).is_none());
        assert_eq!(bingo.process.wait(), Some(code), "{number}");
        assert_eq!(place.story().last().unwrap(), "Run server.");
    }
}

#[test]
fn it_feels_bad_until_it_is_restarted() {
    let place = Place::new();
    let mut bingo = place.healthy();
    bingo.operate(1004).unwrap();
    for path in ["/ping", "/", "/api/movie/5", "/nope"] {
        let answer = bingo.get(path);
        assert_eq!((answer.status, answer.text()), (500, "I feel bad"), "{path}");
    }
    bingo.process.signal(Signal::TERM);
    assert_eq!(bingo.process.wait(), Some(0));
    assert_eq!(place.healthy().get("/ping").text(), "pong");
}

#[test]
fn it_leaks_until_it_is_killed() {
    let place = Place::new();
    let mut bingo = place.start(&["--death", "none", "--leak", "40"]);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", bingo.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    let before = memory().unwrap();
    bingo.operate(1005).unwrap();
    assert_eq!(bingo.get("/ping").text(), "pong", "answers meanwhile");
    wait_for("the leak to grow, or its end", DEADLINE, || match memory() {
        Some(kib) if kib < before + 16 * 1024 => None,
        _ => Some(()),
    });
    assert_eq!(bingo.process.wait(), None, "killed");
    assert_eq!(place.story().last().unwrap(), "Run server.");
}

#[test]
fn those_started_together_die_together() {
    let place = Place::new();
    // A thousandth of 10 to 25 minutes.
    let args = [
        "--death",
        "random",
        "--death-sooner",
        "1000",
        "--seed",
        "3",
        "--leak",
        "8",
    ];
    let ends: Vec<_> = (0..2)
        .map(|_| {
            let mut bingo = place.start(&args);
            bingo.process.wait()
        })
        .collect();
    assert_eq!(ends[0], ends[1]);
}
