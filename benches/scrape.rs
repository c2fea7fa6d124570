//! What a scrape costs the exporter in processor time, how long a client waits for it, and how much memory the exporter
//! holds. Both times follow the machine's caches, which others may use as well, so each row tells how fast `memchr` was.
//! An argument is the path of the exporter to measure, instead of the one built beside this.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

#[expect(dead_code, reason = "most of it is for other benchmarks")]
mod support;
mod yardstick;

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use support::Lines;
use tempfile::{NamedTempFile, TempDir};

/// Scrapes of a kind; the median counts.
const SCRAPES: usize = 25;

/// Longer than scrapes share a pass, so that each has one of its own.
const APART: Duration = Duration::from_millis(300);

/// By then the threads that a scrape woke are done.
const SETTLED: Duration = Duration::from_millis(10);

/// What came meanwhile, at 120 lines a second.
const LINES_BETWEEN: usize = 36;

/// Bytes to catch up with.
const LOG_BYTES: usize = 1 << 30;

/// Bytes for the yardstick.
const YARD_BYTES: usize = 8 << 20;

/// Bytes of one line, over every limit.
const LINE_BYTES: usize = 100 << 20;

const KINDS: [(&str, &str); 3] = [
    ("classic", ""),
    (
        "OpenMetrics",
        "Accept: application/openmetrics-text;version=1.0.0\r\n",
    ),
    ("gzip", "Accept-Encoding: gzip\r\n"),
];

fn main() {
    let asked = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let binary = asked.unwrap_or_else(|| env!("CARGO_BIN_EXE_bingo-exporter").to_owned());
    let binary = Path::new(&binary);
    let lines = Lines::Json.text(20_000);

    println!(
        "{:42} {:>7} {:>8} {:>9} {:>8} {:>12}",
        "a scrape", "series", "bytes", "CPU, ms", "wait, ms", "memchr, MB/s"
    );
    let yard = Yard::new(&lines);
    let exporter = Exporter::start(binary, None, &lines);
    scrapes("built-in profile, nothing new", &exporter, b"", &yard);
    scrapes("built-in profile, 36 lines", &exporter, first(&lines), &yard);
    let (config, lines_of_many) = many_series();
    let exporter = Exporter::start(binary, Some(&config), &lines_of_many);
    scrapes("10,000 series, 36 lines", &exporter, first(&lines_of_many), &yard);
    drop(exporter);

    println!(
        "\n{:34} {:>7} {:>8} {:>9}",
        "memory, kB", "peak", "own", "of files"
    );
    memory("started", &Exporter::start(binary, None, b""));
    memory(
        "caught up with 1 GB",
        &Exporter::start(binary, None, &lines.repeat(LOG_BYTES / lines.len())),
    );
    let long = [&[b'x'; LINE_BYTES], &b"\n"[..], &lines].concat();
    memory(
        "passed over a line of 100 MB",
        &Exporter::start(binary, None, &long),
    );
    drop(long);
    let exporter = Exporter::start(binary, None, &lines);
    let mut client = exporter.client();
    for (_, accept) in KINDS.iter().cycle().take(10 * SCRAPES) {
        exporter.append(&lines);
        client.scrape(accept);
    }
    memory("scraped 250 times", &exporter);
}

/// A configuration of about 10,000 series, and a log that has all its endpoints.
fn many_series() -> (String, Vec<u8>) {
    const ENDPOINTS: usize = 196;
    let endpoint = |index| {
        format!(
            "  - {{method: GET, path: '/service{index}/items/{{id}}', objectives: {{availability: 0.99}}}}\n"
        )
    };
    let endpoints: String = (0..ENDPOINTS).map(endpoint).collect();
    let line = |index: usize| {
        format!(
            "{{\"time_iso8601\":\"2023-12-02T12:00:02+00:00\",\"request\":\"GET /service{}/items/{index} HTTP/1.1\",\
             \"status\":\"200\",\"request_time\":\"0.{:03}\",\"body_bytes_sent\":\"120\"}}\n",
            index % ENDPOINTS,
            index * 7 % 1_000
        )
    };
    let lines: String = (0..20_000).map(line).collect();
    (
        format!("endpoints:\n{endpoints}limits: {{series: 1000000}}\n"),
        lines.into_bytes(),
    )
}

/// As many lines as come between two scrapes.
fn first(lines: &[u8]) -> &[u8] {
    let mut ends = memchr::memchr_iter(b'\n', lines);
    &lines[..=ends.nth(LINES_BETWEEN - 1).unwrap()]
}

