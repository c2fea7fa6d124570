use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::decode::{AccessDecoder, Detection, Format};
use crate::record::{Code, Reject, Request, Scheme, UnixMillis, Unmeasured};

fn decode(line: &str) -> Result<Option<Request<'_>>, Reject> {
    decode_in(&TimeZone::UTC, line)
}

fn decode_in<'a>(zone: &TimeZone, line: &'a str) -> Result<Option<Request<'a>>, Reject> {
    let decoder = AccessDecoder::new(Format::Haproxy, &BTreeMap::new()).in_zone(&zone.clone().into());
    decoder.decode(line.as_bytes(), &mut Detection::default())
}

/// A line with these timers, status and termination state.
fn line(timers: &str, status: &str, termination: &str) -> String {
    format!(
        "10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 {timers} {status} 2750 - - {termination} 1/1/1/1/0 0/0 \
         {{1wt.eu}} {{}} \"GET /index.html HTTP/1.1\""
    )
}

#[track_caller]
fn check(timers: &str, status: &str, termination: &str, expect: (i64, bool, Result<u64, Unmeasured>)) {
    let line = line(timers, status, termination);
    let request = decode(&line).unwrap().unwrap();
    let (code, gave_up, duration) = expect;
    assert_eq!(
        (request.code, request.client_gave_up, request.duration),
        (
            Code::new(code),
            gave_up,
            duration.map(|millis| millis * 1_000_000)
        ),
        "{line}"
    );
}

#[test]
fn timers_and_termination() {
    check("10/0/30/69/109", "200", "----", (200, false, Ok(109)));
    check("10/0/30/69/+109", "200", "----", (200, false, Ok(109)));
    // The client left: in the queue, while connecting, while waiting.
    check("0/5/-1/-1/5", "503", "CQ--", (503, true, Ok(5)));
    check("0/0/-1/-1/9", "-1", "CC--", (0, true, Ok(9)));
    check("0/0/1/-1/2500", "400", "CH--", (400, true, Ok(2500)));
    // It left while the answer came, or never sent a request: other proxies say 200 and 400.
    check("0/0/1/5/80", "200", "CD--", (200, false, Ok(80)));
    check("-1/-1/-1/-1/10000", "408", "cR--", (408, false, Ok(10_000)));
    // The server is at fault.
    check("0/0/-1/-1/3000", "503", "SC--", (503, false, Ok(3000)));
    check("0/0/1/-1/60000", "504", "sH--", (504, false, Ok(60_000)));
    check(
        "0/0/-1/-1/-1",
        "503",
        "SC--",
        (503, false, Err(Unmeasured::Negative)),
    );
}

#[test]
fn tries() {
    let tries = |server: &str, retries: &str, timers: &str| -> Vec<(String, Code, Option<u64>)> {
        let line = line(timers, "200", "----")
            .replace("static/srv1", server)
            .replace("/1/1/1/0", &format!("/1/1/1/{retries}"));
        let request = decode(&line).unwrap().unwrap();
        let tries = request.attempts.iter().map(|attempt| {
            let name = String::from_utf8(attempt.upstream.to_vec()).unwrap();
            (name, attempt.code, attempt.duration)
        });
        tries.collect()
    };
    let last = ("static/srv1".to_owned(), Code::new(200), Some(69_000_000));
    let untold = ("other".to_owned(), Code::NONE, None);
    assert_eq!(
        tries("static/srv1", "0", "10/0/30/69/109"),
        std::slice::from_ref(&last)
    );
    assert_eq!(
        tries("static/srv1", "+1", "10/0/30/69/109"),
        [untold, last.clone()]
    );
    assert_eq!(tries("static/<NOSRV>", "3", "10/-1/-1/-1/109"), []);
    let silent = (last.0, Code::NONE, None);
    assert_eq!(tries("static/srv1", "0", "10/0/30/-1/109"), [silent]);
}

#[track_caller]
fn check_time(zone: &TimeZone, prefix: &str, expect: UnixMillis) {
    let line = format!("{prefix}{}", line("10/0/30/69/109", "200", "----"));
    let request = decode_in(zone, &line).unwrap().unwrap();
    assert_eq!(request.time, Some(expect), "{line}");
    assert_eq!(request.line.unwrap().target.as_ref(), b"/index.html");
}

#[test]
fn the_end_in_the_zone_of_the_machine_or_of_the_prefix() {
    // 12:14:14.655 and 109 ms.
    let utc = 1_233_922_454_764;
    for prefix in [
        "",
        "<134>",
        "<134>Feb  6 12:14:14 haproxy[14389]: ",
        "Feb  6 12:14:14 lb-1 haproxy[14389]: ",
        "<134>1 - lb haproxy 14389 - - ",
    ] {
        check_time(&TimeZone::UTC, prefix, utc);
        check_time(&TimeZone::fixed(jiff::tz::offset(3)), prefix, utc - 3 * 3_600_000);
    }
    let posix = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    check_time(&posix, "", utc - 3_600_000);
    for prefix in [
        "2009-02-06T15:14:15.100000+03:00 lb haproxy[14389]: ",
        "<134>1 2009-02-06T12:14:15.100Z lb haproxy 14389 - - ",
        "<134>1 2009-02-06T12:14:15.100Z lb haproxy 14389 - [origin x=\"[06/Feb/2009\"] ",
    ] {
        check_time(&posix, prefix, 1_233_922_455_100);
    }
}

#[test]
fn other_shapes() {
    let whole = line("10/0/30/69/109", "200", "----");
    // Cut by a syslog that takes no more; the status is known.
    for cut in [
        &whole[..whole.len() - 1],
        &whole[..whole.len() - 12],
        whole.split(" {").next().unwrap(),
    ] {
        assert_eq!(decode(cut).unwrap().unwrap().code, Code::new(200), "{cut}");
    }
    let secure =
        whole.replace("http-in", "http-in~") + " 0/0/0/0/0 bingo.example/TLSv1.3/TLS_AES_128_GCM_SHA256";
    assert_eq!(decode(&secure).unwrap().unwrap().scheme, Scheme::Https);
    let bad = whole.replace("GET /index.html HTTP/1.1", "<BADREQ>");
    assert_eq!(decode(&bad).unwrap().unwrap().line, None);
    for notice in [
        "Proxy http-in started.",
        "<133>Feb  6 12:12:56 haproxy[1]: Server static/srv1 is DOWN, reason: Layer4 timeout.",
        "10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in/1: SSL handshake failure",
    ] {
        assert_eq!(decode(notice), Ok(None), "{notice}");
    }
    for other in [
        "x".to_owned(),
        "10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0".to_owned(),
        whole.replace(" 200 ", " OK "),
        whole.replace("10/0/30/69/109", "10/0/30/69"),
        whole.replace("06/Feb", "06-Feb"),
    ] {
        assert_eq!(decode(&other), Err(Reject::UnknownFormat), "{other}");
    }
}
