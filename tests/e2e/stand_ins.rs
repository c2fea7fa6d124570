//! nginx before two stand-ins that die of everything bingo dies of, and one exporter that follows nginx's log and
//! both of theirs: it must tell what was done to them, and agree with the client, to the last request.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::stand_in::{CANARY, Place, StandIn};
use crate::support::exporter::{Exporter, command};
use crate::support::exposition::Exposition;
use crate::support::http::ask;
use crate::support::nginx::Nginx;
use crate::support::ports::free_port;

/// Addresses, and the first ten digits of their sha1.
const NODES: [(&str, &str); 2] = [
    ("first@example.com", "4a2dc372bd"),
    ("second@example.com", "3daa17e311"),
];

/// Method, path and route of what is asked in every round.
const QUICK: [[&str; 3]; 12] = [
    ["GET", "/", "/"],
    ["POST", "/", "/"],
    ["GET", "/ping", "/ping"],
    ["GET", "/db_dummy", "/db_dummy"],
    // Without a body: 400.
    ["POST", "/operation", "/operation"],
    ["GET", "/config", "/config"],
    ["GET", "/api/movie/7", "/api/movie/{id}"],
    ["GET", "/api/customer/8?full=1", "/api/customer/{id}"],
    ["POST", "/api/session", "/api/session"],
    ["GET", "/api/session/9", "/api/session/{id}"],
    ["DELETE", "/api/session/9", "/api/session/{id}"],
    ["GET", "/robots.txt", "other"],
];

/// What takes seconds.
const SLOW: [[&str; 3]; 4] = [
    ["GET", "/long_dummy", "/long_dummy"],
    ["GET", "/api/movie", "/api/movie"],
    ["GET", "/api/customer", "/api/customer"],
    ["GET", "/api/session", "/api/session"],
];

/// A round asks everything quick so often.
const TIMES: usize = 3;

/// Clients at the same time.
const CLIENTS: usize = 6;

/// How a node is made to end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// By an operation that kills it: the exit code, none for a signal.
    Of(u32, Option<i32>),
    /// It feels bad, and is then stopped as an operator would do it.
    Bad,
    Signal(Signal),
}

/// Each end, at which node.
const ENDS: [(usize, End); 7] = [
    (0, End::Of(1001, Some(0))),
    (1, End::Of(1002, Some(1))),
    (0, End::Of(1003, Some(2))),
    (1, End::Bad),
    (0, End::Of(1005, None)),
    (1, End::Signal(Signal::KILL)),
    (0, End::Signal(Signal::TERM)),
];

/// Starts of each node, and those of them that no graceful end came before.
const STARTS: [usize; 2] = [5, 4];
const UNCLEAN: [u32; 2] = [3, 2];

/// Route, method, code.
type Counts = BTreeMap<[String; 3], u64>;

fn http_block(port: u16, dir: &Path, nodes: [u16; 2]) -> String {
    let [a, b] = nodes;
    let dir = dir.display();
    format!(
        r#"
        log_format json escape=json '{{"time_iso8601":"$time_iso8601","request":"$request",'
            '"request_method":"$request_method","request_uri":"$request_uri","status":"$status",'
            '"request_time":"$request_time","body_bytes_sent":"$body_bytes_sent",'
            '"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",'
            '"upstream_response_time":"$upstream_response_time"}}';
        access_log {dir}/access.json json;
        upstream bingo {{ server 127.0.0.1:{a} max_fails=0; server 127.0.0.1:{b} max_fails=0; }}
        server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://bingo; }} }}"#
    )
}

#[test]
fn every_death_is_told_and_every_request_counted() {
    let ports = [free_port(), free_port()];
    let places: [Place; 2] = [0, 1].map(|node| Place::of(NODES[node].0, NODES[node].1, ports[node]));
    let mut nginx = Nginx::start(|port, dir| http_block(port, dir, ports));
    let state = TempDir::new().unwrap();
    let access = nginx.file("access.json");
    let mut args = vec!["--source.access", access.to_str().unwrap()];
    for place in &places {
        args.extend(["--source.app", place.log.to_str().unwrap()]);
    }
    let exporter = Exporter::spawn(command(&args).env("STATE_DIRECTORY", state.path()));
    exporter.wait_ready();

    let (asked, directly) = live(&places, &nginx);
    nginx.quit();

    // Everything is on disk and nobody writes any more.
    let metrics = exporter.metrics();
    for (node, place) in places.iter().enumerate() {
        check_life(&metrics, node, place);
    }
    assert_eq!(
        metrics.counts("bingo_http_requests_total", ["route", "method", "code"]),
        asked
    );
    check_nodes_requests(&metrics, &access, ports, &places, directly);
    assert_eq!(metrics.sum("bingo_exporter_rejected_lines_total", &[]), 0.0);
    check_secrets(exporter, &places, state.path());
}

