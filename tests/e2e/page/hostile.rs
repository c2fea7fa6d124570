//! What comes from outside is shown as text.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::Watched;
use super::checks::{address, check_fits, check_quiet, cpu};
use crate::support::browser::Browser;
use crate::support::clock::{DEADLINE, now, pause, wait_until};
use crate::support::log;

/// The page asks this often.
const POLL: Duration = Duration::from_secs(5);

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
