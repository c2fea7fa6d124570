//! Restarts as others see them: Prometheus, whose counters must not reset; the operator, whose state directory may
//! be taken, damaged or full; and whoever asks while a long stop is caught up.

mod disk;
mod prometheus;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::exporter::{BINARY, Exporter, STATE_DIRECTORY, command};
use crate::support::log::{append, line};
use crate::support::process::Process;

const COUNTED: [(&str, &str); 2] = [("source", "access"), ("result", "counted")];

/// A log, and a state directory that outlives the exporters that use it.
struct Place {
    dir: TempDir,
    log: PathBuf,
    state: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let place = Self {
            log: dir.path().join("access.log"),
            state: dir.path().join("state"),
            dir,
        };
        // The file is there from the first start on, so that all written later is new.
        append(&place.log, "");
        place
    }

    fn args(&self) -> [&str; 4] {
        [
            "--source.access",
            self.log.to_str().unwrap(),
            "--state.dir",
            self.state.to_str().unwrap(),
        ]
    }

    #[track_caller]
    fn start(&self) -> Exporter {
        Exporter::start(&self.args())
    }

    fn write(&self, lines: usize) {
        append(&self.log, &line("GET /api/movie/1", 200, 5).repeat(lines));
    }

    /// The names of the checkpoints that were set aside.
    fn set_aside(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.state).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("checkpoint.corrupt") || name.starts_with("checkpoint.newer"))
            .collect()
    }
}

#[track_caller]
fn wait_counted(exporter: &Exporter, lines: u32) {
    exporter.wait_value("bingo_exporter_lines_total", &COUNTED, f64::from(lines));
}

#[test]
fn counters_go_on() {
    let place = Place::new();
    let mut expect = 0;
    for signal in [Signal::TERM, Signal::KILL, Signal::INT, Signal::KILL] {
        let exporter = place.start();
        place.write(100);
        expect += 100;
        // Shown, so it must not be taken back, not even by a kill right after.
        wait_counted(&exporter, expect);
        exporter.end(signal);
        place.write(50);
        expect += 50;
    }
    wait_counted(&place.start(), expect);
}

#[test]
fn a_state_directory_in_use_is_1_and_named() {
    let place = Place::new();
    let first = place.start();
    let mut second = Process::start(&mut command(&place.args()), "the exporter");
    let code = second.wait();
    let said = second.said();
    assert_eq!(code, Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains(place.state.to_str().unwrap()) && last.contains("another exporter"),
        "{said}"
    );
    place.write(1);
    wait_counted(&first, 1);
    first.end(Signal::KILL);
    // The lock dies with the process.
    wait_counted(&place.start(), 1);
}

/// What is found at a start instead of the checkpoint, whether the previous one is as it was, and what is made of
/// that.
#[track_caller]
fn check_unusable(found: &[u8], previous_is_fine: bool, aside: &str) {
    let place = Place::new();
    let exporter = place.start();
    place.write(100);
    wait_counted(&exporter, 100);
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));
    place.write(20);
    let damaged = if previous_is_fine { 1 } else { 2 };
    for name in &["checkpoint", "checkpoint.previous"][..damaged] {
        // After an orderly exit both are one file, so this must not be done in place.
        fs::remove_file(place.state.join(name)).unwrap();
        fs::write(place.state.join(name), found).unwrap();
    }

    let exporter = place.start();
    place.write(3);
    // The previous one holds the position. Without, it is a first start: what is there is old.
    wait_counted(&exporter, if previous_is_fine { 23 } else { 3 });
    let complete = exporter
        .metrics()
        .value("bingo_exporter_complete", &[("source", "access")]);
    assert_eq!(complete, Some(if previous_is_fine { 1.0 } else { 0.0 }));
    let (names, said) = (place.set_aside(), exporter.said());
    assert_eq!(names.len(), damaged, "{names:?}");
    for name in &names {
        assert!(name.starts_with(aside), "{names:?}");
        assert_eq!(fs::read(place.state.join(name)).unwrap(), found, "kept as it was");
        let about = said.lines().filter(|line| line.contains(name));
        assert_eq!(about.count(), 1, "{said}");
    }

    // And from there on as ever.
    exporter.end(Signal::KILL);
    place.write(4);
    wait_counted(&place.start(), if previous_is_fine { 27 } else { 7 });
}

#[test]
fn a_checkpoint_that_cannot_be_used_is_set_aside() {
    let newer = b"bingo-exporter-checkpoint 2 0123456789abcdef 2\n{}";
    for previous_is_fine in [true, false] {
        check_unusable(b"", previous_is_fine, "checkpoint.corrupt-");
        check_unusable(
            b"bingo-exporter-checkpoint 1 0123456789abcdef 2\n{}",
            previous_is_fine,
            "checkpoint.corrupt-",
        );
        check_unusable(
            b"{\"another\": \"program's\"}\n",
            previous_is_fine,
            "checkpoint.corrupt-",
        );
        check_unusable(newer, previous_is_fine, "checkpoint.newer-");
    }
}

/// Without a directory that was asked for, and none that can be made at the default place, it runs all the same.
#[test]
fn without_a_state_directory_counts_start_from_0() {
    const NOBODY: u32 = 65534;
    let place = Place::new();
    let binary = place.dir.path().join("bingo-exporter");
    fs::copy(BINARY, &binary).unwrap();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let start = || {
        let mut command = Command::new(&binary);
        command
            .args(["--web.listen-address", "127.0.0.1:0"])
            .args(&place.args()[..2])
            .env(STATE_DIRECTORY, "");
        // Root could make the default directory.
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let exporter = Exporter::spawn(&mut command);
        exporter.wait_ready();
        exporter
    };
    for _ in 0..2 {
        let exporter = start();
        place.write(10);
        wait_counted(&exporter, 10);
        let metrics = exporter.metrics();
        assert_eq!(
            metrics.value("bingo_exporter_checkpoint_failures_total", &[]),
            None
        );
        let (code, said) = exporter.end(Signal::TERM);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.matches("no state is kept").count(), 1, "{said}");
    }
}
