//! Why the engine that follows files is our own: what linemux, the crate for it, loses, doubles and tears, and what
//! ours does, both following the same file at the same time. `make tailing`; it takes some two minutes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it prints, it waits, and what goes wrong ends it"
)]

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bingo_exporter::clock::Clock;
use bingo_exporter::tail::wake::{DirectoryWatch, Doorbell};
use bingo_exporter::tail::{LOOK, Line, Memory, Options, ReadFrom, Tail};
use linemux::MuxedLines;

/// Nothing new for so long is the end: twice as long as either takes to notice anything.
const QUIET: Duration = Duration::from_secs(2);

/// Rotations in a run.
const ROTATIONS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Case {
    Plain,
    TwoWrites,
    InvalidUtf8,
    Rename,
    CopyTruncate,
    Recreate,
    RestartFromEnd,
    RestartFromStart,
}

use Case::{CopyTruncate, InvalidUtf8, Plain, Recreate, Rename, RestartFromEnd, RestartFromStart, TwoWrites};

const CASES: [(Case, &str); 8] = [
    (Plain, "no rotation at all"),
    (TwoWrites, "each line in two writes"),
    (InvalidUtf8, "invalid UTF-8 in every tenth line"),
    (Rename, "rename; the writer goes on in the old file for a while"),
    (CopyTruncate, "copied and truncated"),
    (Recreate, "deleted and created again"),
    (RestartFromEnd, "follower restarted (linemux: from the end)"),
    (RestartFromStart, "follower restarted (linemux: from the start)"),
];

/// Lines, and the pause after each.
const PACES: [(usize, Duration); 2] = [(300, Duration::from_millis(10)), (100_000, Duration::ZERO)];

fn main() {
    println!(
        "Lines lost / doubled / torn of those written, at 100 a second and as fast as the disk takes them:\n"
    );
    println!("| case | lines | linemux 0.3.0 | this exporter |\n|---|---|---|---|");
    for (case, name) in CASES {
        for (lines, pause) in PACES {
            let [theirs, ours] = run(case, lines, pause);
            println!("| {name} | {lines} | {theirs} | {ours} |");
        }
    }
}

/// What a follower gave: lines by number, and what is no line.
#[derive(Debug)]
struct Given {
    times: Vec<u64>,
    torn: u64,
    last: Instant,
    case: Case,
}

impl Given {
    fn take(&mut self, text: &[u8]) {
        let digits = text.get(5..15).and_then(|digits| str::from_utf8(digits).ok());
        let number: Option<usize> = digits.and_then(|digits| digits.parse().ok());
        let case = self.case;
        let whole = number.filter(|number| line(case, *number).strip_suffix(b"\n") == Some(text));
        match whole.and_then(|number| self.times.get_mut(number)) {
            Some(times) => *times += 1,
            None => self.torn += 1,
        }
        self.last = Instant::now();
    }

    fn text(&self) -> String {
        let lost = self.times.iter().filter(|times| **times == 0).count();
        let doubled: u64 = self.times.iter().map(|times| times.saturating_sub(1)).sum();
        format!("{lost} / {doubled} / {}", self.torn)
    }
}

/// A line with its line feed; all are of one length.
fn line(case: Case, number: usize) -> Vec<u8> {
    let mut line = format!("line {number:010} {}\n", "x".repeat(84)).into_bytes();
    if case == InvalidUtf8 && number.is_multiple_of(10) {
        line[20] = 0xff;
    }
    line
}

fn run(case: Case, lines: usize, pause: Duration) -> [String; 2] {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("access.log");
    let given = [(); 2].map(|()| {
        Arc::new(Mutex::new(Given {
            times: vec![0; lines],
            torn: 0,
            last: Instant::now(),
            case,
        }))
    });
    let mut writer = Writer {
        case,
        pause,
        lines,
        file: File::create(&log).unwrap(),
        log: &log,
        old: None,
    };
    let mut running = start(&log, &given, case, None);
    if matches!(case, RestartFromEnd | RestartFromStart) {
        writer.write(0..lines / 3);
        let memory = stop(running, &given);
        writer.write(lines / 3..lines * 2 / 3);
        running = start(&log, &given, case, Some(memory));
        writer.write(lines * 2 / 3..lines);
    } else {
        writer.write(0..lines);
    }
    stop(running, &given);
    given.map(|given| given.lock().unwrap().text())
}

/// Both followers, until they are told to stop.
struct Running {
    over: Arc<AtomicBool>,
    theirs: JoinHandle<()>,
    ours: JoinHandle<Memory>,
}

