//! The engine, step by step: no process, no thread, no waiting. Each test is one behaviour of writers in the field.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::clock::Clock;

/// A directory with logs, and the engine that follows them.
struct Bench {
    dir: tempfile::TempDir,
    tail: Tail,
    now: Duration,
    lines: Vec<String>,
    last: Polled,
}

impl Bench {
    fn new(pattern: &str, read_from: ReadFrom) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = vec![dir.path().join(pattern).to_str().unwrap().to_owned()];
        let tail = Tail::new(Options {
            paths,
            read_from,
            line_bytes: 64,
            files: 4,
            rotated: vec![],
        });
        Self {
            dir,
            tail,
            now: Duration::ZERO,
            lines: vec![],
            last: Polled::default(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.at(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    /// Passes until nothing is left to read, a second after the last; the lines they gave.
    fn poll(&mut self) -> Vec<String> {
        let mut lines = self.pass();
        while self.last.more {
            let before = self.last.clone();
            lines.extend(self.pass());
            for (all, more) in self.last.rotations.iter_mut().zip(before.rotations) {
                *all += more;
            }
            self.last.lost_bytes += before.lost_bytes;
            self.last.gap |= before.gap;
        }
        lines
    }

    /// The same from a new process that remembers what the old one had saved.
    fn restart(&mut self) {
        let saved = serde_json::to_string(&self.tail.memory()).unwrap();
        self.tail = Tail::restore(self.tail.options.clone(), serde_json::from_str(&saved).unwrap());
    }

    fn gzip(&self, name: &str) {
        gzip(&self.at(name));
    }

    fn copytruncate(&self, from: &str, to: &str) {
        fs::copy(self.at(from), self.at(to)).unwrap();
        File::options()
            .write(true)
            .open(self.at(from))
            .unwrap()
            .set_len(0)
            .unwrap();
    }

    fn pass(&mut self) -> Vec<String> {
        self.pass_while(|_| {})
    }

    /// One pass between two sweeps.
    fn look(&mut self) -> Vec<String> {
        self.pass_at(LOOK / 100, false, |_| {})
    }

    /// One pass, at each of whose lines something happens in the directory.
    fn pass_while(&mut self, happens: impl FnMut(&Path)) -> Vec<String> {
        self.pass_at(LOOK, true, happens)
    }

    fn pass_at(&mut self, later: Duration, sweep: bool, mut happens: impl FnMut(&Path)) -> Vec<String> {
        self.now += later;
        let mut lines = vec![];
        let now = Now {
            elapsed: self.now,
            ..Clock::start().now()
        };
        let dir = self.dir.path();
        self.last = self.tail.poll(now, sweep, &mut |_, given| {
            given.each(|line| {
                happens(dir);
                lines.push(match line {
                    Line::Complete(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Line::TooLong => "TOO LONG".into(),
                    Line::Unfinished(bytes) => format!("UNFINISHED {}", String::from_utf8_lossy(bytes)),
                });
            });
        });
        self.lines.extend(lines.iter().cloned());
        lines
    }

    fn states(&self) -> Vec<(String, &'static str)> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        self.tail
            .files()
            .iter()
            .map(|file| (name(&file.path), file.state.as_str()))
            .collect()
    }

    fn rotations(&self) -> [u64; Rotation::COUNT] {
        self.last.rotations
    }
}

fn gzip(path: &Path) {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    fs::write(format!("{}.gz", path.display()), encoder.finish().unwrap()).unwrap();
    fs::remove_file(path).unwrap();
}

const NOTHING: [&str; 0] = [];

/// Numbered lines, more than are needed to know a file by its head.
fn many(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("line {number:04}\n")).collect()
}

#[test]
fn renamed_and_written_on() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log.1", "2\n");
    assert_eq!(bench.poll(), ["1", "2"]);
    bench.append("a.log", "4\n");
    bench.append("a.log.1", "3\n");
    assert_eq!(bench.poll(), ["3", "4"]);
    assert_eq!(bench.rotations(), [1, 0, 0]);
    bench.append("a.log.1", "5\nrest");
    bench.append("a.log", "6\n");
    assert_eq!(bench.poll(), ["5", "6"]);
    bench.now += GRACE;
    assert_eq!(bench.poll(), ["UNFINISHED rest"]);
    assert_eq!(bench.states(), [("a.log".into(), "following")]);
}

#[test]
fn a_retired_file_is_kept_while_its_successor_is_empty() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "");
    bench.poll();
    bench.now += 10 * GRACE;
    bench.poll();
    bench.append("a.log.1", "late\n");
    assert_eq!(bench.poll(), ["late"]);
}

