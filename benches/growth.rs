//! How cost grows with lines, files, routes and series, each doubled several times: it should not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bingo_exporter::source::Source;
use tempfile::TempDir;

use crate::many::{Many, NOW, exposition, series};
use crate::support::{Lines, drain, source};
use crate::{cpu, fill, grouped, medians};

/// Lines of a log that does not grow.
const LINES: usize = 200_000;

/// Characters a column is wide.
const COLUMN: usize = 7;

/// Lines a plot is high.
const HEIGHT: usize = 2;

pub(crate) fn growth() {
    println!("\nNanoseconds a line of JSON, and a series of a scrape:\n\n```text");
    plot("lines", &[25_000, 50_000, 100_000, 200_000, 400_000], by_lines);
    plot("files", &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024], by_files);
    plot("routes", &[20, 40, 80, 160, 320, 640, 1_280], by_routes);
    by_series();
    println!("```");
}

type Run = Box<dyn FnMut() -> f64>;

fn plot(name: &str, sizes: &[usize], prepare: fn(usize, &Path) -> Run) {
    let dir = TempDir::new().unwrap();
    let prepare = |size: &usize| {
        let dir = dir.path().join(size.to_string());
        fs::create_dir(&dir).unwrap();
        prepare(*size, &dir)
    };
    let mut runs: Vec<Run> = sizes.iter().map(prepare).collect();
    draw(name, sizes, &medians(&mut runs));
}

/// Bars from zero.
fn draw(name: &str, sizes: &[usize], costs: &[f64]) {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = costs.iter().copied().fold(0.0, f64::max);
    let line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: String = cells.map(|cell| format!("{cell:>COLUMN$}")).collect();
        println!("{}", format!("{name:14}{cells}").trim_end());
    };
    for row in (0..HEIGHT).rev() {
        let bar = |cost: &f64| {
            let eighths = (cost / most * (HEIGHT * 8) as f64).round() as usize;
            BARS[eighths.saturating_sub(row * 8).min(8)].to_string().repeat(3)
        };
        line("", &mut costs.iter().map(bar));
    }
    line("", &mut costs.iter().map(|cost| grouped(*cost)));
    let short = |size: &usize| match size {
        25_000.. => format!("{}k", size / 1_000),
        _ => grouped(*size as f64),
    };
    line(name, &mut sizes.iter().map(short));
}

fn by_lines(lines: usize, dir: &Path) -> Run {
    const BLOCK: usize = 25_000;
    let path = dir.join("access.log");
    let text = Lines::Json.text(BLOCK);
    fill(&path, &text, text.len() * (lines / BLOCK));
    nanoseconds(move || source(&path, true))
}

/// As many lines in so many files. No two are alike, since one might be a copy of the other, made to be cut.
fn by_files(files: usize, dir: &Path) -> Run {
    let text = Lines::Json.text(LINES);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, lines) in lines.chunks(LINES.div_ceil(files)).enumerate() {
        let directory = dir.join(format!("host-{index}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("access.log"), lines.concat()).unwrap();
    }
    let paths = dir.join("*/access.log");
    nanoseconds(move || source(&paths, true))
}

fn by_routes(routes: usize, dir: &Path) -> Run {
    let many = Many {
        routes,
        codes: 1,
        upstreams: 1,
    };
    let log = many.write(dir, LINES);
    nanoseconds(move || log.source())
}

/// Ever more codes, of routes and of upstreams: the line that is counted in one of them, and the scrape that tells all.
fn by_series() {
    let dir = TempDir::new().unwrap();
    let (mut sizes, mut lines, mut scrapes): (Vec<_>, Vec<Run>, Vec<Run>) = Default::default();
    for codes in [8, 16, 32, 64, 128, 256] {
        let many = Many {
            routes: 20,
            codes,
            upstreams: 32,
        };
        let dir = dir.path().join(codes.to_string());
        fs::create_dir(&dir).unwrap();
        let log = many.write(&dir, LINES);
        let mut source = log.source();
        drain(&mut source);
        let snapshot = Arc::new(source.snapshot(NOW, 0));
        let count = series(&exposition(&snapshot));
        sizes.push(count);
        lines.push(nanoseconds(move || log.source()));
        scrapes.push(Box::new(move || {
            let began = cpu();
            let text = exposition(&snapshot);
            let took = cpu() - began;
            took * 1e9 / series(&text) as f64
        }));
    }
    draw("series, a line", &sizes, &medians(&mut lines));
    draw("series, each", &sizes, &medians(&mut scrapes));
}

/// Of a line.
fn nanoseconds(open: impl Fn() -> Source + 'static) -> Run {
    Box::new(move || {
        let mut source = open();
        let began = cpu();
        let lines = drain(&mut source);
        (cpu() - began) * 1e9 / lines as f64
    })
}
