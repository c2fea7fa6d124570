//! What Prometheus makes of restarts, in its own numbers, and what it gets while a long stop is caught up.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::{Place, wait_counted};
use crate::support::clock::{DEADLINE, now, unix_now, wait_until};
use crate::support::exporter::{Exporter, command};
use crate::support::exposition::Exposition;
use crate::support::log;
use crate::support::ports::free_port;
use crate::support::prometheus::Prometheus;
use crate::support::writer::{Progress, Reopening, Writer};

/// Lines a second.
const RATE: u64 = 1_000;

const LINES: u64 = 24_000;

/// Every other line.
const MOVIES: &str = "bingo_http_requests_total{route=\"/api/movie/{id}\",method=\"GET\",code=\"200\"}";

/// When the exporter is ended, how, and at which line it is started again.
const STOPS: [(u64, Signal, u64); 4] = [
    (4_000, Signal::TERM, 4_000),
    (8_000, Signal::KILL, 8_000),
    (11_000, Signal::KILL, 14_500),
    (18_000, Signal::TERM, 20_000),
];

/// Only what has a series from the start: of one that is born later, nobody can see the first step.
fn line(number: u64) -> String {
    let (request, code) = match number % 8 {
        1 => ("POST /operation", 200),
        3 => ("GET /long_dummy", 504),
        5 => ("DELETE /api/session/{n}", 429),
        7 => ("GET /nowhere/{n}", 500),
        _ => ("GET /api/movie/{n}", 200),
    };
    log::line(&request.replace("{n}", &number.to_string()), code, number % 2_000)
}

