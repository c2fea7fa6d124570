use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::checkpoint::disk::Disk;
use crate::record::Method;

const START: UnixMillis = 1_795_464_000_000;

fn key() -> Key {
    Key::Upstream("a:1".into())
}

fn sheet(attempts: u64) -> Sheet {
    BTreeMap::from([(key(), vec![attempts, 0])])
}

fn history() -> History {
    History::new([].into())
}

/// Rises and seconds of the last so many seconds.
#[track_caller]
fn check(history: &History, counts: u64, now: UnixMillis, windows: &[(i64, u64, f64)]) {
    let live = history.live(&sheet(counts), None, now);
    let lengths: Vec<_> = windows.iter().map(|(seconds, ..)| seconds * 1000).collect();
    let rises = history.rises(&live, &key(), 2, &lengths);
    let seen: Vec<_> = windows
        .iter()
        .zip(&rises)
        .map(|(w, r)| (w.0, r.cells[0], r.seconds))
        .collect();
    assert_eq!(seen, windows);
}

/// One more every second, recorded at every step.
fn steady(seconds: i64) -> History {
    let mut history = history();
    for second in (0..=seconds).step_by(5) {
        assert!(history.record(sheet(second as u64), None, START + second * 1000));
    }
    history
}

#[test]
fn windows_are_summed_and_what_came_before_the_first_step_is_not() {
    let mut history = history();
    history.record(sheet(1_000_000), None, START);
    check(
        &history,
        1_000_004,
        START + 2000,
        &[(60, 4, 2.0), (86_400, 4, 2.0)],
    );
    let history = steady(100);
    check(
        &history,
        103,
        START + 103_000,
        &[
            (10, 8, 8.0),
            (60, 58, 58.0),
            (3600, 103, 103.0),
            (86_400, 103, 103.0),
        ],
    );
}

#[test]
fn a_minute_that_is_known_in_part_counts_in_part() {
    let mut history = history();
    history.record(sheet(0), None, START + 20_000);
    history.record(sheet(100), None, START + 70_000);
    assert_eq!(history.begin(), Some(START + 20_000));
    check(
        &history,
        100,
        START + 70_000,
        &[(3600, 100, 50.0), (7200, 100, 50.0)],
    );
}

#[test]
fn a_day_is_kept_and_no_more() {
    let history = steady(90_000);
    let seconds = 86_400;
    check(
        &history,
        90_000,
        START + 90_000_000,
        &[
            (300, 295, 295.0),
            (3600, 3595, 3595.0),
            (seconds, 86_340, 86_340.0),
        ],
    );
    assert!(history.begin().unwrap() >= START + 90_000_000 - 86_400_000 - 60_000);
    assert!(history.short.bytes() < 5 * STEPS as usize && history.long.bytes() < 6 * MINUTES as usize);
}

#[test]
fn a_stop_is_spread_over_the_time_it_took() {
    let mut history = steady(60);
    // Ten minutes later it comes back, and counts what was written meanwhile.
    history.record(sheet(660), None, START + 660_000);
    check(
        &history,
        660,
        START + 660_000,
        &[
            (60, 55, 55.0),
            (300, 295, 295.0),
            (3600, 660, 660.0),
            (7200, 660, 660.0),
        ],
    );
    let live = history.live(&sheet(660), None, START + 660_000);
    let (first, points) = history.points(&live, &key(), 2, 12);
    assert_eq!(first, START);
    let minutes: Vec<_> = points.iter().map(|point| point[0]).collect();
    assert_eq!(minutes, [60; 11].into_iter().chain([0]).collect::<Vec<_>>());
}

#[test]
fn a_reset_counts_from_zero() {
    let mut history = steady(60);
    history.record(sheet(3), None, START + 65_000);
    check(&history, 3, START + 65_000, &[(3600, 63, 65.0)]);
    // Counts that began anew and have already passed what they were.
    let mut history = steady(60);
    history.counts_from_zero();
    history.record(sheet(100), None, START + 65_000);
    check(&history, 100, START + 65_000, &[(3600, 160, 65.0)]);
}

#[test]
fn a_series_with_other_cells_than_before_rises_by_nothing() {
    let mut history = steady(60);
    let wider = Sheet::from([(key(), vec![1_000, 0, 0])]);
    history.record(wider.clone(), None, START + 65_000);
    let live = history.live(&wider, None, START + 65_000);
    assert_eq!(history.rises(&live, &key(), 2, &[3_600_000])[0].cells, [60, 0]);
}

#[test]
fn a_series_that_is_new_began_at_zero() {
    let mut history = history();
    history.record(Sheet::new(), None, START);
    history.record(sheet(7), None, START + 5000);
    check(&history, 9, START + 6000, &[(60, 9, 6.0)]);
}

#[test]
fn a_clock_that_is_set_back_a_little_is_waited_for() {
    let mut history = steady(60);
    assert!(history.record(sheet(70), None, START + 55_000));
    check(&history, 71, START + 61_000, &[(3600, 71, 61.0)]);
    assert!(!history.record(sheet(80), None, START + 50_000));
    check(&history, 81, START + 51_000, &[(3600, 1, 1.0)]);
}

