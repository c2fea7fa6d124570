use std::collections::BTreeMap;

use proptest::prelude::*;
use xxhash_rust::xxh3::Xxh3Default;

use super::exchange::Exchange;
use super::story::Scene;
use super::*;
use crate::decode::{AccessDecoder, Detection, Format, time};
use crate::record::{Attempt, Code, Method, Protocol, Request, RequestLine, Scheme};

/// 2026-11-23T20:00:00Z
const START: UnixMillis = 1_795_464_000_000;

const MINUTE: UnixMillis = 60_000;

fn options(seed: u64, story: Story) -> Options {
    Options {
        seed,
        start: START,
        story,
        offset_minutes: 0,
        env: vec!["PATH=/usr/bin".to_owned()],
    }
}

fn story(phases: &[(Scene, u32, u32)]) -> Story {
    Story::new(phases.iter().map(|(scene, seconds, rps)| Phase {
        scene: *scene,
        seconds: *seconds,
        rps: *rps,
    }))
}

fn run(options: &Options, millis: UnixMillis) -> (Vec<Entry>, Ledger) {
    let mut simulation = Simulation::new(options);
    let entries = simulation.step(options.start + millis);
    (entries, simulation.ledger().clone())
}

fn exchanges(entries: &[Entry]) -> impl Iterator<Item = &Exchange> {
    entries.iter().filter_map(|entry| match &entry.what {
        What::Access(exchange) => Some(exchange),
        What::Main { .. } => None,
    })
}

fn said(entries: &[Entry], of: usize) -> impl Iterator<Item = (UnixMillis, &Said)> {
    entries.iter().filter_map(move |entry| match &entry.what {
        What::Main { node, said, .. } if *node == of => Some((entry.time, said)),
        _ => None,
    })
}

fn hash(entries: &[Entry]) -> u64 {
    let mut hash = Xxh3Default::new();
    for entry in entries {
        match &entry.what {
            What::Access(exchange) => {
                hash.update(&exchange.json(0));
                hash.update(&exchange.combined_timed(0));
            }
            What::Main { line, .. } => hash.update(line.as_bytes()),
        }
    }
    hash.digest()
}

#[test]
fn a_seed_means_the_same_bytes_for_ever() {
    let (entries, _) = run(&options(1, Story::demo(60)), 5 * MINUTE);
    assert_eq!(
        (entries.len(), hash(&entries)),
        (56_282, 6_485_931_450_026_011_461)
    );
    let (others, _) = run(&options(2, Story::demo(60)), 5 * MINUTE);
    assert_ne!(hash(&entries), hash(&others));
}

#[test]
fn the_first_lines() {
    let (entries, _) = run(&options(1, Story::demo(60)), 2_100);
    let msgs: Vec<_> = said(&entries, 0)
        .map(|(_, said)| said.msg())
        .take_while(|msg| *msg != "Quota updated.")
        .collect();
    assert_eq!(
        msgs,
        [
            "Prepare app.",
            "Init app.",
            "Create core.",
            "Init core.",
            "Run initialization request.",
            "Core initialization finished.",
            "Init routes.",
            "Init middlewares.",
            "Run server.",
        ]
    );
    let first = exchanges(&entries).next().unwrap().json(0);
    assert_eq!(
        String::from_utf8(first).unwrap(),
        concat!(
            r#"{"time_iso8601":"2026-11-23T20:00:02+00:00","remote_addr":"192.0.2.126","#,
            r#""request":"POST /operation?source=app HTTP/1.1","request_method":"POST","#,
            r#""request_uri":"/operation?source=app","status":"200","request_time":"0.011","body_bytes_sent":"34","#,
            r#""upstream_addr":"10.0.0.1:27352","upstream_status":"200","upstream_response_time":"0.011","#,
            r#""upstream_cache_status":"","server_protocol":"HTTP/1.1","scheme":"http"}"#,
            "\n"
        )
    );
}

#[test]
fn steps_of_any_size_give_the_same() {
    let options = options(3, Story::demo(60));
    let (whole, ledger) = run(&options, 4 * MINUTE);
    let mut simulation = Simulation::new(&options);
    let mut parts = Vec::new();
    let mut until = START;
    for step in [0, 1, 7, 50, 1000, 333].into_iter().cycle() {
        until += step;
        if until > START + 4 * MINUTE {
            break;
        }
        parts.extend(simulation.step(until));
    }
    parts.extend(simulation.step(START + 4 * MINUTE));
    assert!(parts == whole && *simulation.ledger() == ledger);
}

