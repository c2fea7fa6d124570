use proptest::prelude::*;

use crate::decode::tests::{Fields, decode_with, request_line, status};
use crate::decode::{Field, Format};
use crate::record::{Attempts, Method, Protocol, Reject, Request, Unmeasured};

const TIME: Option<i64> = Some(1_701_296_684_000);

#[track_caller]
fn check(line: &(impl AsRef<[u8]> + ?Sized), expect: Result<Request<'_>, Reject>) {
    let line = line.as_ref();
    let found = decode_with(Format::Combined, &[], line);
    assert_eq!(found, expect, "{}", String::from_utf8_lossy(line));
}

/// The head of a line, `rest`, and what a line with that head decodes to.
#[track_caller]
fn check_rest(rest: &str, expect: impl FnOnce(Request<'_>) -> Request<'_>) {
    let line = format!(r#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 336{rest}"#);
    check(&line, Ok(expect(get("/"))));
}

fn get(target: &str) -> Request<'_> {
    Request {
        line: request_line(Method::Get, target),
        bytes: 336,
        protocol: Protocol::Http11,
        time: TIME,
        ..status(200)
    }
}

#[test]
fn nginx_default() {
    let line =
        r#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/3.0" 200 336 "-" "curl/8.2.1-DEV" "-""#;
    check(
        line,
        Ok(Request {
            protocol: Protocol::Http3,
            ..get("/")
        }),
    );
}

#[test]
fn common_log_format() {
    check_rest("", |request| request);
}

#[test]
fn virtual_host_first() {
    let line =
        r#"bingo.example:443 1.2.3.4 - bob [29/Nov/2023:22:24:44 +0000] "GET /a HTTP/1.1" 200 336 "-" "-""#;
    check(line, Ok(get("/a")));
}

#[test]
fn unnamed_trailing_fields_mean_nothing() {
    check_rest(r#" "-" "curl" "h3" "10.0.0.1:80" 0.003"#, |request| request);
    check_rest(r#" "-" "rt=0.1" rt =0.1 "#, |request| request);
}

#[test]
fn named_trailing_fields() {
    check_rest(
        r#" "-" "curl" "-" rt=0.123 uct="0.000" uht="0.120" urt="0.001, 0.120" upstream_addr="a:1, b:2" upstream_status=502, 200"#,
        |request| Request {
            duration: Ok(123_000_000),
            attempts: Attempts {
                addresses: b"a:1, b:2".into(),
                codes: b"502, 200".into(),
                durations: b"0.001, 0.120".into(),
                ..Attempts::default()
            },
            ..request
        },
    );
}

#[test]
fn lists_without_quotes() {
    for (rest, durations) in [
        ("urt=0.1, 0.2 : 0.3 rt=0.5", "0.1, 0.2 : 0.3"),
        ("urt=0.1 rt=0.5", "0.1"),
        ("urt=0.1 :  rt=0.5", "0.1 : "),
        ("urt=- rt=0.5", ""),
        ("rt=0.5 urt=0.1, 0.2", "0.1, 0.2"),
        ("rt=0.5 urt=0.1 :", "0.1"),
        ("rt=0.5 urt=0.1,", "0.1,"),
    ] {
        check_rest(&format!(" {rest}"), |request| Request {
            duration: Ok(500_000_000),
            attempts: Attempts {
                durations: durations.as_bytes().to_vec().into(),
                ..Attempts::default()
            },
            ..request
        });
    }
}

#[test]
fn times() {
    check_rest(" rt=-", |request| request);
    check_rest(" rt=", |request| request);
    check_rest(" rt=x", |request| Request {
        duration: Err(Unmeasured::NotANumber),
        ..request
    });
    check_rest(" request_time=1", |request| Request {
        duration: Ok(1_000_000_000),
        ..request
    });
}

#[test]
fn mapped_fields() {
    let line = br#"- [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 336 took=0.5 rt=9 code=500"#;
    let fields = [(Field::RequestTime, "took"), (Field::Status, "code")];
    let expect = Request {
        duration: Ok(500_000_000),
        ..get("/")
    };
    assert_eq!(decode_with(Format::Combined, &fields, line), Ok(expect));
}

#[test]
fn requests_that_are_none() {
    let bad = || Request {
        time: TIME,
        bytes: 150,
        ..status(400)
    };
    for request in [
        "",
        "-",
        r"\x16\x03\x01",
        r"\x16\x03\x01\x00 \x22 HTTP/1.1",
        "GET /a b HTTP/1.1",
    ] {
        check(
            &format!(r#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "{request}" 400 150 "-" "-""#),
            Ok(bad()),
        );
    }
    check(r#"- [x] "-" - -"#, Err(Reject::NoRequest));
    check(r#"- [x] "?" - -"#, Ok(status(0)));
    let unanswered = Request {
        line: request_line(Method::Get, "/"),
        protocol: Protocol::Http11,
        ..status(0)
    };
    check(r#"- [x] "GET / HTTP/1.1" - -"#, Ok(unanswered));
}

#[test]
fn escapes() {
    check(
        r#"- - - [29/Nov/2023:22:24:44 +0000] "GET /\x22\xd1\x84\\\"\x HTTP/1.1" 200 336 "\"" "\\""#,
        Ok(get("/\"ф\\\"\\x")),
    );
    check(r#"- [29/Nov/2023:22:24:44 +0000] "GET /\t HTTP/1.1" 200 336"#, {
        Ok(Request {
            line: None,
            protocol: Protocol::Other,
            ..get("/")
        })
    });
}

/// The remote user is whatever a client sends.
#[test]
fn remote_users_fool_nobody() {
    for user in [
        "a b",
        "[29/Nov/2001:00:00:00 +0000]",
        "] [",
        r"\x22GET /ping HTTP/1.1\x22 200 1",
        r#"[29/Nov/2001:00:00:00 +0000] \"GET /ping HTTP/1.1\" 200 1"#,
        r"\",
        "rt=9",
    ] {
        check(
            &format!(r#"1.2.3.4 - {user} [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 336"#),
            Ok(get("/")),
        );
    }
}

#[test]
fn other_formats() {
    for line in [
        "x",
        "\"",
        "\\",
        r#""GET / HTTP/1.1" 200 336"#,
        r#"- [x "GET / HTTP/1.1" 200 336"#,
        r#"- x] "GET / HTTP/1.1" 200 336"#,
        r#"- [x]"GET / HTTP/1.1" 200 336"#,
        r#"- [x] "GET / HTTP/1.1"#,
        r#"- [x] "GET / HTTP/1.1""#,
        r#"- [x] "GET / HTTP/1.1" 200"#,
        r#"- [x] "GET / HTTP/1.1" 200 "#,
        r#"- [x] "GET / HTTP/1.1" 200 "-" "-""#,
        r#"- [x] "GET / HTTP/1.1" 200 0.003"#,
        r#"- [x] "GET / HTTP/1.1" OK 336"#,
        r#"- [x] "GET / HTTP/1.1"200 336"#,
        r#"- [x] "GET / HTTP/1.1" 200 336 "-" "cur"#,
        r#"- [x] "GET / HTTP/1.1" 200 336 "-" "cur\""#,
        r#"- [x] "GET / HTTP/1.1" 200 336 urt="0.1, "#,
        "[29/Nov/2023:22:24:44 +0000] 1.2.3.4 - - - bingo to: 10.0.0.1:80: GET / HTTP/1.1 200 request_time 0.003",
        "BINGO: [29/Nov/2023:22:24:44 +0000] 200, GET / HTTP/1.1, to: 10.0.0.1:80 request_time: 0.003 sec, from -, -",
    ] {
        check(line, Err(Reject::UnknownFormat));
    }
}

/// As nginx does by default.
fn escape(text: &[u8]) -> String {
    let escaped = text.iter().map(|byte| match byte {
        b'"' | b'\\' | 0..=0x1f | 0x7f.. => format!("\\x{byte:02X}"),
        _ => char::from(*byte).to_string(),
    });
    escaped.collect()
}

proptest! {
    #[test]
    fn fields_come_back(fields in Fields::any(), user in prop::collection::vec(any::<u8>(), 0..20), quoted: bool) {
        let (agent, target, user) = (escape(&fields.agent), escape(&fields.target), escape(&user));
        let (method, code, bytes, seconds) = (fields.method, fields.status, fields.bytes, fields.seconds());
        let (mut expect, [addresses, codes]) = fields.expect();
        let quote = if quoted { "\"" } else { "" };
        let line = format!(
            "1.2.3.4 - {user} [29/Nov/2023:22:24:44 +0000] \"{method} {target} HTTP/1.1\" {code} {bytes} \"-\" \
             \"{agent}\" upstream_addr={quote}{addresses}{quote} rt={seconds} upstream_status={quote}{codes}{quote}"
        );
        expect.time = TIME;
        if addresses != "-" {
            expect.attempts.addresses = addresses.as_bytes().into();
            expect.attempts.codes = codes.as_bytes().into();
        }
        let found = decode_with(Format::Combined, &[], line.as_bytes());
        prop_assert_eq!(found, Ok(expect), "{}", line);
    }
}
