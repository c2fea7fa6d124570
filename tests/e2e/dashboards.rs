//! The dashboards' questions, asked of a real Prometheus that scrapes two demos.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Instant;

use bingo_exporter::generate::dashboards::board::Query;
use bingo_exporter::generate::dashboards::boards;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clock::{DEADLINE, POLL, now, pause, wait_until};
use crate::support::exporter::{Exporter, command};
use crate::support::log;
use crate::support::process::run;
use crate::support::prometheus::Prometheus;

/// The error spike of the demo's first two minutes brings retries, slow requests and restarts.
const EVERYTHING: std::time::Duration = std::time::Duration::from_secs(240);

/// As Grafana fills the variables in, for everything, over this time, with this interval for rates.
fn filled_in(expr: &str, window: &str, interval: &str) -> String {
    let values = [
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$node", ".*"),
        ("$route", ".+"),
        ("$window", window),
        ("$__rate_interval", interval),
    ];
    values
        .iter()
        .fold(expr.to_owned(), |expr, (name, value)| expr.replace(name, value))
}

fn queries() -> Vec<(String, Query)> {
    let boards = boards();
    let views = boards
        .iter()
        .flat_map(|board| board.views().map(move |view| (board.title, view)));
    let queries = views.flat_map(|(title, view)| {
        let name = format!("{title} / {}", view.title);
        view.queries
            .iter()
            .map(move |query| (name.clone(), query.clone()))
    });
    queries.collect()
}

fn annotations() -> Vec<(String, String)> {
    let options = options();
    let of = |board: &bingo_exporter::generate::dashboards::board::Board| {
        let document = board.json(&options);
        let list = document["annotations"]["list"].as_array().unwrap().clone();
        list.into_iter().map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("name"), text("expr"))
        })
    };
    boards().iter().flat_map(of).collect()
}

fn options() -> bingo_exporter::generate::Options {
    bingo_exporter::generate::Options {
        job_regex: ".*bingo-exporter.*".parse().unwrap(),
        grafana_url: String::new(),
        runbook_url: String::new(),
    }
}

fn scraping(demos: &[&Exporter]) -> Prometheus {
    let targets: String = demos
        .iter()
        .enumerate()
        .map(|(index, demo)| {
            format!(
                "{{targets: ['{}'], labels: {{node: bingo-{}}}}},",
                demo.address,
                index + 1
            )
        })
        .collect();
    Prometheus::configured(&format!(
        "global: {{scrape_interval: 5s, scrape_timeout: 4s}}\n\
         scrape_configs: [{{job_name: bingo-exporter, static_configs: [{targets}]}}]\n"
    ))
}

#[test]
fn every_question_of_every_panel_has_an_answer() {
    let demos = ["1", "2"].map(|seed| Exporter::spawn(&mut command(&["demo", "--seed", seed])));
    let prometheus = scraping(&[&demos[0], &demos[1]]);
    let mut open: Vec<(String, String)> = queries()
        .into_iter()
        .map(|(name, query)| (name, filled_in(&query.expr, "5m", "30s")))
        .chain(
            annotations()
                .into_iter()
                .map(|(name, expr)| (name, filled_in(&expr, "5m", "30s"))),
        )
        .collect();
    assert!(open.len() > 80, "{}", open.len());
    let begun = now();
    while !open.is_empty() {
        assert!(begun.elapsed() < EVERYTHING, "no answer: {open:#?}");
        open.retain(|(_, query)| prometheus.query(query).is_empty());
        pause(POLL);
    }
    check_drawings(&prometheus, begun);
}

/// Runs one of the programs of `tests/dashboards` over the dashboards, beside what it needs from npm.
#[track_caller]
fn tool(program: &str, more: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = root.join("target/dashboards");
    static COPIED: Once = Once::new();
    COPIED.call_once(|| {
        for file in fs::read_dir(root.join("tests/dashboards")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), place.join(file.file_name()))
                .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", place.display()));
        }
    });
    let mut command = Command::new("node");
    command
        .arg(place.join(program))
        .arg(root.join("dashboards"))
        .args(more);
    let output = run(&mut command, "npm");
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {complaint}{said}");
    said
}