/// Starts both nodes, lets each end in all ways and asks before, meanwhile and after. What the clients got, and what
/// the nodes were asked by others than nginx. Nobody asks at the moment of a death: whether a node wrote a line about
/// an answer that it did not get rid of any more, nobody could tell.
fn live(places: &[Place; 2], nginx: &Nginx) -> (Counts, [Counts; 2]) {
    let start = |node: usize, more: &[&str]| {
        let offset = ["0", "300"][node];
        places[node].start(&[&["--death", "none", "--leak", "16", "--offset", offset], more].concat())
    };
    let mut nodes: [StandIn; 2] = [0, 1].map(|node| start(node, &[]));
    let mut asked = Counts::new();
    let mut directly = [Counts::new(), Counts::new()];
    round(nginx, &SLOW, &mut asked);
    for (number, (node, end)) in ENDS.into_iter().enumerate() {
        round(nginx, &QUICK, &mut asked);
        if let Some(code) = provoke(&mut nodes[node], end) {
            count(&mut directly[node], ["/operation", "POST", &code.to_string()]);
        }
        if let End::Bad = end {
            round(nginx, &QUICK, &mut asked);
            nodes[node].process.signal(Signal::TERM);
        }
        let code = nodes[node].process.wait();
        let expected = match end {
            End::Of(_, code) => code,
            End::Signal(Signal::KILL) => None,
            End::Signal(_) | End::Bad => Some(0),
        };
        assert_eq!(code, expected, "{end:?}");
        round(nginx, &QUICK, &mut asked);
        nodes[node] = start(node, if number == 2 { &["--init-fails"] } else { &[] });
    }
    round(nginx, &QUICK, &mut asked);
    for node in &mut nodes {
        node.process.signal(Signal::TERM);
        assert_eq!(node.process.wait(), Some(0));
    }
    (asked, directly)
}

/// The status where it lived long enough to answer, and so to write a line.
fn provoke(node: &mut StandIn, end: End) -> Option<u16> {
    let number = match end {
        End::Of(number, _) => number,
        End::Bad => 1004,
        End::Signal(signal) => {
            node.process.signal(signal);
            return None;
        }
    };
    node.operate(number).map(|response| response.status)
}

fn round(nginx: &Nginx, what: &[[&str; 3]], asked: &mut Counts) {
    let times = if what.len() == SLOW.len() { 1 } else { TIMES };
    let left = Mutex::new(what.repeat(times));
    let asked = Mutex::new(asked);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some([method, path, route]) = next else { return };
                    let status = ask(nginx.address, method, path, &[]).status;
                    assert!(status != 502, "{method} {path}: a dead node was noticed");
                    count(*asked.lock().unwrap(), [route, method, &status.to_string()]);
                }
            });
        }
    });
}

fn count(counts: &mut Counts, key: [&str; 3]) {
    *counts.entry(key.map(str::to_owned)).or_insert(0) += 1;
}

