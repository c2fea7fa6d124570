use std::collections::BTreeMap;

use super::*;
use crate::decode::Format;

const JSON: &str = r#"{"status":200,"request":"GET / HTTP/1.1"}"#;
const COMBINED: &str = r#"- - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 3"#;

fn auto() -> AccessDecoder {
    AccessDecoder::new(Format::Auto, &BTreeMap::new())
}

#[track_caller]
fn check(lines: &[&str], expect: Option<Known>) -> Detection {
    let file = detect(&auto(), lines.iter().map(|line| line.as_bytes()));
    assert_eq!(file.known(), expect, "{lines:?}");
    file
}

#[test]
fn the_first_line_that_is_claimed_decides() {
    check(&[], None);
    check(&["", "garbage", "{", r#"{"level":"info"}"#], None);
    check(&["garbage", JSON, COMBINED], Some(Known::Json));
    check(&[COMBINED, JSON], Some(Known::Combined));
}

#[test]
fn most_lines_rejected_and_it_is_decided_anew() {
    let lines = |counts: &[(&'static str, usize)]| -> Vec<&str> {
        counts
            .iter()
            .flat_map(|(line, count)| vec![*line; *count])
            .collect()
    };
    let misses = usize::from(MISSES);
    check(&lines(&[(JSON, 1), (COMBINED, misses - 1)]), Some(Known::Json));
    check(&lines(&[(JSON, 100), (COMBINED, misses)]), None);
    check(
        &lines(&[(JSON, 100), (COMBINED, misses + 1)]),
        Some(Known::Combined),
    );
    // A log of both is read as what most of it is.
    let mixed = lines(&[(JSON, 3), (COMBINED, 2)]).repeat(100);
    check(&mixed, Some(Known::Json));
}

/// Else a client decided how the log is read.
#[test]
fn a_clients_text_is_no_other_format() {
    const FORGED: &str =
        r#"[06/Feb/2009:12:14:14.655] fe be/s 1/2/3/4/5 200 9 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1""#;
    check(
        &[&format!("localhost haproxy[1]: 10.0.1.2:33317 {FORGED}")],
        Some(Known::Haproxy),
    );
    let combined = format!(r#"- - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 3 "-" "{FORGED}"#);
    check(&[&combined], Some(Known::Combined));
}

#[test]
fn blank_lines_say_nothing() {
    let file = check(&["", " ", "\r"], None);
    assert_eq!(file, Detection::default());
    let blanks = [&[JSON][..], &[""; 99]].concat();
    check(&blanks, Some(Known::Json));
}

#[test]
fn why() {
    let decided = |lines: &[&str]| {
        let decoder = auto();
        decoder.decided(&detect(&decoder, lines.iter().map(|line| line.as_bytes())))
    };
    assert_eq!(decided(&[]).why, "no line was read yet");
    assert_eq!(
        decided(&["x"; 20]).why,
        "no known format fits the last 20 lines: set sources.access.format to {nginx: '…'} with the log_format string of \
         nginx, or to {regex: '…'}"
    );
    assert_eq!(decided(&[JSON]).format.as_deref(), Some("json"));
    let fixed = AccessDecoder::new(Format::Combined, &BTreeMap::new());
    assert_eq!(
        fixed.decided(&Detection::default()),
        Decided {
            format: Some("combined".into()),
            why: "sources.access.format says so".into()
        }
    );
}

/// What is shown as the format can be pasted into the configuration and reads the same lines.
#[test]
fn every_known_format_can_be_configured() {
    for known in Known::ALL {
        if let Some(format) = known.nginx() {
            assert!(crate::decode::LogFormat::parse(format).is_ok(), "{known}");
        }
        let saved = Detection {
            known: Some(*known),
            ..Detection::default()
        };
        let json = serde_json::to_string(&saved).unwrap();
        assert_eq!(serde_json::from_str::<Detection>(&json).unwrap(), saved);
    }
}