#[test]
fn dashboards_are_of_grafanas_own_types() {
    assert_eq!(tool("types.js", &[]), "4 dashboards\n");
}

/// Each panel draws in Chromium, with Grafana's own libraries, and says neither that it has nothing nor what went wrong.
#[track_caller]
fn check_drawings(prometheus: &Prometheus, begun: Instant) {
    let kept = std::env::var_os("E2E_PICTURES").map(PathBuf::from);
    if kept.is_some() {
        // A picture of two minutes would be of little use.
        wait_until("the demo's whole story", 2 * EVERYTHING, || {
            begun.elapsed() > EVERYTHING + EVERYTHING / 2
        });
    }
    wait_until("a minute to draw", EVERYTHING, || {
        let scrapes = prometheus.query("min(count_over_time(bingo_exporter_read_bytes_total[5m]))");
        scrapes.total() >= 13.0
    });
    let scratch = TempDir::new().unwrap();
    let pictures = kept.unwrap_or_else(|| scratch.path().to_owned());
    let seconds = begun.elapsed().as_secs().to_string();
    let url = format!("http://{}", prometheus.address());
    let said = tool("render.js", &[&url, pictures.to_str().unwrap(), &seconds]);
    let rendered: Vec<Value> = serde_json::from_str(&said).unwrap();
    let mut drawn = 0;
    for dashboard in &rendered {
        assert_eq!(dashboard["problems"], json!([]), "{}", dashboard["name"]);
        drawn += dashboard["panels"].as_array().unwrap().len();
    }
    let boards = boards();
    let views: Vec<_> = boards
        .iter()
        .flat_map(|board| board.views().map(move |view| (board, view)))
        .collect();
    assert_eq!(drawn, views.len(), "{said}");
    for (board, view) in views {
        let name = format!("{}.json", board.dashboard.uid());
        let panels = rendered.iter().find(|one| one["name"] == *name).unwrap()["panels"]
            .as_array()
            .unwrap();
        let panel = panels.iter().find(|panel| panel["title"] == view.title).unwrap();
        let text = panel["text"].as_str().unwrap();
        for wrong in [
            "No data",
            "An unexpected error",
            "Value #",
            "Loading plugin",
            "NaN",
            "undefined",
        ] {
            assert!(!text.contains(wrong), "{name}: {text}");
        }
        assert_eq!(panel["status"], false, "{name}: {text}");
        assert!(
            text.len() > view.title.len() + 2,
            "{name}: nothing but its title: {text}"
        );
        // A line at zero has some 300, bars of zero have none.
        let pixels = panel["pixels"].as_u64();
        let document = board.json(&options());
        let mut panels = document["panels"].as_array().unwrap().iter();
        let style =
            &panels.find(|panel| panel["title"] == view.title).unwrap()["fieldConfig"]["defaults"]["custom"];
        assert!(
            style["drawStyle"] == "bars" || pixels.is_none_or(|pixels| pixels > 100),
            "{name}: {text}: {pixels:?} pixels"
        );
        assert_eq!(
            pixels.is_some(),
            matches!(view.kind, "timeseries" | "heatmap"),
            "{name}: {text}"
        );
    }
}

/// A slow request's id is found by whoever looks at a latency panel.
#[test]
fn latency_panels_ask_for_exemplars_and_there_are_some() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let slow = |time: jiff::Timestamp| {
        format!(
            "{{\"time\":\"{time}\",\"request\":\"GET /api/movie/1 HTTP/1.1\",\"status\":200,\"request_time\":0.7,\
             \"request_id\":\"8f3a-slow\"}}\n"
        )
    };
    log::append(&path, &slow(jiff::Timestamp::now()));
    let source = path.to_str().unwrap();
    let exporter = Exporter::start(&["--source.access", source, "--source.read-from", "beginning"]);
    let prometheus = scraping(&[&exporter]);
    let documents: Vec<Value> = boards().iter().map(|board| board.json(&options())).collect();
    let asked: Vec<&str> = documents
        .iter()
        .flat_map(|board| board["panels"].as_array().unwrap())
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .filter(|target| target["exemplar"] == true)
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(asked.len() >= 5, "{asked:?}");
    for expr in asked {
        wait_until(&format!("an exemplar for {expr}"), DEADLINE, || {
            let found = prometheus.exemplars(&filled_in(expr, "5m", "30s"));
            found.iter().any(|labels| labels["request_id"] == "8f3a-slow")
        });
    }
}

