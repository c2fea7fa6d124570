//! When paths are looked at, and directories asked for rotated files.

use super::*;

#[test]
fn of_many_files_those_written_to_are_read_between_sweeps() {
    let mut bench = Bench::new("*.log", ReadFrom::Beginning);
    for name in ["a.log", "b.log", "c.log"] {
        bench.append(name, &format!("{name} 1\n"));
    }
    assert_eq!(bench.poll(), ["a.log 1", "b.log 1", "c.log 1"]);

    bench.append("b.log", "b.log 2\nhalf ");
    assert_eq!(bench.look(), ["b.log 2"]);
    bench.append("b.log", "a line\n");
    assert_eq!(bench.look(), ["half a line"]);
    fs::write(bench.at("a.log"), "anew\n").unwrap();
    bench.rename("c.log", "c.log.1");
    bench.append("c.log.1", "late\n");
    assert_eq!(bench.look(), ["late"]);
    assert!(bench.last.more, "a copy of what was cut would come first");
    assert_eq!(bench.look(), ["anew"]);
    assert!(!bench.last.swept);

    let written = bench.tail.writes.take(3);
    let now = bench.now;
    assert!(
        bench
            .tail
            .followers
            .iter_mut()
            .all(|held| held.news(&written, false, now) == News::Nothing)
    );
}

#[test]
fn what_was_rotated_twice_is_found_though_no_name_was_told() {
    let mut bench = Bench::new("access.log", ReadFrom::Beginning);
    bench.append("access.log", "first\n");
    assert_eq!(bench.poll(), ["first"]);
    bench.tail.set_names_are_told(true);

    bench.rename("access.log", "access.log.2");
    bench.append("access.log.1", "between\n");
    bench.append("access.log", "last\n");
    assert_eq!(bench.pass_at(LOOK, false, |_| {}), NOTHING, "not its time yet");
    let later = bench.tail.sweep_every();
    let mut lines = bench.pass_at(later, false, |_| {});
    lines.extend(bench.pass_at(LOOK, false, |_| {}));
    assert_eq!(lines, ["last", "between"]);
}

#[test]
fn copies_elsewhere_are_found_though_nobody_asks() {
    let mut bench = Bench::new("access.log", ReadFrom::Beginning);
    fs::create_dir(bench.at("old")).unwrap();
    bench.tail.set_options(Options {
        rotated: vec![bench.at("old/*").display().to_string()],
        ..bench.tail.options.clone()
    });
    bench.append("access.log", "first\n");
    assert_eq!(bench.poll(), ["first"]);
    bench.tail.set_names_are_told(true);

    bench.append("old/access.log.1", "before\n");
    let later = bench.tail.sweep_every();
    let mut lines = bench.pass_at(later, false, |_| {});
    lines.extend(bench.pass_at(LOOK, false, |_| {}));
    assert_eq!(lines, ["before"]);
}

#[test]
fn looks_are_seldom_where_nothing_is_missed_by_it() {
    let mut bench = Bench::new("*.log", ReadFrom::Beginning);
    bench.append("000.log", "x\n");
    bench.poll();
    let paces = |bench: &Bench| {
        let seconds = [
            bench.tail.look_every(false),
            bench.tail.look_every(true),
            bench.tail.sweep_every(),
        ];
        seconds.map(|pace| pace.as_secs())
    };
    assert_eq!(paces(&bench), [1, 1, 1], "nobody tells of new names");
    bench.tail.set_names_are_told(true);
    assert_eq!(paces(&bench), [1, 15, 8]);

    for number in 1..200 {
        bench.append(&format!("{number:03}.log"), "x\n");
    }
    let files = 1000;
    bench.tail.set_options(Options {
        files,
        ..bench.tail.options.clone()
    });
    bench.poll();
    assert_eq!(paces(&bench), [3, 15, 24]);

    fs::remove_file(bench.at("007.log")).unwrap();
    fs::create_dir(bench.at("007.log")).unwrap();
    bench.poll();
    assert_eq!(paces(&bench), [1, 1, 1], "that it can be read is not told");
    fs::remove_dir(bench.at("007.log")).unwrap();
    bench.poll();
    assert_eq!(paces(&bench), [3, 15, 24]);
}

#[test]
fn a_sweep_finds_nothing_new_in_what_was_read_without_a_look() {
    let mut bench = Bench::new("*.log", ReadFrom::Beginning);
    bench.append("a.log", "1\n");
    bench.append("b.log", "1\n");
    bench.poll();
    bench.append("a.log", "2\n");
    assert_eq!(bench.poll(), ["2"], "noted, and read without a look");

    let (now, path) = (bench.now, bench.at("a.log"));
    let a = bench
        .tail
        .followers
        .iter_mut()
        .find(|follower| *follower.path == *path)
        .unwrap();
    a.note_stamp(Stamp::from(&fs::metadata(&path).unwrap()));
    assert_eq!(a.news(&bench.tail.writes.take(2), true, now), News::Nothing);
}
