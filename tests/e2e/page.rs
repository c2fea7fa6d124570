//! The status page, in a real browser.

mod checks;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::checks::{address, check_accessible, check_fits, check_quiet, cpu, drawn, first_load, tab_stops};
use crate::support::browser::Browser;
use crate::support::clock::{DEADLINE, now, pause, wait_until};
use crate::support::exporter::{Exporter, command};
use crate::support::http;
use crate::support::log;
use crate::support::prometheus::Prometheus;

/// The demo's error spike begins 45 s after its start; figures follow within two steps of the history.
const SPIKE: Duration = Duration::from_secs(120);

/// The page asks this often.
const POLL: Duration = Duration::from_secs(5);

/// `E2E_PICTURES=DIR` keeps what the bad node looks like, a minute later (`make screenshots`).
fn pictures(browser: &Browser) {
    let Some(dir) = std::env::var_os("E2E_PICTURES").map(PathBuf::from) else {
        return;
    };
    browser.run("for (const open of document.querySelectorAll('[aria-expanded=true]')) open.click(); document.activeElement.blur()");
    let bad_node = "document.getElementById('node-line').innerText.includes('history of 2 min') \
                    && document.getElementById('verdict').className === 'failing' \
                    && document.querySelectorAll('#upstreams .bad-text').length === 1";
    browser.wait("the bad node to look at", SPIKE, bad_node);
    for (name, scheme, width, height) in [
        ("wide.png", "light", 1280, 2700),
        ("dark.png", "dark", 1280, 1100),
        ("phone.png", "light", 390, 1500),
    ] {
        browser.resize(width, height);
        browser.prefer(scheme);
        browser.wait(
            "it to be drawn anew",
            DEADLINE,
            "!document.getElementById('charts').hidden",
        );
        browser.picture(&dir.join(name));
    }
}

/// The page of a demo where all is well, for those who see it on a phone, at night, by keyboard or not at all.
#[track_caller]
fn check_everybody(browser: &Browser) {
    browser.wait_text("#words", "serving");
    assert_eq!(
        browser.run("return document.getElementById('verdict').className"),
        json!("ok")
    );
    let stops = tab_stops(browser);
    for stop in ["verdict-queries", "window", "name", "which", "metrics"] {
        assert!(stops.iter().any(|seen| seen.contains(stop)), "{stop}: {stops:?}");
    }
    browser.run("document.querySelector('button.name').focus()");
    browser.press("Enter");
    browser.wait(
        "the endpoint's queries",
        DEADLINE,
        "document.querySelector('tr.more code')",
    );
    check_accessible(browser);
    browser.resize(390, 844);
    check_fits(browser);
    check_accessible(browser);
    browser.prefer("dark");
    check_accessible(browser);
    browser.prefer("light");
    browser.resize(1280, 1000);
}

#[test]
fn the_page_while_the_demo_runs() {
    let exporter = Exporter::spawn(&mut command(&["demo"]));
    let browser = Browser::start();
    // On a busy machine the best of some says what the page itself costs.
    let loads: Vec<_> = (0..5)
        .map(|_| first_load(&browser, &address(&exporter)))
        .collect();
    let (bytes, drawing) = loads
        .iter()
        .copied()
        .fold((0, f64::MAX), |a, b| (a.0.max(b.0), a.1.min(b.1)));
    assert!((10_000..100_000).contains(&bytes), "{bytes} bytes");
    assert!(
        drawing < 200.0,
        "{drawing} ms from the answer to the first drawing"
    );

    check_everybody(&browser);

    browser.wait("the charts", DEADLINE, "!document.getElementById('charts').hidden && document.querySelectorAll('figure canvas').length === 3");
    wait_until("all charts to be drawn", DEADLINE, || {
        let drawn = drawn(&browser);
        drawn[0] > 300 && drawn[2] > 300
    });
    browser.wait(
        "the verdict to change",
        SPIKE,
        "document.getElementById('verdict').className === 'failing'",
    );
    let words = browser.wait_text("#words", "misses its objective");
    assert!(
        words.contains("serving ") && words.contains(" req/s; "),
        "{words}"
    );
    assert!(
        browser
            .text("#endpoints tbody tr small")
            .contains("✕ misses since")
    );
    wait_until("the errors to be drawn", DEADLINE, || drawn(&browser)[1] > 300);
    check_accessible(&browser);
    browser.prefer("dark");
    check_accessible(&browser);
    pictures(&browser);
    browser.prefer("light");
    browser.resize(390, 844);
    check_fits(&browser);
    check_quiet(&browser, &exporter);

    let (code, _) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0));
    browser.wait_text("#offline", "The exporter has not answered since");
    check_fits(&browser);
    assert!(
        browser.text("#words").contains("misses its objective"),
        "what was known stays"
    );
}

