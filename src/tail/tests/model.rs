//! Random sequences of what writers, logrotate and operators do, against a model that knows every line written.

use std::fs::{self, File};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Action {
    Append(u8),
    Partial,
    /// Lines into the newest renamed file, as a writer does that was not told to reopen.
    AppendToRenamed(u8),
    Rename,
    Create,
    CopyTruncate,
    Truncate,
    Delete,
    /// The oldest plain copy.
    Gzip,
    Poll,
    /// Without a sweep: what was noted is all that is known.
    Look,
    Wait,
    Save,
    /// Back to what was saved last, as after `kill -9`.
    Kill,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    use Action::*;
    let action = prop_oneof![
        6 => (1u8..5).prop_map(Append),
        2 => Just(Partial),
        2 => (1u8..3).prop_map(AppendToRenamed),
        3 => Just(Rename),
        2 => Just(Create),
        2 => Just(CopyTruncate),
        1 => Just(Truncate),
        1 => Just(Delete),
        2 => Just(Gzip),
        4 => Just(Poll),
        2 => Just(Look),
        1 => Just(Wait),
        2 => Just(Save),
        2 => Just(Kill),
    ];
    prop::collection::vec(action, 0..40)
}

/// The log directory and what was written into it.
struct Model {
    bench: Bench,
    written: Vec<String>,
    number: u32,
    partial: String,
    /// What a kill falls back to: the memory, and how many lines were counted then.
    saved: (Memory, usize),
    /// Whether the newest copy was renamed, so that a writer may still hold it.
    renamed: bool,
}

impl Model {
    fn new() -> Self {
        let mut bench = Bench::new("a.log", ReadFrom::End);
        // Of two files, writes are noted.
        bench.append("b.log", "");
        let mut options = bench.tail.options.clone();
        options.paths.push(bench.at("b.log").to_str().unwrap().to_owned());
        options.files = usize::MAX;
        bench.tail = Tail::new(options);
        bench.poll();
        let saved = (bench.tail.memory(), 0);
        Self {
            bench,
            written: vec![],
            number: 0,
            partial: String::new(),
            saved,
            renamed: false,
        }
    }

    fn append(&mut self, name: &str, lines: u8) {
        for _ in 0..lines {
            // Lines of one length: a size that fits proves nothing.
            let line = format!("{:04}", self.number);
            self.number += 1;
            self.bench.append(name, &format!("{line}\n"));
            let begun = if name == "a.log" {
                std::mem::take(&mut self.partial)
            } else {
                String::new()
            };
            self.written.push(begun + &line);
        }
    }

    fn complete_line(&mut self) {
        if !self.partial.is_empty() {
            self.append("a.log", 1);
        }
    }

    fn save(&mut self) {
        self.saved = (self.bench.tail.memory(), self.bench.lines.len());
    }

    /// Everything on disk is read and saved: what is destroyed next is not needed any more.
    fn read_all(&mut self) {
        self.complete_line();
        self.bench.poll();
        self.save();
    }

    /// logrotate's shift: `.2` becomes `.3`, `.1` becomes `.2`, compressed or not.
    fn shift(&mut self) {
        for index in (1..60).rev() {
            for extension in ["", ".gz"] {
                let from = format!("a.log.{index}{extension}");
                if self.bench.at(&from).exists() {
                    self.bench
                        .rename(&from, &format!("a.log.{}{extension}", index + 1));
                }
            }
        }
    }

    fn apply(&mut self, action: &Action) {
        let live = self.bench.at("a.log").exists();
        match action {
            Action::Append(lines) => self.append("a.log", *lines),
            Action::AppendToRenamed(lines) if self.renamed && self.bench.at("a.log.1").exists() => {
                self.append("a.log.1", *lines);
            }
            // Every piece is another: a file written again with the very same bytes is the same file to anyone.
            Action::Partial if self.partial.len() < 40 => {
                let piece = format!("{:04}-", self.number);
                self.bench.append("a.log", &piece);
                self.partial.push_str(&piece);
                self.number += 1;
            }
            Action::Rename if live => {
                self.complete_line();
                self.shift();
                self.bench.rename("a.log", "a.log.1");
                self.renamed = true;
            }
            Action::Create => self.bench.append("a.log", ""),
            Action::CopyTruncate if live => {
                self.complete_line();
                self.shift();
                self.bench.copytruncate("a.log", "a.log.1");
                self.renamed = false;
            }
            Action::Truncate if live => {
                self.read_all();
                drop(File::create(self.bench.at("a.log")).unwrap());
            }
            Action::Delete if live => {
                self.read_all();
                fs::remove_file(self.bench.at("a.log")).unwrap();
            }
            Action::Gzip => {
                let oldest = (1..60).rev().map(|index| format!("a.log.{index}"));
                if let Some(name) = oldest.into_iter().find(|name| self.bench.at(name).exists()) {
                    self.bench.gzip(&name);
                }
            }
            Action::Poll => drop(self.bench.poll()),
            Action::Look => drop(self.bench.look()),
            Action::Wait => {
                self.bench.now += GRACE;
                self.bench.poll();
            }
            Action::Save => self.save(),
            Action::Kill => {
                let (memory, lines) = self.saved.clone();
                let memory = serde_json::from_str(&serde_json::to_string(&memory).unwrap()).unwrap();
                self.bench.tail = Tail::restore(self.bench.tail.options.clone(), memory);
                self.bench.lines.truncate(lines);
            }
            _ => {}
        }
    }
}

proptest! {
    // Rare orders of events matter here; `PROPTEST_CASES` asks for more.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2000), ..ProptestConfig::default() })]

    /// Every line written is counted once, whatever happened to its file in between, as long as its bytes existed
    /// somewhere at a look.
    #[test]
    fn every_line_is_counted_once(actions in actions()) {
        let mut model = Model::new();
        for action in &actions {
            model.apply(action);
        }
        model.complete_line();
        model.bench.poll();
        // What was undecided, a copy still being made, is decided by now.
        model.bench.poll();
        model.bench.lines.sort();
        model.written.sort();
        prop_assert_eq!(&model.bench.lines, &model.written);
    }
}
