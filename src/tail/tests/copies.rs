//! Copies that a log leaves behind: very many, those that somebody else made, and what takes a log's place.

use super::*;

/// What is on disk, looked at as long as it takes, with copies let go in between.
fn settle(bench: &mut Bench) {
    for _ in 0..4 {
        bench.poll();
        bench.now += GRACE;
        bench.tail.rescan = true;
    }
}

fn bench() -> Bench {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench
}

#[test]
fn more_copies_than_are_remembered_when_they_are_gone() {
    let names = || (1..=2 * KNOWN_FILES).map(|number| format!("a.log.{number}"));
    let mut bench = bench();
    bench.tail.options.files = 3 * KNOWN_FILES;
    bench.append("a.log", "0\n");
    bench.poll();
    names().for_each(|name| bench.append(&name, &format!("{name}\n")));
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 1 + 2 * KNOWN_FILES);

    bench.restart();
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 1 + 2 * KNOWN_FILES);

    names().for_each(|name| fs::remove_file(bench.at(&name)).unwrap());
    settle(&mut bench);
    assert_eq!(bench.tail.known.len(), KNOWN_FILES);
}

#[test]
fn what_is_expected_is_not_forgotten_for_what_is_read() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    for number in 1..=KNOWN_FILES {
        bench.append(&format!("a.log.{number}"), "old\n");
    }
    bench.append("a.log", "0\n");
    bench.poll();
    bench.append("a.log", &many(0..200));
    bench.poll();
    for number in (1..=KNOWN_FILES).rev() {
        bench.rename(&format!("a.log.{number}"), &format!("a.log.{}", number + 1));
    }
    bench.gzip("a.log.2");
    bench.append("a.log", &many(200..210));
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", &many(300..303));
    bench.restart();
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 213);
}

#[test]
fn a_log_that_is_cut_again_and_again_is_not_remembered_for_ever() {
    let mut bench = bench();
    for number in 0..KNOWN_FILES + 100 {
        fs::write(bench.at("a.log"), format!("{number:08}\n")).unwrap();
        bench.poll();
    }
    assert_eq!(bench.lines.len(), KNOWN_FILES + 100);
    assert_eq!(bench.tail.known.len(), KNOWN_FILES);
}

/// `cp a.log a.log.bak`, or `gzip --keep a.log`, sooner or later followed by a rotation.
#[test]
fn a_backup_is_not_counted() {
    type Change = fn(&Bench);
    let backups: [Change; 2] = [
        |bench| {
            fs::copy(bench.at("a.log"), bench.at("a.log.bak")).unwrap();
        },
        |bench| {
            fs::copy(bench.at("a.log"), bench.at("copy")).unwrap();
            bench.gzip("copy");
            bench.rename("copy.gz", "a.log.gz");
        },
    ];
    let rotations: [Change; 2] = [
        |bench| bench.rename("a.log", "a.log.1"),
        |bench| bench.copytruncate("a.log", "a.log.1"),
    ];
    for (backup, rotate) in backups
        .iter()
        .flat_map(|backup| rotations.map(|rotate| (backup, rotate)))
    {
        for (looks, restarts) in [(0, false), (20, false), (0, true), (20, true)] {
            let mut bench = bench();
            bench.append("a.log", &many(0..200));
            bench.poll();
            backup(&bench);
            (0..looks).for_each(|_| drop(bench.poll()));
            bench.append("a.log", &many(200..300));
            bench.poll();
            if restarts {
                bench.restart();
            }
            rotate(&bench);
            bench.append("a.log", &many(300..310));
            settle(&mut bench);
            assert_eq!(bench.lines.len(), 310, "{looks} {restarts}");
            assert!(!bench.last.gap);
        }
    }
}

