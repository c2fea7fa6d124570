//! The end of a log in, what `check` says of it out, as text and as JSON. `UPDATE_GOLDEN=1 cargo test --test check` writes
//! the files anew; the difference is then read like code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use bingo_exporter::check::report::{Report, User};
use bingo_exporter::check::sample::Sample;
use bingo_exporter::check::{LOG_FORMAT, judge, text};
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::model::Model;
use bingo_exporter::source::SourceName;

/// 2026-11-23T20:00:30Z, shortly after the lines of the fixtures.
const NOW: i64 = 1_795_464_030_000;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn model() -> Model {
    Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap()
}

fn report(source: SourceName, log: &[u8], modified: i64) -> Report {
    let sample = Sample {
        bytes: log.to_vec(),
        size: log.len() as u64,
        modified,
    };
    let path = match source {
        SourceName::Access => "/var/log/nginx/access.log",
        SourceName::App => "/opt/bongo/logs/3a956b711f/main.log",
    };
    let user = User {
        name: "bingo-exporter".to_owned(),
        uid: 998,
    };
    let source = judge(source, path.to_owned(), &sample, &model(), NOW);
    Report {
        version: "VERSION".to_owned(),
        ..Report::new(user, "built-in profile".to_owned(), vec![source])
    }
}

#[track_caller]
fn compare(name: &str, seen: &str) {
    let path = fixtures().join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, seen).unwrap();
    }
    assert_eq!(seen, fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

/// Reads `tests/check/NAME.log` and compares with `NAME.txt` and `NAME.json`.
#[track_caller]
fn check(name: &str, source: SourceName) {
    let log = fs::read(fixtures().join(format!("{name}.log"))).unwrap();
    let report = report(source, &log, NOW - 1_000);
    compare(&format!("{name}.txt"), &text::render(&report, false));
    compare(
        &format!("{name}.json"),
        &(serde_json::to_string_pretty(&report).unwrap() + "\n"),
    );
}

#[test]
fn all_well() {
    check("well", SourceName::Access);
}

#[test]
fn combined_has_no_time() {
    check("combined", SourceName::Access);
}

#[test]
fn lines_that_nobody_understands() {
    check("strange", SourceName::Access);
}

#[test]
fn paths_that_no_endpoint_matches() {
    check("unmatched", SourceName::Access);
}

#[test]
fn bingos_own_log() {
    check("app", SourceName::App);
}

#[test]
fn a_buffered_log() {
    let log = fs::read(fixtures().join("well.log")).unwrap();
    let of = |log: &[u8], modified| {
        let report = report(SourceName::Access, log, modified);
        let findings = report.sources[0].files[0].findings.iter();
        findings.map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert!(of(&log, NOW - 1_000).is_empty());
    assert_eq!(of(&log[..log.len() - 20], NOW - 30_000), ["buffered"]);
    assert_eq!(of(&log, NOW + 25_000), ["buffered"]);
}

/// Whoever the line is about, whatever stands in the environment: none of it comes out.
#[test]
fn nothing_of_a_line_comes_out() {
    const SECRETS: [&str; 9] = [
        "203.0.113.9",
        "2001:db8",
        "alice",
        "S3cr3tT0ken",
        "hunter2",
        "session=",
        "PASSWORD",
        "evil.example",
        "Mozilla",
    ];
    let lines = [
        r#"203.0.113.9 - alice [23/Nov/2026:20:00:29 +0000] "GET /x?session=S3cr3tT0ken HTTP/1.1" 200"#,
        r#"2001:db8::1 alice broken "GET /a/S3cr3tT0ken?session=hunter2 HTTP/1.1" "https://evil.example" "Mozilla""#,
        r#"{"remote_user":"alice","remote_addr":"203.0.113.9","args":"session=hunter2","os_env":["PASSWORD=hunter2"]"#,
        r#"{"foo":"alice","bar":"S3cr3tT0ken"}"#,
        r#"TOKEN=S3cr3tT0ken","PASSWORD=hunter2"]}"#,
        "\u{1b}]0;alice\u{7}\u{1b}[2J",
        r#"{"request":"GET /S3cr3tT0ken/alice@evil.example?session=hunter2 HTTP/1.1","status":200,"remote_user":"alice"}"#,
    ];
    let log = lines.join("\n") + "\n";
    for source in [SourceName::Access, SourceName::App] {
        let report = report(source, log.as_bytes(), NOW);
        assert!(report.sources[0].files[0].lines.rejected > 0);
        for shown in [
            text::render(&report, true),
            serde_json::to_string(&report).unwrap(),
        ] {
            for secret in SECRETS {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            assert!(
                !shown
                    .replace("\u{1b}[", "")
                    .contains(|c: char| c.is_control() && c != '\n'),
                "{shown:?}"
            );
        }
    }
}

#[test]
fn the_readme_shows_the_same_log_format() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.contains(LOG_FORMAT));
}
