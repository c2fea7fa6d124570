use proptest::prelude::*;

use crate::decode::tests::{Fields, decode_with, request_line, status};
use crate::decode::{Field, Format};
use crate::record::{Attempts, Cache, Method, Protocol, Reject, Request, Scheme, Unmeasured};

#[track_caller]
fn check(line: &(impl AsRef<[u8]> + ?Sized), expect: Result<Request<'_>, Reject>) {
    check_with(&[], line, expect);
}

#[track_caller]
fn check_with(
    fields: &[(Field, &str)],
    line: &(impl AsRef<[u8]> + ?Sized),
    expect: Result<Request<'_>, Reject>,
) {
    let line = line.as_ref();
    let found = decode_with(Format::Json, fields, line);
    assert_eq!(found, expect, "{}", String::from_utf8_lossy(line));
}

fn get(target: &(impl AsRef<[u8]> + ?Sized)) -> Request<'_> {
    Request {
        line: request_line(Method::Get, target),
        ..status(200)
    }
}

#[test]
fn nginx_with_a_request_line() {
    let line = r#"{"time_iso8601":"2023-11-29T22:24:44+03:00","remote_addr":"1.2.3.4","request":"GET /api/movie/5?x=y HTTP/1.1","status":"200","body_bytes_sent":336,"request_time":"0.123","upstream_addr":"10.0.0.1:80, 10.0.0.2:80","upstream_status":"502, 200","upstream_response_time":"0.001, 0.120","upstream_cache_status":"MISS","scheme":"https","http_user_agent":"curl/8.2.1"}"#;
    let expect = Request {
        duration: Ok(123_000_000),
        bytes: 336,
        cache: Some(Cache::Miss),
        protocol: Protocol::Http11,
        scheme: Scheme::Https,
        attempts: Attempts {
            addresses: b"10.0.0.1:80, 10.0.0.2:80".into(),
            codes: b"502, 200".into(),
            durations: b"0.001, 0.120".into(),
            ..Attempts::default()
        },
        time: Some(1_701_285_884_000),
        ..get("/api/movie/5?x=y")
    };
    check(line, Ok(expect));
}

#[test]
fn nginx_with_variables() {
    let line = r#"{"msec": 1701296684.123, "request_method": "POST", "uri": "/operation", "server_protocol": "HTTP/2.0", "response_status": 504, "request_time": 0.4, "upstream_response_time": 0.39, "upstream_addr": "unix:/run/x.sock", "upstream_status": 504}"#;
    let expect = Request {
        line: request_line(Method::Post, "/operation"),
        duration: Ok(400_000_000),
        protocol: Protocol::Http2,
        attempts: Attempts {
            addresses: b"unix:/run/x.sock".into(),
            codes: b"504".into(),
            durations: b"0.39".into(),
            ..Attempts::default()
        },
        time: Some(1_701_296_684_123),
        ..status(504)
    };
    check(line, Ok(expect));
}

#[test]
fn cached_answers_have_no_attempt() {
    let line = r#"{"request":"GET /long_dummy HTTP/1.1","status":200,"upstream_addr":"-","upstream_status":"-","upstream_response_time":"-","upstream_cache_status":"HIT"}"#;
    let expect = Request {
        protocol: Protocol::Http11,
        cache: Some(Cache::Hit),
        ..get("/long_dummy")
    };
    check(line, Ok(expect));
}