fn start_at(place: &Place, address: SocketAddr) -> Exporter {
    let listen = address.to_string();
    let args = place.args().into_iter().chain(["--web.listen-address", &listen]);
    Exporter::spawn(&mut command(&args.collect::<Vec<_>>()))
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

#[test]
fn every_line_and_no_reset_over_restarts() {
    let (place, address, progress) = (Place::new(), address(), Progress::default());
    let exporter = start_at(&place, address);
    exporter.wait_ready();
    // A busy machine needs the patience that comes with the interval.
    let replicas = [(); 2].map(|()| Prometheus::start_every(2, address));
    for replica in &replicas {
        wait_until("the zeros to be scraped", DEADLINE, || {
            !replica.query(MOVIES).is_empty()
        });
    }

    let marker = place.dir.path().join("reopen");
    let writer = Writer::new(&place.log, line, marker, Reopening::WhenTold, &progress);
    let (exporter, lives) = thread::scope(|scope| {
        scope.spawn(|| writer.write(LINES, RATE));
        restart(&place, exporter, &progress)
    });
    wait_counted(&exporter, u32::try_from(LINES).unwrap());
    for replica in &replicas {
        wait_until("all to be scraped", DEADLINE, || {
            replica.query("sum(bingo_http_requests_total)").value("", &[]) == Some(LINES as f64)
        });
        judge(replica, &lives);
    }
}

/// Ends and starts it; the last one, and from when to when each was there.
fn restart(place: &Place, mut exporter: Exporter, progress: &Progress) -> (Exporter, Vec<(f64, f64)>) {
    let (address, mut lives, mut born) = (exporter.address, vec![], unix_now());
    for (at, signal, until) in STOPS {
        wait_until("the writer", DEADLINE, || progress.written() >= at);
        lives.push((born, unix_now()));
        exporter.end(signal);
        wait_until("the writer", DEADLINE, || progress.written() >= until);
        exporter = start_at(place, address);
        born = unix_now();
    }
    lives.push((born, f64::MAX));
    (exporter, lives)
}

fn judge(replica: &Prometheus, lives: &[(f64, f64)]) {
    let resets = resets(replica);
    assert!(resets.len() > 10, "{resets:?}");
    assert!(resets.values().all(|resets| *resets == 0.0), "{resets:?}");

    // Over a window that begins and ends with a sample, so that nothing is extrapolated.
    let movies = replica.samples(MOVIES);
    let (first, last) = (movies[0], movies[movies.len() - 1]);
    assert_eq!(first.1, 0.0);
    assert_eq!(last.1, (LINES / 2) as f64);
    let millis = ((last.0 - first.0) * 1000.0).round();
    let increase = replica.query_at(
        last.0,
        &format!("sum(increase(bingo_http_requests_total[{millis}ms]))"),
    );
    let increase = increase.value("", &[]).unwrap();
    assert!((increase - LINES as f64).abs() < 0.001, "{increase}");

    // The lines of a stop come at once at its end, and never more than those.
    for pair in movies.windows(2) {
        let ((before, low), (after, high)) = (pair[0], pair[1]);
        let most = (RATE / 2) as f64 * (after - before + 3.0);
        assert!(low <= high && high - low <= most, "{pair:?}");
    }

    // A scrape under way when it is ended may fail.
    let up = replica.samples("up");
    let alive = |time: f64| {
        lives
            .iter()
            .any(|(born, died)| (*born..*died - 2.5).contains(&time))
    };
    let down: Vec<_> = up
        .iter()
        .filter(|(time, up)| *up == 0.0 && alive(*time))
        .collect();
    assert!(down.is_empty(), "down at {down:?}, alive {lives:?}");
    assert!(up.iter().filter(|(_, up)| *up == 1.0).count() > 8, "{up:?}");
}

/// How often each counter was reset, by name.
fn resets(replica: &Prometheus) -> BTreeMap<String, f64> {
    let counters = "{__name__=~\"bingo_(http|slo|upstream|exporter)_.+_(total|bucket|count|sum)\"}";
    let names = replica.query(&format!("count by (__name__) (last_over_time({counters}[1h]))"));
    let names: Vec<String> = names.names().map(str::to_owned).collect();
    let resets = |name: &String| {
        let resets = replica.query(&format!("sum(resets({name}[1h]))"));
        resets.value("", &[]).unwrap()
    };
    // This one counts one life.
    let lasting = names
        .into_iter()
        .filter(|name| name != "bingo_exporter_limit_hits_total");
    lasting.map(|name| (name.clone(), resets(&name))).collect()
}

/// So much to read that it takes seconds: nothing is shown of it before all is counted, and still `up` is 1.
#[test]
fn a_long_stop_is_shown_at_once_when_it_is_caught_up() {
    const ROUNDS: usize = 120;
    let (place, address) = (Place::new(), address());
    let exporter = start_at(&place, address);
    exporter.wait_ready();
    place.write(1_000);
    wait_counted(&exporter, 1_000);
    exporter.end(Signal::TERM);
    let block = log::many(2_000);
    for _ in 0..ROUNDS {
        log::append(&place.log, &block);
    }
    let total = (1_000 + ROUNDS * 2_000) as f64;

    let prometheus = Prometheus::start_every(2, address);
    let exporter = start_at(&place, address);
    let born = unix_now();
    let mut withheld = vec![];
    wait_until("the stop to be caught up", DEADLINE, || {
        let (ready, begin) = (exporter.get("/-/ready").status, now());
        let text = exporter.scrape("*/*");
        let metrics = Exposition::parse(text.text());
        let requests =
            metrics.only(|name| !name.starts_with("bingo_exporter_") && !name.starts_with("process_"));
        let catching_up = metrics.value("bingo_exporter_catching_up", &[]).unwrap();
        if catching_up == 1.0 {
            withheld.push(begin.elapsed());
            assert_eq!((ready, requests.len()), (503, 0));
            return false;
        }
        assert_eq!(metrics.sum("bingo_http_requests_total", &[]), total);
        true
    });
    // A scrape waits a second for the end; the slowest may have met a busy machine.
    let quickest = withheld.iter().min().expect("caught up too soon to see anything");
    assert!(*quickest < Duration::from_secs(2), "{withheld:?}");
    assert_eq!(exporter.get("/-/ready").status, 200);
    // They carry a time stamp of long ago.
    assert_eq!(
        exporter.metrics().sum("bingo_exporter_late_lines_total", &[]),
        total
    );

    wait_until("all to be scraped", DEADLINE, || {
        prometheus.query("sum(bingo_http_requests_total)").value("", &[]) == Some(total)
    });
    let movies = prometheus
        .samples("bingo_slo_requests_total{route=\"/\",method=\"GET\",slo=\"availability\",result=\"good\"}");
    assert!(
        movies.iter().all(|(_, value)| *value == movies[0].1),
        "never half: {movies:?}"
    );
    let up = prometheus.samples("up");
    assert!(
        up.iter().all(|(time, up)| *up == 1.0 || *time < born),
        "born {born}: {up:?}"
    );
}