/// A figure of the dashboards: panel, index of its question, the objective where it is of one, and what the page says.
type Figure = (
    &'static str,
    usize,
    Option<&'static str>,
    fn(&Value) -> Option<f64>,
);

fn objective<'a>(endpoint: &'a Value, slo: &str) -> Option<&'a Value> {
    endpoint["objectives"]
        .as_array()?
        .iter()
        .find(|one| one["slo"] == slo)
}

const FIGURES: [Figure; 9] = [
    // Prometheus divides by the whole window, however much of it is known.
    ("bingo: overview / Routes", 3, None, |endpoint| {
        let window = &endpoint["windows"]["5m"];
        Some((window["good"].as_f64()? + window["bad"].as_f64()?) / 300.0)
    }),
    ("bingo: overview / Routes", 2, None, |endpoint| {
        endpoint["windows"]["5m"]["error_ratio"].as_f64()
    }),
    ("bingo: overview / Routes", 4, None, |endpoint| {
        endpoint["windows"]["5m"]["p50_seconds"].as_f64()
    }),
    ("bingo: overview / Routes", 5, None, |endpoint| {
        endpoint["windows"]["5m"]["p90_seconds"].as_f64()
    }),
    ("bingo: overview / Routes", 6, None, |endpoint| {
        objective(endpoint, "latency")?["threshold_seconds"].as_f64()
    }),
    (
        "bingo: overview / Error budget left",
        0,
        Some("availability"),
        |endpoint| objective(endpoint, "availability")?["budget_left"]["5m"].as_f64(),
    ),
    (
        "bingo: overview / Error budget left",
        0,
        Some("latency"),
        |endpoint| objective(endpoint, "latency")?["budget_left"]["5m"].as_f64(),
    ),
    (
        "bingo: overview / Error budget left",
        1,
        Some("availability"),
        |endpoint| objective(endpoint, "availability")?["objective"].as_f64(),
    ),
    (
        "bingo: overview / Error budget left",
        1,
        Some("latency"),
        |endpoint| objective(endpoint, "latency")?["objective"].as_f64(),
    ),
];

/// A figure of a node: panel, index of its question, interval of its rates, labels, what the page says, and whether that is exact.
type NodeFigure<'a> = (
    &'static str,
    usize,
    &'static str,
    Vec<(&'a str, &'a str)>,
    Option<f64>,
    bool,
);

fn node_figures(status: &Value) -> Vec<NodeFigure<'_>> {
    let list = |name: &str| status[name].as_array().unwrap();
    let windows = || {
        list("endpoints")
            .iter()
            .map(|endpoint| &endpoint["windows"]["5m"])
    };
    let sum = |key: &str| -> f64 { windows().map(|window| window[key].as_f64().unwrap()).sum() };
    let complete = list("sources").iter().all(|source| source["complete"] == true);
    let retried = "bingo: nodes and upstreams / Retried requests";
    let mut figures: Vec<NodeFigure<'_>> = vec![
        (
            "bingo: overview / Requests",
            0,
            "1m",
            vec![],
            status["rate"]["1m"].as_f64(),
            false,
        ),
        (
            "bingo: overview / Nodes",
            2,
            "1m",
            vec![],
            status["rate"]["1m"].as_f64(),
            false,
        ),
        (
            "bingo: overview / Nodes",
            4,
            "1m",
            vec![],
            Some(f64::from(u8::from(complete))),
            true,
        ),
        (
            retried,
            0,
            "5m",
            vec![],
            Some(sum("retried") / sum("requests")),
            false,
        ),
    ];
    for upstream in list("upstreams") {
        let labels = || vec![("upstream", upstream["upstream"].as_str().unwrap())];
        let share = upstream["share"]["5m"].as_f64();
        figures.push((
            "bingo: nodes and upstreams / Imbalance",
            0,
            "5m",
            labels(),
            share,
            false,
        ));
        let failed = upstream["error_ratio"].as_f64();
        figures.push((
            "bingo: nodes and upstreams / Failed attempts",
            0,
            "1m",
            labels(),
            failed,
            false,
        ));
    }
    figures.extend(list("apps").iter().flat_map(app_figures));
    figures
}

