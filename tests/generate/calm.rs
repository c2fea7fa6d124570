//! A calm hour on two nodes, as their exporters show it, under all rules: nobody is called. In it one exporter stands for
//! ten minutes and catches up, the other is restarted and reloads its configuration, and logs are rotated.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bingo_exporter::checkpoint::saver::Checkpoint;
use bingo_exporter::clock::Now;
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::metrics::{Form, Own, Scrape};
use bingo_exporter::model::Model;
use bingo_exporter::record::Cache;
use bingo_exporter::simulate::story::Story;
use bingo_exporter::simulate::{LOG_IDS, Options, Simulation, What};
use bingo_exporter::source::Source;
use bingo_exporter::tail::ReadFrom;
use tempfile::TempDir;

use super::promtool::{content, listed, repository};

/// 2026-11-23T20:00:00Z, when the hour begins.
const BEGIN: i64 = 1_795_464_000_000;

/// Between scrapes, in seconds.
const STEP: usize = 5;

const SCRAPES: usize = 3600 / STEP;

/// Of each proxy, in requests a second. The exporter that stands then reads ten minutes' lines within one interval:
/// 3600 requests a second where 120 are the peak.
const RPS: u32 = 30;

/// A minute, in scrapes.
const MINUTE: usize = 60 / STEP;

/// A proxy, the two bingos behind it, and their exporter.
struct Node {
    name: &'static str,
    simulation: Simulation,
    dir: TempDir,
    model: Arc<Model>,
    sources: Vec<Source>,
    /// By series, what each scrape saw of it.
    seen: BTreeMap<String, Vec<Option<f64>>>,
}

impl Node {
    fn new(name: &'static str, seed: u64) -> Self {
        let dir = TempDir::new().unwrap();
        for id in LOG_IDS {
            fs::create_dir(dir.path().join(id)).unwrap();
        }
        let path = |below: &str| vec![dir.path().join(below).to_str().unwrap().to_owned()];
        let overrides = Overrides {
            access: path("access.log"),
            app: path("*/main.log"),
        };
        let config = Config::load(None, &overrides).unwrap();
        let model = Arc::new(Model::new(config).unwrap());
        let simulation = Simulation::new(&Options {
            seed,
            start: BEGIN,
            story: Story::steady(RPS),
            offset_minutes: 0,
            env: vec![],
        });
        let mut node = Self {
            name,
            simulation,
            dir,
            sources: vec![],
            model,
            seen: BTreeMap::new(),
        };
        node.sources = node.fresh().into();
        node
    }

    fn fresh(&self) -> [Source; 2] {
        let model = || Arc::clone(&self.model);
        [
            Source::access(model(), ReadFrom::Beginning),
            Source::app(model(), ReadFrom::Beginning),
        ]
    }

    /// As from the checkpoint.
    fn restart(&mut self) {
        let old = std::mem::take(&mut self.sources);
        let restored = self.fresh().into_iter().zip(old);
        self.sources = restored
            .map(|(new, old)| new.restored(old.state(), true))
            .collect();
    }

    fn reload(&mut self) {
        for source in &mut self.sources {
            source.swap(Arc::clone(&self.model));
        }
    }

    fn rotate(&self) {
        let log = self.dir.path().join("access.log");
        fs::rename(&log, log.with_extension("log.1")).unwrap();
    }

    /// What is written up to a scrape.
    fn write(&mut self, scrape: usize) {
        let mut logs: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for entry in self.simulation.step(at(scrape).unix) {
            match entry.what {
                What::Access(mut exchange) => {
                    // This proxy has a request wait for the new answer (`proxy_cache_lock`) and gives no old one
                    // meanwhile, which would be a ticket.
                    exchange.cache = exchange.cache.map(|cache| match cache {
                        Cache::Updating => Cache::Hit,
                        other => other,
                    });
                    logs.entry("").or_default().extend(exchange.json(0));
                }
                What::Main { node, line, .. } => logs.entry(LOG_IDS[node]).or_default().extend(line.bytes()),
            }
        }
        for (id, text) in logs {
            let log = if id.is_empty() { "access.log" } else { "main.log" };
            let path = self.dir.path().join(id).join(log);
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(&text).unwrap();
        }
    }

