//! Every figure of the page is what Prometheus answers to the question beside it.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Watched;
use super::checks::{address, check_quiet};
use crate::support::browser::Browser;
use crate::support::clock::{DEADLINE, wait_until};
use crate::support::http;
use crate::support::log;
use crate::support::prometheus::Prometheus;

/// A log of bingo's own: two starts with no shutdown between them, a heartbeat, refused requests.
fn story() -> String {
    let at = |message: &str, ago: i64| {
        let time = Timestamp::from_second(Timestamp::now().as_second() - ago).unwrap();
        format!(
            "{{\"level\":\"info\",\"timestamp\":\"{time}\",\"msg\":\"{message}\",\"app_version\":\"20231121T1537\"}}\n"
        )
    };
    [
        at("Prepare app.", 300),
        at("Prepare app.", 200),
        at("Run server.", 188),
        at("I am alive.", 30),
        at("Too many requests", 20).repeat(4),
    ]
    .concat()
}

/// A figure of the page as a number, in the unit that Prometheus has it in, and how exact it is written: `7.1 %`, `400 ms`,
/// `1.5 s`, `spent 3 ×`, `12 s ago`, `1,234`, `5.3 MB`, `✓ complete`.
fn figure(text: &str) -> (f64, f64) {
    if text == "✓ complete" {
        return (1.0, 0.0);
    }
    let text = text.replace('\u{a0}', " ");
    let (text, age) = match text.strip_suffix(" ago") {
        // Some seconds pass between the page's answer and Prometheus', and between scrapes.
        Some(text) => (text, 8.0),
        None => (&*text, 0.0),
    };
    let digits: String = text
        .chars()
        .filter(|char| char.is_ascii_digit() || *char == '.')
        .collect();
    let value: f64 = digits.parse().unwrap_or_else(|_| panic!("{text}"));
    let decimals = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let exact = 0.51 * 10f64.powi(-(decimals as i32));
    let factor = match text.rsplit(' ').next().unwrap() {
        "%" if text.starts_with('-') => -0.01,
        "%" => 0.01,
        "ms" => 0.001,
        "min" => 60.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "×" if text.starts_with("spent") => return (1.0 - value, exact),
        _ => 1.0,
    };
    (value * factor, exact * factor.abs() + age)
}

/// Every question of the page: whose it is, the figure and its value, and what to ask Prometheus.
fn questions(browser: &Browser) -> Vec<[String; 4]> {
    let asked = browser.run(
        "return [...document.querySelectorAll('dt')].map((term) => [term.closest('tr')?.dataset.key ?? term.closest('details').id, \
         ...[term.textContent.lastIndexOf(': ')].flatMap((at) => at < 0 ? [term.textContent, ''] \
         : [term.textContent.slice(0, at), term.textContent.slice(at + 2)]), term.nextElementSibling.textContent])",
    );
    serde_json::from_value(asked).unwrap()
}

/// Since all counters began at zero and every window reaches back to then, a ratio of rates is one of counters, and an increase
/// or a rate times the window a counter. That does not depend on when Prometheus first saw a series, nor on how far it draws a
/// counter on to the window's end, which for few scrapes is half as much again.
fn of_counters(question: &str) -> String {
    ["[1m]", "[5m]", "[30m]", "[1h]", "[2h]", "[6h]", "[1d]"]
        .iter()
        .fold(
            question.replace("increase(", "(").replace("rate(", "("),
            |question, window| question.replace(window, ""),
        )
}

/// Compares one figure; false where the page shows none.
#[track_caller]
fn compare(browser: &Browser, prometheus: &Prometheus, [whose, name, shown, question]: &[String; 4]) -> bool {
    let born_above_zero = ["code=~", "method=\"HEAD\"", "upstream=\""]
        .iter()
        .any(|label| question.contains(label));
    // Rates are compared by themselves; the charts' questions have no figure.
    if shown.is_empty() || shown == "–" || name.starts_with("req") {
        return false;
    }
    let asked = if born_above_zero || question.contains("increase(") {
        of_counters(question)
    } else {
        question.clone()
    };
    let answer = prometheus.query(&asked);
    if name.ends_with("version") {
        let version = answer.sum("bingo_app_info", &[("version", shown)]);
        assert_eq!(version, 1.0, "{shown}: {answer:?}");
        return true;
    }
    // By reason, or by state; and what has no series was never seen.
    let answer = answer.total();
    if name.ends_with("last start") {
        let clock = browser.run(&format!(
            "return new Date({answer} * 1000).toLocaleTimeString('en-GB')"
        ));
        assert_eq!(clock, json!(shown), "{whose}: {name}");
        return true;
    }
    let (value, exact) = figure(shown);
    let near = if name == "memory" { 0.3 * value } else { 1e-9 };
    assert!(
        (answer - value).abs() <= exact + near,
        "{whose}: {name}: {shown}, Prometheus: {answer} to {asked}"
    );
    true
}

