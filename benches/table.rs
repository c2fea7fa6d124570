//! `make bench`: what reading an access log costs, beside others who count the same from the same file. Processor
//! time, since the machine may be busy: the median of five runs, of all in turn, so that what disturbs disturbs all alike.
//! It prints the README's section as it stands there. An argument, `formats`, `others`, `both` or `growth`, prints one part.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

mod both;
mod growth;
mod many;
mod support;
mod yardstick;

use std::fs;
use std::io::Write;
use std::iter::repeat_n;
use std::path::Path;
use std::process::Command;

use linemux::MuxedLines;
use rustix::time::{ClockId, clock_gettime};
use support::{Lines, drain, source};

/// Bytes of the log that others read too: what a process costs before its first line is lost in it, for the fastest
/// as well, and the slowest takes ten seconds.
const BYTES: usize = 400 << 20;

/// Lines that are repeated.
const BLOCK: usize = 20_000;

/// Our row among the others.
const OURS: usize = 2;

/// Bytes of each log that we alone read.
const OWN_BYTES: usize = 64 << 20;

/// mawk's script, on the quotes of the simulation's JSON: requests by route, method and code, and durations by bucket.
const MAWK: &str = r#"
BEGIN { FS = "\""; n = split("0.005 0.01 0.025 0.05 0.1 0.2 0.4 0.8 1.6 3.2 6.4 12.8 25.6", edge, " ") }
{ path = $20; sub(/\?.*/, "", path); gsub(/\/[0-9]+/, "/{id}", path); key = path " " $16
  count[key " " $24]++; i = 1; while (i <= n && $28 > edge[i]) i++; bucket[key " " i]++; sum[key] += $28 }
END { for (key in count) print key, count[key] }
"#;

/// mtail's program, for the same; the route is the path up to its first digit.
const MTAIL: &str = r#"
counter requests by route, method, code
histogram duration by route, method buckets 0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6
/"request_method":"(?P<method>[A-Z]+)","request_uri":"(?P<route>[^"?0-9]*)[^"]*","status":"(?P<code>\d+)","request_time":"(?P<took>[0-9.]+)"/ {
  requests[$route][$method][$code]++
  duration[$route][$method] = $took
}
"#;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if let [what, of, lines] = &args[..] {
        let lines = lines.parse().unwrap();
        return match &**what {
            "linemux" => by_linemux(Path::new(of), lines),
            "text" => write(of, lines),
            other => panic!("{other}: expected linemux or text"),
        };
    }
    if let [kind, path] = &args[..] {
        return match &**kind {
            "memchr" => println!("{}", yardstick::by_memchr(Path::new(path))),
            kind => drop(drain(&mut source(Path::new(path), kind == "access"))),
        };
    }
    let only = args.first().map(String::as_str);
    if only.is_none() {
        print!("{}", intro());
    }
    let parts: [(&str, fn()); 4] = [
        ("formats", formats),
        ("others", others),
        ("both", both::both),
        ("growth", growth::growth),
    ];
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            part();
        }
    }
}

/// So many lines of a kind to standard output: something for a profiler to be run over.
fn write(kind: &str, lines: usize) {
    let (_, kind) = Lines::ALL.into_iter().find(|(name, _)| *name == kind).unwrap();
    std::io::stdout().write_all(&kind.text(lines)).unwrap();
}

/// The lines alone, uncounted.
fn by_linemux(path: &Path, lines: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut follower = MuxedLines::new().unwrap();
        follower.add_file_from_start(path).await.unwrap();
        for _ in 0..lines {
            follower.next_line().await.unwrap().unwrap();
        }
    });
}

/// What is measured, and on what.
fn intro() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = info.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "`make bench`, {}, {cores} processors: each log whole, from the page cache to counted, on one core, beside others\n\
         who count the same from the same file (linemux only cuts it into lines; `memchr` finds newlines and quotes, and is\n\
         what another machine can be compared by). Processor time, the median of five runs of all in turn.\n",
        model.unwrap_or("unknown processor")
    )
}

/// Each format, whole: from the page cache to counted, on one core.
fn formats() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Lines::ALL.map(|(name, kind)| {
        let path = dir.path().join(name);
        let text = kind.text(BLOCK);
        let times = fill(&path, &text, OWN_BYTES);
        (path, kind, text.len() * times, BLOCK * times)
    });
    let mut runs = logs.each_ref().map(|(path, kind, _, lines)| {
        move || {
            let mut source = source(path, kind.is_access());
            let began = cpu();
            assert_eq!(drain(&mut source), *lines as u64);
            cpu() - began
        }
    });
    println!("\n| | bytes a line | MB/s | ns a line |\n|---|---|---|---|");
    for ((_, kind, bytes, lines), took) in logs.iter().zip(medians(&mut runs)) {
        println!(
            "| {} | {} | {} | {} |",
            title(*kind),
            bytes / lines,
            grouped(*bytes as f64 / took / 1e6),
            grouped(took * 1e9 / *lines as f64)
        );
    }
}

