use std::collections::BTreeMap;

use fearless_simd::dispatch;
use proptest::prelude::*;

use crate::decode::learned::Of;
use crate::decode::{AccessDecoder, AppDecoder, Detection, Field, Format, Learned};
use crate::record::{DurationUnit, Event, Request};

/// What an earlier line taught must never change what a line says: each line after all before it, and by the
/// complete parser alone.
#[track_caller]
fn check_access(decoder: &AccessDecoder, lines: &[impl AsRef<[u8]>]) {
    let (mut learned, mut file, mut file_alone) =
        (Learned::default(), Detection::default(), Detection::default());
    for line in lines {
        let line = line.as_ref();
        assert_eq!(
            decoder.decode_like(line, &mut file, &mut learned, Request::clone),
            decoder.decode(line, &mut file_alone),
            "{}",
            line.escape_ascii()
        );
        assert_eq!(file, file_alone);
    }
}

#[track_caller]
fn check_app(decoder: &AppDecoder, lines: &[impl AsRef<[u8]>]) {
    let mut learned = Learned::default();
    for line in lines {
        let line = line.as_ref();
        assert_eq!(
            decoder.decode_like(line, &mut learned, Event::clone),
            decoder.decode(line),
            "{}",
            line.escape_ascii()
        );
    }
}

fn access(format: Format, fields: &[(Field, &str)]) -> AccessDecoder {
    let fields: BTreeMap<_, _> = fields
        .iter()
        .map(|(field, name)| (*field, (*name).to_owned()))
        .collect();
    AccessDecoder::new(format, &fields)
}

fn app() -> AppDecoder {
    AppDecoder::new(&BTreeMap::new(), Some(DurationUnit::Nanoseconds))
}

/// Whether the last of `lines` is read by what the others taught.
fn is_learned(decoder: &AccessDecoder, lines: &[&str]) -> bool {
    let (mut learned, mut file) = (Learned::default(), Detection::default());
    let (last, before) = lines.split_last().unwrap();
    // The first line may only decide the format.
    for line in before.iter().chain(before) {
        let _ = decoder.decode_like(line.as_bytes(), &mut file, &mut learned, |_| ());
    }
    [Of::Json, Of::Combined]
        .into_iter()
        .any(|of| dispatch!(learned.cpu(), simd => learned.find(simd, of, last.as_bytes()).is_some()))
}

const JSON: &str = r#"{"time_iso8601":"2023-12-02T11:16:47+00:00","request":"GET /api/movie/5 HTTP/1.1","status":200,"request_time":0.004,"http":{"user_agent":"curl/8.2.1"},"tags":["a",1,null],"upstream_addr":"10.0.0.1:80"}"#;
const COMBINED: &str = r#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.2.1" rt=0.123 x urt="0.1, 0.2""#;
const TIMED: &str = r#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.2.1" rt=0.123 uct="0.000" urt="0.122""#;
const QUOTA: &str = r#"{"level":"debug","timestamp":"2023-12-02T11:16:47.381Z","caller":"a:1","msg":"Quota updated.","app_version":"1","os_env":["A=b","C=d"],"quota":5}"#;
const REQUEST: &str = r#"{"level":"info","timestamp":"2023-12-02T16:16:47.381+0500","caller":"a:1","msg":"request completed","app_version":"1","os_env":["A=b"],"http_request_method":"GET","url_path":"/a","http_response_status_code":200,"event_duration":1500}"#;

#[test]
fn what_is_learned_at_once() {
    let decoder = access(Format::Auto, &[]);
    let learned = |from: &str, to: &str| {
        let json = JSON.replace(from, to);
        assert_ne!(json, JSON);
        is_learned(&decoder, &[JSON, &json])
    };
    assert!(learned("/api/movie/5", "/nowhere"));
    assert!(learned("200", "5"));
    assert!(learned("0.004", "12"));
    assert!(learned("curl/8.2.1", ""));
    assert!(learned(
        "10.0.0.1:80",
        "\u{fe}, a longer one than any other value in this line, by far"
    ));
    // The complete parser's.
    assert!(!learned("curl", "cu\\\\rl"));
    assert!(!learned("200", "-5"));
    assert!(!learned("200", "2e2"));
    assert!(!learned("200", "000"));
    assert!(!learned("200", "\"200\""));
    assert!(!learned("null", "true"));
    assert!(!learned("\"status\":200,", ""));
    assert!(!learned("{\"time", "{ \"time"));
    let combined = COMBINED.replace("0.123", "1.5").replace("200 5", "404 0");
    assert!(is_learned(&decoder, &[COMBINED, &combined]));
    assert!(!is_learned(
        &decoder,
        &[COMBINED, &combined.replace("rt=1.5", "rt=1.5, 2")]
    ));
    assert!(!is_learned(
        &decoder,
        &[COMBINED, &combined.replace(" 404 ", " 404.5 ")]
    ));
}

#[test]
fn times_at_the_end_of_a_line() {
    let decoder = access(Format::Combined, &[]);
    let lines = [
        ("0.123", "9.999", true),
        ("rt=0.123", "rt=10.123", true),
        ("0.000", "-", true),
        ("0.000", "0.00x", true),
        ("0.123", "0.12x", false),
        ("curl", "\" rt=0.123 uct=\"0.000\" urt=\"0.122\" rt=", false),
    ];
    for (from, to, learned) in lines {
        let line = TIMED.replacen(from, to, 1);
        assert_ne!(line, TIMED);
        check_access(&decoder, &[TIMED, TIMED, &line]);
        assert_eq!(is_learned(&decoder, &[TIMED, &line]), learned, "{line}");
    }
}