#[test]
fn figures_are_those_of_metrics_and_of_prometheus() {
    let state = TempDir::new().unwrap();
    let watched = Watched::start(&["--state.dir", state.path().to_str().unwrap()]);
    let exporter = &watched.exporter;
    let prometheus = Prometheus::start(exporter.address);
    let scraped = |query: &str, value: f64| {
        wait_until("Prometheus to have scraped", DEADLINE, || {
            prometheus.query(query).value("", &[]) == Some(value)
        });
    };
    let requests = "sum(bingo_http_requests_total)";
    let lines = "sum(bingo_exporter_lines_total{source=\"app\"})";
    scraped(requests, 0.0);
    // Series of latency objectives are there once a line had a time; so that they begin at zero, it is one that counts for
    // no objective, of a client that gave up early. Those of a log of bingo's own are there once it had a line.
    log::append(&watched.path, &log::line("GET /api/movie/1", 499, 1));
    let app = watched.path.parent().unwrap().join("c457cc00f8");
    fs::create_dir(&app).unwrap();
    log::append(
        &app.join("main.log"),
        "{\"level\":\"debug\",\"msg\":\"Quota updated.\"}\n",
    );
    scraped(requests, 1.0);
    scraped(lines, 1.0);
    let retried = log::line("GET /api/movie/1", 200, 30)
        .replace("10.0.0.7:27352", "10.0.0.8:27352, 10.0.0.7:27352")
        .replace("\"upstream_status\":\"200\"", "\"upstream_status\":\"502, 200\"");
    log::append(
        &watched.path,
        &(log::many(3000) + &retried.repeat(50) + "nonsense\n"),
    );
    let story = story();
    log::append(&app.join("main.log"), &story);
    scraped(requests, 3051.0);
    scraped(lines, 1.0 + story.lines().count() as f64);

    let browser = Browser::start();
    browser.open(&address(exporter));
    browser.wait(
        "the endpoints",
        DEADLINE,
        "document.querySelectorAll('#endpoints button.name').length > 8",
    );
    browser.run("for (const button of document.querySelectorAll('#endpoints button.name')) button.click()");
    let questions = questions(&browser);
    let mut compared = BTreeMap::<&str, usize>::new();
    for question in &questions {
        if compare(&browser, &prometheus, question) {
            *compared
                .entry(question[0].split(' ').next().unwrap())
                .or_default() += 1;
        }
    }
    assert!(compared["more"] > 100, "{compared:?}");
    assert!(compared["upstream-queries"] >= 6, "{compared:?}");
    assert_eq!(compared["app-queries"], 7, "{compared:?}");
    assert!(compared["exporter-queries"] >= 2 * 8 + 3, "{compared:?}");

    let status = http::ask(exporter.address, "GET", "/", &[("Accept", "application/json")]);
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let metrics = exporter.metrics();
    for endpoint in status["endpoints"].as_array().unwrap() {
        let text = |name: &str| endpoint[name].as_str().unwrap();
        let labels = [("route", text("route")), ("method", text("method"))];
        let window = &endpoint["windows"]["5m"];
        let counted = metrics.sum("bingo_http_requests_total", &labels);
        assert_eq!(window["requests"].as_f64(), Some(counted), "{endpoint}");
        let rate = window["rate"].as_f64().unwrap() * window["seconds"].as_f64().unwrap();
        assert!((rate - counted).abs() < 1e-6, "{endpoint}");
    }
    check_rates(&status, &questions, &prometheus);
    check_quiet(&browser, exporter);
}

/// The verdict's rate of requests and the upstreams' of those tried again.
fn check_rates(status: &Value, questions: &[[String; 4]], prometheus: &Prometheus) {
    let question = |list: &str, name: &str| {
        let asked = questions
            .iter()
            .find(|[whose, figure, ..]| whose == list && figure.starts_with(name) && figure.contains(", 5m"));
        of_counters(&asked.unwrap_or_else(|| panic!("{list}: {name}: {questions:?}"))[3])
    };
    let endpoints = status["endpoints"].as_array().unwrap();
    let windows = || endpoints.iter().map(|endpoint| &endpoint["windows"]["5m"]);
    let seconds = windows()
        .map(|window| window["seconds"].as_f64().unwrap())
        .fold(0.0, f64::max);
    let serving = prometheus
        .query(&question("verdict-queries", "requests a second"))
        .total();
    let shown = status["rate"]["5m"].as_f64().unwrap() * seconds;
    assert!(
        serving > 1000.0 && (serving - shown).abs() < 1e-6,
        "{serving} {shown}"
    );
    let retried = prometheus
        .query(&question("upstream-queries", "requests that needed"))
        .total();
    let shown: f64 = windows().map(|window| window["retried"].as_f64().unwrap()).sum();
    assert_eq!((retried, shown), (50.0, 50.0));
}