    fn scrape(&mut self, scrape: usize, sent_on: &impl Fn(&str) -> bool) {
        let now = at(scrape);
        for source in &mut self.sources {
            while source.pass(now, true).more {}
        }
        let sources = self
            .sources
            .iter()
            .map(|source| Arc::new(source.snapshot(now, 0)));
        let shown = Scrape {
            sources: sources.collect(),
            now,
            own: Own::default(),
        };
        let checkpoint = Checkpoint {
            saved: Some(now.unix),
            failures: 0,
        };
        let text = shown.draft(Form::Classic).finish(true, Some(checkpoint));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            if sent_on(name) {
                let mut value: f64 = value.parse().unwrap();
                if name.ends_with("_timestamp_seconds") {
                    // promtool's time begins at 0.
                    value -= seconds(BEGIN);
                }
                let values = self.seen.entry(series.to_owned()).or_default();
                values.resize(scrape, None);
                values.push(Some(value));
            }
        }
    }

    /// In promtool's notation, with what the scrape configuration adds.
    fn input_series(&self, text: &mut String) {
        let target = format!(
            r#"job="bingo-exporter",instance="{0}:10352",node="{0}""#,
            self.name
        );
        for (series, values) in &self.seen {
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let mut values = values.clone();
            values.resize(SCRAPES, None);
            let values = notation(&values);
            writeln!(
                text,
                "      - series: '{name}{{{target},{labels}'\n        values: '{values}'"
            )
            .unwrap();
        }
    }
}

fn at(scrape: usize) -> Now {
    let elapsed = Duration::from_secs((scrape * STEP).try_into().unwrap());
    Now {
        unix: BEGIN + i64::try_from(elapsed.as_millis()).unwrap(),
        elapsed,
    }
}

fn seconds(millis: i64) -> f64 {
    Duration::from_millis(millis.unsigned_abs()).as_secs_f64()
}

/// Runs of equal values are one word. What is not seen any more is stale at once, as when a target does not answer.
fn notation(values: &[Option<f64>]) -> String {
    let run = |run: &[Option<f64>]| match (run[0], run.len() - 1) {
        (None, more) => format!("stale _x{more}"),
        (Some(value), 0) => value.to_string(),
        (Some(value), more) => format!("{value}x{more}"),
    };
    let runs: Vec<String> = values.chunk_by(|a, b| a == b).map(run).collect();
    runs.join(" ")
}

/// An hour of both. `None` where an exporter stands.
fn hour(nodes: &mut [Node; 2], sent_on: &impl Fn(&str) -> bool) {
    let stands = |node: usize, scrape: usize| node == 1 && (25 * MINUTE..35 * MINUTE).contains(&scrape);
    for scrape in 0..SCRAPES {
        for (index, node) in nodes.iter_mut().enumerate() {
            node.write(scrape);
            match (index, scrape) {
                (0, scrape) if scrape == 15 * MINUTE => node.restart(),
                (0, scrape) if scrape == 20 * MINUTE => node.reload(),
                (0, scrape) if scrape == 45 * MINUTE => node.rotate(),
                (1, scrape) if scrape == 35 * MINUTE => node.restart(),
                _ => {}
            }
            let up = if stands(index, scrape) { 0.0 } else { 1.0 };
            node.seen.entry("up".to_owned()).or_default().push(Some(up));
            if up == 1.0 {
                node.scrape(scrape, sent_on);
            }
        }
    }
}

/// A test file for promtool over all rules. What fired at any time, and what the rules saw of the traffic meanwhile.
fn test_file(nodes: &[Node], rules: &Path) -> String {
    let mut text = "rule_files:\n".to_owned();
    for file in listed(rules, "alerts/rules") {
        writeln!(text, "  - {}", rules.join(file).display()).unwrap();
    }
    write!(
        text,
        "evaluation_interval: {STEP}s\ntests:\n  - interval: {STEP}s\n    input_series:\n"
    )
    .unwrap();
    for node in nodes {
        node.input_series(&mut text);
        let beside = format!(r#"up{{job="node",instance="{0}:9100",node="{0}"}}"#, node.name);
        writeln!(text, "      - series: '{beside}'\n        values: '1x{SCRAPES}'").unwrap();
    }
    let last = (SCRAPES - 1) * STEP;
    text += "    promql_expr_test:\n";
    for (query, samples) in [
        (
            r#"max by (alertname, node, route) (max_over_time(ALERTS{alertstate="firing"}[1h]))"#,
            "",
        ),
        // Not silent because blind: both nodes' rates are there, and the one that stood has read old lines.
        (
            "count(node:bingo_http_requests:rate1m > 20)",
            "{labels: '{}', value: 2}",
        ),
        (
            r#"count(bingo_exporter_late_lines_total{source="access"} > 10000)"#,
            "{labels: '{}', value: 1}",
        ),
    ] {
        writeln!(
            text,
            "      - expr: '{query}'\n        eval_time: {last}s\n        exp_samples: [{samples}]"
        )
        .unwrap();
    }
    text
}

#[test]
fn nobody_is_called_in_a_calm_hour() {
    let regex = super::names::sent_on();
    let sent_on = |name: &str| regex.is_match(name);
    let mut nodes = [Node::new("a", 1), Node::new("b", 2)];
    hour(&mut nodes, &sent_on);
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("calm.yml"), test_file(&nodes, repository())).unwrap();
    content(
        "promtool",
        "prometheus",
        &["test", "rules", "calm.yml"],
        dir.path(),
    );
}