#[test]
fn copies_that_the_pattern_leads_to() {
    let mut bench = Bench::new("*.log*", ReadFrom::End);
    bench.poll();
    bench.append("a.log", &many(0..200));
    bench.poll();
    bench.append("a.log", &many(200..210));
    bench.copytruncate("a.log", "a-20231202.log");
    bench.append("a.log", &many(300..310));
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 220);
    bench.gzip("a-20231202.log");
    bench.poll();
    bench.now += GRACE_OF_DELETED;
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 220);
    assert_eq!(bench.tail.count(FileState::Following), 1);
}

/// As rsync and `sed --in-place` do.
#[test]
fn replaced_by_a_file_with_the_same_content_and_more() {
    let mut bench = bench();
    bench.append("a.log", &many(0..200));
    bench.poll();
    fs::copy(bench.at("a.log"), bench.at("new")).unwrap();
    bench.append("new", &many(200..210));
    bench.append("a.log", &many(200..203));
    // Time stamps of files have ticks of some milliseconds.
    let created = fs::metadata(bench.at("new")).unwrap().created().unwrap();
    let same_tick = || {
        bench.append("probe", "x");
        fs::metadata(bench.at("probe")).unwrap().modified().unwrap() <= created
    };
    while same_tick() {}
    bench.rename("new", "a.log");
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 210);
    bench.append("a.log", &many(210..220));
    assert_eq!(bench.poll().len(), 10);
}

#[test]
fn created_anew_with_the_same_content() {
    let mut bench = bench();
    bench.append("a.log", &many(0..200));
    bench.poll();
    fs::remove_file(bench.at("a.log")).unwrap();
    bench.append("a.log", &many(0..200));
    settle(&mut bench);
    assert_eq!(bench.lines.len(), 400);
}

#[test]
fn a_log_that_lost_its_end_with_the_machine() {
    for crashed in [true, false] {
        let mut bench = bench();
        bench.append("a.log", &many(0..200));
        bench.poll();
        if !crashed {
            bench.restart();
        } else {
            bench.tail = Tail::restore(bench.tail.options.clone(), bench.tail.memory()).after_a_crash();
        }
        let file = File::options().write(true).open(bench.at("a.log")).unwrap();
        file.set_len(150 * 10).unwrap();
        bench.poll();
        assert_eq!(
            (bench.last.gap, bench.lines.len()),
            (true, if crashed { 200 } else { 350 })
        );
        bench.append("a.log", &many(200..210));
        assert_eq!(bench.poll().len(), 10);
    }
}

#[test]
fn deleted_files_are_let_go() {
    let mut bench = Bench::new("a-*.log", ReadFrom::End);
    bench.poll();
    bench.append("a-1.log", "1\n");
    bench.poll();
    fs::remove_file(bench.at("a-1.log")).unwrap();
    bench.now += GRACE_OF_DELETED / 2;
    bench.poll();
    assert_eq!(bench.tail.count(FileState::Following), 1);
    bench.now += GRACE_OF_DELETED / 2;
    bench.poll();
    assert_eq!(bench.tail.count(FileState::Following), 0);

    // Sooner, where there is no room.
    for number in 2..10 {
        let name = format!("a-{number}.log");
        bench.append(&name, &format!("{number}\n"));
        bench.poll();
        assert_eq!(bench.tail.leaves_out(), bench.lines.len() < number);
        fs::remove_file(bench.at(&name)).unwrap_or_default();
        if bench.tail.leaves_out() {
            bench.append(&name, &format!("{number}\n"));
            bench.now += GRACE;
            bench.poll();
            bench.poll();
            fs::remove_file(bench.at(&name)).unwrap();
        }
    }
    assert_eq!(bench.lines.len(), 9);
}

#[test]
fn a_rotation_with_as_many_files_as_are_allowed() {
    let mut bench = Bench::new("*.log", ReadFrom::End);
    bench.tail.options.files = 2;
    bench.poll();
    bench.append("a.log", "1\n");
    bench.append("b.log", "1\n");
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "2\n");
    assert_eq!(bench.poll(), ["2"]);
    assert!(!bench.tail.leaves_out());
}