/// What must be decoded from any form of its line.
#[track_caller]
fn check_common(request: &Request<'_>, exchange: &Exchange) {
    let asked = exchange.asked.as_ref();
    let line = asked.map(|asked| RequestLine {
        method: asked.method,
        target: asked.target.as_bytes().into(),
    });
    assert_eq!(request.line, line);
    assert_eq!(request.code, Code::new(exchange.code.into()));
    assert_eq!(request.client_gave_up, exchange.code == 499);
    assert_eq!(request.bytes, u64::from(exchange.bytes));
    let protocol = asked.map_or("other", |asked| asked.protocol);
    assert_eq!(request.protocol.as_str(), protocol);
    assert_eq!(request.time, Some(exchange.ended.div_euclid(1000) * 1000));
}

#[track_caller]
fn check_decodes(decoder: &AccessDecoder, exchange: &Exchange) {
    let decode = |line: &[u8], check: &dyn Fn(Request<'_>)| {
        let line = line.strip_suffix(b"\n").unwrap();
        assert!(!line.contains(&b'\n'));
        check(decoder.decode(line, &mut Detection::default()).unwrap().unwrap());
    };
    let nanos = |millis: u64| millis * 1_000_000;
    decode(&exchange.json(210), &|request| {
        check_common(&request, exchange);
        assert_eq!(request.duration, Ok(nanos(exchange.millis)));
        assert_eq!(request.cache, exchange.cache);
        let scheme = exchange.asked.as_ref().map_or("http", |asked| asked.scheme);
        assert_eq!(request.scheme.as_str(), scheme);
        let tries = exchange.tries.iter().filter(|one| one.upstream != GROUP);
        let tries = tries.map(|one| Attempt {
            upstream: one.upstream.as_bytes(),
            code: one.code.map_or(Code::NONE, |code| Code::new(code.into())),
            duration: Some(nanos(one.millis)),
        });
        assert_eq!(
            request.attempts.iter().collect::<Vec<_>>(),
            tries.collect::<Vec<_>>()
        );
    });
    decode(&exchange.combined_timed(-300), &|request| {
        check_common(&request, exchange);
        assert_eq!(request.duration, Ok(nanos(exchange.millis)));
    });
    decode(&exchange.combined(0), &|request| {
        check_common(&request, exchange);
        assert!(request.duration.is_err() && request.scheme == Scheme::Unknown);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_line_says_what_was_meant(seed: u64, rps in 1..150_u32) {
        let scenes = [Scene::Healthy, Scene::ErrorSpike, Scene::BadNode, Scene::Crash, Scene::Peak, Scene::Outage];
        let phases: Vec<_> = scenes.into_iter().map(|scene| (scene, 8, rps)).collect();
        let (entries, ledger) = run(&options(seed, story(&phases)), 60_000);
        let decoder = AccessDecoder::new(Format::Auto, &BTreeMap::new());
        for exchange in exchanges(&entries) {
            check_decodes(&decoder, exchange);
        }
        prop_assert_eq!(exchanges(&entries).count() as u64, ledger.access_lines());
        prop_assert!(entries.is_sorted_by_key(|entry| entry.time));
        for (node, ledger) in ledger.nodes.iter().enumerate() {
            prop_assert_eq!(said(&entries, node).count() as u64, ledger.lines());
        }
        for entry in &entries {
            let What::Main { said, line, .. } = &entry.what else { continue };
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(&value["msg"], said.msg());
            let stamp = value["timestamp"].as_str().unwrap();
            prop_assert_eq!(time::parse(stamp.as_bytes()), Some(entry.time));
        }
    }

    #[test]
    fn the_rate_is_the_one_asked_for(seed: u64, rps in 1..400_u32) {
        let (entries, _) = run(&options(seed, Story::steady(rps)), 2_000 + MINUTE);
        let began = |exchange: &Exchange| exchange.ended - exchange.millis as UnixMillis;
        let seen = exchanges(&entries).filter(|exchange| began(exchange) >= START + 2_000).count();
        // Those of the last seconds are still under way.
        let expect = 60 * rps as usize;
        prop_assert!(seen <= expect + expect / 1000 + 1 && seen + expect / 50 + 5 >= expect, "{} of {}", seen, expect);
    }
}

#[test]
fn a_quarter_to_a_half_of_the_lines_is_the_quota_under_load() {
    let (_, ledger) = run(&options(1, Story::steady(60)), 5 * MINUTE);
    for node in &ledger.nodes {
        let share = node.count(Message::QuotaUpdated) * 100 / node.lines();
        assert!((25..50).contains(&share), "{share}");
    }
    let (_, idle) = run(&options(1, Story::steady(0)), 5 * MINUTE);
    let share = idle.nodes[0].count(Message::QuotaUpdated) * 100 / idle.nodes[0].lines();
    assert!(share >= 90, "{share}");
}

#[test]
fn a_healthy_service_is_healthy_and_its_log_agrees_with_the_proxy_s() {
    let (entries, ledger) = run(
        &options(1, story(&[(Scene::Healthy, 300, 60), (Scene::Healthy, 60, 0)])),
        360_000,
    );
    let bad: u64 = ledger
        .requests
        .iter()
        .filter(|((_, _, code), _)| *code >= 500 || *code == 429)
        .map(|(_, count)| count)
        .sum();
    assert!(bad * 100 < ledger.access_lines(), "{bad}");
    // Each try at a node is a line of that node, also where the client left.
    for (node, upstream) in UPSTREAMS.into_iter().enumerate() {
        let tries = ledger.tries.iter().filter(|((tried, _), _)| *tried == upstream);
        let completed: u64 = ledger.nodes[node].requests.values().sum();
        assert_eq!(tries.map(|(_, count)| count).sum::<u64>(), completed);
    }
    let routes: std::collections::BTreeSet<_> = ledger.requests.keys().map(|key| (key.0, key.1)).collect();
    assert_eq!(
        routes.len(),
        service::ENDPOINTS.len() + 2,
        "all, strays, and no HTTP: {routes:?}"
    );
    let caches: std::collections::BTreeSet<_> = exchanges(&entries)
        .filter_map(|exchange| exchange.cache)
        .collect();
    assert!(caches.contains(&crate::record::Cache::Hit) && caches.contains(&crate::record::Cache::Expired));
    assert!(exchanges(&entries).any(|exchange| {
        exchange
            .asked
            .as_ref()
            .is_some_and(|asked| asked.protocol == Protocol::Http3.as_str())
    }));
    assert!(ledger.requests.keys().any(|key| key.2 == 499));
}

fn count(ledger: &Ledger, which: impl Fn(&ledger::Key) -> bool) -> u64 {
    ledger
        .requests
        .iter()
        .filter(|(key, _)| which(key))
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn a_crash_leaves_no_line_and_shows_at_the_next_start() {
    let phases = [
        (Scene::Healthy, 10, 60),
        (Scene::Crash, 20, 60),
        (Scene::Healthy, 30, 60),
    ];
    let (entries, ledger) = run(&options(1, story(&phases)), 61_000);
    assert_eq!(ledger.nodes[0].count(Message::ShutdownServer), 0);
    assert_eq!([0, 1].map(|node| ledger.nodes[node].unclean_exits), [1, 0]);
    assert_eq!(
        [0, 1].map(|node| ledger.nodes[node].count(Message::PrepareApp)),
        [2, 1]
    );
    let dead = START + 12_000..START + 32_000;
    assert!(said(&entries, 0).all(|(time, _)| time <= dead.start || time >= dead.end));
    assert!(ledger.tries.contains_key(&(UPSTREAMS[0], Some(502))));
    assert!(ledger.retried > 0 && count(&ledger, |key| key.2 == 502) * 20 < ledger.access_lines());
}

#[test]
fn a_bad_node_says_so_until_it_is_restarted() {
    let phases = [
        (Scene::Healthy, 10, 60),
        (Scene::BadNode, 20, 60),
        (Scene::Healthy, 30, 60),
    ];
    let (entries, ledger) = run(&options(1, story(&phases)), 61_000);
    let bad = START + 12_000..START + 32_000;
    let of_bad = exchanges(&entries)
        .filter(|exchange| bad.contains(&(exchange.ended - exchange.millis as i64)))
        .flat_map(|exchange| &exchange.tries)
        .filter(|one| one.upstream == UPSTREAMS[1]);
    assert!(of_bad.map(|one| one.code).all(|code| code == Some(500)));
    assert!(
        count(&ledger, |key| key.2 == 500 && key.1 == Method::Post) > 0,
        "not repeated"
    );
    assert_eq!(ledger.nodes[1].count(Message::ShutdownServer), 1);
    assert_eq!(ledger.nodes[1].unclean_exits, 0);
}

#[test]
fn with_every_node_down_the_group_is_named() {
    let phases = [(Scene::Outage, 20, 60), (Scene::Healthy, 20, 60)];
    let (entries, ledger) = run(&options(1, story(&phases)), 41_000);
    assert!(
        exchanges(&entries).any(|exchange| exchange.tries.len() == 1 && exchange.tries[0].upstream == GROUP)
    );
    assert_eq!([0, 1].map(|node| ledger.nodes[node].unclean_exits), [1, 1]);
}

#[test]
fn what_is_over_the_limit_is_refused() {
    let (_, ledger) = run(&options(1, Story::steady(600)), 62_000);
    let refused = count(&ledger, |key| key.2 == 429);
    // Twice 100 a second pass, and what comes from the cache.
    assert!((60 * 350..60 * 400).contains(&refused), "{refused}");
    let said: u64 = ledger
        .nodes
        .iter()
        .map(|node| node.count(Message::TooManyRequests))
        .sum();
    assert_eq!(said, refused);
    let (_, peak) = run(&options(1, Story::steady(120)), 62_000);
    assert_eq!(count(&peak, |key| key.2 == 429), 0, "the peak passes two nodes");
}
