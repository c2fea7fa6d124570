//! What is given of one file that grows.

use super::*;

#[test]
fn what_was_there_is_old_and_what_comes_is_new() {
    let mut bench = Bench::new("*.log", ReadFrom::End);
    bench.append("a.log", "old\n");
    assert_eq!(bench.poll(), NOTHING);
    bench.append("a.log", "new\n");
    bench.append("b.log", "later file\n");
    assert_eq!(bench.poll(), ["new", "later file"]);
}

#[test]
fn a_line_half_written_at_the_start_is_counted_when_whole() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "old\nhal");
    assert_eq!(bench.poll(), NOTHING);
    bench.append("a.log", "f\n");
    assert_eq!(bench.poll(), ["half"]);
}

#[test]
fn from_the_beginning_on_request() {
    let mut bench = Bench::new("a.log", ReadFrom::Beginning);
    bench.append("a.log", "old\n");
    assert_eq!(bench.poll(), ["old"]);
    assert_eq!(bench.poll(), NOTHING);
}

#[test]
fn an_incomplete_line_is_withheld() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench.append("a.log", "one\ntw");
    assert_eq!(bench.poll(), ["one"]);
    assert_eq!(
        bench.tail.files()[0].unread_bytes,
        0,
        "the held part of a line is not unread"
    );
    bench.append("a.log", "o\n");
    assert_eq!(bench.poll(), ["two"]);
}

#[test]
fn too_long_is_counted_once_however_it_comes() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench.append("a.log", &format!("{}\nnext\n", "x".repeat(65)));
    assert_eq!(bench.poll(), ["TOO LONG", "next"]);
    for _ in 0..3 {
        bench.append("a.log", &"x".repeat(50));
        assert_eq!(bench.poll(), NOTHING);
    }
    bench.append("a.log", &format!("\n{}\n", "y".repeat(64)));
    assert_eq!(bench.poll(), ["TOO LONG".to_owned(), "y".repeat(64)]);
}

#[test]
fn lines_longer_than_a_chunk() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.tail.options.line_bytes = 3 * CHUNK_BYTES;
    bench.poll();
    let (fits, too_long) = ("x".repeat(3 * CHUNK_BYTES), "y".repeat(9 * CHUNK_BYTES));
    bench.append("a.log", &format!("{fits}\n{too_long}\nend\n"));
    let lines = bench.poll();
    assert!(
        lines == [fits, "TOO LONG".to_owned(), "end".to_owned()],
        "{:?}",
        lines.iter().map(String::len).collect::<Vec<_>>()
    );
    assert_eq!(bench.tail.buffer.capacity(), CHUNK_BYTES, "memory is given back");

    let half = "z".repeat(CHUNK_BYTES + CHUNK_BYTES / 2);
    bench.append("a.log", &half);
    assert_eq!(bench.poll(), NOTHING);
    assert_eq!(
        bench.tail.files()[0].unread_bytes,
        0,
        "what waits for its end counts as read"
    );
    bench.append("a.log", &format!("{half}\nend\n"));
    assert!(bench.poll() == [half.repeat(2), "end".to_owned()]);
}

/// Only what will be given is held.
#[test]
fn lines_over_the_limit_are_passed_over_without_being_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let limit = 4 * CHUNK_BYTES;
    let read = |line: usize, written: bool| {
        fs::write(&path, "x".repeat(line) + "\nend\n").unwrap();
        let file = File::open(&path).unwrap();
        let id = FileId::from(&file.metadata().unwrap());
        let mut follower = Follower::new(path.as_path().into(), file, Position::start(id), Duration::ZERO);
        let (mut buffer, mut seen) = (vec![], vec![]);
        let sink = &mut |lines: Lines<'_>| {
            lines.each(|line| {
                seen.push(match line {
                    Line::Complete(bytes) => bytes.len(),
                    _ => 0,
                });
            });
        };
        follower
            .read(&mut buffer, limit, u64::MAX, written, Duration::ZERO, sink)
            .unwrap();
        (seen, buffer.len())
    };
    for written in [false, true] {
        assert_eq!(read(limit, written), (vec![limit, 3], limit + 1));
        assert_eq!(read(limit + 1, written), (vec![0, 3], CHUNK_BYTES));
        assert_eq!(read(25 * limit, written), (vec![0, 3], CHUNK_BYTES));
    }
}

/// Its size is not asked for before it is read.
#[test]
fn what_is_left_of_a_file_known_to_be_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let size = 3 * CHUNK_BYTES as u64;
    fs::write(&path, "0123456\n".repeat(3 * CHUNK_BYTES / 8)).unwrap();
    let file = File::open(&path).unwrap();
    let id = FileId::from(&file.metadata().unwrap());
    let mut follower = Follower::new(path.as_path().into(), file, Position::start(id), Duration::ZERO);
    let mut read = |budget| {
        let turn = follower
            .read(&mut vec![], 100, budget, true, Duration::ZERO, &mut |_| ())
            .unwrap();
        (turn.more, follower.position.offset, follower.unread_bytes())
    };
    let chunk = CHUNK_BYTES as u64;
    assert_eq!(read(1), (true, chunk, size - chunk));
    assert_eq!(read(u64::MAX), (false, size, 0));
    fs::write(&path, "anew\n").unwrap();
    assert_eq!(read(u64::MAX), (true, 0, 5));
    assert_eq!(read(u64::MAX), (false, 5, 0));
}

#[test]
fn a_hole_left_by_a_writer_without_append() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "");
    bench.poll();
    let mut writer = OpenOptions::new().write(true).open(bench.at("a.log")).unwrap();
    writer
        .write_all("0123456789\n".repeat(100_000).as_bytes())
        .unwrap();
    assert_eq!(bench.poll().len(), 100_000);
    File::create(bench.at("a.log")).unwrap();
    writer.write_all(b"after\n").unwrap();
    assert_eq!(bench.poll(), ["after"]);
}

/// A client of NFS may see how long a file is before it sees what is in it.
#[test]
fn zeros_that_become_lines() {
    let mut bench = Bench::new("a.log", ReadFrom::Beginning);
    bench.append("a.log", &many(0..200));
    bench.poll();
    let file = File::options().write(true).open(bench.at("a.log")).unwrap();
    file.set_len(203 * 10).unwrap();
    assert_eq!(bench.poll(), NOTHING);
    std::os::unix::fs::FileExt::write_all_at(&file, many(200..203).as_bytes(), 200 * 10).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(bench.poll().len(), 3);
    assert_eq!(bench.rotations(), [0, 0, 0]);
}
