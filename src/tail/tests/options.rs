//! Other paths while we run.

use super::*;

impl Bench {
    /// Follows these instead.
    fn follow(&mut self, names: &[&str]) {
        let paths = names
            .iter()
            .map(|name| self.at(name).to_str().unwrap().to_owned());
        let options = Options {
            paths: paths.collect(),
            ..self.tail.options.clone()
        };
        self.tail.set_options(options);
    }
}

#[test]
fn a_file_that_another_pattern_finds_is_followed_on() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "old\n");
    bench.append("b.log", "old\n");
    assert!(bench.poll().is_empty());
    for (turn, pattern) in (0..).zip(["*.log", "a.log", "?.log"]) {
        bench.append("a.log", &format!("{turn}\n"));
        bench.follow(&[pattern]);
        assert_eq!(bench.poll(), [turn.to_string()], "{pattern}");
    }
}

#[test]
fn what_is_new_at_a_new_path_begins_as_at_a_first_start() {
    for (read_from, expect) in [(ReadFrom::End, &[][..]), (ReadFrom::Beginning, &["b1"])] {
        let mut bench = Bench::new("a.log", read_from);
        bench.append("a.log", "a1\n");
        bench.append("b.log.1", "rotated before\n");
        bench.poll();
        bench.append("b.log", "b1\n");
        bench.follow(&["a.log", "b.log"]);
        assert_eq!(bench.poll(), expect);
        bench.append("b.log", "b2\n");
        assert_eq!(bench.poll(), ["b2"]);
    }
}

#[test]
fn a_path_without_a_file_yet_does_not_bring_its_rotated_copies() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "");
    bench.poll();
    bench.append("b.log.1", "never ours\n");
    bench.follow(&["b.log"]);
    assert!(bench.poll().is_empty());
    bench.append("b.log", "b\n");
    assert_eq!(bench.poll(), ["b"]);
}

#[test]
fn what_no_pattern_leads_to_is_let_go_and_its_position_kept() {
    for read_from in [ReadFrom::End, ReadFrom::Beginning] {
        let mut bench = Bench::new("*.log", read_from);
        bench.append("a.log", "");
        bench.append("b.log", "");
        bench.poll();
        bench.append("a.log", "a1\n");
        bench.append("b.log", "b1\n");
        assert_eq!(bench.poll(), ["a1", "b1"]);

        bench.follow(&["b.log"]);
        bench.append("a.log", "a2\n");
        bench.append("b.log", "b2\n");
        assert_eq!(bench.poll(), ["b2"]);
        assert_eq!(bench.tail.count(FileState::Following), 1);
        // What becomes of it is no business of ours, over a restart neither.
        bench.rename("a.log", "a.log.1");
        assert!(bench.poll().is_empty());
        bench.restart();
        assert!(bench.poll().is_empty() && !bench.last.gap);

        bench.rename("a.log.1", "a.log");
        bench.follow(&["*.log"]);
        assert_eq!(
            bench.poll(),
            ["a2"],
            "nothing twice, from wherever reading begins"
        );
    }
}

#[test]
fn other_paths_since_the_last_start() {
    for read_from in [ReadFrom::End, ReadFrom::Beginning] {
        let mut bench = Bench::new("a.log", read_from);
        bench.append("a.log", "");
        bench.poll();
        bench.append("a.log", "1\n");
        assert_eq!(bench.poll(), ["1"]);
        bench.append("a.log", "2\n");
        bench.tail.options.paths = vec![bench.at("?.log").to_str().unwrap().to_owned()];
        bench.restart();
        assert_eq!(bench.poll(), ["2"], "known under its new pattern");

        bench.tail.options.paths = vec![bench.at("b.log").to_str().unwrap().to_owned()];
        bench.append("a.log", "3\n");
        bench.restart();
        bench.rename("a.log", "a.log.1");
        assert!(bench.poll().is_empty());
        assert_eq!(
            (bench.last.gap, bench.last.lost_bytes),
            (false, 0),
            "not ours any more"
        );
    }
}

#[test]
fn a_link_replaced_by_what_it_leads_to() {
    let mut bench = Bench::new("link", ReadFrom::End);
    bench.append("a.log", "old\n");
    symlink(bench.at("a.log"), bench.at("link")).unwrap();
    bench.poll();
    bench.append("a.log", "1\n");
    bench.follow(&["a.log"]);
    assert_eq!(bench.poll(), ["1"]);
    assert_eq!(bench.states(), [("a.log".to_owned(), "following")]);
}

#[test]
fn a_rotated_file_that_is_still_written_stays_followed() {
    let mut bench = Bench::new("a.log", ReadFrom::End);
    bench.append("a.log", "old\n");
    bench.poll();
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "new\n");
    bench.poll();
    bench.follow(&["*.log"]);
    bench.append("a.log.1", "late\n");
    assert_eq!(bench.poll(), ["late"]);
}