/// Starts, ends and heartbeats, as they were provoked and as the log says.
fn check_life(metrics: &Exposition, node: usize, place: &Place) {
    let id = [("log_id", NODES[node].1)];
    let event = |event| [id[0], ("event", event)];
    let value = |name: &str| metrics.value(name, &id);
    let events = |kind| metrics.value("bingo_app_events_total", &event(kind)).unwrap();
    let (starts, unclean) = (STARTS[node], UNCLEAN[node]);
    assert_eq!(events("start"), starts as f64);
    assert_eq!(events("ready"), starts as f64);
    assert_eq!(value("bingo_app_unclean_exits_total"), Some(f64::from(unclean)));
    // What was not unclean ended gracefully, the last life included.
    assert_eq!(events("shutdown"), starts as f64 - f64::from(unclean));
    for (kind, messages) in [
        ("init_failed", &["Failed initialization request."][..]),
        ("quota", &["Quota updated."]),
        ("heartbeat", &["I am alive.", "I`m fine."]),
        ("node_alive", &["Node is alive."]),
        ("throttled", &["Too many requests"]),
        ("request", &["request completed"]),
    ] {
        let written: usize = messages.iter().map(|msg| place.count(msg)).sum();
        assert_eq!(events(kind), written as f64, "{kind}");
    }
    assert_eq!(events("init_failed"), [1.0, 0.0][node]);

    let lines = place.lines();
    let last = |msgs: &[&str]| {
        let times = lines
            .iter()
            .filter(|line| msgs.iter().any(|msg| line["msg"] == *msg));
        times.map(millis).max().unwrap()
    };
    let took = last(&["Run server."]) - last(&["Prepare app."]);
    assert!(took >= 20);
    assert_eq!(
        value("bingo_app_last_start_duration_seconds"),
        Some(took as f64 / 1e3)
    );
    let heartbeat = metrics.value("bingo_app_last_event_timestamp_seconds", &event("heartbeat"));
    assert_eq!(heartbeat, Some(last(&["I am alive.", "I`m fine."]) as f64 / 1e3));
}

/// The line's time stamp.
fn millis(line: &Value) -> i64 {
    let text = line["timestamp"].as_str().unwrap();
    let text = text
        .strip_suffix('Z')
        .map_or(text.to_owned(), |utc| format!("{utc}+0000"));
    let time = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", &text).unwrap();
    time.as_millisecond()
}

/// What the nodes say they answered is what nginx says they did, and what they were asked besides.
fn check_nodes_requests(
    metrics: &Exposition,
    access: &Path,
    ports: [u16; 2],
    places: &[Place; 2],
    mut expected: [Counts; 2],
) {
    let mut refused = 0;
    for line in fs::read_to_string(access).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap();
        let (method, path) = (text("request_method"), text("request_uri"));
        let [_, _, route] = QUICK
            .iter()
            .chain(&SLOW)
            .find(|known| known[..2] == [method, path])
            .unwrap();
        let tries = text("upstream_addr")
            .split(", ")
            .zip(text("upstream_status").split(", "));
        for (upstream, code) in tries {
            let node = ports
                .iter()
                .position(|port| upstream == format!("127.0.0.1:{port}"))
                .unwrap();
            // Nobody listened: no node says 502.
            if code == "502" {
                refused += 1;
            } else {
                count(&mut expected[node], [route, method, code]);
            }
        }
    }
    assert!(refused > ENDS.len(), "nobody met a dead node");
    let seen = metrics.counts("bingo_app_requests_total", ["log_id", "route", "method", "code"]);
    for (node, expected) in expected.iter().enumerate() {
        let (_, id) = NODES[node];
        let seen: Counts = seen
            .iter()
            .filter(|(key, _)| key[0] == id)
            .map(|([_, route, method, code], count)| ([route, method, code].map(String::clone), *count))
            .collect();
        assert_eq!(&seen, expected, "{id}");
        assert_eq!(
            expected.values().sum::<u64>(),
            places[node].count("request completed") as u64
        );
    }
}

/// The environment is in every line of the nodes' logs and nowhere else.
fn check_secrets(exporter: Exporter, places: &[Place; 2], state: &Path) {
    let mut told = vec![];
    for path in ["/metrics", "/", "/api/v1/status"] {
        let response = exporter.get(path);
        assert_eq!(response.status, 200, "{path}");
        told.push((path.to_owned(), response.body));
    }
    let (code, said) = exporter.end(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(!said.is_empty());
    told.push(("its own log".to_owned(), said.into_bytes()));
    let before = told.len();
    for file in fs::read_dir(state).unwrap() {
        let path = file.unwrap().path();
        told.push((path.display().to_string(), fs::read(path).unwrap()));
    }
    let holds = |bytes: &[u8], what: &str| memchr::memmem::find(bytes, what.as_bytes()).is_some();
    assert!(
        told[before..].iter().any(|(_, bytes)| holds(bytes, NODES[0].1)),
        "no checkpoint"
    );
    for (what, bytes) in &told {
        assert!(!holds(bytes, CANARY), "the canary is in {what}");
    }
    for place in places {
        assert!(holds(&fs::read(&place.log).unwrap(), CANARY), "nobody had it");
    }
}