fn app_figures(app: &Value) -> [NodeFigure<'_>; 3] {
    let each = "bingo: nodes and upstreams / Each bingo";
    let labels = || vec![("log_id", app["log_id"].as_str().unwrap())];
    let started = app["last_start_time"].as_f64().map(|seconds| seconds * 1e3);
    let took = app["last_start_duration_seconds"].as_f64();
    let unclean = app["unclean_exits_in"]["1d"].as_f64();
    [
        (each, 1, "1m", labels(), started, true),
        (each, 2, "1m", labels(), took, true),
        (each, 4, "1m", labels(), unclean, true),
    ]
}

/// Scrapes are five seconds apart, the page's steps too.
fn is_near(page: f64, dashboard: f64) -> bool {
    (page - dashboard).abs() <= 0.01 + 0.1 * page.abs()
}

#[test]
fn figures_are_those_of_the_status_page() {
    let demo = Exporter::spawn(&mut command(&["demo", "--seed", "1"]));
    let prometheus = scraping(&[&demo]);
    let mut differ = vec![];
    let deadline = now() + EVERYTHING;
    loop {
        assert!(now() < deadline, "{differ:#?}");
        pause(POLL);
        let status: Value = serde_json::from_slice(&demo.get("/api/v1/status").body).unwrap();
        let busy = |endpoint: &&Value| endpoint["windows"]["5m"]["requests"].as_f64() > Some(400.0);
        let endpoints: Vec<&Value> = status["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .filter(busy)
            .collect();
        let mut compared = 0;
        differ.clear();
        for (panel, index, slo, of_page) in FIGURES {
            let answer = prometheus.query(&filled_in(&query(panel, index), "5m", "30s"));
            for endpoint in &endpoints {
                let text = |key: &str| endpoint[key].as_str().unwrap();
                let mut labels = vec![("route", text("route")), ("method", text("method"))];
                labels.extend(slo.map(|slo| ("slo", slo)));
                // What has no objective is in no table of objectives.
                let Some(page) = of_page(endpoint).filter(|_| endpoint["probe"] == false) else {
                    continue;
                };
                compared += 1;
                let dashboard = answer.value("", &labels);
                if !dashboard.is_some_and(|dashboard| is_near(page, dashboard)) {
                    differ.push((
                        panel,
                        index,
                        labels
                            .iter()
                            .map(|(_, value)| (*value).to_owned())
                            .collect::<Vec<_>>(),
                        page,
                        dashboard,
                    ));
                }
            }
        }
        for (panel, index, interval, labels, page, exact) in node_figures(&status) {
            let Some(page) = page else { continue };
            compared += 1;
            let dashboard = prometheus
                .query(&filled_in(&query(panel, index), "5m", interval))
                .sum("", &labels);
            if !(if exact {
                (dashboard - page).abs() < 1e-3
            } else {
                is_near(page, dashboard)
            }) {
                let labels = labels.iter().map(|(_, value)| (*value).to_owned()).collect();
                differ.push((panel, index, labels, page, Some(dashboard)));
            }
        }
        // Before that, there is little to compare.
        if compared > 20 && differ.is_empty() {
            break;
        }
    }
}

fn query(name: &str, index: usize) -> String {
    let mut queries = queries().into_iter().filter(|(known, _)| known == name);
    queries.nth(index).unwrap().1.expr
}
