//! What is written. Everything in a line follows from its number, so that what was counted can be compared with
//! what was written without keeping either.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::exposition::{Exposition, whole};
use super::process::{program, run};

/// Method, the request's target up to the number, and the route it is counted under.
const ROUTES: [(&str, &str, &str); 10] = [
    ("GET", "/api/movie/", "/api/movie/{id}"),
    ("HEAD", "/api/movie/", "/api/movie/{id}"),
    ("GET", "/api/customer/", "/api/customer/{id}"),
    ("GET", "/api/session/", "/api/session/{id}"),
    ("DELETE", "/api/session/", "/api/session/{id}"),
    ("GET", "/db_dummy?n=", "/db_dummy"),
    ("GET", "/long_dummy?n=", "/long_dummy"),
    ("POST", "/operation?n=", "/operation"),
    ("GET", "/ping?n=", "/ping"),
    ("GET", "/nowhere/", "other"),
];

const CODES: u64 = 40;

/// Lines one after another that are counted in the same place: the finer, the less can a doubled line make good
/// for a lost one.
const BLOCK: u64 = 100;

/// Route and status code: one series of `bingo_http_requests_total`.
pub(crate) const CELLS: u64 = ROUTES.len() as u64 * CODES;

/// How many lines of each cell.
pub(crate) type Counts = Vec<u64>;

fn cell(number: u64) -> u64 {
    number / BLOCK % CELLS
}

fn route(cell: u64) -> (&'static str, &'static str, &'static str) {
    ROUTES[usize::try_from(cell).unwrap() % ROUTES.len()]
}

fn code(cell: u64) -> u64 {
    200 + 10 * (cell / ROUTES.len() as u64)
}

/// Eight digits that look random, so that the sum over a route tells which lines it is a sum of.
fn bytes(number: u64) -> u64 {
    10_000_000 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 80_000_000
}

/// A line with its line feed. All lines of a route are equally long: a size that fits proves nothing then.
pub(crate) fn line(number: u64) -> String {
    let cell = cell(number);
    let ((method, target, _), code) = (route(cell), code(cell));
    let (bytes, millis) = (bytes(number), number * 7919 % 1000);
    format!(
        "{{\"time_iso8601\":\"2024-01-09T10:00:00+00:00\",\"request\":\"{method} {target}{number:010} HTTP/1.1\",\
         \"status\":\"{code}\",\"request_time\":\"0.{millis:03}\",\"body_bytes_sent\":\"{bytes}\",\
         \"upstream_addr\":\"10.0.0.7:27352\",\"upstream_status\":\"{code}\",\
         \"upstream_response_time\":\"0.{millis:03}\",\"server_protocol\":\"HTTP/1.1\",\"scheme\":\"http\"}}\n"
    )
}

/// The counts of the first `lines` lines.
pub(crate) fn of_the_first(lines: u64) -> Counts {
    let (rounds, rest) = (lines / (CELLS * BLOCK), lines % (CELLS * BLOCK));
    let of_cell = |cell| rounds * BLOCK + rest.saturating_sub(cell * BLOCK).min(BLOCK);
    (0..CELLS).map(of_cell).collect()
}

/// The counts of the lines marked.
pub(crate) fn of_those(present: &[bool]) -> Counts {
    let mut counts = vec![0; usize::try_from(CELLS).unwrap()];
    for (number, _) in present.iter().enumerate().filter(|(_, present)| **present) {
        counts[usize::try_from(cell(number as u64)).unwrap()] += 1;
    }
    counts
}

/// The bytes sent in the lines marked.
pub(crate) fn bytes_of(present: &[bool]) -> u64 {
    let numbers = present.iter().enumerate().filter(|(_, present)| **present);
    numbers.map(|(number, _)| bytes(number as u64)).sum()
}

/// What an exporter has counted; an error if there is anything else in it, or anything missing.
pub(crate) fn counted(metrics: &Exposition) -> Result<Counts, String> {
    const NAME: &str = "bingo_http_requests_total";
    let value = |cell| {
        let ((method, _, route), code) = (route(cell), code(cell).to_string());
        let labels = [("method", method), ("route", route), ("code", &*code)];
        metrics.value(NAME, &labels).map_or(0, whole)
    };
    let counts: Counts = (0..CELLS).map(value).collect();
    let (ours, all) = (counts.iter().sum::<u64>(), whole(metrics.sum(NAME, &[])));
    let labels = [("source", "access"), ("result", "counted")];
    let lines = metrics
        .value("bingo_exporter_lines_total", &labels)
        .map_or(0, whole);
    if (ours, all) == (lines, lines) {
        Ok(counts)
    } else {
        Err(format!(
            "{lines} lines counted, in {all} requests, of which {ours} were ever written"
        ))
    }
}

/// Which of the first `lines` lines are whole in some file: the log, and all its rotated copies, compressed or not.
///
/// # Panics
/// If a line is there twice.
pub(crate) fn present(log: &Path, lines: u64) -> Vec<bool> {
    let mut present = vec![false; usize::try_from(lines).unwrap()];
    let name = log.file_name().unwrap().to_str().unwrap();
    for entry in fs::read_dir(log.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_str().unwrap().starts_with(name) {
            continue;
        }
        for text in content(&path).split_inclusive(|byte| *byte == b'\n') {
            let Some(number) = number(text) else { continue };
            let seen = &mut present[usize::try_from(number).unwrap()];
            assert!(
                !std::mem::replace(seen, true),
                "line {number} stands in two files, one is {}",
                path.display()
            );
        }
    }
    present
}

fn content(path: &Path) -> Vec<u8> {
    let unpack = |command: &mut Command, package| {
        let output = run(command.arg("-dc").arg(path), package);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => unpack(&mut program("gzip"), "gzip"),
        Some("zst") => unpack(&mut program("zstd"), "zstd"),
        _ => fs::read(path).unwrap(),
    }
}

/// The number of a line, if it is whole to the last byte but its line feed.
fn number(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let number = text.split(" HTTP/1.1\",").next()?;
    let number = number.get(number.len().checked_sub(10)?..)?.parse().ok()?;
    (text.trim_end_matches('\n') == line(number).trim_end_matches('\n')).then_some(number)
}

#[test]
fn numbers_tell_everything() {
    let lines = 3 * CELLS * BLOCK / 2 + 7;
    let all = of_the_first(lines);
    assert_eq!(all.iter().sum::<u64>(), lines);
    assert_eq!(all, of_those(&vec![true; usize::try_from(lines).unwrap()]));
    for at in [0, 12_345, lines] {
        assert_eq!(number(line(at).as_bytes()), Some(at));
        assert_eq!(number(&line(at).as_bytes()[1..]), None);
    }
}