#[test]
fn a_file_that_was_let_go_and_comes_back_goes_on() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n");
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "2\n");
    bench.poll();
    bench.now += GRACE;
    bench.poll();
    bench.append("a.log.1", "3\n");
    bench.rename("a.log.1", "a.log");
    assert_eq!(bench.poll(), ["3"]);
}

#[test]
fn a_sibling_of_the_first_start_is_old() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.append("a.log.1", "old\n");
    bench.poll();
    bench.rename("a.log.1", "a.log");
    assert_eq!(bench.poll(), NOTHING);
    bench.append("a.log", "new\n");
    assert_eq!(bench.poll(), ["new"]);
}

#[test]
fn deleted_and_created_anew() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n");
    fs::remove_file(bench.at("a.log")).unwrap();
    bench.append("a.log", "2\n");
    assert_eq!(bench.poll(), ["1", "2"]);
    assert_eq!(bench.rotations(), [0, 0, 1]);
}

#[test]
fn renamed_with_nothing_in_its_place() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.rename("a.log", "elsewhere");
    bench.append("elsewhere", "1\n");
    assert_eq!(bench.poll(), ["1"]);
    assert_eq!(
        bench.states(),
        [("a.log".into(), "following"), ("a.log".into(), "missing")]
    );
    bench.append("elsewhere", "2\n");
    assert_eq!(bench.poll(), ["2"]);
}

#[test]
fn truncated() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0000\n");
    bench.poll();
    bench.append("a.log", "1111\nheld");
    bench.poll();
    File::create(bench.at("a.log")).unwrap();
    assert_eq!(bench.poll(), NOTHING);
    assert_eq!(
        (bench.rotations(), bench.last.lost_bytes),
        ([0, 1, 0], 4),
        "the held part is gone"
    );
    bench.append("a.log", "2\n");
    assert_eq!(bench.poll(), ["2"]);
}

#[test]
fn truncated_and_grown_past_the_position_with_equal_line_lengths() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0000\n0001\n");
    bench.poll();
    bench.append("a.log", "0002\n");
    bench.poll();
    fs::write(bench.at("a.log"), "0003\n0004\n0005\n0006\n").unwrap();
    assert_eq!(bench.poll(), ["0003", "0004", "0005", "0006"]);
    assert_eq!(bench.rotations(), [0, 1, 0]);
}

#[test]
fn two_names_are_one_file() {
    let mut bench = Bench::new("*.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    fs::hard_link(bench.at("a.log"), bench.at("b.log")).unwrap();
    symlink(bench.at("a.log"), bench.at("c.log")).unwrap();
    bench.poll();
    bench.append("a.log", "1\n");
    assert_eq!(bench.poll(), ["1"]);
    assert_eq!(bench.states(), [("a.log".into(), "following")]);
}

#[test]
fn a_symlink_that_is_turned() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("day1", "0\n");
    symlink(bench.at("day1"), bench.at("a.log")).unwrap();
    bench.poll();
    bench.append("day1", "1\n");
    bench.append("day2", "2\n");
    fs::remove_file(bench.at("a.log")).unwrap();
    symlink(bench.at("day2"), bench.at("a.log")).unwrap();
    assert_eq!(bench.poll(), ["1", "2"]);
}

#[test]
fn discarded_missing_and_not_a_file() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    assert_eq!(bench.states(), [("a.log".into(), "missing")]);
    symlink("/dev/null", bench.at("a.log")).unwrap();
    bench.poll();
    assert_eq!(bench.states(), [("a.log".into(), "discarded")]);
    fs::remove_file(bench.at("a.log")).unwrap();
    fs::create_dir(bench.at("a.log")).unwrap();
    bench.poll();
    assert_eq!(bench.states(), [("a.log".into(), "unreadable")]);
    fs::remove_dir(bench.at("a.log")).unwrap();
    bench.append("a.log", "1\n");
    assert_eq!(bench.poll(), ["1"]);
}

#[test]
fn a_log_that_becomes_dev_null() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    fs::remove_file(bench.at("a.log")).unwrap();
    symlink("/dev/null", bench.at("a.log")).unwrap();
    bench.poll();
    assert!(!bench.tail.has_log());
    bench.now += GRACE;
    bench.poll();
    assert_eq!(bench.states(), [("a.log".into(), "discarded")]);
}

