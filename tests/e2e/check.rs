//! `bingo-exporter check`, as an operator calls it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, getuid};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::exporter::{BINARY, Exporter};
use crate::support::log::{append, line};
use crate::support::process::{program, run};

const NOBODY: u32 = 65534;

/// Debian's base-passwd gives it this number.
const ADM: u32 = 4;

/// What a call came to.
struct Checked {
    code: Option<i32>,
    text: String,
}

struct Place {
    dir: TempDir,
    /// Without bingo's own log.
    config: PathBuf,
    log: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let config = dir.path().join("config.yaml");
        fs::write(&config, "sources: {app: {paths: []}}\n").unwrap();
        Self {
            config,
            log: dir.path().join("logs/access.log"),
            dir,
        }
    }

    /// A log with nothing wrong in it.
    fn well() -> Self {
        let place = Self::new();
        append(&place.log, &line("GET /api/movie/1", 200, 5).repeat(50));
        place
    }

    #[track_caller]
    fn check(&self, more: &[&str]) -> Checked {
        checked(Command::new(BINARY).args(self.args(more)))
    }

    /// As somebody to whom rights mean something.
    #[track_caller]
    fn check_as_nobody(&self) -> Checked {
        let binary = self.dir.path().join("bingo-exporter");
        if !binary.exists() {
            fs::copy(BINARY, &binary).unwrap();
        }
        let mut command = Command::new(binary);
        command.args(self.args(&[]));
        if getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        checked(&mut command)
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let (config, log) = (self.config.to_str().unwrap(), self.log.to_str().unwrap());
        [&["check", "--config.file", config, "--source.access", log], more].concat()
    }

    fn set_mode(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

#[track_caller]
fn checked(command: &mut Command) -> Checked {
    let output = run(command.env_remove("NO_COLOR"), "the exporter");
    let text = [output.stdout, output.stderr].concat();
    Checked {
        code: output.status.code(),
        text: String::from_utf8(text).unwrap(),
    }
}

impl Checked {
    #[track_caller]
    fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "no {part:?} in:\n{}", self.text);
        }
    }
}

#[test]
fn all_well_is_0() {
    let place = Place::well();
    let checked = place.check(&[]);
    checked.says(
        0,
        &["50 counted", "GET /api/movie/{id} 200 ok 0.005 s", "latency good"],
    );
    let json: Value = serde_json::from_str(&place.check(&["--json"]).text).unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["sources"][0]["files"][0]["lines"]["counted"], 50);
}

#[test]
fn bad_usage_and_bad_configuration_are_2() {
    let place = Place::new();
    place.check(&["--jsno"]).says(2, &["--jsno"]);
    fs::write(&place.config, "endpoints: [{method: GET, path: a}]").unwrap();
    place.check(&[]).says(2, &["config.yaml:1:", "expected a path"]);
}

#[test]
fn a_missing_log_is_a_warning() {
    let place = Place::new();
    place.check(&[]).says(
        0,
        &[
            "warning",
            "nothing matches",
            "access.log",
            "as soon as it appears",
        ],
    );
    fs::remove_dir(place.log.parent().unwrap()).unwrap();
    place.check(&[]).says(0, &["there is no directory"]);
}

#[test]
fn a_log_behind_dev_null_or_a_pipe_is_1() {
    let place = Place::new();
    symlink("/dev/null", &place.log).unwrap();
    place.check(&[]).says(1, &["/dev/null", "thrown away"]);
    fs::remove_file(&place.log).unwrap();
    // A pipe without a writer: who opens it carelessly waits for ever.
    let made = run(program("mkfifo").arg(&place.log), "coreutils");
    assert!(made.status.success());
    place.check(&[]).says(1, &["not a regular file", "container"]);
}

#[test]
fn unreadable_names_the_command_that_mends_it() {
    let place = Place::well();
    let (log, directory) = (&place.log, place.log.parent().unwrap());
    place.set_mode(log, 0o200);
    let checked = place.check_as_nobody();
    checked.says(
        1,
        &[
            "may not read",
            log.to_str().unwrap(),
            "mode 0200",
            "setfacl -m u:",
            "setfacl -d -m u:",
        ],
    );
    place.set_mode(log, 0o644);

    place.set_mode(directory, 0o600);
    let checked = place.check_as_nobody();
    let command = format!(":rx {}", directory.display());
    checked.says(
        1,
        &[
            "may not look into the directory",
            "mode 0600",
            "setfacl -m u:",
            &command,
        ],
    );
    // The way of a link is looked at where it leads.
    let link = place.dir.path().join("link.log");
    symlink(log, &link).unwrap();
    let linked = Place { log: link, ..place };
    linked
        .check_as_nobody()
        .says(1, &["may not look into the directory", &command]);
    linked.set_mode(linked.dir.path().join("logs").as_path(), 0o755);
    linked.check_as_nobody().says(0, &["50 counted"]);

    if getuid().is_root() {
        let log = linked.dir.path().join("logs/access.log");
        chown(&log, Some(0), Some(ADM)).unwrap();
        linked.set_mode(&log, 0o640);
        let checked = linked.check_as_nobody();
        checked.says(1, &["group adm", "usermod -aG adm nobody"]);
    }
}

#[test]
fn it_needs_no_state_and_disturbs_no_running_exporter() {
    let place = Place::well();
    let state = place.dir.path().join("state");
    let nowhere = place.dir.path().join("nowhere");
    let args = place.args(&["--state.dir", state.to_str().unwrap()]);
    let exporter = Exporter::start(&args[1..]);
    append(&place.log, &line("GET /api/movie/1", 200, 5));
    let saved = exporter.metrics();
    for state in [&state, &nowhere] {
        place
            .check(&["--state.dir", state.to_str().unwrap()])
            .says(0, &["51 counted"]);
    }
    assert!(!nowhere.exists());
    let lines = [("source", "access"), ("result", "counted")];
    assert_eq!(saved.value("bingo_exporter_lines_total", &lines), Some(1.0));
    append(&place.log, &line("GET /api/movie/1", 200, 5));
    assert_eq!(
        exporter.metrics().value("bingo_exporter_lines_total", &lines),
        Some(2.0)
    );
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));
}

#[test]
fn only_so_much_of_a_large_log_is_read() {
    let place = Place::new();
    // A hole of 64 GiB, and a few lines.
    let file = fs::File::create(&place.log).unwrap();
    file.set_len(1 << 36).unwrap();
    append(
        &place.log,
        &("\n".to_owned() + &line("GET /api/movie/1", 200, 5).repeat(2000)),
    );
    place.check(&[]).says(0, &["counted, 0 ignored, 0 rejected"]);
}

#[test]
fn colours_on_a_terminal_only() {
    let place = Place::well();
    let call = format!("{BINARY} {}", place.args(&[]).join(" "));
    let on_terminal = |no_color: &str| {
        let mut command = program("script");
        // A shell would see the colours of its own environment.
        command
            .args(["-qec", &call, "/dev/null"])
            .env("NO_COLOR", no_color);
        String::from_utf8(run(&mut command, "bsdutils").stdout).unwrap()
    };
    assert!(on_terminal("").contains("\u{1b}[32m"));
    assert!(!on_terminal("1").contains('\u{1b}'));
    assert!(!place.check(&[]).text.contains('\u{1b}'));
}
