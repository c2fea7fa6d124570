//! Each stage of a line's way by itself, then the whole: `cargo bench --bench stages`, with a name to run only what has it.
//! Processor time of the thread, since the machine may be busy.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing to say"
)]

mod many;
mod support;

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::decode::{Detection, Learned};
use bingo_exporter::model::Model;
use bingo_exporter::record::Request;
use bingo_exporter::route::{Lately, RowId};
use bingo_exporter::source::Source;
use bingo_exporter::tail::lines;
use bingo_exporter::tally::Tally;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput};
use many::{Many, NOW, exposition};
use rustix::time::{ClockId, clock_gettime};
use support::{Lines, drain, source};

/// Lines of each stage's input: enough that no branch is known by heart, and few enough to stay in the cache.
const LINES: usize = 2_000;

/// Lines of the whole.
const WHOLE: usize = 50_000;

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(Cpu)
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for stage in [cut, decode, route, count, expose, save, whole] {
        stage(&mut criterion);
    }
    criterion.final_summary();
}

/// Time of the thread on a processor.
struct Cpu;

impl Measurement for Cpu {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }

    fn end(&self, began: Duration) -> Duration {
        self.start() - began
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn model() -> Model {
    Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap()
}

fn of(lines: usize, text: &[u8]) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: lines as u64,
        bytes: text.len() as u64,
    }
}

/// A chunk into lines.
fn cut(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("lines");
    let text = Lines::Json.text(LINES);
    group.throughput(of(LINES, &text));
    group.bench_function("json", |bencher| {
        bencher.iter(|| {
            let mut count = 0;
            let sink = &mut |lines: lines::Lines<'_>| lines.each(|_| count += 1);
            lines::split(black_box(&text), 1 << 20, &mut false, sink);
            count
        });
    });
}

/// Lines into requests and events: by what the lines before them taught, and by the complete parser.
fn decode(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("decode");
    let Model {
        decoder, app_decoder, ..
    } = model();
    for (name, kind) in Lines::ALL {
        let text = kind.text(LINES);
        let lines = split(&text);
        let (mut learned, mut file) = (Learned::default(), Detection::default());
        group.throughput(of(LINES, &text));
        group.bench_function(name, |bencher| {
            if kind.is_access() {
                let mut decode = |line| {
                    decoder.decode_like(line, &mut file, &mut learned, |request| black_box(request).code)
                };
                bencher.iter(|| lines.iter().filter(|line| decode(line).is_ok()).count());
            } else {
                let mut decode =
                    |line| app_decoder.decode_like(line, &mut learned, |event| black_box(event).kind);
                bencher.iter(|| lines.iter().filter(|line| decode(line).is_ok()).count());
            }
        });
        let mut file = Detection::default();
        group.bench_function(format!("{name}, complete"), |bencher| {
            if kind.is_access() {
                let mut decode = |line| decoder.decode(line, &mut file);
                bencher.iter(|| {
                    lines
                        .iter()
                        .filter(|line| black_box(decode(line)).is_ok())
                        .count()
                });
            } else {
                let decode = |line| app_decoder.decode(line);
                bencher.iter(|| {
                    lines
                        .iter()
                        .filter(|line| black_box(decode(line)).is_ok())
                        .count()
                });
            }
        });
    }
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n').take(LINES).collect()
}

/// Decoded requests of the access log.
fn requests<'a>(model: &Model, text: &'a [u8]) -> Vec<Request<'a>> {
    let mut file = Detection::default();
    let requests = split(text)
        .into_iter()
        .filter_map(|line| model.decoder.decode(line, &mut file).ok().flatten());
    requests.collect()
}

/// Requests to rows: of targets like earlier ones, and of new ones.
fn route(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("route");
    let (model, text) = (model(), Lines::Json.text(LINES));
    let requests = requests(&model, &text);
    group.throughput(Throughput::Elements(requests.len() as u64));
    let mut lately = Lately::default();
    group.bench_function("known target", |bencher| {
        bencher.iter(|| {
            for request in &requests {
                black_box(model.routes.resolve_like(request.line.as_ref(), &mut lately));
            }
        });
    });
    group.bench_function("new target", |bencher| {
        bencher.iter(|| {
            for request in &requests {
                black_box(model.routes.resolve(request.line.as_ref()));
            }
        });
    });
}

/// Requests into their rows.
fn count(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("count");
    let (model, text) = (model(), Lines::Json.text(LINES));
    let requests = requests(&model, &text);
    let rows: Vec<RowId> = requests
        .iter()
        .map(|request| model.routes.resolve(request.line.as_ref()))
        .collect();
    let mut tally = Tally::new(&model);
    group.throughput(Throughput::Elements(requests.len() as u64));
    group.bench_function("json", |bencher| {
        bencher.iter(|| {
            for (row, request) in rows.iter().zip(&requests) {
                tally.count(&model, *row, request, NOW);
            }
        });
    });
}

/// The built-in profile after some traffic, and one with some ten thousand series.
fn sources() -> [(&'static str, Source); 2] {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("built-in.log");
    fs::write(&path, Lines::Json.text(LINES)).unwrap();
    let many = Many {
        routes: 20,
        codes: 150,
        upstreams: 32,
    };
    let mut sources = [
        ("built-in profile", source(&path, true)),
        ("10,000 series", many.write(dir.path(), 20_000).source()),
    ];
    for (_, source) in &mut sources {
        drain(source);
    }
    sources
}

/// A published state into text.
fn expose(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("scrape");
    for (name, source) in sources() {
        let snapshot = Arc::new(source.snapshot(NOW, 0));
        group.throughput(Throughput::Elements(many::series(&exposition(&snapshot)) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| exposition(&snapshot)));
    }
}

/// A state into what the checkpoint's file holds.
fn save(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("checkpoint");
    for (name, source) in sources() {
        let state = source.state();
        let bytes = serde_json::to_vec(&state).unwrap().len();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| serde_json::to_vec(&state).unwrap())
        });
    }
}

/// A file in the page cache into counts.
fn whole(criterion: &mut Criterion<Cpu>) {
    let mut group = criterion.benchmark_group("whole");
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in Lines::ALL {
        let (path, text) = (dir.path().join(name), kind.text(WHOLE));
        fs::write(&path, &text).unwrap();
        group.throughput(of(WHOLE, &text));
        group.sample_size(20);
        group.bench_function(name, |bencher| {
            let open = || source(&path, kind.is_access());
            bencher.iter_batched_ref(open, drain, BatchSize::PerIteration);
        });
    }
}
