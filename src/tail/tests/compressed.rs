//! Rotated files that are compressed.

use super::*;

#[test]
fn rotated_while_away_several_times_renamed_and_compressed() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "old\n");
    bench.poll();
    bench.append("a.log", "1\n");
    bench.poll();
    bench.append("a.log", "2\n");
    bench.rename("a.log", "a.log.3");
    bench.gzip("a.log.3");
    bench.append("a.log", "3\n");
    bench.rename("a.log", "a.log.2");
    bench.append("a.log", "4\n");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "5\n");
    bench.restart();
    assert_eq!(
        bench.poll(),
        ["2", "3", "4", "5"],
        "in the order in which they were written"
    );
    assert!(!bench.last.gap);
    assert_eq!(bench.poll(), NOTHING);
}

#[test]
fn the_same_for_zstd() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "old\n");
    bench.poll();
    bench.append("a.log", "1\n2\n");
    let content = fs::read(bench.at("a.log")).unwrap();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    fs::write(
        bench.at("a.log.1.zst"),
        ruzstd::encoding::compress_to_vec(&content[..], level),
    )
    .unwrap();
    fs::write(bench.at("a.log"), "3\n").unwrap();
    bench.restart();
    assert_eq!(bench.poll(), ["1", "2", "3"]);
}

/// gzip reads the renamed file while its writer still writes to it, and then removes it.
#[test]
fn a_compressed_copy_that_ends_before_our_position() {
    for let_go in [false, true] {
        let mut bench = Bench::new("a.log", ReadFrom::End);
        bench.poll();
        bench.append("a.log", &many(0..200));
        bench.poll();
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", "next\n");
        fs::copy(bench.at("a.log.1"), bench.at("copy")).unwrap();
        bench.append("a.log.1", "late\n");
        assert_eq!(bench.poll(), ["late", "next"]);
        bench.gzip("copy");
        bench.rename("copy.gz", "a.log.1.gz");
        fs::remove_file(bench.at("a.log.1")).unwrap();
        if let_go {
            bench.now += GRACE;
        } else {
            bench.restart();
        }
        assert_eq!(bench.poll(), NOTHING, "let go: {let_go}");
        assert_eq!(bench.poll(), NOTHING, "let go: {let_go}");
    }
}

/// The same for copytruncate, where the copy is compressed at once.
#[test]
fn a_compressed_copy_made_before_our_last_look() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench.append("a.log", &many(0..200));
    fs::copy(bench.at("a.log"), bench.at("a.log.1")).unwrap();
    bench.append("a.log", "between\n");
    bench.poll();
    File::create(bench.at("a.log")).unwrap();
    bench.gzip("a.log.1");
    assert_eq!(bench.poll(), NOTHING);
    bench.append("a.log", "after\n");
    assert_eq!(bench.poll(), ["after"]);
}

/// logrotate gives the compressed file the old one's time when it is done.
#[test]
fn a_compressed_copy_whose_time_is_set_later() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.poll();
    bench.append("a.log", &many(0..200));
    bench.poll();
    bench.append("a.log", "rest\n");
    bench.rename("a.log", "a.log.1");
    bench.gzip("a.log.1");
    bench.restart();
    assert_eq!(bench.poll(), ["rest"]);
    let archive = File::options().write(true).open(bench.at("a.log.1.gz")).unwrap();
    archive.set_modified(std::time::UNIX_EPOCH + LOOK).unwrap();
    assert_eq!(bench.poll(), NOTHING);
    bench.rename("a.log.1.gz", "a.log.2.gz");
    bench.restart();
    assert_eq!(bench.poll(), NOTHING);
}

/// What a start can find while a rotated file is being compressed.
#[test]
fn a_file_beside_its_compressed_copy_is_counted_once() {
    for (compressed, removed_first) in [(100, false), (50, false), (100, true)] {
        let mut bench = Bench::new("a.log", ReadFrom::End);
        bench.poll();
        bench.restart();
        bench.append("a.log", &many(0..200));
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", "next\n");
        fs::copy(bench.at("a.log.1"), bench.at("copy")).unwrap();
        bench.gzip("copy");
        let whole = fs::read(bench.at("copy.gz")).unwrap();
        fs::write(bench.at("a.log.1.gz"), &whole[..whole.len() * compressed / 100]).unwrap();
        if !removed_first {
            bench.poll();
            assert_eq!(bench.lines.len(), 201);
        }
        fs::remove_file(bench.at("a.log.1")).unwrap();
        fs::write(bench.at("a.log.1.gz"), &whole).unwrap();
        bench.poll();
        bench.restart();
        bench.poll();
        assert_eq!(
            bench.lines.len(),
            201,
            "{compressed} % compressed, {removed_first}"
        );
    }
}
