//! The program as an operator meets it: started, asked, stopped, misused.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, now, wait_until};
use crate::support::exporter::{BINARY, Exporter, command, run_to_end};
use crate::support::http::{self, Connection};
use crate::support::log::{append, line};

const COUNTED: [(&str, &str); 2] = [("source", "access"), ("result", "counted")];

/// A place for a log.
struct Place {
    dir: TempDir,
    log: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self {
            log: dir.path().join("access.log"),
            dir,
        }
    }

    /// An exporter that follows the log.
    #[track_caller]
    fn follow(&self, more: &[&str]) -> Exporter {
        Exporter::start(&self.args(more))
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["--source.access", self.log.to_str().unwrap()], more].concat()
    }

    fn write(&self, requests: usize) {
        append(&self.log, &line("GET /api/movie/1", 200, 5).repeat(requests));
    }

    fn path(&self) -> &str {
        self.log.to_str().unwrap()
    }
}

/// A sample of `bingo_exporter_files`.
const fn files(state: &str) -> [(&str, &str); 2] {
    [("source", "access"), ("state", state)]
}

#[test]
fn without_a_log_it_waits_for_one() {
    let place = Place::new();
    let exporter = place.follow(&[]);
    exporter.wait_value("bingo_exporter_files", &files("missing"), 1.0);
    // Ready, and the endpoints' series stand at zero already.
    let metrics = exporter.metrics();
    let movie = [("route", "/api/movie/{id}"), ("method", "GET"), ("code", "200")];
    assert_eq!(metrics.value("bingo_http_requests_total", &movie), Some(0.0));
    assert_eq!(metrics.sum("bingo_exporter_complete", &[]), 0.0);
    assert_eq!(metrics.series("bingo_exporter_complete").count(), 0);

    place.write(3);
    exporter.wait_value("bingo_http_requests_total", &movie, 3.0);
    let metrics = exporter.metrics();
    assert_eq!(
        metrics.value("bingo_exporter_files", &files("missing")),
        Some(0.0)
    );
    assert_eq!(
        metrics.value("bingo_exporter_files", &files("following")),
        Some(1.0)
    );
    let said = exporter.said();
    let about = said
        .lines()
        .filter(|line| line.contains(place.path()) && line.contains("nothing matches"));
    assert_eq!(about.count(), 1, "{said}");
}

#[test]
fn bad_usage_and_bad_configuration_are_2_and_one_line() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let check = |args: &[&str], expect: &[&str]| {
        let output = run_to_end(args);
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(2), 1),
            "{args:?}: {said}"
        );
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(expect.iter().all(|part| said.contains(part)), "{args:?}: {said}");
    };
    check(&["--no-such-flag"], &["--no-such-flag", "--help"]);
    check(&["no-such-command"], &["no-such-command"]);
    check(
        &["--web.listen-address", "nowhere"],
        &["--web.listen-address", "nowhere"],
    );
    check(
        &["--source.read-from", "middle"],
        &["--source.read-from", "end", "beginning"],
    );
    check(
        &["--config.file", "/nowhere/bingo.yaml"],
        &["/nowhere/bingo.yaml", "No such file"],
    );
    let unknown_key = file("key.yaml", "sources:\n  access:\n    path: /var/log/a.log\n");
    check(&["--config.file", &unknown_key], &[&unknown_key, ":3:", "paths"]);
    let twice = file(
        "twice.yaml",
        "endpoints:\n  - {method: GET, path: /a}\n  - {method: GET, path: /a}\n",
    );
    check(&["--config.file", &twice], &[&twice, ":3:"]);
    let ratio = file(
        "ratio.yaml",
        "endpoints:\n  - {method: GET, path: /a, objectives: {availability: 99}}\n",
    );
    check(&["--config.file", &ratio], &[&ratio, ":2:", "availability"]);
    let series = file("series.yaml", "error_codes: [5xx]\nlimits: {series: 100}\n");
    for print in [&[][..], &["--config.print"]] {
        check(
            &[&["--config.file", &*series], print].concat(),
            &[&format!("{series}:2:18: "), "limits.series is 100", "endpoints"],
        );
    }
    let broken = file("broken.yaml", "endpoints: [\n");
    check(&["--config.file", &broken], &[&broken]);
}

