//! promtool's word on rules, tests and configuration. amtool's on Alertmanager's.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::generate::files;

use super::{built_in, options};

/// Which promtool; `PROMTOOL` names another one, say a newer release's.
fn program(name: &str) -> Command {
    let named = std::env::var_os(name.to_uppercase());
    Command::new(named.unwrap_or_else(|| name.into()))
}

/// Runs a tool on the repository.
#[track_caller]
pub(crate) fn tool(name: &str, package: &str, args: &[&str], dir: &Path) -> Output {
    let mut program = program(name);
    // Its collector takes a third of the time of so short a run.
    let program = program.env("GOGC", "400").args(args).current_dir(dir);
    let output = program.output();
    output.unwrap_or_else(|error| {
        panic!("failed to start {name}: {error}: install {package}, or run `make setup`")
    })
}

#[track_caller]
pub(crate) fn content(name: &str, package: &str, args: &[&str], dir: &Path) -> String {
    let output = tool(name, package, args, dir);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{name} {args:?}:\n{said}");
    said
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of a directory below `dir`, which is in the repository or is one like it.
pub(crate) fn listed(dir: &Path, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(dir.join(directory)).unwrap();
    let name = |entry: fs::DirEntry| format!("{directory}/{}", entry.file_name().into_string().unwrap());
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[track_caller]
fn rules_pass(dir: &Path) {
    let check = |command: &str, directory| {
        let files = listed(dir, directory);
        let args: Vec<&str> = [command, "rules"]
            .into_iter()
            .chain(files.iter().map(String::as_str))
            .collect();
        content("promtool", "prometheus", &args, dir)
    };
    check("check", "alerts/rules");
    check("test", "alerts/tests");
}

#[test]
fn the_rules_and_their_tests_pass() {
    rules_pass(repository());
}

#[test]
fn those_of_another_configuration_pass_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yaml");
    fs::write(
        &config,
        "unmatched: rest\nendpoints: [{method: GET, path: /a, objectives: {availability: 0.999}}]\n",
    )
    .unwrap();
    let config = Config::load(Some(&config), &Overrides::default()).unwrap();
    let mut options = options();
    options.job_regex = r"team/bingo\.x|second".parse().unwrap();
    for file in files(&config, &options) {
        assert!(!file.text.contains("BingoLongDummyStale"), "{}", file.path);
        let path = dir.path().join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
    rules_pass(dir.path());
}

#[test]
fn every_alert_is_shown_firing_and_silent() {
    for set in built_in() {
        for alert in set.group.alerts() {
            let cases = set.cases.iter().flat_map(|cases| &cases.cases);
            let shown: Vec<_> = cases
                .filter(|case| case.alert == alert.name)
                .map(|case| case.shows())
                .collect();
            assert!(shown.iter().any(|shows| shows.0), "{} never fires", alert.name);
            assert!(
                shown.iter().any(|shows| shows.1),
                "{} is never silent",
                alert.name
            );
        }
    }
}

/// Alertmanager's configuration with its comments' examples in force.
fn with_examples(text: &str) -> String {
    let (before, receivers) = text.split_once("receivers:").unwrap();
    let uncommented = receivers.lines().map(|line| line.replacen("# ", "", 1));
    format!(
        "{before}receivers:{}\n",
        uncommented.collect::<Vec<_>>().join("\n")
    )
}

#[test]
fn alertmanager_takes_its_configuration_and_its_examples() {
    let alerts = repository().join("alerts");
    let check = |dir: &Path| {
        content(
            "amtool",
            "prometheus-alertmanager",
            &["check-config", "alertmanager.yml"],
            dir,
        )
    };
    check(&alerts);
    let dir = tempfile::tempdir().unwrap();
    let text = with_examples(&fs::read_to_string(alerts.join("alertmanager.yml")).unwrap());
    for example in ["email", "slack", "telegram"] {
        assert!(text.contains(&format!("\n    {example}_configs:")), "{text}");
    }
    fs::write(dir.path().join("alertmanager.yml"), text).unwrap();
    check(dir.path());
}

#[test]
fn pages_and_tickets_go_their_ways() {
    for (severity, receiver) in [("page", "pages"), ("ticket", "tickets"), ("none", "tickets")] {
        let severity = format!("severity={severity}");
        let args = [
            "config",
            "routes",
            "test",
            "--config.file=alerts/alertmanager.yml",
            "alertname=X",
            &severity,
        ];
        let said = content("amtool", "prometheus-alertmanager", &args, repository());
        assert_eq!(said.lines().next(), Some(receiver));
    }
}

#[test]
fn inhibition_names_alerts_that_exist() {
    let text = fs::read_to_string(repository().join("alerts/alertmanager.yml")).unwrap();
    let sets = built_in();
    let known: Vec<&str> = sets
        .iter()
        .flat_map(|set| set.group.alerts())
        .map(|alert| alert.name)
        .collect();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let named: Vec<&str> = words
        .filter(|word| word.starts_with("Bingo") && word.len() > 5)
        .collect();
    assert!(named.len() > 15);
    for name in named {
        assert!(known.contains(&name), "{name}");
    }
}

#[test]
fn prometheus_takes_its_configurations() {
    for file in ["alerts/prometheus.yml", "alerts/remote-write.yml"] {
        content("promtool", "prometheus", &["check", "config", file], repository());
    }
}