/// One row for each kind of scrape; `between` is written before each, and then counted and saved by it.
fn scrapes(name: &str, exporter: &Exporter, between: &[u8], yard: &Yard) {
    let mut client = exporter.client();
    for (kind, accept) in KINDS {
        let (mut costs, mut waits, mut speeds, mut bytes) = (vec![], vec![], vec![], 0);
        for _ in 0..SCRAPES {
            exporter.append(between);
            sleep(APART);
            let before = exporter.cpu();
            let answer = client.scrape(accept);
            sleep(SETTLED);
            costs.push((exporter.cpu() - before) * 1e3);
            waits.push(answer.wait.as_secs_f64() * 1e3);
            speeds.push(yard.megabytes_a_second());
            bytes = answer.body.len();
        }
        sleep(APART);
        let plain = client.scrape("").body;
        let is_sample = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
        let series = plain.split(|byte| *byte == b'\n').filter(is_sample).count();
        println!(
            "{:42} {series:7} {bytes:8} {:9.2} {:8.2} {:12.0}",
            format!("{name}, {kind}"),
            median(costs),
            median(waits),
            median(speeds)
        );
    }
}

/// How fast the machine is just now: `memchr` over newlines and quotes in the page cache.
struct Yard(NamedTempFile);

impl Yard {
    fn new(lines: &[u8]) -> Self {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), lines.repeat(YARD_BYTES / lines.len())).unwrap();
        Self(file)
    }

    fn megabytes_a_second(&self) -> f64 {
        let path = self.0.path();
        let begun = Instant::now();
        black_box(yardstick::by_memchr(path));
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a file is no petabyte")]
        let bytes = fs::metadata(path).unwrap().len() as f64;
        bytes / seconds / 1e6
    }
}

fn memory(name: &str, exporter: &Exporter) {
    let text = fs::read_to_string(format!("/proc/{}/status", exporter.child.id())).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).to_owned()
    };
    println!(
        "{name:34} {:>7} {:>8} {:>9}",
        value("VmHWM:"),
        value("RssAnon:"),
        value("RssFile:")
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// An exporter with a log, ready.
struct Exporter {
    child: Child,
    address: String,
    log: PathBuf,
    _dir: TempDir,
}

struct Answer {
    /// From the request to the first byte.
    wait: Duration,
    body: Vec<u8>,
}

impl Exporter {
    fn start(binary: &Path, config: Option<&str>, lines: &[u8]) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("access.log");
        fs::write(&log, lines).unwrap();
        let mut command = Command::new(binary);
        command.args([
            "--web.listen-address",
            "127.0.0.1:0",
            "--source.read-from",
            "beginning",
        ]);
        command.arg("--source.access").arg(&log);
        command.arg("--source.app").arg(dir.path().join("main.log"));
        command.arg("--state.dir").arg(dir.path().join("state"));
        if let Some(config) = config {
            let file = dir.path().join("config.yaml");
            fs::write(&file, config).unwrap();
            command.arg("--config.file").arg(file);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = said.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("msg=listening address=")?;
            Some(address.to_owned())
        });
        // Who stops reading would have its messages lost.
        thread::spawn(move || said.count());
        let exporter = Self {
            child,
            address: address.unwrap(),
            log,
            _dir: dir,
        };
        let mut client = exporter.client();
        while client.get("/-/ready", "").body != b"ready\n" {
            sleep(SETTLED);
        }
        exporter
    }

    fn append(&self, lines: &[u8]) {
        let mut log = OpenOptions::new().append(true).open(&self.log).unwrap();
        log.write_all(lines).unwrap();
    }

    /// Processor time of all threads so far, in seconds; `stat` counts in hundredths of one.
    fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let spent = |task: PathBuf| {
            let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            text.split(' ').next()?.parse::<f64>().ok()
        };
        tasks.filter_map(|task| spent(task.unwrap().path())).sum::<f64>() / 1e9
    }

    fn client(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(&self.address).unwrap()))
    }
}

/// Keeps its connection from one scrape to the next, as Prometheus does.
struct Client(BufReader<TcpStream>);

impl Client {
    fn scrape(&mut self, headers: &str) -> Answer {
        self.get("/metrics", headers)
    }

    fn get(&mut self, path: &str, headers: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let begun = Instant::now();
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        self.0.fill_buf().unwrap();
        let wait = begun.elapsed();
        let mut length = None;
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            length = line
                .strip_prefix("content-length: ")
                .map(str::to_owned)
                .or(length);
        }
        let body = match length {
            Some(length) => self.bytes(length.parse().unwrap()),
            None => self.chunks(),
        };
        Answer { wait, body }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = vec![];
        loop {
            let length = usize::from_str_radix(&self.line(), 16).unwrap();
            body.append(&mut self.bytes(length));
            self.line();
            if length == 0 {
                return body;
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