fn title(kind: Lines) -> &'static str {
    match kind {
        Lines::Json => "access log, nginx JSON",
        Lines::Combined => "access log, `combined`",
        Lines::CombinedTimed => "the same with times",
        Lines::CombinedBrowsers => "the same with times, from browsers",
        Lines::Quota => "bingo's log, quota lines",
        Lines::Others => "bingo's log, other lines",
        Lines::Requests => "bingo's log, requests",
        Lines::Idle => "bingo's log, idle",
        Lines::Busy => "bingo's log, 60 requests/s",
    }
}

/// The JSON access log, beside others.
fn others() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    // linemux ends at the first line that is not UTF-8, and nginx writes such lines.
    let json = valid(&Lines::Json.text(BLOCK));
    let block = json.split_inclusive(|byte| *byte == b'\n').count();
    let times = fill(Path::new(&at("access.log")), &json, BYTES);
    let lines = block * times;
    // The same requests.
    let timed = valid(&Lines::CombinedTimed.text(BLOCK));
    fill(Path::new(&at("timed.log")), &timed, timed.len() * times);
    fs::write(at("count.awk"), MAWK).unwrap();
    fs::write(at("count.mtail"), MTAIL).unwrap();
    let own = std::env::current_exe().unwrap().display().to_string();
    let (log, timed_log, awk, mtail) = (
        at("access.log"),
        at("timed.log"),
        at("count.awk"),
        at("count.mtail"),
    );
    let (json, timed) = (json.len() * times, timed.len() * times);
    let rows = [
        ("wc -l", json, format!("wc -l {log}")),
        ("memchr, newlines and quotes", json, format!("{own} memchr {log}")),
        ("**bingo-exporter**", json, format!("{own} access {log}")),
        (
            "the same requests as `combined` with times",
            timed,
            format!("{own} access {timed_log}"),
        ),
        ("linemux", json, format!("{own} linemux {log} {lines}")),
        ("mawk", json, format!("mawk -f {awk} {log}")),
        (
            "mtail",
            json,
            format!("mtail -one_shot -logtostderr -progs {mtail} -logs {log}"),
        ),
    ];
    let mut runs = rows
        .each_ref()
        .map(|(_, _, command)| move || shell(command).unwrap_or(f64::NAN));
    let took = medians(&mut runs);
    println!(
        "\n| access log, {} lines of JSON | CPU seconds | MB/s | ours is faster |\n|---|---|---|---|",
        grouped(lines as f64)
    );
    for ((name, bytes, _), seconds) in rows.iter().zip(&took) {
        if seconds.is_nan() {
            println!("| {name} | is not here, or failed | | |");
            continue;
        }
        let faster = seconds / took[OURS];
        let faster = if faster > 1.0 {
            format!("{faster:.1}×")
        } else {
            String::new()
        };
        let speed = grouped(*bytes as f64 / seconds / 1e6);
        println!("| {name} | {seconds:.2} | {speed} | {faster} |");
    }
}

/// Without the lines that are no UTF-8.
fn valid(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| str::from_utf8(line).is_ok())
        .collect::<Vec<_>>()
        .concat()
}

/// Processor time of a command, seconds.
fn shell(command: &str) -> Option<f64> {
    let script = format!("TIMEFORMAT='cpu %3U %3S'; time {{ {command} > /dev/null 2>&1; }} || exit 1");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let times = said.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times = times.split(' ').map(|time| time.parse::<f64>().unwrap());
    output.status.success().then(|| times.sum())
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What each run says, the median of five times all of them.
fn medians(runs: &mut [impl FnMut() -> f64]) -> Vec<f64> {
    let mut said = vec![vec![]; runs.len()];
    for _ in 0..5 {
        for (run, said) in runs.iter_mut().zip(&mut said) {
            said.push(run());
        }
    }
    for said in &mut said {
        said.sort_by(f64::total_cmp);
    }
    said.iter().map(|said| said[said.len() / 2]).collect()
}

/// Rounded, with commas: `1,448`.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}

/// Writes `text` as often as it takes to fill a file of about so many bytes, and returns how many times.
fn fill(path: &Path, text: &[u8], bytes: usize) -> usize {
    let times = (bytes / text.len()).max(1);
    let mut file = fs::File::create(path).unwrap();
    for text in repeat_n(text, times) {
        file.write_all(text).unwrap();
    }
    times
}
