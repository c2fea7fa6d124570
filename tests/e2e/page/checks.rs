//! What is asked of the page, whatever it shows.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::clock::DEADLINE;
use crate::support::exporter::Exporter;
use crate::support::exposition::Exposition;
use crate::support::http;

pub(super) fn address(exporter: &Exporter) -> String {
    format!("http://{}/", exporter.address)
}

/// No complaint on the console, and nothing asked for from elsewhere.
#[track_caller]
pub(super) fn check_quiet(browser: &Browser, exporter: &Exporter) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let requests = browser.requests();
    assert!(requests.len() > 5, "{requests:?}");
    // The browser's first tab is its own.
    let ours = |url: &&String| {
        url.starts_with(&address(exporter)) || url.starts_with("data:") || url.starts_with("chrome:")
    };
    let foreign: Vec<_> = requests.iter().filter(|url| !ours(url)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// axe-core finds nothing serious.
#[track_caller]
pub(super) fn check_accessible(browser: &Browser) {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/npm/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&axe)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", axe.display()));
    if browser.run("return typeof axe") == json!("undefined") {
        browser.run(&format!("{axe}; window.axe = axe;"));
    }
    let found = browser.run_async(
        "axe.run().then((found) => arguments[0](found.violations.map(({id, impact, nodes}) => \
         [impact, id, ...nodes.slice(0, 3).map((node) => node.html)])), (error) => arguments[0]([['serious', String(error)]]))",
    );
    let serious = |violation: &&Value| matches!(violation[0].as_str(), Some("serious" | "critical"));
    let found: Vec<_> = found.as_array().unwrap().iter().filter(serious).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Nothing is wider than the window.
#[track_caller]
pub(super) fn check_fits(browser: &Browser) {
    let wide = "const wide = document.documentElement.scrollWidth; \
                return wide <= innerWidth ? [] : [wide, ...[...document.querySelectorAll('*')] \
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 200))]";
    assert_eq!(browser.run(wide), json!([]));
}

/// How many pixels of each chart are neither empty nor grey: what was drawn of the series.
#[track_caller]
pub(super) fn drawn(browser: &Browser) -> Vec<u64> {
    let pixels = browser.run(
        "return [...document.querySelectorAll('figure canvas')].map((canvas) => { \
         const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true }); \
         copy.drawImage(canvas, 0, 0); const { data } = copy.getImageData(0, 0, canvas.width, canvas.height); let many = 0; \
         for (let i = 0; i < data.length; i += 4) \
         if (data[i + 3] > 0 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 40) many += 1; \
         return many; })",
    );
    pixels
        .as_array()
        .unwrap()
        .iter()
        .map(|many| many.as_u64().unwrap())
        .collect()
}

/// What Tab stops at, in order, each once.
#[track_caller]
pub(super) fn tab_stops(browser: &Browser) -> Vec<String> {
    browser.run("document.activeElement.blur(); scrollTo(0, 0)");
    let mut stops = vec![];
    for _ in 0..60 {
        browser.press("Tab");
        let stop = "const on = document.activeElement; return on.id || on.className || on.name || on.closest('details')?.id || on.href || on.tagName";
        let stop = browser.run(stop).as_str().unwrap().to_owned();
        if !stops.contains(&stop) {
            stops.push(stop);
        }
    }
    stops
}

/// Bytes that came over the wire for the page and its files, and the time from the answer to the first drawing.
#[track_caller]
pub(super) fn first_load(browser: &Browser, url: &str) -> (u64, f64) {
    browser.open(url);
    browser.wait(
        "something to be drawn",
        DEADLINE,
        "performance.getEntriesByType('paint').length > 0",
    );
    let measured = browser.run(
        "const all = performance.getEntriesByType('resource').filter(({name}) => !name.includes('/api/')); \
         const [page] = performance.getEntriesByType('navigation'); const [paint] = performance.getEntriesByType('paint'); \
         return [all.reduce((sum, one) => sum + one.encodedBodySize, page.encodedBodySize), paint.startTime - page.responseEnd]",
    );
    (measured[0].as_u64().unwrap(), measured[1].as_f64().unwrap())
}

/// Processor time so far, in seconds.
pub(super) fn cpu(exporter: &Exporter) -> f64 {
    Exposition::parse(http::ask(exporter.address, "GET", "/metrics", &[]).text())
        .value("process_cpu_seconds_total", &[])
        .unwrap()
}
