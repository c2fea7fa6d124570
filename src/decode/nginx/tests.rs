use std::collections::BTreeMap;

use super::LogFormat;
use crate::decode::tests::{request_line, status};
use crate::decode::{AccessDecoder, Detection, Format};
use crate::record::{Attempts, Method, Protocol, Reject, Request, Scheme, Unmeasured};

const TIME: Option<i64> = Some(1_701_296_684_000);

fn decode<'a>(format: &str, line: &'a str) -> Result<Option<Request<'a>>, Reject> {
    let format = Format::Nginx(LogFormat::parse(format).unwrap());
    AccessDecoder::new(format, &BTreeMap::new()).decode(line.as_bytes(), &mut Detection::default())
}

#[track_caller]
fn check(format: &str, line: &str, expect: Result<Request<'_>, Reject>) {
    assert_eq!(decode(format, line), expect.map(Some), "{format}\n{line}");
}

fn get(target: &str) -> Request<'_> {
    Request {
        line: request_line(Method::Get, target),
        protocol: Protocol::Http11,
        time: TIME,
        ..status(200)
    }
}

fn attempts(addresses: &str, durations: &str) -> Attempts<'static> {
    Attempts {
        addresses: addresses.as_bytes().to_vec().into(),
        durations: durations.as_bytes().to_vec().into(),
        ..Attempts::default()
    }
}

const UNQUOTED: &str = "[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request \
                        $status upstream_response_time $upstream_response_time msec $msec request_time $request_time";

#[test]
fn unquoted_request_between_two_texts() {
    let line = |user: &str, addr: &str, request: &str, times: &str| {
        format!(
            "[29/Nov/2023:22:24:44 +0000] 1.2.3.4 - {user} - bingo bingo.example to: {addr}: {request} 200 \
             upstream_response_time {times} msec 1701296684.123 request_time 0.250"
        )
    };
    let expect = |request: Request<'static>, addr: &str, times: &str| Request {
        duration: Ok(250_000_000),
        time: Some(1_701_296_684_123),
        attempts: attempts(addr, times),
        ..request
    };
    let lists = "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80";
    let times = "0.100, 0.050 : 0.100";
    check(
        UNQUOTED,
        &line("-", lists, "GET /a HTTP/1.1", times),
        Ok(expect(get("/a"), lists, times)),
    );
    check(
        UNQUOTED,
        &line("-", "10.0.0.1:80", "GET / HTTP/1.1", "0.250"),
        Ok(expect(get("/"), "10.0.0.1:80", "0.250")),
    );
    check(
        UNQUOTED,
        &line("-", "-", r"\x16\x03\x01", "-"),
        Ok(Request {
            line: None,
            protocol: Protocol::Other,
            ..expect(get("/"), "", "")
        }),
    );
    // Whatever a client sends, the status and the times behind it are nginx's.
    let hostile = line(
        "x - y z to: 9.9.9.9:9: GET /ping HTTP/1.1 500",
        "10.0.0.1:80",
        "GET /a 503 upstream_response_time 9 msec 1 request_time 9 HTTP/1.1",
        "0.250",
    );
    let found = decode(UNQUOTED, &hostile).unwrap().unwrap();
    assert_eq!(
        (found.code, found.duration, found.time),
        (status(200).code, Ok(250_000_000), Some(1_701_296_684_123))
    );
    for other in [
        "",
        "[29/Nov/2023:22:24:44 +0000]",
        "[29/Nov/2023:22:24:44 +0000] 1.2.3.4 - - - a b to: c: GET / HTTP/1.1 OK upstream_response_time - msec 1 request_time 1",
    ] {
        check(
            UNQUOTED,
            other,
            Err(if other.is_empty() {
                Reject::Empty
            } else {
                Reject::UnknownFormat
            }),
        );
    }
}

#[test]
fn two_values_that_may_hold_anything() {
    let format = "BINGO: [$time_local] $status, $request, to: $upstream_addr request_time: $request_time sec, from \
                  $remote_addr, $http_user_agent";
    let expect = |addr| Request {
        duration: Ok(3_000_000),
        attempts: attempts(addr, ""),
        ..get("/a")
    };
    let line = |addr: &str, agent: &str| {
        format!(
            "BINGO: [29/Nov/2023:22:24:44 +0000] 200, GET /a HTTP/1.1, to: {addr} request_time: 0.003 sec, from \
             1.2.3.4, {agent}"
        )
    };
    for agent in [
        "curl",
        "",
        "a, to: 1.1.1.1:1 request_time: 9 sec, from 1.1.1.1, b",
    ] {
        check(format, &line("10.0.0.1:80", agent), Ok(expect("10.0.0.1:80")));
    }
    let lists = "10.0.0.1:80, 10.0.0.2:80";
    check(format, &line(lists, "x"), Ok(expect(lists)));
}

