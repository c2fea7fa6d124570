//! What holds in every format, and what the tests of the formats share.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::record::{Attempts, Code, Method, Protocol, RequestLine, Scheme, Text, Unmeasured};

/// Decodes with a mapping of fields such as `[(Field::Status, "code")]`.
pub(super) fn decode_with<'a>(
    format: Format,
    fields: &[(Field, &str)],
    line: &'a [u8],
) -> Result<Request<'a>, Reject> {
    let fields = fields.iter().map(|(field, key)| (*field, (*key).to_owned()));
    let decoder = AccessDecoder::new(format, &fields.collect());
    decoder
        .decode(line, &mut Detection::default())
        .map(|request| request.expect("no line is ignored"))
}

/// A line that says nothing but its status.
pub(super) fn status(code: i64) -> Request<'static> {
    Request {
        line: None,
        code: Code::new(code),
        client_gave_up: false,
        duration: Err(Unmeasured::Missing),
        bytes: 0,
        cache: None,
        protocol: Protocol::Other,
        scheme: Scheme::Unknown,
        attempts: Attempts::default(),
        time: None,
        id: None,
    }
}

pub(super) fn request_line(method: Method, target: &(impl AsRef<[u8]> + ?Sized)) -> Option<RequestLine<'_>> {
    Some(RequestLine {
        method,
        target: target.as_ref().into(),
    })
}

/// What a random line is made of.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) method: &'static str,
    pub(super) target: Vec<u8>,
    /// Not ours to read, and whatever the client sent.
    pub(super) agent: Vec<u8>,
    pub(super) status: i64,
    pub(super) bytes: u32,
    pub(super) millis: u32,
    pub(super) upstreams: Vec<u8>,
}

impl Fields {
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let methods = prop::sample::select(vec!["GET", "HEAD", "DELETE", "PURGE"]);
        let byte = any::<u8>().prop_filter("allowed in a target", |byte| *byte > b' ' && *byte != 0x7f);
        let target = prop::collection::vec(byte, 0..20).prop_map(|rest| [b"/".as_slice(), &rest].concat());
        let agent = prop::collection::vec(any::<u8>(), 0..20);
        let upstreams = prop::collection::vec(any::<u8>(), 0..4);
        (
            methods,
            target,
            agent,
            100..600_i64,
            any::<u32>(),
            0..86_400_000_u32,
            upstreams,
        )
            .prop_map(|(method, target, agent, status, bytes, millis, upstreams)| Self {
                method,
                target,
                agent,
                status,
                bytes,
                millis,
                upstreams,
            })
    }

    /// What the line must decode to.
    pub(super) fn expect(&self) -> (Request<'_>, [String; 2]) {
        let request = Request {
            line: request_line(Method::parse(self.method.as_bytes()), &self.target),
            client_gave_up: self.status == 499,
            duration: Ok(u64::from(self.millis) * 1_000_000),
            bytes: u64::from(self.bytes),
            protocol: Protocol::Http11,
            ..status(self.status)
        };
        (request, [self.addresses(), self.codes()])
    }

    pub(super) fn seconds(&self) -> String {
        format!("{}.{:03}", self.millis / 1000, self.millis % 1000)
    }

    pub(super) fn addresses(&self) -> String {
        self.list(|host| format!("10.0.0.{host}:80"))
    }

    pub(super) fn codes(&self) -> String {
        self.list(|host| (300 + u16::from(host)).to_string())
    }

    fn list(&self, entry: impl Fn(u8) -> String) -> String {
        let entries: Vec<_> = self.upstreams.iter().map(|host| entry(*host)).collect();
        if entries.is_empty() {
            "-".to_owned()
        } else {
            entries.join(", ")
        }
    }
}

#[track_caller]
fn check(format: Format, line: &str, expect: Result<i64, Reject>) {
    let found = decode_with(format, &[], line.as_bytes()).map(|request| request.code);
    assert_eq!(found, expect.map(Code::new), "{line:?}");
}

#[test]
fn format_by_line() {
    let combined = r#"- - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 3"#;
    check(Format::Auto, combined, Ok(200));
    check(Format::Combined, combined, Ok(200));
    check(Format::Json, combined, Err(Reject::BrokenJson));
    let json = r#" {"status":201}"#;
    check(Format::Auto, json, Ok(201));
    check(Format::Json, json, Ok(201));
    check(Format::Combined, json, Err(Reject::UnknownFormat));
}

