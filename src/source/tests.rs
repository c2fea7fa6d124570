use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Overrides};

fn model(path: &str) -> Arc<Model> {
    let overrides = Overrides {
        access: vec![path.to_owned()],
        ..Overrides::default()
    };
    Arc::new(Model::new(Config::load(None, &overrides).unwrap()).unwrap())
}

fn tally(source: &Source) -> &Tally {
    match &source.counts {
        Counts::Access(tally) => tally,
        Counts::App(_) => panic!("an access log"),
    }
}

fn now(seconds: u64) -> Now {
    Now {
        unix: 1_795_464_000_000,
        elapsed: Duration::from_secs(seconds),
    }
}

/// A source over one file that grows by `chunks`, with a pass after each.
fn run(chunks: &[&[u8]]) -> (Source, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    fs::write(&path, "").unwrap();
    let mut access = Source::access(model(path.to_str().unwrap()), ReadFrom::End);
    access.pass(now(0), true);
    for (second, chunk) in (1..).zip(chunks) {
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(chunk)
            .unwrap();
        access.pass(now(second), true);
    }
    (access, dir)
}

const LINE: &[u8] = br#"{"request":"GET /api/movie/5 HTTP/1.1","status":200,"request_time":0.4}"#;

/// Text that is often nearly a line, so that every decoder is reached.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(LINE.to_vec()),
        Just(br#"1.2.3.4 - - [29/Nov/2023:22:24:44 +0000] "GET / HTTP/1.1" 200 5 "-" "-""#.to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"\0\0".to_vec()),
        Just(br#"{"status":"#.to_vec()),
        Just(b"\"}".to_vec()),
        prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn lines_read_are_counted_ignored_or_rejected(data in log_like(), cuts: Vec<prop::sample::Index>) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).chain([0, data.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &data[cut[0]..cut[1]]).collect();
        let (source, _dir) = run(&chunks);
        let (tally, lines_read) = (tally(&source), &source.intake.lines);

        let lines = data.iter().filter(|byte| **byte == b'\n').count() as u64;
        prop_assert_eq!(lines_read.total(), lines);
        let requests: u64 = tally.rows.iter().map(|row| row.codes.total()).sum();
        prop_assert_eq!(lines_read.counted, requests, "each counted line is in one row under one code");
        let durations = tally.rows.iter().flat_map(|row| &row.durations).map(crate::tally::Histogram::count).sum::<u64>();
        prop_assert_eq!(requests, durations + tally.unmeasured.iter().sum::<u64>());
        let (whole, _dir) = run(&[&data]);
        prop_assert_eq!(&source.counts, &whole.counts, "any chunking gives the same counts");
        prop_assert_eq!(lines_read, &whole.intake.lines);
    }
}

#[test]
fn a_saved_state_comes_back_as_it_was() {
    let (access, _dir) = run(&[LINE, b"\nnonsense\n", LINE]);
    let saved = serde_json::to_vec(&access.state()).unwrap();
    let restored: State = serde_json::from_slice(&saved).unwrap();
    let fresh = Source::access(Arc::clone(access.model()), ReadFrom::Beginning);
    let restored = fresh.restored(restored, true).state();
    assert!(restored == access.state());
    assert_eq!(
        (
            restored.intake.lines.counted,
            restored.intake.lines.rejected_total()
        ),
        (1, 1)
    );
    assert_eq!(restored.files.bookmarks.len(), 1);
    assert!(
        !String::from_utf8(saved).unwrap().contains("nonsense"),
        "positions hold hashes, not log text"
    );
}

#[test]
fn the_configuration_is_swapped_between_two_lines() {
    let (mut access, dir) = run(&[LINE, b"\n"]);
    let path = dir.path().join("access.log");
    let mut config = access.model.config.clone();
    config
        .endpoints
        .retain(|endpoint| endpoint.path == "/api/movie/{id}" || endpoint.path == "/ping");
    config.endpoints[1].objectives.latency = None;
    access.swap(Arc::new(Model::new(config).unwrap()));

    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&[LINE, b"\n"].concat())
        .unwrap();
    access.pass(now(9), true);
    let row = |tally: &Tally, route: &str| {
        tally
            .rows
            .iter()
            .find(|row| &*row.route == route)
            .map(|row| row.codes.total())
    };
    assert_eq!(
        row(tally(&access), "/api/movie/{id}"),
        Some(2),
        "counts and positions stay"
    );
    assert_eq!(row(tally(&access), "/api/customer"), None);
    assert_eq!(access.intake.lines.counted, 2);
}

