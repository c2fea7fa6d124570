use super::*;
use crate::config::{Config, Overrides};
use crate::history::Sheet;
use crate::model::Model;

const START: UnixMillis = 1_795_464_000_000;

fn model() -> Model {
    Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap()
}

fn movie(model: &Model) -> &Row {
    let rows = &mut model.routes.rows.iter();
    rows.find(|row| &*row.route == "/api/movie/{id}" && row.method == Method::Get)
        .unwrap()
}

/// An endpoint that has answered so for each of these minutes: bad, good, slow, fast.
fn endpoint(minutes: &[[u64; 4]]) -> (Endpoint, Objectives) {
    let model = model();
    let movie = movie(&model);
    let mut history = History::new(Arc::clone(&model.edges));
    let mut counts = vec![0; row::width(model.edges.len())];
    let sheet =
        |counts: &Vec<u64>| Sheet::from([(Key::Row(Arc::clone(&movie.route), Method::Get), counts.clone())]);
    let mut now = START;
    history.record(sheet(&counts), None, now);
    for minute in minutes {
        for _ in 0..12 {
            for (cell, more) in counts[row::BAD..].iter_mut().zip(minute) {
                *cell += more / 12;
            }
            counts[row::REQUESTS] += (minute[0] + minute[1]) / 12;
            now += 5_000;
            history.record(sheet(&counts), None, now);
        }
    }
    let live = history.live(&sheet(&counts), None, now);
    (
        Endpoint::new(&history, &live, movie, Method::Get),
        movie.objectives.clone(),
    )
}

/// What is said of such an endpoint.
#[track_caller]
fn check(minutes: &[[u64; 4]], standing: Standing, text: Option<&str>, since_minutes: Option<f64>) {
    let (endpoint, objectives) = endpoint(minutes);
    assert_eq!(endpoint.standing(&objectives), standing);
    let problem = Problem::of(&endpoint, &objectives);
    assert_eq!(problem.as_ref().map(|problem| problem.text.as_str()), text);
    let end = START as f64 / 1e3 + 60.0 * minutes.len() as f64;
    assert_eq!(endpoint.since.map(|since| (end - since) / 60.0), since_minutes);
}

const FINE: [u64; 4] = [0, 1200, 0, 1200];
const FAILS: [u64; 4] = [120, 1080, 0, 1080];

#[test]
fn what_is_said_of_an_endpoint() {
    use Standing::{Idle, Meets, Misses, Recovering};
    check(&[FINE; 7], Meets, None, None);
    check(&[[0; 4]; 7], Idle, None, None);
    check(
        &[FAILS],
        Misses,
        Some("GET /api/movie/{id} misses its objective in the last minute: 10 % errors, allowed 1 %"),
        Some(1.0),
    );
    let said = Some("GET /api/movie/{id} misses its objective in the last minute: 10 % errors, allowed 1 %");
    check(&[FINE, FINE, FINE, FAILS, FAILS], Misses, said, Some(2.0));
    // A minute's pause is none, two are.
    check(&[FAILS, FINE, FAILS], Misses, said, Some(3.0));
    check(&[FAILS, FINE, FINE, FAILS], Misses, said, Some(1.0));
    let said =
        Some("GET /api/movie/{id} meets its objective again; in the last 5 min: 5.9 % errors, allowed 1 %");
    check(&[FAILS, FAILS, FAILS, FINE, FINE], Recovering, said, None);
    check(&[FAILS, FINE, FINE, FINE, FINE, FINE, FINE], Meets, None, None);
    let slow = [0, 1200, 240, 960];
    let said = Some(
        "GET /api/movie/{id} misses its objective in the last minute: 80 % within 400 ms, required 90 %",
    );
    check(&[FINE, slow], Misses, said, Some(1.0));
}

