//! A page that shows the other node too.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use super::Watched;
use super::checks::{address, check_accessible, check_fits};
use crate::support::browser::Browser;
use crate::support::clock::{DEADLINE, wait_until};
use crate::support::http;
use crate::support::log;

#[test]
fn a_pair_is_shown_together_and_a_peer_that_is_gone_as_such() {
    let other = Watched::start(&[]);
    let gone = format!("http://127.0.0.1:{}/", crate::support::ports::free_port());
    let peer = address(&other.exporter);
    // The kernel takes connections that nobody accepts.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = format!("http://{}/", listener.local_addr().unwrap());
    let peers = [&peer, &gone, &silent].map(|url| ["--web.peer", url]);
    let one = Watched::start(&peers.concat());
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
    browser.wait_text("#peers", &format!("{silent}: no answer within 3 s"));
    browser.run("document.querySelector('input[value=pair]').click()");
    browser.wait_text("#endpoints tbody tr", "10 %");
    browser.resize(390, 844);
    check_fits(&browser);
    check_accessible(&browser);
}