#[test]
fn times() {
    for (text, expect) in [
        ("0.123", Ok(123_000_000)),
        ("\"0.123\"", Ok(123_000_000)),
        ("1", Ok(1_000_000_000)),
        ("1.5e-3", Ok(1_500_000)),
        ("-0.001", Err(Unmeasured::Negative)),
        ("1e999", Err(Unmeasured::OverADay)),
        ("\"NaN\"", Err(Unmeasured::NotANumber)),
        ("\"-\"", Err(Unmeasured::Missing)),
        ("\"\"", Err(Unmeasured::Missing)),
        ("null", Err(Unmeasured::Missing)),
        ("true", Err(Unmeasured::Missing)),
        ("[0.1]", Err(Unmeasured::Missing)),
        ("{\"rt\":1}", Err(Unmeasured::Missing)),
    ] {
        let request = Request {
            duration: expect,
            ..status(200)
        };
        check(&format!(r#"{{"status":200,"request_time":{text}}}"#), Ok(request));
    }
    check(
        r#"{"status":200,"duration":1,"response_time":2}"#,
        Ok(status(200)),
    );
}

#[test]
fn what_is_a_request() {
    check(r#"{"level":"info","uri":"/x"}"#, Err(Reject::NoRequest));
    check(r#"{"status":"","request":"-"}"#, Err(Reject::NoRequest));
    check("{}", Err(Reject::NoRequest));
    check(r#"{"status":200}"#, Ok(status(200)));
    check(r#"{"status":"ok"}"#, Ok(status(0)));
    check(r#"{"status":600}"#, Ok(status(0)));
    check(
        r#"{"request":"\u0016\u0003\u0001","status":400}"#,
        Ok(status(400)),
    );
    check(r#"{"request":"garbage"}"#, Ok(status(0)));
    check(r#"{"request_method":"GET","uri":"x"}"#, Ok(status(0)));
    check(r#"{"status":200,"request_method":"GET"}"#, Ok(status(200)));
    // What cannot be parsed does not hide what can.
    check(
        r#"{"request":"garbage","method":"GET","uri":"/a","status":200}"#,
        Ok(get("/a")),
    );
}

#[test]
fn not_an_object() {
    for line in [
        "{",
        "}",
        "[]",
        "1",
        "\"\"",
        "{}}",
        "{} x",
        "{,}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{1:2}",
        "{'a':1}",
        "{\"status\":01}",
        "{\"status\":20",
        "{\"status\":200",
        "{\"status\":+1}",
        "{\"status\":\"2\n0\"}",
        "{\"x\":\"\t\"}",
        "{\"\t\":1}",
        "{\"status\":\"\\q\"}",
        "{\"x\":nul}",
        "{\"status\":200}{\"status\":200}",
    ] {
        check(line, Err(Reject::BrokenJson));
    }
    check(
        " { \"status\" :\t200 , \"x\" : [ { } , \"}\" ] } ",
        Ok(status(200)),
    );
}

#[test]
fn invalid_utf8() {
    let expect = get(b"/\xff\xfe");
    check(
        b"{\"method\":\"GET\",\"uri\":\"/\xff\xfe\",\"\xff\":\"\xff\",\"status\":200}",
        Ok(expect.clone()),
    );
    check(
        b"{\"agent\":\"\xff\",\"x\":[\"\xff\"],\"method\":\"GET\",\"uri\":\"\\/\xff\xfe\",\"status\":200}",
        Ok(expect),
    );
    check(b"{\"status\":200}\xff", Err(Reject::BrokenJson));
}

#[test]
fn escapes() {
    check(r#"{"request":"GET /\u0444\"\\ HTTP/1.1","st\u0061tus":200}"#, {
        Ok(Request {
            protocol: Protocol::Http11,
            ..get("/ф\"\\")
        })
    });
}

#[test]
fn last_duplicate_wins() {
    check(r#"{"status":200,"status":404}"#, Ok(status(404)));
    check(
        r#"{"status":200,"status":null,"status_code":404}"#,
        Ok(status(404)),
    );
    check(r#"{"status":200,"status":{}}"#, Err(Reject::NoRequest));
}

#[test]
fn earlier_aliases_win() {
    let line =
        r#"{"status_code":500,"status":200,"http_status":404,"uri":"/b","method":"GET","request_uri":"/a"}"#;
    check(line, Ok(get("/a")));
    check(
        r#"{"http_status":404,"status_code":"-","response_code":403}"#,
        Ok(status(403)),
    );
}

#[test]
fn mapped_fields() {
    let fields = [
        (Field::Status, "code"),
        (Field::RequestTime, "took"),
        (Field::UpstreamTime, "took"),
    ];
    let expect = Request {
        duration: Ok(500_000_000),
        attempts: Attempts {
            durations: b"0.5".into(),
            ..Attempts::default()
        },
        ..status(503)
    };
    check_with(&fields, r#"{"status":200,"code":503,"took":0.5}"#, Ok(expect));
    check_with(&fields, r#"{"status":200}"#, Err(Reject::NoRequest));
}

#[test]
fn nested_keys() {
    let fields = [
        (Field::Target, "request.uri"),
        (Field::Method, "request.method"),
        (Field::Status, "response.meta.code"),
    ];
    let nested = r#"{"request":{"x":{"uri":"/b"},"uri":"/a","method":"GET"},"response":{"meta":{"code":200},"code":500}}"#;
    check_with(&fields, nested, Ok(get("/a")));
    let flat = r#"{"request.uri":"/a","request.method":"GET","response.meta.code":200}"#;
    check_with(&fields, flat, Ok(get("/a")));
    // The last `request` is the only one.
    let twice =
        r#"{"request":{"uri":"/b","method":"GET"},"request":{"uri":"/a"},"response":{"meta":{"code":200}}}"#;
    check_with(&fields, twice, Ok(status(200)));
    let scalar =
        r#"{"request":{"uri":"/b","method":"GET"},"request":"GET /a HTTP/1.1","response.meta.code":200}"#;
    check_with(
        &fields,
        scalar,
        Ok(Request {
            protocol: Protocol::Http11,
            ..get("/a")
        }),
    );
}

/// As nginx does under `escape=json`.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x08 => out.extend(b"\\b"),
            0x0c => out.extend(b"\\f"),
            0..=0x1f => out.extend(format!("\\u{byte:04X}").bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

/// Pieces that make JSON often enough.
fn jsonish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\":",
        "\"status\":",
        "\"status\":200",
        "\"request\"",
        "{}",
        "[1,2]",
        "1",
        "-0.5e3",
        "null",
        "true",
        " ",
        "\t",
        "\\",
        "\\n",
        "\\u0041",
        "\"\\\"\"",
        "{\"status\":\"x\"}",
        "é",
        ",\"b\":[{}]",
    ]);
    let pieces = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    (pieces, any::<bool>()).prop_map(|(text, wrap)| if wrap { format!("{{{text}}}") } else { text })
}

proptest! {
    #[test]
    fn fields_come_back(fields in Fields::any(), whole: bool, quoted: bool) {
        let quote = if quoted { "\"" } else { "" };
        let mut line = b"{\"agent\":\"".to_vec();
        line.extend(escape(&fields.agent));
        if whole {
            line.extend(format!("\",\"request\":\"{} ", fields.method).bytes());
            line.extend(escape(&fields.target));
            line.extend(b" HTTP/1.1\"");
        } else {
            line.extend(format!("\",\"server_protocol\":\"HTTP/1.1\",\"method\":\"{}\",\"uri\":\"", fields.method).bytes());
            line.extend(escape(&fields.target));
            line.extend(b"\"");
        }
        let (code, bytes, seconds) = (fields.status, fields.bytes, fields.seconds());
        let (mut expect, [addresses, codes]) = fields.expect();
        line.extend(format!(",\"status\":{quote}{code}{quote},\"body_bytes_sent\":{quote}{bytes}{quote}").bytes());
        line.extend(format!(",\"request_time\":{quote}{seconds}{quote}").bytes());
        line.extend(format!(",\"upstream_addr\":\"{addresses}\",\"upstream_status\":\"{codes}\"}}").bytes());
        if addresses != "-" {
            expect.attempts.addresses = addresses.as_bytes().into();
            expect.attempts.codes = codes.as_bytes().into();
        }
        let found = decode_with(Format::Json, &[], &line);
        prop_assert_eq!(found, Ok(expect), "{}", String::from_utf8_lossy(&line));
    }

    #[test]
    fn agrees_with_serde_json_on_what_an_object_is(text in jsonish()) {
        let text = format!("{text} ");
        if !text.trim().is_empty() {
            let object = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.is_object());
            let found = decode_with(Format::Json, &[], text.as_bytes());
            prop_assert_eq!(found != Err(Reject::BrokenJson), object, "{}", text);
        }
    }
}
