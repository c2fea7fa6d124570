//! A state directory on a disk that is full, or read-only.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::{Place, wait_counted};
use crate::support::clock::{DEADLINE, now, wait_until};
use crate::support::exporter::Exporter;
use crate::support::process::{program, run};

const FAILED: &str = "failed to save the checkpoint";

/// A small file system of its own, or, where we may not mount one, a directory in which nothing can be saved while
/// something stands in the way.
struct Disk {
    path: PathBuf,
    mounted: bool,
}

impl Disk {
    fn mount(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let mut command = program("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(path);
        let mounted = run(&mut command, "mount").status.success();
        if !mounted {
            println!("no file system can be mounted here; a full disk is imitated");
        }
        Self {
            path: path.to_owned(),
            mounted,
        }
    }

    fn obstacle(&self) -> PathBuf {
        self.path
            .join(if self.mounted { "filler" } else { "checkpoint.new" })
    }

    fn fill(&self) {
        // What is there can be written over, however full the disk is.
        let _ = fs::remove_file(self.path.join("checkpoint.new"));
        if !self.mounted {
            return fs::create_dir(self.obstacle()).unwrap();
        }
        // Page by page, until there is not one left.
        let mut file = File::create(self.obstacle()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        if self.mounted {
            fs::remove_file(self.obstacle()).unwrap();
        } else {
            fs::remove_dir(self.obstacle()).unwrap();
        }
    }

    fn protect(&self) {
        if self.mounted {
            self.remount("ro");
        } else {
            self.fill();
        }
    }

    fn unprotect(&self) {
        if self.mounted {
            self.remount("rw");
        } else {
            self.free();
        }
    }

    fn remount(&self, how: &str) {
        let mut command = program("mount");
        command.args(["-o", &format!("remount,{how}")]).arg(&self.path);
        assert!(run(&mut command, "mount").status.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            run(program("umount").arg("-l").arg(&self.path), "mount");
        }
    }
}

fn failures(exporter: &Exporter) -> f64 {
    let failures = exporter
        .metrics()
        .value("bingo_exporter_checkpoint_failures_total", &[]);
    failures.expect("a state directory")
}

fn saved(exporter: &Exporter) -> f64 {
    let saved = exporter
        .metrics()
        .value("bingo_exporter_checkpoint_timestamp_seconds", &[]);
    saved.unwrap_or_default()
}

/// Fills the disk and writes lines; back when some saves have failed.
#[track_caller]
fn fail_to_save(place: &Place, disk: &Disk, exporter: &Exporter, lines: usize) {
    disk.fill();
    let before = failures(exporter);
    place.write(lines);
    wait_until("saving to fail", DEADLINE, || {
        place.write(1);
        failures(exporter) >= before + 3.0
    });
}

/// All that was written.
fn written(place: &Place) -> u32 {
    let lines = fs::read(&place.log).unwrap().split(|byte| *byte == b'\n').count() - 1;
    u32::try_from(lines).unwrap()
}

#[test]
fn a_full_disk_stops_nothing_and_saving_resumes() {
    let place = Place::new();
    let disk = Disk::mount(&place.state);
    let exporter = place.start();
    place.write(100);
    wait_counted(&exporter, 100);
    assert_eq!(failures(&exporter), 0.0);

    fail_to_save(&place, &disk, &exporter, 50);
    wait_counted(&exporter, written(&place));
    assert_eq!(
        exporter.said().matches(FAILED).count(),
        1,
        "said once: {}",
        exporter.said()
    );

    let (before, begin) = (saved(&exporter), now());
    disk.free();
    place.write(1);
    wait_until("the checkpoint to be saved again", DEADLINE, || {
        saved(&exporter) > before
    });
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(
        exporter.said().matches("saved again").count(),
        1,
        "{}",
        exporter.said()
    );

    // As if nothing had been.
    exporter.end(Signal::KILL);
    place.write(10);
    let exporter = place.start();
    wait_counted(&exporter, written(&place));
    assert!(
        !exporter.said().contains("counts start from 0"),
        "{}",
        exporter.said()
    );
}

/// What was shown last is not what was saved last: a counter that came back smaller, but not at 0, would be worse
/// than a reset. Positions stay those of the last save.
#[test]
fn a_restart_while_saving_fails_resets_the_counts_and_keeps_the_positions() {
    for signal in [Signal::KILL, Signal::TERM] {
        let place = Place::new();
        let disk = Disk::mount(&place.state);
        let exporter = place.start();
        place.write(100);
        wait_counted(&exporter, 100);
        fail_to_save(&place, &disk, &exporter, 50);
        wait_counted(&exporter, written(&place));
        exporter.end(signal);

        // Whether or not there is space by then.
        let exporter = place.start();
        assert!(
            exporter.said().contains("counts start from 0"),
            "{}",
            exporter.said()
        );
        place.write(5);
        wait_counted(&exporter, written(&place) - 100);
        let complete = exporter
            .metrics()
            .value("bingo_exporter_complete", &[("source", "access")]);
        assert_eq!(complete, Some(1.0), "nothing is lost");
        disk.free();
        place.write(5);
        wait_until("saving to work again", DEADLINE, || {
            exporter.said().contains("saved again")
        });
        wait_counted(&exporter, written(&place) - 100);
        exporter.end(Signal::KILL);
        wait_counted(&place.start(), written(&place) - 100);
    }
}

#[test]
fn a_read_only_disk_stops_nothing() {
    let place = Place::new();
    let disk = Disk::mount(&place.state);
    let exporter = place.start();
    place.write(100);
    wait_counted(&exporter, 100);
    exporter.end(Signal::TERM);

    disk.protect();
    let exporter = place.start();
    place.write(10);
    wait_counted(&exporter, 110);
    wait_until("saving to fail", DEADLINE, || {
        place.write(1);
        failures(&exporter) >= 3.0
    });
    assert_eq!(
        exporter.said().matches(FAILED).count(),
        1,
        "said once: {}",
        exporter.said()
    );
    wait_counted(&exporter, written(&place));
    let (code, said) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0), "{said}");

    // Nothing could be written down, not even that; but what is read again was shown before. Where read-only is
    // imitated it could, and so counts start anew.
    disk.unprotect();
    let kept = if disk.mounted { 100 } else { 0 };
    let exporter = place.start();
    wait_counted(&exporter, written(&place) - 100 + kept);
}
