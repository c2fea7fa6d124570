use super::*;
use crate::clock::Now;
use crate::config::{Config, Overrides};
use crate::model::Model;
use crate::source::Source;
use crate::tail::ReadFrom;

fn now() -> Now {
    Now {
        unix: 0,
        elapsed: std::time::Duration::ZERO,
    }
}

fn text(source: &Source) -> String {
    Scrape {
        sources: vec![Arc::new(source.snapshot(now(), 0))],
        saved: true,
        own: Own::default(),
    }
    .openmetrics()
    .unwrap()
}

fn source() -> Source {
    let overrides = Overrides {
        access: vec!["/nowhere/access.log".into()],
    };
    let model = Model::new(Config::load(None, &overrides).unwrap()).unwrap();
    Source::access(Arc::new(model), ReadFrom::End)
}

#[test]
fn nothing_half_counted_is_shown() {
    let mut source = source();
    let families = |text: &str| {
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        names
            .filter(|name| !name.starts_with("bingo_exporter_") && !name.starts_with("process_"))
            .count()
    };
    let before = text(&source);
    assert!(before.contains("bingo_exporter_catching_up 1\n"));
    assert_eq!(families(&before), 0);
    source.pass(now(), true);
    let after = text(&source);
    assert!(after.contains("bingo_exporter_catching_up 0\n"));
    assert!(families(&after) > 5);
}

#[test]
fn every_help_is_a_sentence() {
    let mut source = source();
    source.pass(now(), true);
    let text = text(&source);
    let helps: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .collect();
    assert!(helps.len() > 20);
    for help in helps {
        let (name, sentence) = help.split_once(' ').unwrap();
        let fine = sentence.ends_with('.') && sentence.len() > 15 && !sentence.contains(['"', '\\']);
        assert!(fine, "{name}: {sentence}");
    }
}

#[test]
fn forbidden_labels_are_not_used() {
    let mut source = source();
    source.pass(now(), true);
    // Prometheus Operator and service discovery own these; ours would become exported_… and rules go silently dead.
    for label in [
        "endpoint",
        "job",
        "instance",
        "node",
        "namespace",
        "pod",
        "service",
        "container",
        "env",
    ] {
        let text = text(&source);
        assert!(
            !text.contains(&format!("{{{label}=")) && !text.contains(&format!(",{label}=")),
            "{label}"
        );
    }
}
