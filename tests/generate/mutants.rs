//! Every number, `for`, operator and label matcher of every rule is changed once, and the rules' own tests have to
//! notice. The table goes to stderr past the test's capture, so that it is in the output of CI.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, ptr, thread};

use bingo_exporter::generate::alerts::Set;
use bingo_exporter::generate::case::{Case, Cases};
use bingo_exporter::generate::rule::{Alert, Rule};

use super::promtool::tool;
use super::{built_in, options};

/// Promtools at a time.
const WORKERS: usize = 2;

/// A rule with one thing changed.
struct Mutant {
    set: usize,
    rule: usize,
    what: String,
    mutated: Rule,
}

/// Where a change can be made, and what it is changed into.
struct Change {
    begin: usize,
    end: usize,
    into: Vec<String>,
}

/// How many each test killed, by where it stands in memory.
#[derive(Default)]
struct Kills(Mutex<HashMap<usize, usize>>);

impl Kills {
    fn of(&self, case: &Case) -> usize {
        let kills = self.0.lock().unwrap();
        kills.get(&address(case)).copied().unwrap_or(0)
    }

    fn note(&self, case: &Case) {
        *self.0.lock().unwrap().entry(address(case)).or_default() += 1;
    }
}

fn address(case: &Case) -> usize {
    ptr::from_ref(case).addr()
}

#[test]
fn the_tests_kill_every_mutant() {
    let sets = built_in();
    let mut mutants = vec![];
    for (set, rules) in sets.iter().map(|set| &set.group.rules).enumerate() {
        for (rule, original) in rules.iter().enumerate() {
            let mutated = mutations(original, sets[set].group.interval);
            mutants.extend(mutated.into_iter().map(|(what, mutated)| Mutant {
                set,
                rule,
                what,
                mutated,
            }));
        }
    }
    let (next, kills) = (AtomicUsize::new(0), Kills::default());
    let survivors = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !is_killed(&sets[mutant.set], mutant, &kills) {
                        say(&format!(
                            "survives in {}: {}
",
                            name(&mutant.mutated),
                            mutant.what
                        ));
                        survivors.lock().unwrap().push((mutant.set, mutant.rule));
                    }
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap();
    print(&sets, &mutants, &survivors);
    assert!(survivors.is_empty(), "{} mutants survive", survivors.len());
    assert!(mutants.len() > 300, "only {} mutants", mutants.len());
}

/// Past the test's capture.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn print(sets: &[Set], mutants: &[Mutant], survivors: &[(usize, usize)]) {
    let mut table = format!("\n{:>8} {:>6}  rule\n", "mutants", "killed");
    for (set, rules) in sets.iter().map(|set| &set.group.rules).enumerate() {
        for (rule, original) in rules.iter().enumerate() {
            let all = mutants
                .iter()
                .filter(|mutant| (mutant.set, mutant.rule) == (set, rule))
                .count();
            let left = survivors
                .iter()
                .filter(|survivor| **survivor == (set, rule))
                .count();
            table += &format!("{all:>8} {:>6}  {}\n", all - left, name(original));
        }
    }
    let all = mutants.len();
    table += &format!("{all:>8} {:>6}  in all\n", all - survivors.len());
    say(&table);
}

fn name(rule: &Rule) -> &str {
    match rule {
        Rule::Alert(alert) => alert.name,
        Rule::Record(record) => &record.name,
    }
}

fn expr(rule: &Rule) -> &str {
    match rule {
        Rule::Alert(alert) => &alert.expr,
        Rule::Record(record) => &record.expr,
    }
}

fn mutations(rule: &Rule, interval: u32) -> Vec<(String, Rule)> {
    let text = expr(rule);
    let mut mutations = vec![];
    for change in changes(text) {
        for into in &change.into {
            let (before, after) = (&text[..change.begin], &text[change.end..]);
            let line = before.lines().count().max(1);
            let what = format!(
                "line {line}: `{}` becomes `{into}`",
                &text[change.begin..change.end]
            );
            let mut mutated = rule.clone();
            let changed = format!("{before}{into}{after}");
            match &mut mutated {
                Rule::Alert(alert) => alert.expr = changed,
                Rule::Record(record) => record.expr = changed,
            }
            mutations.push((what, mutated));
        }
    }
    if let Rule::Alert(alert) = rule {
        mutations.extend(durations(alert, interval));
    }
    mutations
}

