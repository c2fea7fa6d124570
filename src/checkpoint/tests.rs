use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;

use super::disk::Directory;
use super::*;
use crate::config::{Config, Overrides};
use crate::model::Model;
use crate::source::{Counts, Intake};
use crate::tail::Memory;
use crate::tally::Tally;

/// A state, as it comes back, that is told from others by how many bytes were read.
fn state(read_bytes: u64) -> State {
    let model = Arc::new(Model::new(Config::load(None, &Overrides::default()).unwrap()).unwrap());
    let intake = Intake {
        read_bytes,
        ..Intake::default()
    };
    let state = State {
        formats: crate::source::Formats::default(),
        files: Memory {
            since: Some(1),
            ..Memory::default()
        },
        intake,
        counts: Counts::Access(Tally::new(&model)),
    };
    // Zeros are not saved.
    serde_json::from_value(serde_json::to_value(state).unwrap()).unwrap()
}

fn number(restored: &Restored) -> Option<u64> {
    restored.states.first().map(|state| state.intake.read_bytes)
}

fn open(path: &Path) -> (Store<Directory>, Restored) {
    open_after(path, "boot")
}

fn open_after(path: &Path, boot: &str) -> (Store<Directory>, Restored) {
    Store::open(Directory::open(path).unwrap(), boot.into(), 5_000)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A file of a build before early lines were counted; every later one must read it.
#[test]
fn an_earlier_release_left_its_state() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy("tests/golden/earlier.checkpoint", dir.path().join("checkpoint")).unwrap();
    let (_, restored) = open(dir.path());
    let lines: Vec<_> = restored
        .states
        .iter()
        .map(|state| state.intake.lines.total())
        .collect();
    assert_eq!(lines, [51 + 5, 5]);
}

#[test]
fn what_was_saved_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, restored) = open(dir.path());
    assert_eq!(restored, Restored::default());
    store.save(&[state(7)], false, 0).unwrap();
    drop(store);
    let (_, restored) = open(dir.path());
    assert_eq!(
        restored,
        Restored {
            states: vec![state(7)],
            with_counts: true,
            damaged: false
        }
    );
}

#[test]
fn counts_go_on_over_a_reboot_only_after_a_clean_exit() {
    let dir = tempfile::tempdir().unwrap();
    for (clean, with_counts) in [(false, false), (true, true)] {
        let (mut store, _) = open(dir.path());
        store.save(&[state(7)], clean, 0).unwrap();
        drop(store);
        let (_, restored) = open_after(dir.path(), "another boot");
        assert_eq!((number(&restored), restored.with_counts), (Some(7), with_counts));
    }
}

#[test]
fn what_was_synced_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.save(&[state(1)], false, 0).unwrap();
    store.sync().unwrap();
    let synced = fs::read(dir.path().join(PREVIOUS)).unwrap();
    for number in 2..=5 {
        store.save(&[state(number)], false, 0).unwrap();
        assert_eq!(fs::read(dir.path().join(PREVIOUS)).unwrap(), synced, "{number}");
    }
}

/// A machine that goes down may leave the newest checkpoint as it was long ago.
#[test]
fn the_newer_one_counts_after_the_machine_went_down() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.save(&[state(1)], false, 1_000).unwrap();
    let old = fs::read(dir.path().join(CHECKPOINT)).unwrap();
    store.save(&[state(2)], false, 2_000).unwrap();
    store.sync().unwrap();
    drop(store);
    // Not over it: it is the previous one, too.
    fs::remove_file(dir.path().join(CHECKPOINT)).unwrap();
    fs::write(dir.path().join(CHECKPOINT), old).unwrap();
    let (_, restored) = open_after(dir.path(), "another boot");
    assert_eq!((number(&restored), restored.with_counts), (Some(2), false));
}

/// Files are written over, and one may be shorter than what it is written over.
#[test]
fn a_shorter_checkpoint_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    for states in [&[state(1), state(2)][..], &[state(3)], &[state(4)], &[]] {
        store.save(states, false, 0).unwrap();
        let bytes = fs::read(dir.path().join(CHECKPOINT)).unwrap();
        assert_eq!(Document::decode(&bytes).unwrap().sources, states);
    }
}

#[test]
fn one_exporter_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Directory::open(dir.path()).unwrap();
    let error = Directory::open(dir.path()).unwrap_err();
    assert!(
        disk::is_in_use(&error) && error.to_string().contains(dir.path().to_str().unwrap()),
        "{error}"
    );
    drop(first);
    Directory::open(dir.path()).unwrap();
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = dir.path().join(CHECKPOINT);
    let good = |store: &mut Store<Directory>| {
        store.save(&[state(1)], false, 0).unwrap();
        store.sync().unwrap();
        store.save(&[state(2)], false, 0).unwrap();
    };
    let (mut store, _) = open(dir.path());
    good(&mut store);
    drop(store);
    let whole = fs::read(&checkpoint).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let newer = [b"bingo-exporter-checkpoint 2 0 0\n".as_slice(), &whole].concat();
    for (bytes, aside) in [
        (whole[..whole.len() - 1].to_vec(), "checkpoint.corrupt-5"),
        (flipped, "checkpoint.corrupt-5"),
        (vec![], "checkpoint.corrupt-5"),
        (b"hello\n".to_vec(), "checkpoint.corrupt-5"),
        (newer, "checkpoint.newer-5"),
    ] {
        fs::write(&checkpoint, bytes).unwrap();
        let (mut store, restored) = open(dir.path());
        assert_eq!(
            (number(&restored), restored.with_counts, restored.damaged),
            (Some(1), false, false)
        );
        assert!(
            names(dir.path()).contains(&aside.to_owned()),
            "{:?}",
            names(dir.path())
        );
        good(&mut store);
    }
    fs::write(&checkpoint, "").unwrap();
    fs::write(dir.path().join(PREVIOUS), "").unwrap();
    assert_eq!(
        open(dir.path()).1,
        Restored {
            damaged: true,
            ..Restored::default()
        }
    );
    let names = names(dir.path());
    let aside = names
        .iter()
        .filter(|name| name.starts_with("checkpoint.corrupt-"));
    assert_eq!(aside.count(), 4 + 2, "none replaces another: {names:?}");
}

