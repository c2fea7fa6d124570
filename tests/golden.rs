//! Log files in, the whole exposition out. `UPDATE_GOLDEN=1 cargo test --test golden` writes the files anew; the
//! difference is then read like code, since the exposition is the public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
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

/// Reads `tests/golden/NAME.log`, an access log, and `tests/golden/NAME/*/main.log`, bingo's own, whichever is there,
/// under `NAME.yaml`, or under the built-in profile, and compares with `NAME.prom`.
#[track_caller]
fn check(name: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let fixture = |extension: &str| golden.join(format!("{name}.{extension}"));
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let (access, app) = (fixture("log"), golden.join(name));
    let overrides = Overrides {
        access: vec![text(access.clone())],
        app: vec![text(app.join("*/main.log"))],
    };
    let config = Some(fixture("yaml")).filter(|path| path.exists());
    let config = Config::load(config.as_deref(), &overrides).unwrap();
    let model = Arc::new(Model::new(config).unwrap());
    let mut sources = vec![];
    if access.exists() {
        sources.push(Source::access(Arc::clone(&model), ReadFrom::Beginning));
    }
    if app.exists() {
        sources.push(Source::app(model, ReadFrom::Beginning));
    }
    let snapshot = |mut source: Source| {
        source.pass(NOW, true);
        Arc::new(source.snapshot(NOW, 0))
    };
    let scrape = Scrape {
        sources: sources.into_iter().map(snapshot).collect(),
        now: NOW,
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

#[test]
fn bingos_own_log() {
    check("app");
}

#[test]
fn bingos_own_log_with_durations() {
    check("app-durations");
}