/// What a process wrote before it ended comes before what its successor wrote.
#[test]
fn the_rest_of_what_was_cut_comes_first() {
    let mut bench = bench();
    bench.append("a.log", "1\n");
    bench.poll();
    bench.append("a.log", "2\n");
    bench.copytruncate("a.log", "a.log.1");
    bench.append("a.log", "3\n");
    assert_eq!(bench.poll(), ["2", "3"]);
}

/// The link's target is rotated where it is.
#[test]
fn a_link_to_a_log_elsewhere() {
    for restarts in [false, true] {
        let mut bench = bench();
        fs::create_dir(bench.at("real")).unwrap();
        bench.append("real/x.log", "0\n");
        symlink(bench.at("real/x.log"), bench.at("a.log")).unwrap();
        bench.poll();
        assert!(bench.tail.directories().contains(&*bench.at("real")));
        bench.append("real/x.log", "1\n");
        if restarts {
            bench.restart();
        }
        for number in 1..3 {
            bench.rename("real/x.log", &format!("real/x.log.{}", 3 - number));
            bench.append("real/x.log", &format!("{}\n", number + 1));
        }
        settle(&mut bench);
        bench.lines.sort();
        assert_eq!(bench.lines, ["0", "1", "2", "3"]);
        assert!(!bench.last.gap);
    }
}

/// A proxy's old process has the rotated log open as long as a client's connection.
#[test]
fn written_to_after_it_was_let_go() {
    let mut bench = bench();
    bench.append("a.log", "1\n");
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "2\n");
    bench.poll();
    bench.now += GRACE;
    bench.poll();
    // The directory has been as it is for long.
    let long_ago = std::time::SystemTime::UNIX_EPOCH + GRACE;
    File::open(bench.dir.path())
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    bench.poll();
    bench.poll();
    assert_eq!(bench.tail.followers.len(), 1);
    bench.append("a.log.1", "late\n");
    assert_eq!(bench.poll(), ["late"]);
    bench.now += GRACE;
    bench.poll();
    assert_eq!(bench.tail.followers.len(), 1);
    bench.append("a.log.1", "later\n");
    assert_eq!(bench.poll(), ["later"]);
}

/// On a disk that is mounted late, by another number than before.
#[test]
fn a_log_that_turns_up_after_the_first_look() {
    let mut bench = bench();
    bench.append("a.log", &many(0..200));
    bench.poll();
    fs::copy(bench.at("a.log"), bench.at("elsewhere")).unwrap();
    fs::remove_file(bench.at("a.log")).unwrap();
    bench.restart();
    bench.poll();
    bench.append("elsewhere", &many(200..210));
    bench.rename("elsewhere", "a.log");
    assert_eq!(bench.poll().len(), 10);
}

/// Nothing in such lines tells one file from another.
#[test]
fn lines_all_alike_in_files_longer_than_what_identifies_them() {
    type Rotation = fn(&Bench);
    let rotations: [Rotation; 3] = [
        |bench| bench.rename("a.log", "a.log.1"),
        |bench| {
            bench.rename("a.log", "a.log.1");
            bench.append("a.log", "");
            bench.gzip("a.log.1");
        },
        |bench| fs::remove_file(bench.at("a.log")).unwrap(),
    ];
    for (index, rotate) in rotations.iter().enumerate() {
        for lines in [100, 500] {
            let mut bench = Bench::new("*.log", ReadFrom::End);
            bench.poll();
            bench.append("a.log", &alike(300));
            bench.poll();
            rotate(&bench);
            bench.append("a.log", &alike(lines));
            settle(&mut bench);
            assert_eq!(bench.lines.len(), 300 + lines, "{index}");
        }
    }
}

fn alike(lines: usize) -> String {
    "the same line\n".repeat(lines)
}
