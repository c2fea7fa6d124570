//! Instructions a line costs from the page cache to being counted, as callgrind counts them: the same on every run, however
//! busy the machine is. More than 5 % above `benches/instructions.txt` fails; `UPDATE_INSTRUCTIONS=1` writes it anew.
//!
//! Each kind is read twice, so many lines and twice as many; the difference is free of what a start costs.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark that cannot go on has nothing to say"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use support::{Lines, drain, source};

/// Lines of the shorter run.
const LINES: u64 = 2_000;

/// Worse by more than so many per cent is worse.
const TOLERANCE: u64 = 5;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let [kind, path] = &args[..] {
        // Under callgrind.
        drain(&mut source(Path::new(path), kind == "access"));
        return ExitCode::SUCCESS;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let update = std::env::var_os("UPDATE_INSTRUCTIONS").is_some();
    let known = fs::read_to_string(&file).unwrap_or_default();
    let known: BTreeMap<&str, u64> = known
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, count)| (name, count.trim().parse().unwrap()))
        .collect();
    let (mut written, mut worse) = (String::new(), vec![]);
    for (name, kind) in Lines::ALL {
        let now = per_line(kind);
        let before = known.get(name).copied();
        let shown = before.map_or("new".to_owned(), |before| {
            format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
        });
        println!("{name:16} {now:6} instructions a line  {shown}");
        if before.is_none_or(|before| now * 100 > before * (100 + TOLERANCE)) {
            worse.push(name);
        }
        writeln!(written, "{name:16} {now:6}").unwrap();
    }
    if update {
        fs::write(&file, written).unwrap();
    } else if !worse.is_empty() {
        println!(
            "more than {TOLERANCE} % above benches/instructions.txt: {}; where that is meant, UPDATE_INSTRUCTIONS=1 writes it anew",
            worse.join(", ")
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn per_line(kind: Lines) -> u64 {
    let text = kind.text(2 * LINES as usize);
    let half = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(LINES as usize - 1);
    let half = &text[..=half.unwrap().0];
    (instructions(kind, &text) - instructions(kind, half)) / LINES
}

fn instructions(kind: Lines, text: &[u8]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, text).unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .arg(if kind.is_access() { "access" } else { "app" })
        .arg(&path)
        .output()
        .unwrap_or_else(|error| panic!("valgrind cannot be started ({error}): make setup installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected : "));
    let count = count.unwrap_or_else(|| panic!("valgrind counted nothing:\n{said}"));
    count.1.trim().parse().unwrap()
}