#[test]
fn what_is_judged_anew_did_not_rise() {
    let node = Key::Upstream("a:1".into());
    let sheet = |attempts, bad| Sheet::from([(node.clone(), vec![attempts, bad])]);
    let check = |history: &History, counts: Sheet, judged_by, now, expect| {
        let live = history.live(&counts, Some(judged_by), now);
        assert_eq!(history.rises(&live, &node, 2, &[60_000])[0].cells, expect);
    };
    let mut history = history();
    history.record(sheet(100, 0), Some(1), START);
    check(&history, sheet(102, 60), 2, START + 1_000, [2, 0]);
    history.record(sheet(110, 60), Some(2), START + 5_000);
    check(&history, sheet(111, 61), 2, START + 6_000, [11, 1]);
    // Fewer than before are bad, and nothing began anew.
    check(&history, sheet(111, 3), 3, START + 6_000, [11, 0]);
}

/// A directory in memory.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Disk for Memory {
    fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(name).cloned())
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.0.insert(name.to_owned(), bytes.to_owned());
        Ok(())
    }
    fn replace(&mut self, from: &str, to: &str) -> std::io::Result<()> {
        self.rename(from, to)
    }
    fn rename(&mut self, from: &str, to: &str) -> std::io::Result<()> {
        let bytes = self.0.remove(from).ok_or(std::io::ErrorKind::NotFound)?;
        self.write(to, &bytes)
    }
    fn link(&mut self, _: &str, _: &str) -> std::io::Result<()> {
        unreachable!("the history is not linked")
    }
    fn remove(&mut self, _: &str) -> std::io::Result<()> {
        unreachable!("the history is not removed")
    }
    fn sync(&mut self, _: &str) -> std::io::Result<()> {
        unreachable!("the history is a picture")
    }
    fn sync_directory(&mut self) -> std::io::Result<()> {
        unreachable!("the history is a picture")
    }
    fn flag(&self) -> std::io::Result<bool> {
        unreachable!("the flag is the checkpoint's")
    }
    fn set_flag(&mut self, _: bool) -> std::io::Result<()> {
        unreachable!("the flag is the checkpoint's")
    }
}

#[test]
fn a_saved_history_comes_back_and_a_damaged_one_does_not() {
    let saved = steady(10_000);
    let mut disk = Memory::default();
    saved.encode().unwrap().save(&mut disk).unwrap();
    assert_eq!(disk.0.keys().collect::<Vec<_>>(), ["history"]);
    let load = |disk: &Memory| {
        let mut history = history();
        history.load(disk).map(|_| history)
    };
    assert_eq!(load(&disk).unwrap(), saved);
    assert_eq!(load(&Memory::default()).unwrap(), history());
    for damage in [0, 40, 200, disk.0["history"].len() - 1] {
        let mut damaged = Memory(disk.0.clone());
        damaged.0.get_mut("history").unwrap()[damage] ^= 1;
        assert!(load(&damaged).is_err(), "{damage}");
    }
    let mut other = History::new([5].into());
    assert!(other.load(&disk).unwrap_err().contains("thresholds"));
}

/// More endpoints and traffic than a history has room for make it shorter, never larger.
#[test]
fn neither_memory_nor_the_file_grows_beyond_its_limit() {
    let edges: Arc<[Nanos]> = (1..=20).collect();
    let mut history = History::new(edges);
    let rows = 100;
    for step in 1..=500u64 {
        let cells = |row: u64| {
            (0..27)
                .map(|cell| step * (1 + (row * 31 + cell * 7 + step) % 90))
                .collect()
        };
        let key = |row: u64| Key::Row(format!("/endpoint/with/a/name/{row}").into(), Method::Get);
        let counts = (0..rows).map(|row| (key(row), cells(row))).collect();
        history.record(counts, None, START + step as i64 * 60_000);
        assert!(
            history.short.bytes() <= BUDGETS[0] && history.long.bytes() <= BUDGETS[1],
            "{step}"
        );
    }
    assert!(history.short.bytes() > BUDGETS[0] / 2, "the limit was reached");
    assert!(history.take_cut_short() > 0, "and counted");
    assert_eq!(history.take_cut_short(), 0, "once");
    let mut disk = Memory::default();
    history.encode().unwrap().save(&mut disk).unwrap();
    assert!(disk.0["history"].len() <= file::LIMIT);
}

proptest! {
    /// However counts rise and whenever they are recorded: nothing is lost, nothing invented.
    #[test]
    fn the_whole_is_the_sum_of_its_parts(rises in prop::collection::vec((0u64..1000, 1i64..200), 1..60)) {
        let mut history = history();
        let (mut count, mut now) = (5, START);
        history.record(sheet(count), None, now);
        for (rise, steps) in rises {
            (count, now) = (count + rise, now + steps * STEP);
            history.record(sheet(count), None, now);
        }
        let live = history.live(&sheet(count + 3), None, now + 1000);
        let whole = history.rises(&live, &key(), 2, &[86_400_000]);
        prop_assert_eq!(whole[0].cells[0], count + 3 - 5);
        if now - START < 3_000_000 {
            let (_, points) = history.points(&live, &key(), 2, 3);
            prop_assert_eq!(points.iter().map(|point| point[0]).sum::<u64>(), count + 3 - 5);
        }
    }
}
