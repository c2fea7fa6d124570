//! Log files in, the whole exposition out. `UPDATE_GOLDEN=1 cargo test --test golden` writes the files anew; the
//! difference is then read like code, since the exposition is the public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use bingo_exporter::clock::Now;
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::metrics::{Own, Scrape};
use bingo_exporter::model::Model;
use bingo_exporter::serve::negotiate;
use bingo_exporter::source::Source;
use bingo_exporter::tail::ReadFrom;

/// 2026-11-23T20:00:30Z, shortly after the lines of the fixtures.
const NOW: Now = Now {
    unix: 1_795_464_030_000,
    elapsed: Duration::ZERO,
};

/// Reads `tests/golden/NAME.log` under `NAME.yaml`, or under the built-in profile, and compares with `NAME.prom`.
#[track_caller]
fn check(name: &str) {
    let fixture = |extension: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.{extension}"))
    };
    let log = fixture("log").to_str().unwrap().to_owned();
    let config = Some(fixture("yaml")).filter(|path| path.exists());
    let config = Config::load(config.as_deref(), &Overrides { access: vec![log] }).unwrap();
    let mut source = Source::access(Arc::new(Model::new(config).unwrap()), ReadFrom::Beginning);
    source.pass(NOW, true);
    let scrape = Scrape {
        sources: vec![Arc::new(source.snapshot(NOW, 0))],
        saved: true,
        own: Own::default(),
    };
    let seen = sorted(&negotiate::classic(&scrape.openmetrics().unwrap()));

    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(fixture("prom"), &seen).unwrap();
    }
    let expected = fs::read_to_string(fixture("prom")).unwrap_or_default();
    let differences: Vec<String> = seen
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line))
        .map(|line| format!("+{line}"))
        .chain(
            expected
                .lines()
                .filter(|line| !seen.lines().any(|other| other == *line))
                .map(|line| format!("-{line}")),
        )
        .collect();
    assert!(
        differences.is_empty(),
        "{name}.prom differs:\n{}",
        differences.join("\n")
    );
    assert_eq!(seen, expected, "{name}.prom: the same lines in another order");
}

fn sorted(text: &str) -> String {
    // The build's own version and revision are no part of the interface.
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("bingo_exporter_build_info{"))
        .collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

#[test]
fn built_in_profile_at_zero() {
    check("profile");
}

#[test]
fn json() {
    check("json");
}

#[test]
fn json_with_other_keys() {
    check("json-fields");
}

#[test]
fn combined() {
    check("combined");
}

#[test]
fn combined_with_trailing_fields() {
    check("combined-trailing");
}
