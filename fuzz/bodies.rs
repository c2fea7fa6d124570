//! What must hold for any bytes: the bodies of the fuzz targets. `tests/fuzz.rs` runs them on the kept corpus.

use std::collections::BTreeMap;

use bingo_exporter::decode::{
    AccessDecoder, AppDecoder, Detection, Field, Format, Learned, LogFormat, Pattern,
};
use bingo_exporter::record::{Code, DurationUnit, Event, EventKind, Reject, Request};
use serde::de::IgnoredAny;
use serde_json::Value;

/// What is done with the bytes.
type Body = fn(&[u8]);

/// The targets by name. Each reads lines; nginx's first line is a format.
pub(crate) const TARGETS: [(&str, Body); 10] = [
    ("app", app),
    ("auto", |data| lines(Format::Auto, data)),
    ("caddy", |data| lines(Format::Caddy, data)),
    ("combined", |data| lines(Format::Combined, data)),
    ("envoy", |data| lines(Format::Envoy, data)),
    ("haproxy", |data| lines(Format::Haproxy, data)),
    ("json", json),
    ("nginx", nginx),
    ("regex", regex),
    ("traefik", |data| lines(Format::Traefik, data)),
];

/// Runs one target.
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    target.expect("a target of that name").1(data);
}

/// Reads lines of one file.
fn lines(format: Format, data: &[u8]) {
    read(&AccessDecoder::new(format, &BTreeMap::new()), data);
}

/// Neither a restart between any two lines changes what they say, nor what the lines before taught: twice, so that every
/// line comes after every other.
fn read(decoder: &AccessDecoder, data: &[u8]) {
    let [mut file, mut restarted, mut fast] = std::array::from_fn(|_| Detection::default());
    let mut learned = Learned::default();
    let lines = data.split(|byte| *byte == b'\n');
    for line in lines.clone().chain(lines) {
        let found = decoder.decode(line, &mut file);
        assert_eq!(
            decoder.decode_like(line, &mut fast, &mut learned, Request::clone),
            found
        );
        assert_eq!(fast, file);
        let saved = serde_json::to_vec(&restarted).expect("a detection is saved");
        restarted = serde_json::from_slice(&saved).expect("a detection is restored");
        assert_eq!(decoder.decode(line, &mut restarted), found);
        if let Ok(Some(request)) = found {
            check(&request);
        }
    }
    assert!(!decoder.decided(&file).why.is_empty());
}

fn check(request: &Request<'_>) {
    if let Some(line) = &request.line {
        assert!(!line.target.is_empty() && !line.target.contains(&b' '));
    }
    assert!(request.duration.is_ok_and(|nanos| nanos <= 86_400_000_000_000) || request.duration.is_err());
    for attempt in request.attempts.iter() {
        assert!(attempt.upstream.len() <= 128 && attempt.upstream.iter().all(u8::is_ascii_graphic));
    }
}

/// What lines taught changes nothing here either. serde_json is the referee, but for quota lines: where those hold
/// something that is no JSON between beginning and end, they count all the same.
fn app(data: &[u8]) {
    let decoder = AppDecoder::new(&BTreeMap::new(), Some(DurationUnit::Milliseconds));
    let mut learned = Learned::default();
    let lines = data.split(|byte| *byte == b'\n');
    for line in lines.clone().chain(lines) {
        let found = decoder.decode(line);
        assert_eq!(decoder.decode_like(line, &mut learned, Event::clone), found);
        let quota = found.as_ref().is_ok_and(|event| event.kind == EventKind::Quota);
        if let Ok(event) = &found {
            assert!(event.version.as_ref().is_none_or(|version| version.len() <= 64));
        }
        if has_leading_zero(line) {
            continue;
        }
        assert!(quota || found.is_ok() == is_object(line.trim_ascii()));
        if let Ok(Value::Object(object)) = serde_json::from_slice(line.trim_ascii()) {
            let message = object.get("msg").and_then(Value::as_str);
            assert_eq!(quota, message == Some("Quota updated."));
        }
    }
}

fn nginx(data: &[u8]) {
    let (format, rest) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    if let Some(Ok(format)) = std::str::from_utf8(format).ok().map(LogFormat::parse) {
        lines(Format::Nginx(format), rest);
    }
}

fn regex(data: &[u8]) {
    let pattern = r#"^(?<status>-?\d+) (?<request_time_ms>\S*) "(?<request>[^"]*)" (?<upstream_addr>.*)$"#;
    let pattern = Pattern::parse(pattern).expect("a pattern");
    lines(Format::Regex(pattern), data);
}

/// serde_json is the referee of what an object is, and of what its keys hold.
fn json(data: &[u8]) {
    lines(Format::Json, data);
    let fields = [
        (Field::Status, "s"),
        (Field::Request, "r"),
        (Field::RequestTime, "t"),
    ];
    let fields = fields.map(|(field, key)| (field, key.to_owned()));
    let decoder = AccessDecoder::new(Format::Json, &BTreeMap::from(fields));
    read(&decoder, data);
    for line in data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        let found = decoder
            .decode(line, &mut Detection::default())
            .map(Option::unwrap);
        if has_leading_zero(line) {
            continue;
        }
        assert_eq!(found != Err(Reject::BrokenJson), is_object(line));
        // What is neither UTF-8 nor a number that fits is beyond the referee.
        if let (Ok(found), Ok(Value::Object(object))) = (found, serde_json::from_slice(line)) {
            compare(&found, |key| object.get(key));
        }
    }
}

/// Three digits with zeros before, nginx's status where none was sent, are no JSON and are read all the same.
fn has_leading_zero(line: &[u8]) -> bool {
    let mut pairs = line.windows(2);
    pairs.any(|pair| pair[0] == b'0' && pair[1].is_ascii_digit())
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

fn compare<'v>(found: &Request<'_>, value: impl Fn(&str) -> Option<&'v Value>) {
    match value("s") {
        Some(Value::Number(status)) if status.is_i64() => {
            assert_eq!(Some(found.code), status.as_i64().map(Code::new));
        }
        Some(Value::String(status))
            if status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            assert_eq!(Some(found.code), status.parse().ok().map(Code::new));
        }
        Some(Value::Number(_) | Value::String(_)) => {}
        _ => assert_eq!(found.code, Code::NONE),
    }
    match value("t") {
        Some(Value::Number(seconds)) => {
            let nanos = seconds.as_f64().map_or(f64::NAN, |seconds| seconds * 1e9);
            match found.duration {
                Ok(duration) => assert!((duration as f64 - nanos).abs() <= 1.0 + nanos.abs() * 1e-9),
                Err(_) => assert!(!(0.0..=86_399e9).contains(&nanos)),
            }
        }
        Some(Value::String(_)) => {}
        _ => assert!(found.duration.is_err()),
    }
    if let Some(Value::String(text)) = value("r")
        && let Some(target) = text.strip_prefix("GET ").filter(|target| target.starts_with('/'))
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
    {
        assert_eq!(
            found.line.as_ref().map(|line| &*line.target),
            Some(target.as_bytes())
        );
    }
}
