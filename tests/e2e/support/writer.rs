//! A program that writes a log, steadily, and reopens it in the ways programs do.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock::{now, pause_until};

/// Lines written in one go, so that the clock is asked seldom enough to keep the pace.
const BATCH: u64 = 10;

/// One in so many lines comes in two writes, as from a program whose buffer ends inside a line.
const TORN: u64 = 97;

/// When the writer reopens its log after a rotation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reopening {
    /// As soon as the rotation tells it to.
    AtOnce,
    /// This much later; until then it writes on into the renamed file.
    Late(Duration),
    /// Only when it is told by itself, as bingo, which knows no signal and must be restarted.
    WhenTold,
}

/// How far the writer is; known to all.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Lines of which something may be written.
    pub(crate) begun: AtomicU64,
    /// Lines that are written.
    pub(crate) written: AtomicU64,
    /// Asks a [`Reopening::WhenTold`] to reopen.
    pub(crate) told: AtomicBool,
}

impl Progress {
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

pub(crate) struct Writer<'a> {
    log: &'a Path,
    /// The line of each number, with its line feed.
    line: fn(u64) -> String,
    /// A file the rotation makes to tell that it is over.
    marker: PathBuf,
    reopening: Reopening,
    /// When to reopen, if a rotation has told.
    due: Option<Instant>,
    progress: &'a Progress,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        log: &'a Path,
        line: fn(u64) -> String,
        marker: PathBuf,
        reopening: Reopening,
        progress: &'a Progress,
    ) -> Self {
        Self {
            log,
            line,
            marker,
            reopening,
            due: None,
            progress,
        }
    }

    /// Writes so many lines at `rate` lines a second, by the clock: a delay is made up for, and never moves what
    /// comes later.
    pub(crate) fn write(mut self, lines: u64, rate: u64) {
        let begin = now();
        let mut file = self.open();
        for number in 0..lines {
            if number.is_multiple_of(BATCH) {
                pause_until(begin + Duration::from_micros(number * 1_000_000 / rate));
                if self.must_reopen() {
                    file = self.open();
                }
            }
            self.progress.begun.store(number + 1, Ordering::SeqCst);
            write_line(&mut file, &(self.line)(number), number);
            self.progress.written.store(number + 1, Ordering::SeqCst);
        }
    }

    fn open(&self) -> File {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.log)
            .unwrap()
    }

    fn must_reopen(&mut self) -> bool {
        let delay = match self.reopening {
            Reopening::AtOnce => Duration::ZERO,
            Reopening::Late(delay) => delay,
            Reopening::WhenTold => return self.progress.told.swap(false, Ordering::SeqCst),
        };
        // Removed before anything is opened: a rotation after that tells again.
        if fs::remove_file(&self.marker).is_ok() {
            self.due.get_or_insert(now() + delay);
        }
        self.due.take_if(|due| *due <= now()).is_some()
    }
}

fn write_line(file: &mut File, line: &str, number: u64) {
    let (first, second) = line.split_at(if number.is_multiple_of(TORN) {
        line.len() / 2
    } else {
        line.len()
    });
    file.write_all(first.as_bytes()).unwrap();
    if !second.is_empty() {
        pause_until(now() + Duration::from_millis(1));
        file.write_all(second.as_bytes()).unwrap();
    }
}