#[test]
fn quoted_values_end_at_their_quote() {
    let format = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$upstream_addr" $upstream_response_time"#;
    check(
        format,
        r#"1.2.3.4 - a [b] "c [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 336 "-" "x\x22 500 9 \x22" "10.0.0.1:80, 10.0.0.2:80" 0.1, 0.2 : 0.3"#,
        Ok(Request {
            bytes: 336,
            attempts: attempts("10.0.0.1:80, 10.0.0.2:80", "0.1, 0.2 : 0.3"),
            ..get("/")
        }),
    );
    let json =
        r#"{"t":"$time_iso8601","r":"$request","s":$status,"a":"$http_user_agent","d":"$request_time"}"#;
    check(
        json,
        r#"{"t":"2023-11-29T22:24:44+00:00","r":"GET /\"x\" HTTP/1.1","s":200,"a":"\",\"d\":\"9\"}","d":""}"#,
        Ok(Request {
            duration: Err(Unmeasured::Missing),
            ..get("/\"x\"")
        }),
    );
}

#[test]
fn parts_of_a_request() {
    let format =
        "$msec $request_method $scheme://$host$request_uri $server_protocol $status ${request_time}s";
    check(
        format,
        "1701296684.000 GET https://bingo.example/a?b=/c HTTP/1.1 200 0.5s",
        Ok(Request {
            scheme: Scheme::Https,
            duration: Ok(500_000_000),
            ..get("/a?b=/c")
        }),
    );
    check(
        "$msec $request_method $uri$is_args$args $status",
        "1701296684 GET /a?b 200",
        Ok(Request {
            protocol: Protocol::Other,
            ..get("/a?b")
        }),
    );
}

#[test]
fn three_physical_lines() {
    let format =
        "client $remote_addr\n$time_iso8601 \"$request\" $status $request_time\nagent \"$http_user_agent\"";
    for format in [
        format,
        // As YAML's block scalars end.
        &format!("{format}\n"),
        &format.replace('\n', "\\n"),
        &format.replace('\n', "\r\n"),
    ] {
        check(
            format,
            "2023-11-29T22:24:44Z \"GET / HTTP/1.1\" 200 0.001",
            Ok(Request {
                duration: Ok(1_000_000),
                ..get("/")
            }),
        );
        for line in ["client 1.2.3.4", "agent \"curl\"", "agent \"curl\"\r"] {
            assert_eq!(decode(format, line), Ok(None), "{line}");
        }
        for line in ["", "client a b", "agent curl", "x"] {
            let reason = if line.is_empty() {
                Reject::Empty
            } else {
                Reject::UnknownFormat
            };
            assert_eq!(decode(format, line), Err(reason), "{line}");
        }
    }
    assert_eq!(decode("$status\n\n$request_id", ""), Ok(None));
}

#[test]
fn as_it_stands_in_nginx_conf() {
    let plain = LogFormat::parse(r#"$remote_addr [$time_local] "$request" $status it's"#).unwrap();
    for directive in [
        r#"log_format main '$remote_addr [$time_local] '
                            '"$request" $status it\'s';"#,
        r#"log_format main escape=default "$remote_addr [$time_local] \"$request\" " "$status it's";"#,
        r#"'$remote_addr [$time_local] ' '"$request" $status it\'s'"#,
        r#"$remote_addr [${time_local}] "$request" $status it's"#,
    ] {
        assert_eq!(LogFormat::parse(directive).as_ref(), Ok(&plain), "{directive}");
    }
}

#[test]
fn formats_that_say_too_little() {
    for (format, expect) in [
        ("", "expected $request or $status among its variables"),
        (
            "$remote_addr $request_time",
            "expected $request or $status among its variables",
        ),
        (
            "$request_method",
            "expected $request or $status among its variables",
        ),
        ("$ $status", "expected the name of a variable behind $"),
        ("${status", "expected } behind ${ and a variable's name"),
        ("${} $status", "expected the name of a variable behind $"),
        (
            "$status$request_time",
            "expected a text between $status and $request_time: nothing says where the one ends and the other begins",
        ),
        (
            "$request\n$status",
            "expected $request and $status on one physical line: a request is counted by one line",
        ),
        (
            "log_format main $status;",
            "expected its strings in quotes, as in nginx.conf",
        ),
        (
            "log_format main '$status;",
            "expected a quote at the end of each string",
        ),
    ] {
        assert_eq!(
            LogFormat::parse(format).map(|_| ()),
            Err(expect.to_owned()),
            "{format}"
        );
    }
}