#[test]
fn a_single_error_on_a_quiet_endpoint_is_chance() {
    let (mut endpoint, objectives) = endpoint(&[FINE; 2]);
    let quiet = Window {
        requests: 3,
        bad: 1,
        good: 2,
        ..Window::default()
    };
    endpoint.windows = WINDOWS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), quiet.clone()))
        .collect();
    assert_eq!(endpoint.standing(&objectives), Standing::TooFew);
}

#[test]
fn burn_rates_over_several_windows() {
    let (endpoint, _) = endpoint(&[FAILS; 61]);
    let burn = endpoint.burn_rates(0.99, Slo::Availability);
    let mut windows = WINDOWS.map(|(name, _)| name);
    windows.sort_unstable();
    assert_eq!(burn.keys().copied().collect::<Vec<_>>(), windows);
    assert!(burn.values().all(|burn| (burn - 10.0).abs() < 1e-6), "{burn:?}");
    assert_eq!(burning(&burn), Some("page"), "over 6 for hours");
    let rates = |short, long| BTreeMap::from([("5m", short), ("1h", long), ("2h", 0.5), ("1d", 0.5)]);
    assert_eq!(burning(&rates(15.0, 15.0)), Some("page"));
    assert_eq!(burning(&rates(15.0, 14.0)), None);
    assert_eq!(burning(&rates(1.0, 15.0)), None, "it is over");
    assert_eq!(
        burning(&BTreeMap::from([("2h", 4.0), ("1d", 4.0)])),
        Some("ticket")
    );
}

#[test]
fn quantiles_as_prometheus_gives_them() {
    let edges = [100_000_000, 200_000_000, 400_000_000];
    for (q, buckets, expect) in [
        (0.5, [10, 0, 0, 0], Some(0.05)),
        (0.9, [10, 10, 0, 0], Some(0.18)),
        (0.5, [0, 0, 4, 0], Some(0.3)),
        (0.99, [0, 0, 1, 9], Some(0.4)),
        (0.5, [0; 4], None),
    ] {
        let found = quantile(q, &edges, &buckets);
        assert!(
            found == expect || (found.unwrap() - expect.unwrap()).abs() < 1e-12,
            "{q} {buckets:?}: {found:?}"
        );
    }
    assert_eq!(quantile(0.5, &edges, &[1, 2]), None, "over other edges");
}

#[test]
fn two_nodes_together() {
    let (mut one, _) = endpoint(&[FINE; 2]);
    let (other, _) = endpoint(&[FAILS; 2]);
    let edges = [1];
    let buckets = |endpoint: &mut Endpoint, buckets: [u64; 2]| {
        endpoint.windows.get_mut("5m").unwrap().buckets = buckets.into();
    };
    let mut other = other;
    buckets(&mut one, [1, 2]);
    buckets(&mut other, [10, 20]);
    let mut apart = one.clone();
    one.add(&other, &edges, &edges);
    let window = &one.windows["5m"];
    assert_eq!(
        (window.requests, window.bad, window.good, window.rate),
        (4800, 240, 4560, 40.0)
    );
    assert_eq!(window.buckets, [11, 22]);
    assert_eq!(one.since, other.since);
    apart.add(&other, &edges, &[2]);
    let buckets = &apart.windows["5m"].buckets;
    assert!(
        buckets.is_empty(),
        "nothing can be said of buckets over other edges"
    );
}

#[test]
fn the_sentence() {
    let problem = |level, text: &str, weight| Problem {
        weight,
        ..Problem::new(level, text.to_owned(), None)
    };
    let said = |problems| Verdict::new("serving 118 req/s", problems, 100.0).sentence;
    assert_eq!(said(vec![]), "serving 118 req/s; all objectives are met");
    let two = vec![
        problem(Level::Warning, "w", 9.0),
        problem(Level::Failing, "a", 1.0),
        problem(Level::Failing, "b", 2.0),
    ];
    assert_eq!(said(two), "serving 118 req/s; b; and 1 more");
    let since = vec![Problem::new(Level::Failing, "c".into(), Some(70.0))];
    assert_eq!(said(since), "serving 118 req/s; c, for 30 s");
}