#[test]
fn line_ends() {
    check(Format::Auto, "{\"status\":200}\r", Ok(200));
    check(Format::Auto, "- [-] \"GET / HTTP/1.1\" 200 3\r", Ok(200));
    for blank in ["", "\r", " ", "\t \r"] {
        for format in [Format::Auto, Format::Json, Format::Combined] {
            check(format, blank, Err(Reject::Empty));
        }
    }
}

#[test]
fn clients_that_gave_up() {
    for (text, gave_up) in [
        ("499", true),
        ("0", true),
        ("000", true),
        ("-1", true),
        ("200", false),
        ("x", false),
    ] {
        let line = format!(r#"{{"status":"{text}"}}"#);
        let request = decode_with(Format::Json, &[], line.as_bytes()).unwrap();
        assert_eq!(request.client_gave_up, gave_up, "{text}");
    }
}

#[test]
fn body_bytes_before_bytes() {
    for (fields, expect) in [
        (r#""bytes_sent":9,"body_bytes_sent":5"#, 5),
        (r#""bytes_sent":9,"body_bytes_sent":"-""#, 9),
        (r#""bytes_sent":9,"body_bytes_sent":"x""#, 9),
        (r#""bytes_sent":-9"#, 0),
        (r#""bytes_sent":99999999999999999999"#, 0),
    ] {
        let line = format!(r#"{{"status":200,{fields}}}"#);
        assert_eq!(
            decode_with(Format::Json, &[], line.as_bytes()).unwrap().bytes,
            expect,
            "{fields}"
        );
    }
}

#[test]
fn the_first_status_that_is_a_number() {
    check(Format::Json, r#"{"status":"success","status_code":404}"#, Ok(404));
    check(Format::Json, r#"{"status":500,"status_code":404}"#, Ok(500));
    check(Format::Json, r#"{"status":"success"}"#, Ok(0));
}

#[test]
fn the_first_time_that_is_one() {
    for (fields, expect) in [
        (r#""msec":"1701296684.123""#, Some(1_701_296_684_123)),
        (r#""msec":1701296684.123"#, Some(1_701_296_684_123)),
        (r#""time":"today","msec":1701296684.123"#, Some(1_701_296_684_123)),
        (
            r#""ts":1,"time_local":"29/Nov/2023:22:24:44 +0000""#,
            Some(1_701_296_684_000),
        ),
        (r#""time":"today""#, None),
    ] {
        let line = format!(r#"{{"status":200,{fields}}}"#);
        assert_eq!(
            decode_with(Format::Json, &[], line.as_bytes()).unwrap().time,
            expect,
            "{fields}"
        );
    }
}

/// No allocation in the common case.
#[test]
fn targets_are_borrowed() {
    for line in [
        r#"{"request":"GET /api/movie/5 HTTP/1.1","status":200}"#,
        r#"- [-] "GET /api/movie/5 HTTP/1.1" 200 3"#,
    ] {
        let request = decode_with(Format::Auto, &[], line.as_bytes()).unwrap();
        assert!(matches!(
            request.line.unwrap().target,
            Text::Borrowed(b"/api/movie/5")
        ));
    }
}

proptest! {
    #[test]
    fn never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        json in r#"\{("(status|request|upstream_addr|time)":("[ -~]{0,20}"|-?[0-9e.]{1,9}),?){0,4}[}\\" ]?"#,
        combined in r#"[ -~]{0,20}\[[ -~]{0,30}\] "[ -~]{0,30}" [0-9-]{1,3} [0-9-]{1,3}[ -~]{0,60}"#,
    ) {
        for line in [&bytes, json.as_bytes(), combined.as_bytes(), &[json.as_bytes(), &bytes].concat()] {
            for format in [Format::Auto, Format::Json, Format::Combined] {
                if let Ok(request) = decode_with(format, &[], line) {
                    request.attempts.iter().for_each(drop);
                }
            }
        }
        let list = Cow::Borrowed(bytes.as_slice());
        let attempts = Attempts { addresses: list.clone(), codes: list.clone(), durations: list, ..Attempts::default() };
        prop_assert!(attempts.iter().all(|attempt| attempt.upstream.len() <= 128));
    }
}