#[test]
fn an_end_that_is_longer_than_a_step() {
    let line = format!("{TIMED} {}", "word ".repeat(20));
    check_access(&access(Format::Combined, &[]), &[&line, &line, &line]);
}

#[test]
fn what_no_layout_may_be_made_of() {
    for (format, line) in [
        // The last of two counts.
        (
            Format::Json,
            r#"{"status":200,"status":500,"user_agent":"long enough for this"}"#,
        ),
        (
            Format::Json,
            r#"{"status":200,"status":null,"user_agent":"long enough for this"}"#,
        ),
        (
            Format::Json,
            r#"{"request":"GET / HTTP/1.1","status":200,"status":null,"user_agent":"long enough for this"}"#,
        ),
        (
            Format::Combined,
            r#"1.2.3.4 - - [-] "GET / HTTP/1.1" 200 5 rt=1 rt=2 and a long tail"#,
        ),
        // A list.
        (
            Format::Combined,
            r#"1.2.3.4 - - [-] "GET / HTTP/1.1" 200 5 urt=1 : 2 and a long tail"#,
        ),
    ] {
        let decoder = access(format, &[]);
        check_access(&decoder, &[line; 3]);
        assert!(!is_learned(&decoder, &[line, line]), "{line}");
    }
}

#[test]
fn a_time_stamp_that_was_remembered() {
    let line =
        |time: &str| format!(r#"{{"time":"{time}","status":200,"user_agent":"long enough for this"}}"#);
    let times = [
        "2023-12-02T11:16:47.381Z",
        "2023-12-02T11:16:47.999Z",
        "2023-12-02T11:16:47.9995Z",
        "2023-12-02T11:16:47.000Z",
        "2023-12-02T11:16:47.0x0Z",
        "2023-12-02T11:16:47.001Z",
        "2023-12-02T11:16:47.001+0500",
        "2023-12-02T11:16:47.002+0500",
        "2023-12-02T11:16:48.002+0500",
        "",
        "-",
        "0000000001701296684.381",
        "0000000001701296684.382",
        "0000000001701296684.38",
        "29/Nov/2023:22:24:44 +0000",
        "29/Nov/2023:22:24:45 +0000",
        // Longer than any that is remembered.
        "2023-12-02T11:16:47.000000000000000000000000Z",
        "",
    ];
    check_access(&access(Format::Json, &[]), &times.map(line));
}

#[test]
fn the_quota_s_line_but_for_its_time() {
    let lines = [
        QUOTA.to_owned(),
        QUOTA.replace("47.381", "47.382"),
        QUOTA.replace(
            "2023-12-02T11:16:47.381Z",
            r#"2023-12-02T11:16:47.383Z","msg":"I am alive."#,
        ),
        QUOTA.replace("2023-12-02T11:16:47.381Z", "never"),
        QUOTA.replace("47.381", "48.382"),
        format!("{QUOTA}{QUOTA}"),
        QUOTA[..QUOTA.len() - 2].to_owned(),
        QUOTA.replace("debug", "warn"),
        format!(" {QUOTA} "),
    ];
    check_app(&app(), &lines);
}

/// A line like `line`, with some of its bytes changed, cut out or doubled.
fn like(line: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"\"\\{}[],:. -=019eE\x00\x1f\x7f\xff".to_vec()),
        any::<u8>()
    ];
    let change = (
        any::<prop::sample::Index>(),
        0..3_usize,
        prop::collection::vec(byte, 0..3),
    );
    prop::collection::vec(change, 0..3).prop_map(move |changes| {
        let mut line = line.as_bytes().to_vec();
        for (at, cut, put) in changes {
            let at = at.index(line.len() + 1);
            let end = (at + cut).min(line.len());
            line.splice(at..end, put);
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn agrees_with_the_complete_parser(
        json in prop::collection::vec(like(JSON), 1..6), combined in prop::collection::vec(like(COMBINED), 1..6),
        timed in prop::collection::vec(like(TIMED), 1..6),
        format in prop::sample::select(vec![Format::Auto, Format::Json, Format::Combined]),
    ) {
        let first = [JSON, COMBINED, TIMED].map(|line| line.as_bytes().to_vec());
        let lines: Vec<Vec<u8>> = first.into_iter().chain(json).chain(combined).chain(timed).collect();
        check_access(&access(format.clone(), &[]), &lines);
        check_access(&access(format, &[(Field::CacheStatus, "http.user_agent"), (Field::Scheme, "tags")]), &lines);
    }

    #[test]
    fn agrees_with_the_complete_parser_on_bingos_own(
        quota in prop::collection::vec(like(QUOTA), 1..6), requests in prop::collection::vec(like(REQUEST), 1..6),
    ) {
        let lines: Vec<Vec<u8>> = [QUOTA.into(), REQUEST.into()].into_iter().chain(quota).chain(requests).collect();
        check_app(&app(), &lines);
    }
}
