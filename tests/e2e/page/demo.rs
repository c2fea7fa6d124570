//! The page while the demo runs: well at first, then in an error spike.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::checks::{address, check_accessible, check_fits, check_quiet, drawn, first_load, tab_stops};
use crate::support::browser::Browser;
use crate::support::clock::{DEADLINE, wait_until};
use crate::support::exporter::{Exporter, command};

/// The demo's error spike begins 45 s after its start; figures follow within two steps of the history.
const SPIKE: Duration = Duration::from_secs(120);

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
    // The rest of the machine's work slows a load, never hastens one: one quick load says what the page itself costs.
    // And one that may be drawn before all of it is there does not say its size.
    wait_until("a whole load drawn within 200 ms of the answer", DEADLINE, || {
        let (bytes, drawing) = first_load(&browser, &address(&exporter));
        assert!(bytes < 100_000, "{bytes} bytes");
        bytes > 10_000 && drawing < 200.0
    });

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