fn start(log: &Path, given: &[Arc<Mutex<Given>>; 2], case: Case, memory: Option<Memory>) -> Running {
    let over = Arc::new(AtomicBool::default());
    let [theirs, ours] = given.each_ref().map(Arc::clone);
    let from_start = case == RestartFromStart && memory.is_some();
    let (path, until) = (log.to_owned(), Arc::clone(&over));
    let theirs = thread::spawn(move || follow_by_linemux(&path, from_start, &until, &theirs));
    let (path, until) = (log.to_owned(), Arc::clone(&over));
    let ours = thread::spawn(move || follow(&path, memory, &until, &ours));
    // Until both have set up their watches.
    thread::sleep(Duration::from_millis(500));
    Running { over, theirs, ours }
}

/// Stops both once they give nothing more.
fn stop(running: Running, given: &[Arc<Mutex<Given>>; 2]) -> Memory {
    let begin = Instant::now();
    while given
        .iter()
        .any(|given| given.lock().unwrap().last.max(begin).elapsed() < QUIET)
    {
        thread::sleep(Duration::from_millis(20));
    }
    running.over.store(true, Ordering::SeqCst);
    running.theirs.join().unwrap();
    running.ours.join().unwrap()
}

/// As its documentation shows it.
fn follow_by_linemux(log: &Path, from_start: bool, over: &AtomicBool, given: &Mutex<Given>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut lines = MuxedLines::new().unwrap();
        if from_start {
            lines.add_file_from_start(log).await.unwrap();
        } else {
            lines.add_file(log).await.unwrap();
        }
        while !over.load(Ordering::SeqCst) {
            let next = tokio::time::timeout(Duration::from_millis(50), lines.next_line());
            // An error is a line that is no UTF-8; it goes on after that.
            if let Ok(Ok(Some(line))) = next.await {
                given.lock().unwrap().take(line.line().as_bytes());
            }
        }
    });
}

/// As `ingest.rs` does it.
fn follow(log: &Path, memory: Option<Memory>, over: &AtomicBool, given: &Mutex<Given>) -> Memory {
    let options = Options {
        paths: vec![log.to_str().unwrap().to_owned()],
        read_from: ReadFrom::End,
        line_bytes: 1 << 20,
        files: 100,
        rotated: vec![],
    };
    let mut tail = match memory {
        Some(memory) => Tail::restore(options, memory),
        None => Tail::new(options),
    };
    let (clock, doorbell, mut timeout) = (Clock::start(), Arc::new(Doorbell::default()), Duration::ZERO);
    let mut directories = DirectoryWatch::new(Arc::clone(&doorbell));
    while !over.load(Ordering::SeqCst) {
        let rings = doorbell.wait(timeout, 0, |_| Duration::ZERO);
        let polled = tail.poll(clock.now(), rings.directory, &mut |_, lines| {
            lines.each(|line| {
                if let Line::Complete(text) | Line::Unfinished(text) = line {
                    given.lock().unwrap().take(text);
                }
            });
        });
        directories.watch(&tail.directories(), true);
        timeout = match (polled.more, polled.read_bytes) {
            (true, _) => Duration::ZERO,
            (false, 1..) => Duration::from_millis(250),
            (false, 0) => LOOK,
        };
    }
    tail.memory()
}

struct Writer<'a> {
    case: Case,
    pause: Duration,
    /// In the whole run.
    lines: usize,
    log: &'a Path,
    file: File,
    /// The line at which to go over to a new file.
    old: Option<usize>,
}

impl Writer<'_> {
    fn write(&mut self, numbers: Range<usize>) {
        let apart = self.lines / (ROTATIONS + 1);
        for number in numbers {
            if number > 0 && number.is_multiple_of(apart) {
                self.rotate(number / apart);
                self.old = (self.case == Rename).then_some(number + apart / 5);
            }
            if self.old.take_if(|until| *until == number).is_some() {
                self.file = File::create(self.log).unwrap();
            }
            let line = line(self.case, number);
            let (first, second) = line.split_at(if self.case == TwoWrites { 50 } else { line.len() });
            self.file.write_all(first).unwrap();
            // At full speed the pause is that of the kernel.
            if !second.is_empty() {
                thread::sleep(self.pause / 10);
                self.file.write_all(second).unwrap();
            }
            thread::sleep(self.pause);
        }
    }

    fn rotate(&mut self, count: usize) {
        let copy = self.log.with_extension(format!("log.{count}"));
        match self.case {
            Rename => fs::rename(self.log, copy).unwrap(),
            CopyTruncate => {
                fs::copy(self.log, copy).unwrap();
                self.file = File::options().append(true).open(self.log).unwrap();
                self.file.set_len(0).unwrap();
            }
            Recreate => {
                fs::remove_file(self.log).unwrap();
                self.file = File::create(self.log).unwrap();
                // A file that is deleted before anyone has opened it is nobody's.
                thread::sleep(Duration::from_millis(300));
            }
            _ => {}
        }
    }
}
