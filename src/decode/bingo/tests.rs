use proptest::prelude::*;

use super::*;
use crate::record::UnixMillis;

const TIME: UnixMillis = 1_701_515_807_381;

/// A line as bingo writes it: constants, then the line's own fields, such as `,"quota":5`.
fn line(level: &str, msg: &str, own: &str) -> String {
    line_at("2023-12-02T11:16:47.381Z", level, msg, own)
}

fn line_at(timestamp: &str, level: &str, msg: &str, own: &str) -> String {
    format!(
        r#"{{"level":"{level}","timestamp":"{timestamp}","caller":"app/misc.go:43","msg":"{msg}","app_name":"bingo","app_version":"20231121T1537","log_path":"/opt/bongo/logs/c457cc00f8/main.log","os_env":["PATH=/bin","PS1={{\"msg\":\"Run server.\"}}"],"os_gid":1000,"os_pid":1,"runtime_compiler":"gc","runtime_version":"go1.21.4"{own}}}"#
    )
}

fn decoder() -> AppDecoder {
    AppDecoder::new(&BTreeMap::new(), None)
}

/// What any line but a quota line says.
fn said(level: Level, kind: EventKind) -> Event<'static> {
    Event {
        time: Some(TIME),
        version: Some("20231121T1537".into()),
        go_version: Some("go1.21.4".into()),
        ..event(level, kind)
    }
}

#[track_caller]
fn check(line: &(impl AsRef<[u8]> + ?Sized), expect: Result<Event<'_>, Reject>) {
    let line = line.as_ref();
    let found = decoder().decode(line);
    assert_eq!(found, expect, "{}", String::from_utf8_lossy(line));
}

#[test]
fn messages() {
    for (msg, kind) in [
        ("Prepare app.", EventKind::Start),
        ("Run server.", EventKind::Ready),
        ("Shutdown server.", EventKind::Shutdown),
        ("Failed initialization request.", EventKind::InitFailed),
        ("I am alive.", EventKind::Heartbeat),
        ("I`m fine.", EventKind::Heartbeat),
        ("Node is alive.", EventKind::NodeAlive),
        ("Started updating nodes.", EventKind::NodesUpdate),
        ("Too many requests", EventKind::Throttled),
        ("limiter: Too Many Requests!", EventKind::Throttled),
        ("Notified all waiters.", EventKind::Other),
        ("Init app.", EventKind::Other),
        ("I'm fine.", EventKind::Other),
        ("Prepare app", EventKind::Other),
        ("Quota updated", EventKind::Other),
        ("Run server. Run server.", EventKind::Other),
        ("", EventKind::Other),
    ] {
        check(&line("info", msg, ""), Ok(said(Level::Info, kind)));
    }
    let own = r#","error":"db: too many requests","stacktrace":"main.main()\n\t/app/main.go:5""#;
    check(
        &line("error", "Failed.", own),
        Ok(said(Level::Error, EventKind::Throttled)),
    );
    // What is known is believed before its error.
    check(
        &line("info", "Run server.", own),
        Ok(said(Level::Info, EventKind::Ready)),
    );
}

#[test]
fn levels() {
    for level in Level::ALL {
        check(
            &line(level.as_str(), "I am alive.", ""),
            Ok(said(*level, EventKind::Heartbeat)),
        );
    }
    check(&line("WARN", "x", ""), Ok(said(Level::Warn, EventKind::Other)));
    check(&line("trace", "x", ""), Ok(said(Level::Other, EventKind::Other)));
}