#[test]
fn no_more_files_than_the_limit() {
    let mut bench = Bench::new("*.log", ReadFrom::End);
    bench.poll();
    for name in ["a.log", "b.log", "c.log", "d.log", "e.log", "f.log"] {
        bench.append(name, "1\n");
    }
    assert_eq!((bench.poll().len(), bench.last.over_limit), (4, 2));
    assert_eq!((bench.poll().len(), bench.last.over_limit), (0, 0));
    // Place is made when one goes: a rotated file that is done with, say.
    bench.tail.options.files = 6;
    assert_eq!(bench.poll(), ["1", "1"]);
}

#[test]
fn a_pass_is_bounded() {
    let mut bench = Bench::new("a.log", ReadFrom::Beginning);
    let bytes = usize::try_from(PASS_BYTES).unwrap() * 3 / 2;
    bench.append("a.log", &"0123456789abcde\n".repeat(bytes / 16));
    let first = bench.pass().len();
    assert!(bench.last.more && first < bytes / 16 && bench.tail.files()[0].unread_bytes > 0);
    assert_eq!(first + bench.poll().len(), bytes / 16);
    assert!(!bench.last.more);
}

#[test]
fn files_are_read_in_turn() {
    let mut bench = Bench::new("*.log", ReadFrom::Beginning);
    let files = 2 * PASS_BYTES as usize / CHUNK_BYTES;
    bench.tail.options.files = files;
    let name = |index: usize| format!("{index:03}.log");
    // Each has more than it may read in one turn, and a pass comes to half of them.
    let text = |index: usize| format!("{index:031}\n").repeat(2 * CHUNK_BYTES / 32);
    for index in 0..files {
        bench.append(&name(index), &text(index));
    }
    let passes = [bench.look(), bench.look(), bench.poll()];
    let read = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>().len();
    assert_eq!((read(&passes[0]), read(&passes[1])), (files / 2, files / 2));
    assert_eq!(
        read(&passes[..2].concat()),
        files,
        "the second pass goes on where the first ended"
    );
    assert_eq!(passes.concat().len(), files * 2 * CHUNK_BYTES / 32);

    // One that never ends holds up no other.
    bench.append(&name(0), &text(0).repeat(100));
    bench.append(&name(1), &text(1));
    let lines = bench.look();
    assert!(bench.last.more && lines.contains(&format!("{:031}", 1)));
}

#[test]
fn after_a_restart_reading_goes_on() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\nhal");
    bench.poll();
    bench.restart();
    bench.append("a.log", "f\n");
    assert_eq!(bench.poll(), ["half"]);
}

#[test]
fn lines_that_are_all_alike() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    let append = |bench: &Bench, lines| bench.append("a.log", &"the same line\n".repeat(lines));
    append(&bench, 5);
    bench.poll();
    append(&bench, 100);
    assert_eq!(bench.poll().len(), 100);
    append(&bench, 7);
    bench.rename("a.log", "a.log.2");
    bench.gzip("a.log.2");
    append(&bench, 3);
    bench.rename("a.log", "a.log.1");
    append(&bench, 1);
    bench.restart();
    assert_eq!(bench.poll().len(), 11);
    assert!(!bench.last.gap);
}

#[test]
fn rotated_into_another_directory() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    fs::create_dir(bench.at("old")).unwrap();
    bench.tail.options.rotated = vec![bench.at("old/*").to_str().unwrap().to_owned()];
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n");
    bench.rename("a.log", "old/a.log.1");
    bench.gzip("old/a.log.1");
    bench.append("a.log", "2\n");
    bench.restart();
    assert_eq!(bench.poll(), ["1", "2"]);
    assert!(!bench.last.gap);
}

#[test]
fn copied_and_truncated_between_two_looks() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n");
    bench.poll();
    bench.append("a.log", "2\n");
    bench.copytruncate("a.log", "a.log.1");
    bench.append("a.log", "3\n");
    let mut lines = bench.poll();
    lines.sort();
    assert_eq!(lines, ["2", "3"]);
    assert_eq!((bench.last.lost_bytes, bench.last.gap), (0, false));
}

#[test]
fn a_copy_that_is_being_made_is_not_counted() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\n2\n");
    bench.poll();
    for piece in ["", "0\n1", "\n2\n"] {
        bench.append("a.log.1", piece);
        assert_eq!(bench.poll(), NOTHING);
    }
    File::options()
        .write(true)
        .open(bench.at("a.log"))
        .unwrap()
        .set_len(0)
        .unwrap();
    assert_eq!(bench.poll(), NOTHING);
    bench.append("a.log", "3\n");
    assert_eq!(bench.poll(), ["3"]);
    assert!(!bench.last.gap);
}