#[test]
fn counts_start_anew_where_saving_had_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.save(&[state(1)], false, 0).unwrap();
    // A directory in the way: the write fails, as it does on a full disk.
    fs::create_dir(dir.path().join(TEMPORARY)).unwrap();
    store.save(&[state(2)], false, 0).unwrap_err();
    drop(store);
    let (mut store, restored) = open(dir.path());
    assert_eq!((number(&restored), restored.with_counts), (Some(1), false));
    drop(restored);
    fs::remove_dir(dir.path().join(TEMPORARY)).unwrap();
    store.save(&[state(3)], false, 0).unwrap();
    drop(store);
    assert_eq!(number(&open(dir.path()).1), Some(3));
    assert!(open(dir.path()).1.with_counts);
}

/// What happens at the nth operation.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It fails and does nothing.
    Fails,
    /// A write stops half way, and fails.
    CutShort,
    /// The process dies before it.
    Dies,
    /// The process dies half way through a write.
    DiesHalfWay,
}

/// A directory whose operations go wrong.
struct Faulty {
    directory: Directory,
    /// Operations left until the fault.
    left: Rc<Cell<u32>>,
    fault: Fault,
    /// The process is dead: nothing reaches the disk any more.
    dead: Rc<Cell<bool>>,
}

impl Faulty {
    fn go(&self, half: impl FnOnce(&Directory)) -> io::Result<()> {
        if self.dead.get() {
            return Err(io::Error::other("dead"));
        }
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        if left != 0 {
            return Ok(());
        }
        match self.fault {
            Fault::Fails => {}
            Fault::CutShort => half(&self.directory),
            Fault::Dies => self.dead.set(true),
            Fault::DiesHalfWay => {
                half(&self.directory);
                self.dead.set(true);
            }
        }
        Err(io::Error::other("injected"))
    }
}

impl Disk for Faulty {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.directory.read(name)
    }
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let half = &bytes[..bytes.len() / 2];
        self.go(|directory| drop(directory.clone().write(name, half)))?;
        self.directory.write(name, bytes)
    }
    fn replace(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.replace(from, to)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.rename(from, to)
    }
    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.link(from, to)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.remove(name)
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.sync(name)
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.sync_directory()
    }
    fn flag(&self) -> io::Result<bool> {
        self.directory.flag()
    }
    fn set_flag(&mut self, on: bool) -> io::Result<()> {
        self.go(|_| {})?;
        self.directory.set_flag(on)
    }
}

/// Saves and syncs a few states, the fault at operation `at`; then a new process opens the directory.
/// Returns what was shown last before the end, and what the new one found.
fn run_with(fault: Fault, at: u32) -> (u64, Restored, bool) {
    let dir = tempfile::tempdir().unwrap();
    let (left, dead) = (Rc::new(Cell::new(at)), Rc::new(Cell::new(false)));
    let directory = Directory::open(dir.path()).unwrap();
    let disk = Faulty {
        directory,
        left: Rc::clone(&left),
        fault,
        dead: Rc::clone(&dead),
    };
    let (mut store, _) = Store::open(disk, "boot".into(), 0);
    let mut shown = 0;
    for number in 1..=6 {
        // A save that failed while the process lives is shown all the same: counting goes on.
        let _ = store.save(&[state(number)], false, 0);
        if dead.get() {
            break;
        }
        shown = number;
        if number % 2 == 0 {
            let _ = store.sync();
        }
    }
    drop(store);
    let reached = left.get() > at;
    (shown, open(dir.path()).1, reached)
}

#[test]
fn every_operation_may_fail_or_be_the_last() {
    for fault in [Fault::Fails, Fault::CutShort, Fault::Dies, Fault::DiesHalfWay] {
        let mut reached = 0;
        for at in 0..30 {
            let (shown, restored, hit) = run_with(fault, at);
            let context = format!("{fault:?} at operation {at}: shown {shown}, restored {restored:?}");
            // Positions: of some state that was saved; or of none, where nothing was.
            let found = number(&restored);
            assert!(
                found.is_some() || shown == 0 || !restored.with_counts,
                "{context}"
            );
            // Counts: never less than what was shown.
            assert!(!restored.with_counts || found >= Some(shown), "{context}");
            assert!(!restored.damaged, "{context}");
            reached += u32::from(hit);
        }
        assert!(reached > 15, "the faults must hit: {reached}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>, cut: prop::sample::Index) {
        let _ = Document::decode(&bytes);
        let mut whole = b"the one before".to_vec();
        let document = Document { boot_id: "b", clean: true, saved: 1, sources: Vec::<State>::new() };
        document.encode(&mut whole).unwrap();
        prop_assert!(Document::decode(&whole).is_ok());
        let cut = &whole[..cut.index(whole.len())];
        prop_assert!(Document::decode(cut).is_err());
    }
}
