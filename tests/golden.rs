//! Log files in, the whole exposition out. `UPDATE_GOLDEN=1 cargo test --test golden` writes the files anew; the
//! difference is then read like code, since the exposition is the public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use bingo_exporter::clock::Now;
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::metrics::{Form, Own, Scrape};
use bingo_exporter::model::Model;
use bingo_exporter::record::EventKind;
use bingo_exporter::simulate::main_log::{Message, Said};
use bingo_exporter::simulate::story::{Phase, Scene, Story};
use bingo_exporter::simulate::{LOG_IDS, Options, Simulation, What};
use bingo_exporter::source::Source;
use bingo_exporter::tail::ReadFrom;
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tempfile::TempDir;

/// 2026-11-23T20:00:30Z, shortly after the lines of the fixtures.
const NOW: Now = Now {
    unix: 1_795_464_030_000,
    elapsed: Duration::ZERO,
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn updates() -> bool {
    env::var_os("UPDATE_GOLDEN").is_some()
}

/// Reads `tests/golden/NAME.log`, an access log, and `tests/golden/NAME/*/main.log`, bingo's own, whichever is there,
/// under `NAME.yaml`, or under the built-in profile, and compares with `NAME.prom`.
#[track_caller]
fn check(name: &str) {
    let mut sources = sources(&golden(), name);
    pass(&mut sources);
    compare(name, &exposition(&sources));
}

fn sources(dir: &Path, name: &str) -> Vec<Source> {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let (access, app) = (dir.join(format!("{name}.log")), dir.join(name));
    let overrides = Overrides {
        access: vec![text(access.clone())],
        app: vec![text(app.join("*/main.log"))],
    };
    let config = Some(dir.join(format!("{name}.yaml"))).filter(|path| path.exists());
    let config = Config::load(config.as_deref(), &overrides).unwrap();
    let model = Arc::new(Model::new(config).unwrap());
    let mut sources = vec![];
    if access.exists() {
        sources.push(Source::access(Arc::clone(&model), ReadFrom::Beginning));
    }
    if app.exists() {
        sources.push(Source::app(model, ReadFrom::Beginning));
    }
    sources
}

fn pass(sources: &mut [Source]) {
    for source in sources {
        source.pass(NOW, true);
    }
}

fn exposition(sources: &[Source]) -> String {
    let scrape = Scrape {
        sources: sources
            .iter()
            .map(|source| Arc::new(source.snapshot(NOW, 0)))
            .collect(),
        now: NOW,
        own: Own::default(),
    };
    sorted(&scrape.draft(Form::Classic).finish(true, None))
}

#[track_caller]
fn compare(name: &str, seen: &str) {
    let path = golden().join(format!("{name}.prom"));
    if updates() {
        fs::write(&path, seen).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
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

/// The access logs that exist in the field, by the same requests: what each comes to, less the zeros and the buckets.
/// `formats/NAME.yaml` is there only for what no `format: auto` can know.
#[test]
fn formats() {
    let mut seen = String::new();
    for path in &format_logs() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut source = format_source(path, path);
        source.pass(NOW, true);
        let format = source.snapshot(NOW, 0).format(path).unwrap().format.unwrap();
        seen += &format!("\n# {name}: {}\n", format.replace('\n', "\\n"));
        let sources = [source];
        let lines = exposition(&sources);
        let told = lines.lines().filter(|line| {
            let about_requests = ["bingo_http_", "bingo_upstream_", "bingo_slo_requests"];
            let about_lines = [
                "bingo_exporter_lines",
                "bingo_exporter_last_line",
                "bingo_exporter_unmeasured",
            ];
            about_requests
                .iter()
                .chain(&about_lines)
                .any(|name| line.starts_with(name))
                && !line.contains("_bucket{")
                && !line.starts_with("bingo_http_route_info")
                && !line.ends_with(" 0")
                && !line.ends_with(" 0.0")
        });
        told.for_each(|line| seen += &format!("{line}\n"));
        assert_eq!(
            requests_by_row(&lines),
            REQUESTS.map(|(row, count)| (row.to_owned(), count)),
            "{name}"
        );
    }
    compare("formats", &seen);
}

fn format_logs() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(golden().join("formats"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

/// What reads the log at `path` as the fixture's format.
fn format_source(fixture: &Path, path: &Path) -> Source {
    let overrides = Overrides {
        access: vec![path.to_str().unwrap().to_owned()],
        ..Overrides::default()
    };
    let config = Some(fixture.with_extension("yaml")).filter(|path| path.exists());
    let mut model = Model::new(Config::load(config.as_deref(), &overrides).unwrap()).unwrap();
    model.decoder = model.decoder.in_zone(&TimeZone::UTC.into());
    Source::access(Arc::new(model), ReadFrom::Beginning)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In every format, however the lines come and wherever the exporter restarts between.
    #[test]
    fn any_chunking_and_restarts_give_the_same_counts(
        fixture in select(format_logs()),
        cuts in vec((any::<Index>(), any::<bool>()), 0..8),
    ) {
        let text = fs::read(&fixture).unwrap();
        let mut whole = format_source(&fixture, &fixture);
        whole.pass(NOW, true);

        let dir = TempDir::new().unwrap();
        let path = dir.path().join("access.log");
        let mut log = fs::File::create(&path).unwrap();
        let mut source = format_source(&fixture, &path);
        let mut cuts: Vec<_> = cuts.iter().map(|(cut, restarts)| (cut.index(text.len()), *restarts)).collect();
        cuts.sort_unstable();
        let mut written = 0;
        for (cut, restarts) in cuts.into_iter().chain([(text.len(), false)]) {
            log.write_all(&text[written..cut]).unwrap();
            written = cut;
            source.pass(NOW, true);
            if restarts {
                source = format_source(&fixture, &path).restored(source.state(), true);
            }
        }
        prop_assert_eq!(source.state().counts, whole.state().counts);
        prop_assert_eq!(source.state().intake.lines, whole.state().intake.lines);
    }
}

/// What was asked for, whatever the format; a request that is none has no row of its own in all of them.
const REQUESTS: [(&str, u64); 6] = [
    ("/ GET", 1),
    ("/api/customer/{id} GET", 1),
    ("/api/movie/{id} GET", 2),
    ("/operation POST", 1),
    ("/ping GET", 1),
    ("other GET", 1),
];

fn requests_by_row(exposition: &str) -> Vec<(String, u64)> {
    let mut rows = BTreeMap::new();
    for line in exposition.lines() {
        let Some(labels) = line.strip_prefix("bingo_http_requests_total{route=\"") else {
            continue;
        };
        let (route, rest) = labels.split_once("\",method=\"").unwrap();
        let method = rest.split_once('"').unwrap().0;
        let count: u64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        *rows.entry(format!("{route} {method}")).or_insert(0) += count;
    }
    rows.retain(|row, count| *count > 0 && row != "other OTHER");
    rows.into_iter().collect()
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

/// What only the logs may hold.
const CANARY: &str = "hunter2-canary";

/// A short day of both nodes: every event, both forms of the offset, a crash, refusals, a node gone bad and
/// restarted gracefully, and a rotation, which is played as it happened. `day.log`, `day/*/main.log.1` and `day/*/main.log` are the
/// simulation's; `UPDATE_GOLDEN` makes them again.
#[test]
fn a_recorded_day() {
    if updates() {
        record_the_day();
    }
    let (from, to) = (golden(), TempDir::new().unwrap());
    let copy = |from: PathBuf, to: PathBuf| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    copy(from.join("day.log"), to.path().join("day.log"));
    let logs = LOG_IDS.map(|id| (from.join("day").join(id), to.path().join("day").join(id)));
    for (from, to) in &logs {
        copy(from.join("main.log.1"), to.join("main.log"));
    }
    let mut sources = sources(to.path(), "day");
    pass(&mut sources);
    for (from, to) in &logs {
        fs::rename(to.join("main.log"), to.join("main.log.1")).unwrap();
        copy(from.join("main.log"), to.join("main.log"));
    }
    pass(&mut sources);
    let seen = exposition(&sources);
    compare("day", &seen);

    assert!(!seen.contains(CANARY));
    for event in EventKind::ALL {
        let happened = LOG_IDS.iter().any(|id| {
            let labels = format!("{{log_id=\"{id}\",event=\"{}\"}}", event.as_str());
            seen.contains(&format!("bingo_app_last_event_timestamp_seconds{labels}"))
        });
        assert!(happened, "no {event:?}");
    }
}

fn record_the_day() {
    let phase = |scene, seconds, rps| Phase { scene, seconds, rps };
    let story = Story::new([
        phase(Scene::Healthy, 5, 3),
        // One node alone under more than its limit.
        phase(Scene::Crash, 1, 120),
        phase(Scene::Healthy, 8, 3),
        phase(Scene::BadNode, 3, 3),
        phase(Scene::Healthy, 5, 3),
    ]);
    let seconds = i64::from(story.timeline().1);
    let start = NOW.unix - 60_000;
    // What happens does not depend on the offset: each node can have its own.
    for (node, offset_minutes) in [(0, 0), (1, 300)] {
        let mut simulation = Simulation::new(&Options {
            seed: 4,
            start,
            story: story.clone(),
            offset_minutes,
            env: vec![format!("SECRET={CANARY}")],
        });
        let (mut access, mut main, mut quotas) = (vec![], [String::new(), String::new()], 0);
        for entry in simulation.step(start + seconds * 1000 - 1) {
            match entry.what {
                What::Access(exchange) => access.extend(exchange.json(offset_minutes)),
                What::Main { node: at, said, line } if at == node => {
                    let late = entry.time >= start + seconds * 500;
                    let file = &mut main[usize::from(late)];
                    match said {
                        // The flood is thinned.
                        Said::Message(Message::QuotaUpdated) => {
                            quotas += 1;
                            if quotas % 20 != 1 {
                                continue;
                            }
                        }
                        // The simulation's initialization never fails.
                        Said::Message(message @ Message::CoreInitializationFinished) if late => {
                            file.push_str(&reworded(&line, message, Message::FailedInitializationRequest));
                        }
                        _ => {}
                    }
                    file.push_str(&line);
                }
                What::Main { .. } => {}
            }
        }
        let dir = golden().join("day").join(LOG_IDS[node]);
        fs::create_dir_all(&dir).unwrap();
        let [first, second] = main;
        fs::write(dir.join("main.log.1"), first).unwrap();
        fs::write(dir.join("main.log"), second).unwrap();
        if node == 0 {
            fs::write(golden().join("day.log"), access).unwrap();
        }
    }
}

/// The line of another message of the same moment.
fn reworded(line: &str, from: Message, to: Message) -> String {
    let (from, to) = (from.parts(), to.parts());
    [(from.0, to.0), (from.1, to.1), (from.2, to.2)]
        .iter()
        .fold(line.to_owned(), |line, (from, to)| {
            line.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1)
        })
}
