//! One run: a writer, logrotate, a reaper that ends and starts the exporter, and two scrapers that miss nothing.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::victim::Victim;
use crate::support::clock::{DEADLINE, pause, wait_until};
use crate::support::exposition::{Exposition, whole};
use crate::support::floor::Floor;
use crate::support::http;
use crate::support::ledger::{self, Counts};
use crate::support::logrotate::Logrotate;
use crate::support::random::Random;
use crate::support::writer::{Progress, Reopening, Writer};

/// Lines a second.
pub(crate) const RATE: u64 = 5_000;

/// How long the exporter may take at the end until it has counted all there is. What it cannot decide at once,
/// a copy that is still being made, it may leave open for ten seconds.
const SETTLE: Duration = Duration::from_secs(25);

/// How a log is rotated and written.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) directives: &'static [&'static str],
    pub(crate) reopening: Reopening,
    /// No line can vanish: rotation neither copies a file that is written to nor removes one.
    pub(crate) keeps_all: bool,
    /// Rotations may follow at once upon each other.
    pub(crate) bursts: bool,
    /// Least time between rotations, in lines.
    pub(crate) apart: u64,
}

/// What a run came to; all but the counts of events in lines.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) written: u64,
    /// Of these, in no file at the end: nobody can be sure to have seen them.
    pub(crate) vanished: u64,
    pub(crate) counted: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) lost_bytes: u64,
    pub(crate) rotations: u64,
    pub(crate) kills: u64,
    pub(crate) terms: u64,
    pub(crate) scrapes: u64,
    /// The most that a scrape was behind.
    pub(crate) behind: u64,
    pub(crate) findings: Vec<String>,
}

struct Run<'a> {
    scenario: &'a Scenario,
    lines: u64,
    log: PathBuf,
    progress: &'a Progress,
    victim: Victim<'a>,
    floor: Floor,
    over: AtomicBool,
    rotations: AtomicU64,
    scrapes: AtomicU64,
    behind: AtomicU64,
    findings: Mutex<Vec<String>>,
}

/// Runs a scenario for so many lines. What happens when follows from the seed, as far as the machine keeps the time.
pub(crate) fn run(scenario: &Scenario, seed: u64, lines: u64) -> Outcome {
    let (logs, state, progress) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        Progress::default(),
    );
    let log = logs.path().join("access.log");
    let run = Run {
        scenario,
        lines,
        victim: Victim::new(&log, state.path(), &progress),
        log,
        progress: &progress,
        floor: Floor::default(),
        over: AtomicBool::new(false),
        rotations: AtomicU64::default(),
        scrapes: AtomicU64::default(),
        behind: AtomicU64::default(),
        findings: Mutex::default(),
    };
    run.victim.start();
    run.victim.metrics();
    let marker = state.path().join("reopen");
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.let_loose(&marker, seed)));
    let outcome = match ran {
        Ok(()) => run.settle(),
        // It was printed where it happened.
        Err(_) => Outcome {
            findings: vec!["a thread of the test panicked".to_owned()],
            ..Outcome::default()
        },
    };
    if !outcome.findings.is_empty() && std::env::var_os("TORTURE_KEEP").is_some() {
        eprintln!(
            "{}: logs kept in {:?}, state in {:?}",
            scenario.name,
            logs.keep(),
            state.keep()
        );
    }
    outcome
}