#[test]
fn what_is_gone_after_a_restart_is_said() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", "1\nheld");
    bench.poll();
    fs::write(bench.at("a.log"), "2\n").unwrap();
    bench.restart();
    assert_eq!(bench.poll(), ["2"]);
    assert_eq!((bench.last.lost_bytes, bench.last.gap), (4, true));
    bench.poll();
    assert!(!bench.last.gap, "said once");
}

/// Between a look at a directory and opening what was seen there, logrotate passes the names on.
#[test]
fn a_name_that_leads_to_another_file_by_now() {
    for extension in ["", ".gz"] {
        let mut bench = Bench::new("a.log", ReadFrom::End);
        bench.poll();
        bench.restart();
        for (name, numbers) in [("a.log.2", 0..200), ("a.log.1", 200..400)] {
            bench.append(name, &many(numbers));
            if extension == ".gz" {
                bench.gzip(name);
            }
        }
        bench.append("a.log", "next\n");
        let [older, newer] = ["a.log.2", "a.log.1"].map(|name| bench.at(&format!("{name}{extension}")));
        let seen = siblings::Sibling {
            metadata: fs::metadata(&older).unwrap(),
            path: newer,
        };
        let now = Clock::start().now();
        assert!(bench.tail.take_up(&bench.at("a.log"), &seen, now).is_err());
        bench.poll();
        assert_eq!(bench.lines.len(), 401);
    }
}

/// A start between logrotate's copy and its truncate, of a log that nobody has read yet.
#[test]
fn a_log_and_its_copy_that_are_both_new_at_a_start() {
    for lines in [3, 200] {
        let mut bench = Bench::new("a.log", ReadFrom::End);
        bench.poll();
        bench.restart();
        bench.append("a.log", &many(0..lines));
        fs::copy(bench.at("a.log"), bench.at("a.log.1")).unwrap();
        bench.poll();
        bench.restart();
        bench.poll();
        File::create(bench.at("a.log")).unwrap();
        bench.poll();
        bench.append("a.log", "next\n");
        bench.poll();
        assert_eq!(bench.lines.len(), lines + 1);
        assert!(!bench.last.gap);
    }
}

#[test]
fn an_empty_log_over_restarts_is_no_loss() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench.append("a.log", "1\n");
    bench.poll();
    for number in 1..=3 {
        let name = format!("a.log.{number}");
        bench.rename("a.log", &name);
        if number == 2 {
            bench.gzip(&name);
        }
        bench.append("a.log", "");
        for _ in 0..3 {
            bench.pass();
            assert!(!bench.last.gap);
            bench.restart();
        }
    }
    assert_eq!(bench.lines, ["1"]);
}

/// Opened while it is empty, and rotated before the same pass looks for what was rotated.
#[test]
fn rotated_within_the_pass_that_opened_it() {
    let compressed = |dir: &Path| {
        fs::rename(dir.join("a.log"), dir.join("a.log.1")).unwrap();
        gzip(&dir.join("a.log.1"));
    };
    let copied = |dir: &Path| {
        fs::copy(dir.join("a.log"), dir.join("a.log.1")).unwrap();
    };
    let rotations: [&dyn Fn(&Path); 2] = [&compressed, &copied];
    for rotate in rotations {
        for count in [3, 300] {
            let mut bench = Bench::new("*.log", ReadFrom::End);
            assert_eq!(bench.poll(), NOTHING);
            bench.append("a.log", "");
            // Opened after it, and read after it.
            bench.append("b.log", "other\n");
            let mut lines = bench.pass_while(|dir| {
                fs::write(dir.join("a.log"), many(0..count)).unwrap();
                rotate(dir);
            });
            lines.extend(bench.poll());
            fs::write(bench.at("a.log"), "").unwrap();
            bench.append("a.log", "next\n");
            for _ in 0..8 {
                lines.extend(bench.poll());
            }
            let mut expect = vec!["other".to_owned()];
            expect.extend(many(0..count).lines().map(str::to_owned));
            expect.push("next".into());
            assert_eq!(lines, expect, "{count}");
        }
    }
}

mod compressed;
mod copies;
mod lines;
mod looks;
mod model;
mod options;