/// An exporter of a log, started before the log's lines are written.
struct Watched {
    exporter: Exporter,
    path: PathBuf,
    _dir: TempDir,
}

impl Watched {
    fn start(more: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("access.log");
        log::append(&path, "");
        let apps = format!("{}/*/main.log", dir.path().display());
        let args = [
            &["--source.access", path.to_str().unwrap(), "--source.app", &apps],
            more,
        ]
        .concat();
        let exporter = Exporter::start(&args);
        // What is written from now on is the history's.
        wait_until("the history to begin", DEADLINE, || {
            let status = http::ask(exporter.address, "GET", "/api/v1/status", &[]);
            !serde_json::from_slice::<Value>(&status.body).unwrap()["history_begin"].is_null()
        });
        Self {
            exporter,
            path,
            _dir: dir,
        }
    }
}

/// A figure of the page as a number: `7.1 %`, `400 ms`, `1.5 s`, `spent 3 ×`, and how exact it is written.
fn figure(text: &str) -> (f64, f64) {
    let digits: String = text
        .chars()
        .filter(|char| char.is_ascii_digit() || *char == '.')
        .collect();
    let value: f64 = digits.parse().unwrap_or_else(|_| panic!("{text}"));
    let exact = 0.51
        * 10f64.powi(
            -(digits
                .split_once('.')
                .map_or(0, |(_, behind)| behind.len() as i32)),
        );
    match text.rsplit(['\u{a0}', ' ']).next().unwrap() {
        "%" => (
            value / 100.0 * if text.starts_with('-') { -1.0 } else { 1.0 },
            exact / 100.0,
        ),
        "ms" => (value / 1000.0, exact / 1000.0),
        "×" if text.starts_with("spent") => (1.0 - value, exact),
        _ => (value, exact),
    }
}

