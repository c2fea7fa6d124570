//! How the cost of a line grows with lines, files and routes: it should not.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::model::Model;
use bingo_exporter::source::{Source, SourceName};
use bingo_exporter::tail::ReadFrom;
use tempfile::TempDir;

use crate::support::{Lines, drain, source};
use crate::{cpu, median};

/// Lines that are repeated.
const BLOCK: usize = 20_000;

pub(crate) fn growth() {
    println!("\n{:16} nanoseconds a line", "json, growth");
    row("lines", [100_000, 200_000, 400_000, 800_000], lines);
    row("files", [1, 10, 100, 1_000], files);
    row("routes", [20, 80, 320, 1_280], routes);
}

fn row(name: &str, counts: [usize; 4], cost: fn(usize) -> f64) {
    let costs = counts.map(|count| format!("{count}: {:.0}", cost(count)));
    println!("{name:16} {}", costs.join(", "));
}

fn lines(count: usize) -> f64 {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, Lines::Json.text(BLOCK).repeat(count / BLOCK)).unwrap();
    nanoseconds(|| source(&path, true))
}

/// As many lines in so many files. No two are alike, since one might be a copy of the other, made to be cut.
fn files(count: usize) -> f64 {
    const LINES: usize = 200_000;
    let dir = TempDir::new().unwrap();
    let text = Lines::Json.text(LINES);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for (index, lines) in lines.chunks(LINES / count).enumerate() {
        let directory = dir.path().join(format!("host-{index}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("access.log"), lines.concat()).unwrap();
    }
    nanoseconds(|| source(&dir.path().join("*/access.log"), true))
}

fn routes(count: usize) -> f64 {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let config = dir.path().join("config.yaml");
    let endpoint = |index| {
        format!(
            "  - {{method: GET, path: '/service{index}/items/{{id}}', objectives: {{availability: 0.99}}}}\n"
        )
    };
    let endpoints: String = (0..count).map(endpoint).collect();
    fs::write(
        &config,
        format!("endpoints:\n{endpoints}limits: {{series: 1000000}}\n"),
    )
    .unwrap();
    let line = |index: usize| {
        format!(
            "{{\"time_iso8601\":\"2023-12-02T12:00:02+00:00\",\"request\":\"GET /service{}/items/{index} HTTP/1.1\",\
             \"status\":\"200\",\"request_time\":\"0.012\",\"body_bytes_sent\":\"120\"}}\n",
            index * 7 % count
        )
    };
    let text: String = (0..BLOCK).map(line).collect();
    fs::write(&path, text.repeat(20)).unwrap();
    nanoseconds(|| configured(&config, &path))
}

fn configured(config: &Path, path: &Path) -> Source {
    let overrides = Overrides {
        access: vec![path.to_str().unwrap().to_owned()],
        ..Overrides::default()
    };
    let config = Config::load(Some(config), &overrides).unwrap();
    let model = Arc::new(Model::new(config).unwrap());
    Source::new(SourceName::Access, model, ReadFrom::Beginning)
}

fn nanoseconds(open: impl Fn() -> Source) -> f64 {
    let mut lines = 0;
    let took = median(|| {
        let mut source = open();
        let began = cpu();
        lines = drain(&mut source);
        cpu() - began
    });
    took * 1e9 / lines as f64
}