/// An evaluation more, an evaluation less; and of what goes on, a fifth.
fn durations(alert: &Alert, interval: u32) -> Vec<(String, Rule)> {
    let mut mutations = vec![];
    let mut add = |what: &str, change: &dyn Fn(&mut Alert, &'static str), seconds: u32| {
        let text: &'static str = format!("{seconds}s").leak();
        let mut mutated = alert.clone();
        change(&mut mutated, text);
        mutations.push((format!("{what} becomes {text}"), Rule::Alert(mutated)));
    };
    let pending = seconds(alert.pending);
    let change: &dyn Fn(&mut Alert, &'static str) = &|alert, text| alert.pending = text;
    add("for", change, pending + interval);
    if let Some(less) = pending.checked_sub(interval) {
        add("for", change, less);
    }
    if let Some(keep) = alert.keep_firing.map(seconds) {
        let change: &dyn Fn(&mut Alert, &'static str) = &|alert, text| alert.keep_firing = Some(text);
        add("keep_firing_for", change, keep * 4 / 5);
        add("keep_firing_for", change, keep * 6 / 5);
    }
    mutations
}

fn seconds(duration: &str) -> u32 {
    let (number, unit) = duration.split_at(duration.len() - 1);
    number.parse::<u32>().unwrap()
        * [("s", 1), ("m", 60), ("h", 3600)]
            .iter()
            .find(|known| known.0 == unit)
            .unwrap()
            .1
}

/// Goes through an expression token by token.
fn changes(text: &str) -> Vec<Change> {
    let mut changes = vec![];
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let word = |pass: fn(char) -> bool| rest.find(|c| !pass(c)).unwrap_or(rest.len());
        let first = rest.chars().next().unwrap();
        let length = match first {
            '{' => matchers(text, at, &mut changes),
            '[' => rest.find(']').unwrap() + 1,
            '"' => rest[1..].find('"').unwrap() + 2,
            'a'..='z' | 'A'..='Z' | '_' => word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'),
            '0'..='9' => word(|c| c.is_ascii_alphanumeric() || c == '.'),
            '>' | '<' | '=' | '!' => word(|c| "><=!".contains(c)),
            _ => first.len_utf8(),
        };
        let into = replacements(&rest[..length]);
        if !into.is_empty() {
            let (begin, end) = (at, at + length);
            changes.push(Change { begin, end, into });
        }
        at += length;
    }
    changes
}

fn replacements(token: &str) -> Vec<String> {
    let one = |into: &str| vec![into.to_owned()];
    match token {
        ">" => one("<"),
        "<" => one(">"),
        ">=" => one("<"),
        "<=" => one(">"),
        "==" => one("!="),
        "*" => one("/"),
        "/" => one("*"),
        "+" => one("-"),
        "-" => one("+"),
        "and" => one("unless"),
        "unless" | "or" => one("and"),
        // Not 12.5 minutes: windows are no numbers here.
        _ => match token.parse::<f64>() {
            Ok(0.0) => one("1"),
            Ok(number) => [0.8, 1.25].map(|factor| (number * factor).to_string()).into(),
            Err(_) => vec![],
        },
    }
}

/// Each matcher between braces is left out once.
fn matchers(text: &str, begin: usize, changes: &mut Vec<Change>) -> usize {
    let length = text[begin..].find('}').unwrap() + 1;
    let inside = &text[begin + 1..begin + length - 1];
    let matchers: Vec<&str> = inside.split(',').collect();
    for left_out in 0..matchers.len() {
        let kept = matchers
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != left_out);
        let kept: Vec<&str> = kept.map(|(_, matcher)| *matcher).collect();
        let into = vec![format!("{{{}}}", kept.join(","))];
        changes.push(Change {
            begin,
            end: begin + length,
            into,
        });
    }
    length
}

/// Whether the tests of an alert that it is part of fail.
fn is_killed(set: &Set, mutant: &Mutant, kills: &Kills) -> bool {
    let mut rules = set.group.rules.clone();
    rules[mutant.rule] = mutant.mutated.clone();
    let mut names: Vec<&str> = set.group.alerts().map(|alert| alert.name).collect();
    names.dedup();
    let concerned = names
        .into_iter()
        .filter(|name| reaches(&set.group.rules, name).contains(&mutant.rule));
    concerned.into_iter().any(|name| fails(set, &rules, name, kills))
}

/// The rules that an alert is made of, its own and those that it needs.
fn reaches(rules: &[Rule], alert: &str) -> Vec<usize> {
    let mut reached: Vec<usize> = (0..rules.len())
        .filter(|index| name(&rules[*index]) == alert)
        .collect();
    let mut seen = 0;
    while let Some(from) = reached.get(seen).copied() {
        seen += 1;
        let needs = |index: &usize| expr(&rules[from]).contains(name(&rules[*index]));
        let more: Vec<usize> = (0..rules.len())
            .filter(needs)
            .filter(|index| !reached.contains(index))
            .collect();
        reached.extend(more);
    }
    reached
}

/// Runs the tests of one alert alone, with the rules that it needs.
fn fails(set: &Set, rules: &[Rule], alert: &str, kills: &Kills) -> bool {
    let needed = reaches(rules, alert);
    let mut group = set.group.clone();
    let kept = rules
        .iter()
        .enumerate()
        .filter(|(index, _)| needed.contains(index));
    group.rules = kept.map(|(_, rule)| rule.clone()).collect();
    let dir = tempfile::tempdir().unwrap();
    for directory in ["rules", "tests"] {
        fs::create_dir(dir.path().join(directory)).unwrap();
    }
    let rules = dir.path().join("rules").join(group.name).with_extension("yml");
    fs::write(rules, group.yaml(&options())).unwrap();
    let severity = |name: &str| set.group.alert(name).unwrap().severity.as_str();
    let mut concerned: Vec<(&Cases, &Case)> = set
        .cases
        .iter()
        .flat_map(|cases| cases.cases.iter().map(move |case| (cases, case)))
        .filter(|(_, case)| case.alert == alert)
        .collect();
    // One by one, since the first that fails is enough; those that failed most so far come first.
    concerned.sort_by_key(|(_, case)| Reverse(kills.of(case)));
    concerned.into_iter().any(|(cases, case)| {
        let tests = cases.yaml(&options(), severity, |other| ptr::eq(other, case));
        fs::write(dir.path().join("tests/mutant.yml"), tests).unwrap();
        let output = tool(
            "promtool",
            "prometheus",
            &["test", "rules", "mutant.yml"],
            &dir.path().join("tests"),
        );
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // A mutant that Prometheus would not load shows nothing; one whose evaluation fails is dead, which tests must see.
        let evaluated = said.contains("got:") || said.contains("many-to-many");
        assert!(output.status.success() || evaluated, "{said}");
        let killed = !output.status.success();
        if killed {
            kills.note(case);
        }
        killed
    })
}
