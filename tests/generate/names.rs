//! What rules are made of exists: metrics, labels and their values, runbooks, and what is sent on for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bingo_exporter::generate::rule::Rule;
use promql_parser::label::{MatchOp, Matcher};

use super::selectors::selectors;
use super::{built_in, options};

/// Labels that the scrape configuration and Prometheus give.
pub(crate) const OF_TARGETS: [&str; 3] = ["job", "instance", "node"];

/// All series of all golden expositions: metric, then label, then values.
pub(crate) fn exposed() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut exposed: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    // The golden files hold one exporter without a checkpoint, a reload and a process: these it shows as it lives.
    for name in [
        "bingo_exporter_checkpoint_failures_total",
        "bingo_exporter_checkpoint_timestamp_seconds",
        "bingo_exporter_config_last_reload_successful",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    ] {
        exposed.insert(name.to_owned(), BTreeMap::new());
    }
    for file in fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "prom") {
            continue;
        }
        for line in fs::read_to_string(file)
            .unwrap()
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, labels) = line
                .split_once('{')
                .unwrap_or((line.split_once(' ').unwrap().0, "} "));
            let of = exposed.entry(name.to_owned()).or_default();
            let labels = labels.rsplit_once('}').unwrap().0;
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                of.entry(label.to_owned())
                    .or_default()
                    .insert(value.trim_end_matches('"').to_owned());
            }
        }
    }
    exposed
}

#[test]
fn every_metric_label_and_value_exists() {
    let exposed = exposed();
    let recorded: Vec<String> = built_in()
        .iter()
        .flat_map(|set| &set.group.rules)
        .filter_map(|rule| match rule {
            Rule::Record(record) => Some(record.name.clone()),
            Rule::Alert(_) => None,
        })
        .collect();
    let selectors = selectors(&built_in(), &options().job_regex.to_string());
    assert!(selectors.len() > 80, "{}", selectors.len());
    for (rule, selector) in selectors {
        let name = selector.name.clone().unwrap();
        if recorded.contains(&name) || name == "up" {
            continue;
        }
        let labels = exposed
            .get(&name)
            .unwrap_or_else(|| panic!("{rule}: there is no {name}"));
        for Matcher {
            op,
            name: label,
            value,
        } in &selector.matchers.matchers
        {
            if OF_TARGETS.contains(&label.as_str()) {
                continue;
            }
            let values = labels
                .get(label)
                .unwrap_or_else(|| panic!("{rule}: {name} has no {label}"));
            let wanted: Vec<&str> = match op {
                MatchOp::Equal | MatchOp::NotEqual => vec![value],
                MatchOp::Re(_) | MatchOp::NotRe(_) => value.split('|').collect(),
            };
            for value in wanted {
                assert!(values.contains(value), "{rule}: no {name} has {label}={value:?}");
            }
        }
    }
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let sets = built_in();
    let alerts: BTreeSet<&str> = sets
        .iter()
        .flat_map(|set| set.group.alerts())
        .map(|alert| alert.name)
        .collect();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/runbooks");
    let mut runbooks = BTreeSet::new();
    for file in fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let headings: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with('#') && !line.starts_with("# Which"))
            .collect();
        let title = format!("# {name}");
        let headings: Vec<&str> = headings
            .into_iter()
            .filter(|line| line.starts_with("## ") || *line == title)
            .collect();
        assert_eq!(
            headings,
            [&title, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"],
            "{name}"
        );
        assert!(text.contains("```promql\n") && text.contains("```sh\n"), "{name}");
        for (number, query) in queries(&text).into_iter().enumerate() {
            promql_parser::parser::parse(&query)
                .unwrap_or_else(|error| panic!("{name}, query {number}: {error}"));
        }
        runbooks.insert(name);
    }
    assert_eq!(
        runbooks.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        alerts
    );
}

/// The queries of a runbook, one a line.
fn queries(text: &str) -> Vec<String> {
    let blocks = text
        .split("```promql\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split("  #").next().unwrap().to_owned())
        .collect()
}

#[test]
fn alerts_read_well() {
    for set in built_in() {
        for alert in set.group.alerts() {
            let name = alert.name;
            assert!(
                name.starts_with("Bingo") && !alert.summary.ends_with('.'),
                "{name}: {}",
                alert.summary
            );
            assert!(
                alert.description.ends_with(['.', '}']),
                "{name}: {}",
                alert.description
            );
            assert!(
                alert.description.len() > 100 && alert.why.ends_with('.'),
                "{name}"
            );
            assert!(!alert.panel.title.is_empty());
        }
    }
}

/// The names of the metrics that remote-write.yml sends on.
pub(crate) fn sent_on() -> Matcher {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/remote-write.yml")).unwrap();
    let regex = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("regex: "))
        .unwrap();
    Matcher::new_matcher(
        promql_parser::parser::token::T_EQL_REGEX,
        "x".to_owned(),
        regex.to_owned(),
    )
    .unwrap()
}

#[test]
fn what_rules_need_is_sent_on() {
    let regex = sent_on();
    for (rule, selector) in selectors(&built_in(), &options().job_regex.to_string()) {
        let name = selector.name.unwrap();
        assert!(name.contains(':') || regex.is_match(&name), "{rule}: {name}");
    }
    let histograms = [
        "bingo_http_request_duration_seconds_bucket",
        "bingo_upstream_duration_seconds_bucket",
    ];
    assert!(!histograms.iter().any(|name| regex.is_match(name)));
}
