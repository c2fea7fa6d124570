use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Now;
use crate::config::{Config, Overrides};
use crate::model::Model;
use crate::record::EventKind;
use crate::source::{Snapshot, Source};
use crate::tail::ReadFrom;

const NOW: Now = Now {
    unix: 1_795_464_000_000,
    elapsed: Duration::ZERO,
};

fn source(globs: &[String], read_from: ReadFrom) -> Source {
    let overrides = Overrides {
        app: globs.to_vec(),
        ..Overrides::default()
    };
    let config = Config::load(None, &overrides).unwrap();
    Source::app(Arc::new(Model::new(config).unwrap()), read_from)
}

fn glob(dir: &Path) -> String {
    dir.join("*/main.log").to_str().unwrap().to_owned()
}

/// Appends to the log of a directory, made if it is not there.
fn append(dir: &Path, name: &str, text: &[u8]) {
    fs::create_dir_all(dir.join(name)).unwrap();
    let path = dir.join(name).join("main.log");
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text).unwrap();
}

fn pass(source: &mut Source) -> Snapshot {
    source.pass(NOW, true);
    source.snapshot(NOW, 0)
}

/// Labels and lines of each log.
fn logs(snapshot: &Snapshot) -> Vec<(&str, u64)> {
    let logs = snapshot.apps().unwrap().logs();
    logs.iter()
        .map(|log| (log.id.as_str(), log.lines.iter().sum()))
        .collect()
}

const LINE: &[u8] = b"{\"level\":\"info\",\"msg\":\"I am alive.\"}\n";

#[test]
fn each_directory_is_a_log_from_when_it_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), "aaaaaaaaaa", LINE);
    let mut source = source(&[glob(dir.path())], ReadFrom::End);
    assert_eq!(
        logs(&pass(&mut source)),
        [("aaaaaaaaaa", 0)],
        "at zero before its first line"
    );
    append(dir.path(), "aaaaaaaaaa", LINE);
    append(dir.path(), "bbbbbbbbbb", &LINE.repeat(2));
    assert_eq!(logs(&pass(&mut source)), [("aaaaaaaaaa", 1), ("bbbbbbbbbb", 2)]);

    // What bingo writes into the renamed file until it restarts is of the same log.
    let log = dir.path().join("aaaaaaaaaa/main.log");
    let mut renamed = OpenOptions::new().append(true).open(&log).unwrap();
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    append(dir.path(), "aaaaaaaaaa", LINE);
    renamed.write_all(LINE).unwrap();
    assert_eq!(logs(&pass(&mut source)), [("aaaaaaaaaa", 3), ("bbbbbbbbbb", 2)]);
}

#[test]
fn directories_of_one_name_are_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    append(&one, "x", LINE);
    append(&two, "x", &LINE.repeat(2));
    let mut source = source(&[glob(&one), glob(&two)], ReadFrom::Beginning);
    let snapshot = pass(&mut source);
    let logs = logs(&snapshot);
    assert!(
        matches!(logs[..], [("x", 1), (other, 2)] if other.starts_with("x-")),
        "{logs:?}"
    );
}

#[test]
fn a_saved_state_comes_back_whatever_a_directory_is_called() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let log = dir
        .path()
        .join(std::ffi::OsStr::from_bytes(b"a\xff\n\""))
        .join("main.log");
    fs::create_dir(log.parent().unwrap()).unwrap();
    fs::write(&log, LINE).unwrap();
    let begun = || source(&[glob(dir.path())], ReadFrom::Beginning);
    let state = pass(&mut begun()).state;
    let saved = serde_json::to_vec(&state).unwrap();
    let restored = begun().restored(serde_json::from_slice(&saved).unwrap(), true);
    assert!(restored.state().counts == state.counts);
}

/// Text that is often nearly a line.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(LINE.to_vec()),
        Just(br#"{"level":"debug","timestamp":"2023-12-02T11:16:47.381Z","caller":"a","msg":"Quota updated.","quota":5}"#.to_vec()),
        Just(b"{\"msg\":\"request completed\",\"url_path\":\"/ping\"}\n".to_vec()),
        Just(b"{\"msg\":\"Prepare app.\"}\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"{\"msg\":".to_vec()),
        Just(b"\"}".to_vec()),
        prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn lines_read_are_counted_ignored_or_rejected(data in log_like(), cut: prop::sample::Index) {
        let dir = tempfile::tempdir().unwrap();
        let mut source = source(&[glob(dir.path())], ReadFrom::Beginning);
        let (begin, end) = data.split_at(cut.index(data.len() + 1));
        append(dir.path(), "x", begin);
        pass(&mut source);
        append(dir.path(), "x", end);
        let snapshot = pass(&mut source);

        let lines = &snapshot.state.intake.lines;
        prop_assert_eq!(lines.total(), data.iter().filter(|byte| **byte == b'\n').count() as u64);
        let log = &snapshot.apps().unwrap().logs()[0];
        prop_assert_eq!(lines.counted, log.lines.iter().sum::<u64>(), "each counted line has one level");
        prop_assert_eq!(lines.counted, log.events.iter().sum::<u64>(), "and is one event");
        let codes = log.routes.iter().flat_map(|route| &route.methods);
        let requests: u64 = codes.map(crate::tally::CodeCounts::total).sum();
        prop_assert_eq!(requests, log.events_of(EventKind::Request), "none of these is throttled");
    }
}
