use std::time::Duration;

use super::*;
use crate::config::{Config, Overrides};
use crate::record::{Attempts, Code, RequestLine};

const MS: Nanos = 1_000_000;

fn profile() -> Model {
    Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap()
}

fn now() -> Now {
    Now {
        unix: 1_000_000,
        elapsed: Duration::ZERO,
    }
}

pub(super) fn get(target: &str) -> Request<'_> {
    Request {
        line: Some(RequestLine {
            method: Method::Get,
            target: target.as_bytes().into(),
        }),
        code: Code::new(200),
        client_gave_up: false,
        duration: Ok(400 * MS),
        bytes: 7,
        cache: None,
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        attempts: Attempts::default(),
        time: None,
        id: None,
    }
}

/// Counts the requests and gives the row of GET `route`.
#[track_caller]
fn row(requests: &[Request<'_>], method: Method, route: &str) -> RowTally {
    let model = profile();
    let mut tally = Tally::new(&model);
    for request in requests {
        tally.count(
            &model,
            model.routes.resolve(request.line.as_ref()),
            request,
            now(),
        );
    }
    tally
        .rows
        .into_iter()
        .find(|row| &*row.route == route && row.method == method)
        .unwrap()
}

const AVAILABILITY: usize = Slo::Availability as usize;
const LATENCY: usize = Slo::Latency as usize;

#[test]
fn objectives_count_bad_and_good() {
    let requests = [
        get("/api/movie/1"),
        Request {
            duration: Ok(400 * MS + 1),
            ..get("/api/movie/2")
        },
        Request {
            code: Code::new(503),
            ..get("/api/movie/3")
        },
        Request {
            duration: Err(Unmeasured::Missing),
            ..get("/api/movie/4")
        },
        Request {
            code: Code::new(499),
            client_gave_up: true,
            duration: Ok(10),
            ..get("/api/movie/5")
        },
        Request {
            code: Code::new(499),
            client_gave_up: true,
            duration: Ok(500 * MS),
            ..get("/api/movie/6")
        },
    ];
    let row = row(&requests, Method::Get, "/api/movie/{id}");
    assert_eq!(row.events[AVAILABILITY], [2, 3]);
    assert_eq!(row.events[LATENCY], [2, 1]);
    let durations = row.durations.each_ref().map(Histogram::count);
    assert_eq!(durations, [2, 3], "the error histogram holds early aborts too");
    assert_eq!((row.codes.total(), row.bytes), (6, 42));
}

#[test]
fn probes_head_and_other_have_no_events() {
    let head = Request {
        line: Some(RequestLine {
            method: Method::Head,
            target: b"/api/movie/1".as_slice().into(),
        }),
        ..get("")
    };
    assert_eq!(
        row(std::slice::from_ref(&head), Method::Head, "/api/movie/{id}").events,
        [[0; 2]; 2]
    );
    assert_eq!(row(&[get("/ping")], Method::Get, "/ping").events, [[0; 2]; 2]);
    assert_eq!(row(&[get("/nope")], Method::Get, "other").events, [[0; 2]; 2]);
    assert_eq!(
        row(
            &[Request {
                line: None,
                ..get("")
            }],
            Method::Other,
            "other"
        )
        .codes
        .total(),
        1
    );
}

#[test]
fn an_endpoint_without_latency_objective_has_no_latency_events() {
    assert_eq!(
        row(&[get("/api/movie")], Method::Get, "/api/movie").events,
        [[0, 1], [0, 0]]
    );
}

#[test]
fn rows_nobody_configured_show_when_first_seen() {
    let model = profile();
    let mut tally = Tally::new(&model);
    let shown = |tally: &Tally| tally.rows.iter().filter(|row| row.shown).count();
    let before = shown(&tally);
    let request = Request {
        line: Some(RequestLine {
            method: Method::Head,
            target: b"/".as_slice().into(),
        }),
        ..get("")
    };
    tally.count(
        &model,
        model.routes.resolve(request.line.as_ref()),
        &request,
        now(),
    );
    assert_eq!(shown(&tally), before + 1);
}

#[test]
fn retries_are_split_and_group_names_are_no_tries() {
    let attempts = |addresses: &'static str, codes: &'static str| Request {
        attempts: Attempts {
            addresses: addresses.as_bytes().into(),
            codes: codes.as_bytes().into(),
            durations: b"0.001".as_slice().into(),
            ..Attempts::default()
        },
        ..get("/")
    };
    let model = profile();
    let mut tally = Tally::new(&model);
    for request in [
        attempts("10.0.0.1:80, 10.0.0.2:80", "502, 200"),
        attempts("bingo", "502"),
        attempts("-", "-"),
    ] {
        tally.count(
            &model,
            model.routes.resolve(request.line.as_ref()),
            &request,
            now(),
        );
    }
    let tries: Vec<_> = tally
        .upstreams
        .iter()
        .map(|u| (u.name.as_str(), u.codes.total(), u.durations.count()))
        .collect();
    assert_eq!(tries, [("10.0.0.1:80", 1, 1), ("10.0.0.2:80", 1, 0)]);
    assert_eq!(tally.rows.iter().map(|row| row.retried).sum::<u64>(), 1);
}

#[test]
fn another_configuration_keeps_the_series_that_still_exist() {
    let old = profile();
    let mut tally = Tally::new(&old);
    for target in ["/api/movie/1", "/api/customer/1", "/nope"] {
        let request = get(target);
        tally.count(&old, old.routes.resolve(request.line.as_ref()), &request, now());
    }
    let mut config = old.config.clone();
    config
        .endpoints
        .retain(|endpoint| endpoint.path != "/api/customer/{id}");
    config.endpoints[0].objectives.latency = Some(crate::slo::LatencyObjective {
        under: 300 * MS,
        ratio: 0.5,
    });
    let new = Model::new(config).unwrap();
    let carried = tally.clone().carried_over(&new);

    assert_eq!(carried.edges.len(), tally.edges.len() + 1);
    assert_eq!(carried.rows.len(), new.routes.rows.len());
    assert_eq!(carried.protocols, tally.protocols);
    let total = carried.rows.iter().map(|row| row.codes.total()).sum::<u64>();
    assert_eq!(
        total, 2,
        "the dropped endpoint's series are gone, the rest goes on"
    );
    let seconds = carried
        .rows
        .iter()
        .flat_map(|row| &row.durations)
        .map(Histogram::sum_seconds)
        .sum::<f64>();
    assert_eq!(seconds, 0.8);
}