impl Run<'_> {
    fn let_loose(&self, marker: &Path, seed: u64) {
        let (reopening, progress) = (self.scenario.reopening, self.progress);
        let writer = Writer::new(&self.log, ledger::line, marker.to_owned(), reopening, progress);
        thread::scope(|scope| {
            let writing = scope.spawn(|| writer.write(self.lines, RATE));
            let rotating = scope.spawn(|| self.rotate(marker, Random::new(seed)));
            let reaping = scope.spawn(|| self.reap(Random::new(!seed)));
            for replica in 0..2 {
                scope.spawn(move || self.scrape_until_over(Random::new(seed ^ (replica + 1))));
            }
            let ended = [writing.join(), rotating.join(), reaping.join()];
            self.over.store(true, Ordering::SeqCst);
            // Only now, or the scrapers would never end.
            assert!(ended.iter().all(Result::is_ok), "a thread panicked");
        });
    }

    /// Rotates at random lines, until shortly before the last.
    fn rotate(&self, marker: &Path, mut random: Random) {
        let dir = marker.parent().unwrap();
        let postrotate = format!("touch {}", marker.display());
        let logrotate = Logrotate::new(dir, &self.log, self.scenario.directives, &postrotate);
        let (mut at, mut told_at) = (0, self.lines / 2);
        loop {
            at += self.scenario.apart + random.below(RATE);
            if at > self.lines * 97 / 100 {
                break;
            }
            self.wait_line(at);
            let times = if self.scenario.bursts && random.chance(25) {
                3
            } else {
                1
            };
            let rotated = (0..times).filter(|_| logrotate.force()).count();
            self.rotations.fetch_add(rotated as u64, Ordering::Relaxed);
            if at >= told_at {
                self.progress.told.store(true, Ordering::SeqCst);
                told_at += self.lines / 4;
            }
        }
        self.wait_line(self.lines * 98 / 100);
        self.progress.told.store(true, Ordering::SeqCst);
    }

    /// Ends the exporter at random lines, mostly by `kill -9`, and starts it again: at once, or after some seconds
    /// of writing and rotating.
    fn reap(&self, mut random: Random) {
        let mut at = 0;
        loop {
            at = self.progress.written().max(at) + 100 + random.below(RATE * 6 / 5);
            if at > self.lines * 98 / 100 {
                break;
            }
            self.wait_line(at);
            let signal = if random.chance(70) {
                Signal::KILL
            } else {
                Signal::TERM
            };
            self.victim.stop(signal);
            if random.chance(20) {
                at = self.progress.written() + RATE / 2 + random.below(2 * RATE);
                self.wait_line(at.min(self.lines * 99 / 100));
            }
            self.victim.start();
        }
    }

    #[track_caller]
    fn wait_line(&self, line: u64) {
        let patience = DEADLINE + Duration::from_secs(self.lines / RATE);
        wait_until("the writer to get on", patience, || {
            self.progress.written() >= line
        });
    }

    fn scrape_until_over(&self, mut random: Random) {
        while !self.over.load(Ordering::SeqCst) {
            self.scrape();
            // As two that do not know of each other: at times both at once, at times just after a start.
            pause(Duration::from_millis(20 + random.below(400)));
        }
    }

    fn scrape(&self) {
        let Some((address, written_before)) = self.victim.address() else {
            return;
        };
        let (floor, written) = (self.floor.take(), self.progress.written());
        // One that is killed while it answers has shown nothing.
        let Ok(answer) = http::try_ask(address, "GET", "/metrics", &[]) else {
            return;
        };
        let begun = self.progress.begun();
        self.scrapes.fetch_add(1, Ordering::Relaxed);
        let text = answer.text();
        for fallen in self.floor.check(&floor, text) {
            self.find(fallen);
        }
        let shows = ["bingo_http_", "bingo_slo_", "bingo_upstream_"]
            .map(|family| text.contains(&format!("\n{family}")));
        let relevant = |line: &&str| {
            line.starts_with("bingo_http_requests_total") || line.starts_with("bingo_exporter_")
        };
        let lines: Vec<&str> = text.lines().filter(relevant).collect();
        let metrics = Exposition::parse(&lines.join("\n"));
        let catching_up = metrics.value("bingo_exporter_catching_up", &[]) == Some(1.0);
        match (catching_up, shows.contains(&true)) {
            (true, true) => self.find("request series are shown while catching up".to_owned()),
            (false, true) => self.judge(&metrics, written_before, written, begun),
            // Catching up, or not saved in time.
            (_, false) => {}
        }
    }

    /// What is shown must be between what was on disk before the exporter was started and what was written by now.
    fn judge(&self, metrics: &Exposition, written_before: u64, written: u64, begun: u64) {
        let counts = match ledger::counted(metrics) {
            Ok(counts) => counts,
            Err(problem) => return self.find(problem),
        };
        let total: u64 = counts.iter().sum();
        let doubled = excess(&counts, &ledger::of_the_first(begun));
        if doubled > 0 {
            self.find(format!("{doubled} lines counted twice by line {begun}"));
        }
        if self.scenario.keeps_all {
            self.behind
                .fetch_max(written.saturating_sub(total), Ordering::Relaxed);
            if total < written_before {
                self.find(format!(
                    "shown half counted: {total} lines, {written_before} were on disk at the start"
                ));
            }
        }
    }

    fn find(&self, finding: String) {
        let mut findings = self.findings.lock().unwrap();
        if findings.len() < 20 {
            findings.push(format!("at line {}: {finding}", self.progress.written()));
        }
    }

    /// Compares what was counted with what is there, now and after another two restarts.
    fn settle(self) -> Outcome {
        let present = ledger::present(&self.log, self.lines);
        let (least, most) = (ledger::of_those(&present), ledger::of_the_first(self.lines));
        for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
            if let Some(signal) = signal {
                self.victim.stop(signal);
                self.victim.start();
            }
            self.wait_counted(&least);
        }
        let metrics = self.victim.metrics();
        let counts = ledger::counted(&metrics).unwrap_or_else(|problem| {
            self.find(problem);
            vec![0; least.len()]
        });
        let outcome = Outcome {
            written: self.lines,
            vanished: present.iter().filter(|present| !**present).count() as u64,
            counted: counts.iter().sum(),
            lost: excess(&least, &counts),
            doubled: excess(&counts, &most),
            lost_bytes: whole(metrics.sum("bingo_exporter_lost_bytes_total", &[])),
            rotations: self.rotations.load(Ordering::Relaxed),
            kills: self.victim.kills.load(Ordering::Relaxed),
            terms: self.victim.terms.load(Ordering::Relaxed),
            scrapes: self.scrapes.load(Ordering::Relaxed),
            behind: self.behind.load(Ordering::Relaxed),
            findings: vec![],
        };
        self.check(&outcome, &metrics, &present, &counts);
        if !self.findings.lock().unwrap().is_empty() {
            eprintln!("---- {}\n{}----", self.scenario.name, self.victim.said());
        }
        Outcome {
            findings: self.findings.into_inner().unwrap(),
            ..outcome
        }
    }

    fn wait_counted(&self, least: &Counts) {
        let begin = crate::support::clock::now();
        wait_until("all to be counted", 2 * SETTLE, || {
            let counts = ledger::counted(&self.victim.metrics());
            counts.is_ok_and(|counts| excess(least, &counts) == 0) || begin.elapsed() > SETTLE
        });
    }

    fn check(&self, outcome: &Outcome, metrics: &Exposition, present: &[bool], counts: &Counts) {
        let Outcome {
            lost,
            doubled,
            vanished,
            ..
        } = *outcome;
        let expect = |holds: bool, what: String| {
            if !holds {
                self.find(what);
            }
        };
        expect(
            lost == 0,
            format!(
                "{lost} lines are in the files and were not counted: {}",
                cells(&ledger::of_those(present), counts)
            ),
        );
        expect(
            doubled == 0,
            format!(
                "{doubled} lines were counted twice: {}",
                cells(counts, &ledger::of_the_first(self.lines))
            ),
        );
        expect(
            !self.scenario.keeps_all || vanished == 0,
            format!("{vanished} lines are in no file"),
        );
        let said = outcome.lost_bytes;
        let uncounted = outcome.written - outcome.counted.min(outcome.written);
        // The longest line has 330 bytes.
        expect(
            said <= uncounted * 330,
            format!("{said} bytes said to be lost, but {uncounted} lines were not counted"),
        );
        let complete = metrics.value("bingo_exporter_complete", &[("source", "access")]);
        if uncounted == 0 {
            let bytes = whole(metrics.sum("bingo_http_response_bytes_total", &[]));
            let written = vec![true; present.len()];
            expect(
                bytes == ledger::bytes_of(&written),
                format!("the sum of the bytes sent is {bytes}: one line was counted for another"),
            );
            expect(
                complete == Some(1.0),
                format!("all is counted, and complete is {complete:?}"),
            );
            let rejected = metrics.sum("bingo_exporter_rejected_lines_total", &[]);
            expect(
                vanished > 0 || rejected == 0.0,
                format!("{rejected} lines were rejected"),
            );
        }
    }
}

/// How much the counts are above others, in sum.
fn excess(counts: &Counts, others: &Counts) -> u64 {
    counts
        .iter()
        .zip(others)
        .map(|(count, other)| count.saturating_sub(*other))
        .sum()
}

/// Which cells are above, for finding the lines.
fn cells(counts: &Counts, others: &Counts) -> String {
    let above = counts
        .iter()
        .zip(others)
        .enumerate()
        .filter(|(_, (count, other))| count > other);
    let above: Vec<String> = above
        .map(|(cell, (count, other))| format!("cell {cell} {count} for {other}"))
        .collect();
    above.join(", ")
}