#[test]
fn a_source_is_switched_off_and_on() {
    let (mut access, dir) = run(&[LINE, b"\n"]);
    let (on, path) = (Arc::clone(&access.model), dir.path().join("access.log"));
    let mut config = on.config.clone();
    config.access.paths.clear();
    access.swap(Arc::new(Model::new(config).unwrap()));
    access.pass(now(9), true);
    let snapshot = access.snapshot(now(9), 0);
    assert_eq!((snapshot.is_on(), snapshot.files.len()), (false, 0));
    assert_eq!(snapshot.state.intake, Intake::default());

    access.swap(on);
    access.pass(now(10), true);
    fs::write(&path, [LINE, b"\n", LINE, b"\n"].concat()).unwrap();
    access.pass(now(11), true);
    let snapshot = access.snapshot(now(11), 0);
    assert_eq!(
        (snapshot.is_on(), snapshot.is_complete(now(11))),
        (true, Some(true))
    );
    assert_eq!(access.intake.lines.counted, 1, "from its end again");
}

#[test]
fn a_path_that_leads_nowhere_is_no_complete_log() {
    let (mut access, dir) = run(&[LINE, b"\n"]);
    let mut config = access.model.config.clone();
    config.access.paths = vec![dir.path().join("nothing.log").to_str().unwrap().to_owned()];
    access.swap(Arc::new(Model::new(config).unwrap()));
    access.pass(now(9), true);
    let snapshot = access.snapshot(now(9), 0);
    assert_eq!(
        (
            snapshot.is_complete(now(9)),
            access.tail.count(FileState::Missing)
        ),
        (None, 1)
    );
    assert_eq!(access.intake.lines.counted, 1, "counts stay");
}

#[test]
fn an_unfinished_end_is_decoded_or_rejected_as_truncated() {
    let model = model("/nowhere");
    let mut counts = Counts::Access(Tally::new(&model));
    let (mut formats, mut lines) = (Formats::default(), LineCounts::default());
    for end in [LINE, &LINE[..40]] {
        let mut counter = Counter {
            model: &model,
            formats: &mut formats,
            learned: &mut Learned::default(),
            lately: &mut Lately::default(),
            lines: &mut lines,
            counts: &mut counts,
            now: now(0),
        };
        counter.count(Path::new("/nowhere"), Lines::one(Line::Unfinished(end)));
    }
    assert_eq!(
        (lines.counted, lines.rejected[Reject::Truncated as usize]),
        (1, 1)
    );
}

#[test]
fn complete_or_not_or_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut access = Source::access(model(path.to_str().unwrap()), ReadFrom::End);
    let mut complete = |second: u64| {
        access.pass(now(second), true);
        access.snapshot(now(second), 0).is_complete(now(second))
    };
    assert_eq!(complete(0), None, "a source that never matched a file");
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    assert_eq!(complete(1), None);
    fs::remove_file(&path).unwrap();
    fs::write(&path, [LINE, b"\n"].concat()).unwrap();
    assert_eq!(complete(2), Some(true));
    fs::write(&path, "garbage\n".repeat(9)).unwrap();
    assert_eq!(complete(3), Some(false));
}

#[test]
fn a_snapshot_that_nobody_renews_is_not_complete() {
    let (source, _dir) = run(&[LINE, b"\n"]);
    let snapshot = source.snapshot(now(2), 0);
    let seen = |second| {
        (
            snapshot.is_complete(now(second)),
            snapshot.oldest_unread(now(second)).map(|d| d.as_secs()),
        )
    };
    assert_eq!(seen(3), (Some(true), Some(1)));
    assert_eq!(seen(22), (Some(true), Some(1)), "it may be looked at seldom");
    assert_eq!(seen(23), (Some(true), Some(21)));
    assert_eq!(seen(32), (Some(false), Some(30)));
}

#[test]
fn what_is_gone_makes_the_numbers_incomplete() {
    let (mut source, dir) = run(&[LINE, b"\n"]);
    fs::write(dir.path().join("access.log"), "{\"status\":200}\n").unwrap();
    source.pass(now(9), true);
    assert_eq!(source.snapshot(now(9), 0).is_complete(now(9)), Some(false));
    assert_eq!(source.snapshot(now(609), 0).is_complete(now(609)), Some(true));
}

#[test]
fn a_state_is_the_same_until_something_in_it_changes() {
    let (mut access, dir) = run(&[LINE, b"\n"]);
    let state = |access: &Source| access.snapshot(now(20), 0).state;
    let taken = state(&access);
    access.pass(now(10), true);
    assert!(Arc::ptr_eq(&taken, &state(&access)));

    let append = |bytes: &[u8]| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(dir.path().join("access.log"))
            .unwrap();
        file.write_all(bytes).unwrap();
    };
    let mut before = taken;
    let mut changes = |access: &mut Source, what: &str| {
        access.pass(now(11), true);
        assert!(!Arc::ptr_eq(&before, &state(access)), "{what}");
        before = state(access);
        access.pass(now(12), true);
        assert!(Arc::ptr_eq(&before, &state(access)), "after {what}");
    };
    append(LINE);
    changes(&mut access, "half a line");
    append(b"\n");
    changes(&mut access, "a line");
    fs::rename(dir.path().join("access.log"), dir.path().join("access.log.1")).unwrap();
    fs::write(dir.path().join("access.log"), LINE).unwrap();
    changes(&mut access, "a rotation");
}