#[test]
fn a_taken_port_is_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new();
    let output = run_to_end(&place.args(&["--web.listen-address", &address]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().last().unwrap().contains(&address), "{said}");
}

#[test]
fn term_and_int_end_it_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let exporter = place.follow(&[]);
        place.write(1000);
        let (code, said) = exporter.end(signal);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            !said.contains("level=error") && !said.contains("panicked"),
            "{said}"
        );
    }
}

/// A stop that comes before it has so much as looked at the log is a stop too.
#[test]
fn term_ends_it_with_0_as_soon_as_it_listens() {
    for _ in 0..10 {
        let exporter = Exporter::spawn(&mut command(&Place::new().args(&[])));
        let (code, said) = exporter.end(Signal::TERM);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// What was on disk at the start is shown whole or not at all: half of it would look like a burst.
#[test]
fn nothing_half_counted_is_ever_shown() {
    const LINES: usize = 100_000;
    let place = Place::new();
    place.write(LINES);
    let exporter = Exporter::spawn(&mut command(&place.args(&["--source.read-from", "beginning"])));
    let mut waited = false;
    wait_until("the backlog to be counted", DEADLINE, || {
        waited |= exporter.get("/-/ready").status == 503;
        let metrics = exporter.metrics();
        let requests = metrics.sum("bingo_http_requests_total", &[]);
        let shown = metrics.series("bingo_http_requests_total").count() > 0;
        assert_eq!(requests, if shown { LINES as f64 } else { 0.0 });
        assert_eq!(
            metrics.value("bingo_exporter_catching_up", &[]),
            Some(if shown { 0.0 } else { 1.0 })
        );
        shown
    });
    assert!(waited, "it was ready at once");
    assert_eq!(exporter.get("/-/ready").status, 200);
}

#[test]
fn the_printed_configuration_is_one() {
    let dir = TempDir::new().unwrap();
    let print = |args: &[&str]| {
        let Output {
            status,
            stdout,
            stderr,
        } = run_to_end(&[&["--config.print"], args].concat());
        assert_eq!(
            (status.code(), stderr.len()),
            (Some(0), 0),
            "{}",
            String::from_utf8_lossy(&stderr)
        );
        String::from_utf8(stdout).unwrap()
    };
    for given in [&[][..], &["--source.access", "/var/log/somewhere/*.log"]] {
        let printed = print(given);
        let file = dir.path().join("printed.yaml");
        fs::write(&file, &printed).unwrap();
        assert_eq!(print(&["--config.file", file.to_str().unwrap()]), printed);
        assert!(
            given
                .iter()
                .all(|arg| arg.starts_with("--") || printed.contains(arg)),
            "{printed}"
        );
    }
}

#[test]
fn health_asks_the_running_exporter() {
    let place = Place::new();
    let health = |address: &str| {
        let output = run_to_end(&["health", "--web.listen-address", address]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let exporter = place.follow(&["--web.listen-address", ":0"]);
    let address = format!(":{}", exporter.address.port());
    for address in [&*address, &exporter.address.to_string()] {
        assert_eq!(health(address), (Some(0), "ready\n".into()));
    }
    exporter.end(Signal::TERM);
    let (code, said) = health(&address);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains(&address) && said.contains("is the exporter running"),
        "{said}"
    );
}

#[test]
fn paths_and_methods() {
    let place = Place::new();
    let exporter = place.follow(&[]);
    let ask = |method: &str, path: &str| http::ask(exporter.address, method, path, &[]);
    for path in ["/-/healthy", "/-/ready", "/metrics", "/", "/api/v1/status"] {
        assert_eq!(ask("GET", path).status, 200, "{path}");
        let head = ask("HEAD", path);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let post = ask("POST", path);
        assert_eq!(post.status, 405, "{path}");
        let allow = post.header("allow").unwrap();
        assert!(allow.contains("GET") && allow.contains("HEAD"), "{path}: {allow}");
    }
    for path in ["/nope", "/metrics/", "/-/", "/-/reload/"] {
        assert_eq!(ask("GET", path).status, 404, "{path}");
    }
}

#[test]
fn a_scraper_that_does_not_read_holds_up_nobody() {
    let place = Place::new();
    // Answers of a megabyte, and more of them than fit into all buffers on the way.
    let endpoint = |index| format!("  - {{method: GET, path: '/service{index}/{{id}}'}}\n");
    let endpoints: String = (0..200).map(endpoint).collect();
    let text = format!("endpoints:\n{endpoints}limits: {{series: 100000}}\n");
    let config = configuration(place.dir.path(), &text);
    let exporter = place.follow(&["--config.file", &config]);
    let mut stuck = Connection::open(exporter.address).unwrap();
    stuck
        .send(
            "GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n"
                .repeat(8)
                .as_bytes(),
        )
        .unwrap();

    let service = [("route", "/service0/{id}"), ("method", "GET"), ("code", "200")];
    let mut written = 0;
    // Its connection is closed when it has been stuck for long; until then others are served, and lines counted.
    wait_until("the exporter to lose patience", DEADLINE, || {
        written += 3;
        append(&place.log, &line("GET /service0/1", 200, 5).repeat(3));
        let metrics = exporter.metrics();
        assert_eq!(
            metrics.value("bingo_http_requests_total", &service),
            Some(f64::from(written))
        );
        let stalls = [("limit", "write_stall")];
        metrics.value("bingo_exporter_limit_hits_total", &stalls) == Some(1.0)
    });
    assert!(
        stuck.receive(false).is_ok(),
        "what fitted into the buffers is there"
    );
}

#[test]
fn a_log_behind_dev_null_is_said_once_and_costs_nothing() {
    let place = Place::new();
    symlink("/dev/null", &place.log).unwrap();
    let exporter = place.follow(&[]);
    exporter.wait_value("bingo_exporter_files", &files("discarded"), 1.0);
    let (begin, cpu) = (now(), cpu_ticks(exporter.id()));
    // Two seconds are two sweeps at rest; a loop that never rests would take them whole.
    wait_until("two seconds of rest", DEADLINE, || {
        begin.elapsed() > Duration::from_secs(2)
    });
    let used = cpu_ticks(exporter.id()) - cpu;
    assert!(used <= 20, "{used} ticks of 10 ms in {:?}", begin.elapsed());
    let metrics = exporter.metrics();
    assert_eq!(
        metrics.value("bingo_exporter_files", &files("following")),
        Some(0.0)
    );
    assert_eq!(
        metrics.series("bingo_exporter_complete").count(),
        0,
        "nothing is known of a log nobody can read"
    );
    let said = exporter.said();
    assert_eq!(said.matches("/dev/null").count(), 1, "{said}");

    // When the operator gives the log back, it is followed.
    fs::remove_file(&place.log).unwrap();
    place.write(2);
    exporter.wait_value("bingo_exporter_lines_total", &COUNTED, 2.0);
}

/// User and system time of a process, in ticks of a hundredth of a second.
fn cpu_ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let field = |number: usize| {
        after_name
            .split(' ')
            .nth(number - 3)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    field(14) + field(15)
}

#[test]
fn a_log_it_may_not_read_is_reported_and_then_followed() {
    const NOBODY: u32 = 65534;
    let place = Place::new();
    let may_write = rustix::process::getuid().is_root();
    // As root, permissions hold for nobody but others, so another user runs it; the checkout may be closed to them.
    let binary = place.dir.path().join("bingo-exporter");
    fs::copy(BINARY, &binary).unwrap();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    place.write(3);
    fs::set_permissions(
        &place.log,
        Permissions::from_mode(if may_write { 0o600 } else { 0o200 }),
    )
    .unwrap();
    let mut command = Command::new(&binary);
    command.args(["--web.listen-address", "127.0.0.1:0"]);
    command.args(place.args(&["--source.read-from", "beginning"]));
    if may_write {
        command.uid(NOBODY).gid(NOBODY);
    }
    let exporter = Exporter::spawn(&mut command);

    exporter.wait_value("bingo_exporter_files", &files("unreadable"), 1.0);
    exporter.wait_ready();
    let complete = || {
        exporter
            .metrics()
            .value("bingo_exporter_complete", &[("source", "access")])
    };
    assert_eq!(complete(), Some(0.0));
    let said = exporter.said();
    let about: Vec<&str> = said.lines().filter(|line| line.contains(place.path())).collect();
    assert_eq!(about.len(), 1, "said once: {said}");
    let parts = ["denied", "group"];
    assert!(
        parts.iter().all(|part| about[0].contains(part)),
        "path, reason and remedy: {}",
        about[0]
    );

    place.write(2);
    fs::set_permissions(&place.log, Permissions::from_mode(0o644)).unwrap();
    exporter.wait_value("bingo_exporter_lines_total", &COUNTED, 5.0);
    assert_eq!(
        exporter
            .metrics()
            .value("bingo_exporter_files", &files("unreadable")),
        Some(0.0)
    );
}

#[test]
fn from_the_end_or_from_the_beginning() {
    let place = Place::new();
    place.write(4);
    let [end, beginning] = ["end", "beginning"].map(|from| place.follow(&["--source.read-from", from]));
    let by_default = place.follow(&[]);
    place.write(1);
    end.wait_value("bingo_exporter_lines_total", &COUNTED, 1.0);
    by_default.wait_value("bingo_exporter_lines_total", &COUNTED, 1.0);
    beginning.wait_value("bingo_exporter_lines_total", &COUNTED, 5.0);
}

/// Lines come while it starts; however they fall, each is counted once, and a scrape misses none.
#[test]
fn lines_written_during_and_after_the_start() {
    let place = Place::new();
    place.write(5000);
    let exporter = Exporter::spawn(&mut command(&place.args(&["--source.read-from", "beginning"])));
    for _ in 0..500 {
        place.write(10);
    }
    exporter.wait_ready();
    assert_eq!(
        exporter.metrics().value("bingo_exporter_lines_total", &COUNTED),
        Some(10_000.0)
    );
    for written in 1..=3 {
        place.write(1);
        let counted = exporter.metrics().value("bingo_exporter_lines_total", &COUNTED);
        assert_eq!(counted, Some(10_000.0 + f64::from(written)));
    }
}

#[test]
fn the_unfinished_last_line_is_held_back() {
    let place = Place::new();
    place.write(1);
    let exporter = place.follow(&["--source.read-from", "beginning"]);
    let whole = line("GET /api/movie/2", 200, 5);
    let (first, second) = whole.split_at(60);
    append(&place.log, first);
    let metrics = exporter.metrics();
    assert_eq!(metrics.value("bingo_exporter_lines_total", &COUNTED), Some(1.0));
    assert_eq!(
        metrics.value("bingo_exporter_unread_bytes", &[("source", "access")]),
        Some(0.0)
    );
    append(&place.log, second);
    let metrics = exporter.metrics();
    assert_eq!(metrics.value("bingo_exporter_lines_total", &COUNTED), Some(2.0));
    assert_eq!(metrics.sum("bingo_exporter_rejected_lines_total", &[]), 0.0);
    let read = metrics.value("bingo_exporter_read_bytes_total", &[("source", "access")]);
    assert_eq!(read, Some(fs::metadata(&place.log).unwrap().len() as f64));
}

#[test]
fn garbage_is_counted_by_reason() {
    let place = Place::new();
    let config = configuration(
        place.dir.path(),
        &format!(
            "sources: {{access: {{paths: [{}]}}}}\nlimits: {{line_bytes: 4KiB}}\n",
            place.path()
        ),
    );
    let exporter = Exporter::start(&["--config.file", &config, "--source.read-from", "beginning"]);
    let long = line("GET /api/movie/1", 200, 5).replace("http\"", &format!("{}\"", "x".repeat(8192)));
    for (text, reason, times) in [
        ("{\"status\": 200\n", "broken_json", 3),
        ("[1]\n", "unknown_format", 1),
        ("Hello, world!\n", "unknown_format", 2),
        ("{\"message\": \"started\"}\n", "no_request", 4),
        ("\n", "empty", 2),
        (" \t\n", "empty", 1),
        (&*long, "too_long", 2),
    ] {
        let labels = [("source", "access"), ("reason", reason)];
        let before = exporter
            .metrics()
            .value("bingo_exporter_rejected_lines_total", &labels)
            .unwrap();
        append(&place.log, &text.repeat(times));
        let after = before + f64::from(u32::try_from(times).unwrap());
        exporter.wait_value("bingo_exporter_rejected_lines_total", &labels, after);
    }
    place.write(1);
    let metrics = exporter.metrics();
    assert_eq!(metrics.value("bingo_exporter_lines_total", &COUNTED), Some(1.0));
    assert_eq!(
        metrics.value(
            "bingo_exporter_lines_total",
            &[("source", "access"), ("result", "rejected")]
        ),
        Some(15.0)
    );
    assert_eq!(
        metrics.value("bingo_exporter_complete", &[("source", "access")]),
        Some(0.0)
    );
    assert!(
        !exporter.said().contains("Hello"),
        "the log's text is not for our own log"
    );
}

fn configuration(dir: &Path, text: &str) -> String {
    let path = dir.join("bingo.yaml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The same command, run by a shell script that ends in `exec "$@"`.
fn wrapped(outer: &[&str], script: &str, inner: &Command) -> Command {
    let mut wrapped = Command::new(outer[0]);
    wrapped.args(&outer[1..]).args(["-c", script, "sh"]);
    wrapped.arg(inner.get_program()).args(inner.get_args());
    let envs = inner.get_envs();
    wrapped.envs(envs.filter_map(|(name, value)| Some((name, value?))));
    wrapped
}

/// Logs must not take the descriptors that answers need.
#[test]
fn with_few_descriptors_it_follows_less_and_answers() {
    let place = Place::new();
    for number in 0..80 {
        let log = place.dir.path().join(format!("{number}/access.log"));
        fs::create_dir(log.parent().unwrap()).unwrap();
        fs::write(log, "").unwrap();
    }
    let glob = place.dir.path().join("*/access.log");
    let args = ["--source.access", glob.to_str().unwrap()];
    let few = "ulimit -n 64 && exec \"$@\"";
    let exporter = Exporter::spawn(&mut wrapped(&["sh"], few, &command(&args)));
    exporter.wait_ready();
    exporter.wait_value("bingo_exporter_files", &files("following"), 4.0);
    let metrics = exporter.metrics();
    let left_out = metrics.value("bingo_exporter_limit_hits_total", &[("limit", "files")]);
    assert_eq!(left_out, Some(76.0));
    let (_, said) = exporter.end(Signal::TERM);
    assert!(
        said.contains("too few file descriptors for limits.files"),
        "{said}"
    );
}

/// In a user namespace of its own, where inotify can be switched off without touching the machine.
#[test]
fn without_inotify_new_files_are_found_by_looking() {
    let place = Place::new();
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let mut wrapped = wrapped(
        &["unshare", "--user", "--map-root-user", "sh"],
        script,
        &command(&place.args(&[])),
    );
    let exporter = Exporter::spawn(&mut wrapped);
    exporter.wait_value("bingo_exporter_watching", &[("source", "access")], 0.0);
    exporter.wait_value("bingo_exporter_files", &files("missing"), 1.0);
    place.write(1);
    exporter.wait_value("bingo_exporter_lines_total", &COUNTED, 1.0);
    let (code, said) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0));
    let said_so = said.matches("no directory watches").count();
    assert_eq!(said_so, 2, "once for each of the two logs: {said}");
}