#[test]
fn figures_are_those_of_metrics_and_of_prometheus() {
    let watched = Watched::start(&[]);
    let exporter = &watched.exporter;
    let prometheus = Prometheus::start(exporter.address);
    let scraped = |requests: f64| {
        wait_until("Prometheus to have scraped", DEADLINE, || {
            prometheus.query("sum(bingo_http_requests_total)").value("", &[]) == Some(requests)
        });
    };
    scraped(0.0);
    // Series of latency objectives are there once a line had a time; so that they begin at zero, it is one that counts for
    // no objective, of a client that gave up early.
    log::append(&watched.path, &log::line("GET /api/movie/1", 499, 1));
    scraped(1.0);
    log::append(&watched.path, &log::many(3000));
    scraped(3001.0);

    let browser = Browser::start();
    browser.open(&address(exporter));
    browser.wait(
        "the endpoints",
        DEADLINE,
        "document.querySelectorAll('#endpoints button.name').length > 8",
    );
    browser.run("for (const button of document.querySelectorAll('#endpoints button.name')) button.click()");
    let asked = browser.run(
        "return [...document.querySelectorAll('tr.more')].map((row) => [row.dataset.key.slice(5), \
         [...row.querySelectorAll('dt')].map((term) => [term.textContent, term.nextElementSibling.textContent])])",
    );
    let mut compared = 0;
    for endpoint in asked.as_array().unwrap() {
        for asked in endpoint[1].as_array().unwrap() {
            let (shown, question) = (asked[0].as_str().unwrap(), asked[1].as_str().unwrap());
            // Rates depend on how long is known, and what was never seen (a code, HEAD) is born above zero, which
            // Prometheus takes for its beginning. All else is of the same requests.
            let born = question.contains("code=~") || question.contains("method=\"HEAD\"");
            if shown.starts_with("req/s") || born {
                continue;
            }
            let (value, exact) = figure(shown.rsplit_once(": ").unwrap().1);
            let answer = prometheus.query(question);
            let answer = answer
                .value("", &[])
                .unwrap_or_else(|| panic!("{question}: no answer"));
            assert!(
                (answer - value).abs() <= exact + 1e-9,
                "{}: {shown}, Prometheus: {answer}",
                endpoint[0]
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");

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
    check_quiet(&browser, exporter);
}

#[test]
fn what_is_hostile_stays_text_and_an_idle_page_costs_nothing() {
    const HOSTILE: &str = "<script>hacked=1</script><img src=x onerror=hacked=1>";
    let config = TempDir::new().unwrap();
    let file = config.path().join("config.yaml");
    fs::write(&file, "endpoints:\n  - {method: GET, path: '/a<script>hacked=1</script><svg/onload=hacked=1>', objectives: {availability: 0.99}}\n").unwrap();
    let watched = Watched::start(&["--config.file", file.to_str().unwrap()]);
    let browser = Browser::start();
    browser.open(&address(&watched.exporter));
    // Nothing has happened yet, and the page says so.
    browser.wait_text("#words", "no requests yet");
    browser.wait_text("#no-endpoints", "No request in the last five minutes.");
    browser.wait_text("#no-apps", "No log of bingo’s own is followed");

    // Names of directories come from outside, paths in lines from anybody; both bingo's logs and the proxy's.
    let directory = watched
        .path
        .parent()
        .unwrap()
        .join(HOSTILE.replace('/', "\u{2215}"));
    fs::create_dir(&directory).unwrap();
    let lines = format!(
        "{{\"msg\":\"{HOSTILE}\",\"level\":\"{HOSTILE}\",\"app_version\":\"{HOSTILE}\"}}\n{HOSTILE}\n"
    );
    fs::write(directory.join("main.log"), lines).unwrap();
    let hostile = log::line("GET /a<script>hacked=1</script><svg/onload=hacked=1>", 500, 7)
        .replace("10.0.0.7:27352", HOSTILE);
    log::append(&watched.path, &hostile.repeat(20));
    log::append(&watched.path, &format!("{HOSTILE}\n"));
    browser.wait(
        "the log",
        DEADLINE,
        "document.querySelectorAll('#apps tbody tr').length === 1",
    );
    browser.wait_text("#files", "onerror=hacked=1>/main.log");
    browser.wait_text(
        "#endpoints tbody",
        "GET /a<script>hacked=1</script><svg/onload=hacked=1>",
    );
    browser.run("document.querySelector('button.name').click(); for (const one of document.querySelectorAll('details')) one.open = true");
    browser.resize(390, 844);
    check_fits(&browser);
    assert_eq!(
        browser.run(
            "return [typeof hacked, document.querySelectorAll('img, script:not([src]), main script, [onload]').length]"
        ),
        json!(["undefined", 0])
    );
    check_quiet(&browser, &watched.exporter);

    let asked = |browser: &Browser| {
        browser
            .run("return performance.getEntriesByType('resource').length")
            .as_u64()
            .unwrap()
    };
    let (used, begun) = (cpu(&watched.exporter), now());
    pause(4 * POLL);
    let share = (cpu(&watched.exporter) - used) / begun.elapsed().as_secs_f64();
    // Measured with a release build: 0.2 %. What is not optimised takes many times as long.
    assert!(
        share < if cfg!(debug_assertions) { 0.08 } else { 0.01 },
        "{share} of a core"
    );

    browser.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))");
    pause(POLL / 5);
    let before = asked(&browser);
    pause(2 * POLL);
    assert_eq!(asked(&browser), before, "hidden, it asks nothing");
    browser.run("Object.defineProperty(document, 'hidden', { value: false, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))");
    wait_until("it to ask again", DEADLINE, || asked(&browser) > before);
}

#[test]
fn a_pair_is_shown_together_and_a_peer_that_is_gone_as_such() {
    let other = Watched::start(&[]);
    let gone = format!("http://127.0.0.1:{}/", crate::support::ports::free_port());
    let peer = address(&other.exporter);
    let one = Watched::start(&["--web.peer", &peer, "--web.peer", &gone]);
    log::append(&one.path, &log::line("GET /api/movie/1", 200, 20).repeat(30));
    log::append(&other.path, &log::line("GET /api/movie/1", 500, 20).repeat(10));
    log::append(&other.path, &log::line("GET /api/movie/1", 200, 300).repeat(60));
    let ask = |scope: &str| -> Value {
        let status = http::ask(
            one.exporter.address,
            "GET",
            &format!("/api/v1/status{scope}"),
            &[],
        );
        serde_json::from_slice(&status.body).unwrap()
    };
    let movie = |status: &Value| {
        let mut endpoints = status["endpoints"].as_array().unwrap().iter();
        endpoints
            .find(|one| one["route"] == "/api/movie/{id}" && one["method"] == "GET")
            .unwrap()["windows"]["5m"]
            .clone()
    };
    // An answer of the peer is good for some seconds.
    wait_until("both nodes' requests", DEADLINE, || {
        movie(&ask("?scope=pair"))["requests"] == 100
    });
    let both = ask("?scope=pair");
    let window = movie(&both);
    assert_eq!((&window["bad"], &window["good"]), (&json!(10), &json!(90)));
    assert_eq!(window["error_ratio"], json!(0.1));
    // Of 90 good ones 30 took up to 25 ms and 60 up to 400 ms: the mean of the nodes' medians would be another.
    let median = window["p50_seconds"].as_f64().unwrap();
    assert!((median - 0.25).abs() < 1e-9, "{median}");
    assert_eq!(movie(&ask("?scope=node"))["requests"], 30);
    assert!(
        ask("")["peers"].is_null(),
        "who asks for nothing more gets a node's own status"
    );
    let peers = both["peers"].as_array().unwrap();
    assert_eq!(
        (&peers[0]["problem"], peers[1]["node"].is_null()),
        (&Value::Null, true)
    );
    assert!(
        peers[1]["problem"]
            .as_str()
            .unwrap()
            .starts_with("cannot be asked"),
        "{peers:?}"
    );

    let browser = Browser::start();
    browser.open(&address(&one.exporter));
    browser.wait_text("#peers", &format!("{gone}: cannot be asked"));
    browser.run("document.querySelector('input[value=pair]').click()");
    browser.wait_text("#endpoints tbody tr", "10 %");
    browser.resize(390, 844);
    check_fits(&browser);
    check_accessible(&browser);
}

/// What a status says of `/api/movie/{id}` over the last hour.
fn last_hour(exporter: &Exporter) -> (u64, f64) {
    let status = http::ask(exporter.address, "GET", "/api/v1/status", &[]);
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let mut endpoints = status["endpoints"].as_array().unwrap().iter();
    let movie = endpoints.find(|one| one["route"] == "/api/movie/{id}" && one["method"] == "GET");
    let window = &movie.unwrap()["windows"]["1h"];
    (
        window["requests"].as_u64().unwrap(),
        status["history_begin"].as_f64().unwrap(),
    )
}

#[test]
fn a_restart_leaves_no_hole_and_a_damaged_history_no_harm() {
    let state = TempDir::new().unwrap();
    let kept = ["--state.dir", state.path().to_str().unwrap()];
    let watched = Watched::start(&kept);
    log::append(&watched.path, &log::line("GET /api/movie/1", 200, 20).repeat(30));
    wait_until("the lines", DEADLINE, || last_hour(&watched.exporter).0 == 30);
    let (_, begin) = last_hour(&watched.exporter);
    let Watched { exporter, path, _dir } = watched;
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));

    // Written while nobody looked, and counted after the start.
    log::append(&path, &log::line("GET /api/movie/1", 200, 20).repeat(20));
    let args = [&["--source.access", path.to_str().unwrap()], &kept[..]].concat();
    let exporter = Exporter::start(&args);
    wait_until("all lines", DEADLINE, || last_hour(&exporter) == (50, begin));
    exporter.signal(Signal::KILL);
    drop(exporter);
    let exporter = Exporter::start(&args);
    wait_until("all lines after a kill", DEADLINE, || {
        last_hour(&exporter) == (50, begin)
    });
    assert_eq!(exporter.end(Signal::TERM).0, Some(0));

    let file = state.path().join("history");
    assert!(fs::metadata(&file).unwrap().len() < 2_000_000);
    fs::write(&file, "bingo-exporter-history 1 damaged").unwrap();
    let exporter = Exporter::start(&args);
    assert!(exporter.said().contains("history cannot be used and begins anew"));
    exporter.wait_value(
        "bingo_http_requests_total",
        &[("route", "/api/movie/{id}"), ("method", "GET"), ("code", "200")],
        50.0,
    );
}