#[test]
fn time_stamps() {
    for (timestamp, time) in [
        ("2023-12-02T16:16:47.381+0500", Some(TIME)),
        ("2023-12-02T08:46:47.381-02:30", Some(TIME)),
        ("yesterday", None),
        ("", None),
    ] {
        let heartbeat = Event {
            time,
            ..said(Level::Debug, EventKind::Heartbeat)
        };
        check(&line_at(timestamp, "debug", "I`m fine.", ""), Ok(heartbeat));
        let quota = Event {
            time,
            ..event(Level::Debug, EventKind::Quota)
        };
        check(
            &line_at(timestamp, "debug", "Quota updated.", r#","quota":5"#),
            Ok(quota),
        );
    }
}

#[test]
fn every_field_is_optional() {
    check("{}", Ok(event(Level::Other, EventKind::Other)));
    check(
        r#"{"msg":"Prepare app."}"#,
        Ok(event(Level::Other, EventKind::Start)),
    );
    check(
        r#" {"level":5,"msg":["Prepare app."],"error":null} "#,
        Ok(event(Level::Other, EventKind::Other)),
    );
    check(
        b"{\"msg\":\"I`m fine.\",\"\xff\":\"\"}\r",
        Ok(event(Level::Other, EventKind::Heartbeat)),
    );
    check(
        br#"{"msg":"\u0049 am alive.","x":"\ud83d\ude00"}"#,
        Ok(event(Level::Other, EventKind::Heartbeat)),
    );
    check(
        b"{\"msg\":\"\xff\",\"level\":\"info\"}",
        Ok(event(Level::Info, EventKind::Other)),
    );
}

#[test]
fn not_an_object() {
    for blank in ["", " ", "\r"] {
        check(blank, Err(Reject::Empty));
    }
    for broken in [
        "[]",
        "panic: runtime error",
        "{",
        "{\"msg\":\"x\"",
        "{\"msg\":\"x\"}}",
        "goroutine 1 [running]:",
    ] {
        check(broken, Err(Reject::BrokenJson));
    }
}

#[test]
fn versions_are_labels_or_nothing() {
    let long = "1".repeat(65);
    for (version, good) in [
        ("20231121T1537", true),
        ("v1.2.3-rc.1+abc_d", true),
        (&long[..64], true),
        (&long, false),
        ("", false),
        ("1.0 (dirty)", false),
        ("1\\n0", false),
        ("ü", false),
        ("\\u0031", true),
    ] {
        let line = format!(r#"{{"app_version":"{version}","runtime_version":"{version}"}}"#);
        let event = decoder().decode(line.as_bytes()).unwrap();
        assert_eq!(
            (event.version.is_some(), event.go_version.is_some()),
            (good, good),
            "{version}"
        );
    }
}

#[track_caller]
fn check_request(decoder: &AppDecoder, own: &str, expect: AppRequest<'_>) {
    for msg in ["request completed", "request complete"] {
        let line = line("info", msg, own);
        let event = decoder.decode(line.as_bytes()).unwrap();
        assert_eq!(
            (event.kind, event.request),
            (EventKind::Request, Some(expect.clone())),
            "{own}"
        );
    }
}

const NOTHING: AppRequest<'_> = AppRequest {
    method: None,
    path: None,
    code: Code::NONE,
    duration: None,
};

#[test]
fn requests() {
    let bingo = decoder();
    check_request(&bingo, "", NOTHING);
    let whole = r#","url_path":"/api/movie/5","http_request_method":"GET","http_response_status_code":200,"event_duration":1234"#;
    let expect = AppRequest {
        method: Some(Method::Get),
        path: Some(b"/api/movie/5".into()),
        code: Code::new(200),
        duration: None,
    };
    check_request(&bingo, whole, expect.clone());
    let ms = AppDecoder::new(&BTreeMap::new(), Some(DurationUnit::Milliseconds));
    check_request(
        &ms,
        whole,
        AppRequest {
            duration: Some(Ok(1_234_000_000)),
            ..expect
        },
    );
    check_request(
        &ms,
        "",
        AppRequest {
            duration: Some(Err(Unmeasured::Missing)),
            ..NOTHING
        },
    );
    for (own, code) in [
        (r#","http_response_status_code":"404""#, Code::new(404)),
        (r#","http_response_status_code":0"#, Code::NONE),
        (r#","http_response_status_code":"OK""#, Code::NONE),
    ] {
        check_request(&bingo, own, AppRequest { code, ..NOTHING });
    }
    check_request(
        &bingo,
        r#","http_request_method":"BREW""#,
        AppRequest {
            method: Some(Method::Other),
            ..NOTHING
        },
    );
}

#[test]
fn a_throttled_request_is_a_request_all_the_same() {
    let line = line(
        "error",
        "request completed",
        r#","error":"Too many requests","http_response_status_code":429"#,
    );
    let event = decoder().decode(line.as_bytes()).unwrap();
    assert_eq!(event.kind, EventKind::Throttled);
    assert_eq!(event.request.map(|request| request.code), Some(Code::new(429)));
}

#[test]
fn keys_and_unit_are_configurable() {
    let fields = [
        (AppField::Path, "req.path"),
        (AppField::Duration, "took"),
        (AppField::Status, "code"),
    ];
    let fields = fields.map(|(field, key)| (field, key.to_owned())).into();
    let decoder = AppDecoder::new(&fields, Some(DurationUnit::Seconds));
    let own =
        r#","req":{"path":"/ping"},"took":0.25,"code":500,"url_path":"/","http_response_status_code":200"#;
    let expect = AppRequest {
        path: Some(b"/ping".into()),
        code: Code::new(500),
        duration: Some(Ok(250_000_000)),
        ..NOTHING
    };
    check_request(&decoder, own, expect);
}

const QUOTA_LINE: &str = r#"{"level":"debug","timestamp":"2023-12-02T11:16:47.381Z","caller":"app/rps_limiter.go:19","msg":"Quota updated.","app_version":"1","quota":5}"#;

#[test]
fn quota_lines_by_their_beginning() {
    let quota = Event {
        time: Some(TIME),
        ..event(Level::Debug, EventKind::Quota)
    };
    let fast = |line: &str| decoder().quota(line.as_bytes()).map(|quota| quota.event());
    assert_eq!(fast(QUOTA_LINE), Some(quota.clone()));
    check(QUOTA_LINE, Ok(quota.clone()));
    check(&format!("{QUOTA_LINE} \r"), Ok(quota.clone()));
    let long = QUOTA_LINE.replace("\"1\"", &format!("\"{}\"", "x".repeat(100_000)));
    assert_eq!(fast(&long), Some(quota.clone()));
    let short =
        r#"{"level":"debug","timestamp":"2023-12-02T11:16:47.381Z","caller":"","msg":"Quota updated."}"#;
    assert_eq!(fast(short), Some(quota));

    let end = QUOTA_LINE.len();
    for torn in [
        &QUOTA_LINE[..end - 1],
        &QUOTA_LINE[..end - 20],
        &format!("{QUOTA_LINE}}}x"),
    ] {
        assert_eq!(fast(torn), None);
        check(torn, Err(Reject::BrokenJson));
    }
    // A full disk tore the line, and a start came behind it.
    let joined = QUOTA_LINE[..120].to_owned() + &line("info", "Prepare app.", "");
    check(&joined, Err(Reject::BrokenJson));
}

#[test]
fn what_only_looks_like_a_quota_line() {
    for (line, kind) in [
        (
            r#"{"x":{"level":"debug","msg":"Quota updated."},"msg":"Run server."}"#,
            EventKind::Ready,
        ),
        (
            r#"{"msg":"Quota updated.","msg":"Run server."}"#,
            EventKind::Ready,
        ),
        (
            &QUOTA_LINE.replace("\"quota\":5", "\"msg\":\"Run server.\""),
            EventKind::Ready,
        ),
        (r#"{"a\"msg":"Quota updated.","level":"debug"}"#, EventKind::Other),
        (r#"{"msg":"said \"msg\":\"Quota updated.\""}"#, EventKind::Other),
    ] {
        let event = decoder().decode(line.as_bytes()).unwrap();
        assert_eq!(event.kind, kind, "{line}");
    }
}

/// No allocation in the common case.
#[test]
fn texts_are_borrowed() {
    let line = line("info", "request completed", r#","url_path":"/api/movie/5""#);
    let event = decoder().decode(line.as_bytes()).unwrap();
    assert!(matches!(event.version, Some(Cow::Borrowed(_))));
    assert!(matches!(
        event.request.unwrap().path,
        Some(Cow::Borrowed(b"/api/movie/5"))
    ));
}

/// A value that is often what the quota path looks for.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#""Quota updated.""#.to_owned()),
        Just(r#""debug""#.to_owned()),
        Just(r#""2023-12-02T11:16:47.381Z""#.to_owned()),
        Just(r#""a\"b\\""#.to_owned()),
        Just(r#"{"msg":"Quota updated."}"#.to_owned()),
        r#""[ -!#-Z^-~]{0,12}""#,
        "[1-9][0-9]{0,2}",
    ]
}

fn any_object() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "level",
        "timestamp",
        "caller",
        "msg",
        "error",
        "app_version",
        "quota",
    ]);
    prop::collection::vec((key, value()), 0..5).prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        pairs.join(",")
    })
}

proptest! {
    #[test]
    fn the_quota_path_agrees_with_the_complete_parser(
        level in value(), timestamp in value(), caller in value(), more in any_object(), order: bool,
    ) {
        let begin = format!(r#""level":{level},"timestamp":{timestamp},"caller":{caller},"msg":"Quota updated.""#);
        let pairs = if order { [begin, more] } else { [more, begin] };
        let pairs: Vec<_> = pairs.into_iter().filter(|pair| !pair.is_empty()).collect();
        let line = format!("{{{}}}", pairs.join(","));
        let decoder = decoder();
        if let Some(event) = decoder.quota(line.as_bytes()).map(|quota| quota.event()) {
            prop_assert_eq!(Ok(event), decoder.any(line.as_bytes()), "{}", line);
        }
    }

    #[test]
    fn never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200), object in any_object(), cut: prop::sample::Index,
    ) {
        let decoder = AppDecoder::new(&BTreeMap::new(), Some(DurationUnit::Nanoseconds));
        let object = format!("{{{object}}}");
        let quota = [&QUOTA_LINE.as_bytes()[..cut.index(QUOTA_LINE.len())], &bytes].concat();
        for line in [&bytes, object.as_bytes(), &quota, &object.as_bytes()[..cut.index(object.len())]] {
            drop(decoder.decode(line));
        }
    }

    /// Whatever is in the environment, it says nothing.
    #[test]
    fn the_environment_stays_in_the_line(
        variables in prop::collection::vec("(CANARY|msg|level|error)=[ -~]{0,20}", 0..4), quota: bool,
    ) {
        let with = |variables: &[String]| {
            let variables = serde_json::to_string(variables).unwrap();
            let msg = if quota { "Quota updated." } else { "request completed" };
            line("info", msg, r#","url_path":"/ping""#).replace(r#"["PATH=/bin","PS1={\"msg\":\"Run server.\"}"]"#, &variables)
        };
        let (line, plain) = (with(&variables), with(&[]));
        prop_assert_eq!(decoder().decode(line.as_bytes()), decoder().decode(plain.as_bytes()));
        let debug = format!("{:?}", decoder().decode(line.as_bytes()));
        prop_assert!(!debug.contains("CANARY"), "{}", debug);
    }
}
