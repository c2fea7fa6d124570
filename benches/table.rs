//! `make bench`: what reading an access log costs, beside others who count the same from the same file. Processor
//! time, since the machine may be busy: the median of five runs. An argument, `formats`, `others` or `growth`, runs one part.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

mod growth;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use linemux::MuxedLines;
use memchr::memchr2_iter;
use rustix::time::{ClockId, clock_gettime};
use support::{Lines, drain, source};

/// Bytes of each log; wc reads them in some hundredths of a second, the least that can be told.
const BYTES: usize = 200 << 20;

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
            "memchr" => by_memchr(Path::new(path)),
            kind => drop(drain(&mut source(Path::new(path), kind == "access"))),
        };
    }
    println!("{}\n", machine());
    let only = args.first().map(String::as_str);
    let parts: [(&str, fn()); 3] = [
        ("formats", formats),
        ("others", others),
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

/// Newlines and quotes, as fast as a parser that stops at each of them can be.
fn by_memchr(path: &Path) {
    let mut file = fs::File::open(path).unwrap();
    let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            read => count += memchr2_iter(b'\n', b'"', &buffer[..read]).count(),
        }
    }
    println!("{count}");
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

/// Processor and cores, as Linux tells them.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = info.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{}, {cores} processors", model.unwrap_or("unknown processor"))
}

/// Each format, whole: from the page cache to counted, on one core.
fn formats() {
    let dir = tempfile::tempdir().unwrap();
    println!("{:16} {:>7} {:>8} {:>8}", "", "B/line", "MB/s", "ns/line");
    for (name, kind) in Lines::ALL {
        let path = dir.path().join(name);
        let text = kind.text(20_000);
        let bytes = text.len() * fill(&path, &text, BYTES / 2);
        let mut lines = 0;
        let took = median(|| {
            let mut source = source(&path, kind.is_access());
            let began = cpu();
            lines = drain(&mut source);
            cpu() - began
        });
        println!(
            "{name:16} {:7.0} {:8.0} {:8.0}",
            bytes as f64 / lines as f64,
            bytes as f64 / took / 1e6,
            took * 1e9 / lines as f64
        );
        fs::remove_file(&path).unwrap();
    }
}

/// The JSON access log, beside others.
fn others() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    // linemux ends at the first line that is not UTF-8, and nginx writes such lines.
    let text = Lines::Json.text(20_000);
    let text: Vec<&[u8]> = text
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| str::from_utf8(line).is_ok())
        .collect();
    let lines = text.len();
    let text = text.concat();
    let times = fill(Path::new(&at("access.log")), &text, BYTES);
    let (bytes, lines) = (text.len() * times, lines * times);
    fs::write(at("count.awk"), MAWK).unwrap();
    fs::write(at("count.mtail"), MTAIL).unwrap();
    let own = std::env::current_exe().unwrap().display().to_string();
    let log = at("access.log");
    let rows = [
        ("wc -l", format!("wc -l {log}")),
        ("memchr \\n \"", format!("{own} memchr {log}")),
        ("bingo-exporter", format!("{own} access {log}")),
        ("linemux, lines", format!("{own} linemux {log} {lines}")),
        ("mawk", format!("mawk -f {} {log}", at("count.awk"))),
        (
            "mtail",
            format!(
                "mtail -one_shot -logtostderr -progs {} -logs {log}",
                at("count.mtail")
            ),
        ),
    ];
    println!(
        "\n{:16} {:>7} {:>8} {:>8}",
        "json, whole", "CPU s", "MB/s", "ours is"
    );
    let mut ours = None;
    for (name, command) in rows {
        let Some(took) = shell(&command) else {
            println!("{name:16} not here, or it failed");
            continue;
        };
        ours = ours.or((name == "bingo-exporter").then_some(took));
        let times = ours.map_or(String::new(), |ours| format!("{:.1} x", took / ours));
        println!(
            "{name:16} {took:7.2} {:8.0} {times:>8}",
            bytes as f64 / took / 1e6
        );
    }
}

/// Processor time of a command, seconds.
fn shell(command: &str) -> Option<f64> {
    let run = || {
        let script = format!("TIMEFORMAT='cpu %3U %3S'; time {{ {command} > /dev/null 2>&1; }} || exit 1");
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let times = said
            .lines()
            .find_map(|line| line.strip_prefix("cpu "))?
            .to_owned();
        let times = times.split(' ').map(|time| time.parse::<f64>().unwrap());
        output.status.success().then(|| times.sum())
    };
    let first: f64 = run()?;
    // The slow ones need no median to be told apart.
    Some(if first > 5.0 {
        first
    } else {
        median(|| run().unwrap())
    })
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..5).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

/// Writes `text` as often as it takes to fill a file of about so many bytes, and returns how many times.
fn fill(path: &Path, text: &[u8], bytes: usize) -> usize {
    let times = (bytes / text.len()).max(1);
    fs::write(path, text.repeat(times)).unwrap();
    times
}
