//! The dashboards' questions, asked of a real Prometheus that scrapes two demos.

use bingo_exporter::generate::dashboards::board::Query;
use bingo_exporter::generate::dashboards::boards;
use serde_json::Value;

use crate::support::clock::{POLL, now, pause};
use crate::support::exporter::{Exporter, command};
use crate::support::prometheus::Prometheus;

/// The error spike of the demo's first two minutes brings retries, slow requests and restarts.
const EVERYTHING: std::time::Duration = std::time::Duration::from_secs(240);

/// As Grafana fills the variables in, for this route and over this time.
fn filled_in(expr: &str, route: &str, window: &str) -> String {
    let values = [
        ("$job", ".+"),
        ("$instance", ".+"),
        ("$node", ".*"),
        ("$route", route),
        ("$window", window),
        ("$__rate_interval", "30s"),
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
        .map(|(name, query)| (name, filled_in(&query.expr, ".+", "5m")))
        .chain(
            annotations()
                .into_iter()
                .map(|(name, expr)| (name, filled_in(&expr, ".+", "5m"))),
        )
        .collect();
    assert!(open.len() > 80, "{}", open.len());
    let deadline = now() + EVERYTHING;
    while !open.is_empty() {
        assert!(now() < deadline, "no answer: {open:#?}");
        open.retain(|(_, query)| prometheus.query(query).is_empty());
        pause(POLL);
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

const FIGURES: [Figure; 8] = [
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
            let answer = prometheus.query(&filled_in(&query(panel, index), ".+", "5m"));
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
