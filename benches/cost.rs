//! `make cost`: what the exporter costs beside the service it watches: processor, wake-ups and memory of a release build,
//! two minutes each, asked by nobody: so long that each path is looked at once, however many there are. A report, not a test:
//! the machine may be busy. An argument names one case, another says for how many seconds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for measuring: it prints, it waits, and what goes wrong ends it"
)]

#[expect(dead_code, reason = "only some of what the benchmarks share")]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::Lines;
use tempfile::TempDir;

/// What is written how fast, and into how many files.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    files: usize,
    lines_a_second: u32,
    /// Gigabytes that are there at the start; what is measured is the reading of them.
    backlog: usize,
}

const fn case(name: &'static str, files: usize, lines_a_second: u32) -> Case {
    Case {
        name,
        files,
        lines_a_second,
        backlog: 0,
    }
}

const CASES: [Case; 7] = [
    case("idle", 1, 0),
    case("120-lines", 1, 120),
    case("10000-lines", 1, 10_000),
    case("1000-files-idle", 1_000, 0),
    case("1000-files-120-lines", 1_000, 120),
    case("1000-files-10000-lines", 1_000, 10_000),
    Case {
        backlog: 4,
        ..case("catching-up", 1, 0)
    },
];

/// After the start, and after the last line, until nothing of it is left to do: an idle source is looked at less often
/// after half a minute.
const SETTLE: Duration = Duration::from_secs(75);

/// A writer's pause between two bursts.
const TICK: Duration = Duration::from_millis(5);

/// Of a backlog that takes longer to read.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// Different lines that are written, over and over.
const BLOCK: usize = 20_000;

fn main() {
    let args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let (numbers, names): (Vec<_>, Vec<_>) = args.partition(|arg| arg.parse::<u64>().is_ok());
    let seconds = numbers.first().map_or(120, |seconds| seconds.parse().unwrap());
    println!(
        "{:22} {:>9} {:>11} {:>8}   processor and wake-ups by thread",
        "", "processor", "wake-ups/s", "peak RSS"
    );
    for case in CASES {
        if names.is_empty() || names.iter().any(|name| name == case.name) {
            measure(case, Duration::from_secs(seconds));
        }
    }
}

fn measure(case: Case, time: Duration) {
    let dir = TempDir::new().unwrap();
    let mut logs = Logs::new(dir.path(), case);
    let exporter = Exporter::start(dir.path());
    if case.backlog > 0 {
        let (began, at) = (exporter.usage(), Instant::now());
        thread::sleep(CATCHING_UP);
        report(case.name, &began, &exporter.usage(), at.elapsed(), &exporter);
        return;
    }
    logs.write(SETTLE);
    let (began, at) = (exporter.usage(), Instant::now());
    logs.write(time);
    report(case.name, &began, &exporter.usage(), at.elapsed(), &exporter);
}

fn report(name: &str, began: &Usage, ended: &Usage, took: Duration, exporter: &Exporter) {
    let mut threads: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (id, thread) in ended {
        let before = began
            .get(id)
            .map_or((0.0, 0), |before| (before.seconds, before.waits));
        let sum = threads.entry(&thread.name).or_default();
        sum.0 += (thread.seconds - before.0) / took.as_secs_f64() * 100.0;
        sum.1 += (thread.waits - before.1) as f64 / took.as_secs_f64();
    }
    let total = threads
        .values()
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let by_thread: Vec<String> = threads
        .iter()
        .filter(|(_, (percent, waits))| *percent > 0.0 || *waits > 0.0)
        .map(|(name, (percent, waits))| format!("{name} {percent:.4} {waits:.1}"))
        .collect();
    println!(
        "{name:22} {:>7.4} % {:>11.2} {:>5.1} MB   {}",
        total.0,
        total.1,
        exporter.peak() as f64 / 1e3,
        by_thread.join(", ")
    );
}

/// The logs of a case, and who writes them.
struct Logs {
    files: Vec<File>,
    lines: Vec<Vec<u8>>,
    written: usize,
    lines_a_second: u32,
}

impl Logs {
    fn new(dir: &Path, case: Case) -> Self {
        fs::create_dir_all(dir.join("app/one")).unwrap();
        fs::write(dir.join("app/one/main.log"), Lines::Idle.text(10)).unwrap();
        let text = Lines::Json.text(BLOCK);
        let lines: Vec<Vec<u8>> = text
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let open = |index: usize| {
            let directory = dir.join(format!("host-{index}"));
            fs::create_dir_all(&directory).unwrap();
            let path = directory.join("access.log");
            let options = OpenOptions::new().create(true).append(true).open(&path).unwrap();
            let mut log = BufWriter::new(options);
            // No two begin alike, since one might be a copy of the other.
            log.write_all(&lines[index]).unwrap();
            for _ in 0..(case.backlog << 30) / text.len() {
                log.write_all(&text).unwrap();
            }
            log.into_inner().unwrap()
        };
        Self {
            files: (0..case.files).map(open).collect(),
            written: case.files,
            lines_a_second: case.lines_a_second,
            lines,
        }
    }

    /// For so long, one after another into all files in turn, each written at once as by an unbuffered proxy.
    fn write(&mut self, time: Duration) {
        let (began, before) = (Instant::now(), self.written);
        while began.elapsed() < time {
            thread::sleep(TICK);
            let due = before + (began.elapsed().as_secs_f64() * f64::from(self.lines_a_second)) as usize;
            while self.written < due {
                let line = &self.lines[self.written % self.lines.len()];
                let file = self.written % self.files.len();
                self.files[file].write_all(line).unwrap();
                self.written += 1;
            }
        }
    }
}

/// What a thread used since it began.
struct Used {
    name: String,
    seconds: f64,
    waits: u64,
}

/// By thread.
type Usage = BTreeMap<String, Used>;

struct Exporter(Child);

impl Exporter {
    fn start(dir: &Path) -> Self {
        let program = std::env::var("EXPORTER").unwrap_or(env!("CARGO_BIN_EXE_bingo-exporter").into());
        let mut command = Command::new(program);
        command
            .args([
                "--web.listen-address",
                "127.0.0.1:0",
                "--source.read-from",
                "beginning",
            ])
            .arg("--source.access")
            .arg(dir.join("host-*/access.log"))
            .arg("--source.app")
            .arg(dir.join("app/*/main.log"))
            .arg("--state.dir")
            .arg(dir.join("state"))
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Processor time and voluntary waits of every thread that lives.
    fn usage(&self) -> Usage {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        tasks
            .filter_map(|task| {
                let task = task.unwrap().path();
                let read = |name: &str| fs::read_to_string(task.join(name)).ok();
                let (schedule, status) = (read("schedstat")?, read("status")?);
                let used = Used {
                    name: read("comm")?.trim().to_owned(),
                    seconds: schedule.split(' ').next()?.parse::<f64>().unwrap() / 1e9,
                    waits: value(&status, "voluntary_ctxt_switches:"),
                };
                Some((task.display().to_string(), used))
            })
            .collect()
    }

    /// kB.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        value(&status, "VmHWM:")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn value(status: &str, key: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.unwrap_or_else(|| panic!("no {key}")).parse().unwrap()
}
