//! What `bingo-exporter generate` writes, and what the repository holds of it.
#![cfg(test)]

mod calm;
mod dashboards;
mod mutants;
mod names;
mod promtool;
mod selectors;

use std::process::Command;

use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::generate::Options;
use bingo_exporter::generate::alerts::{Set, sets};

/// Rules and tests of the built-in profile.
fn built_in() -> Vec<Set> {
    sets(&Config::load(None, &Overrides::default()).unwrap())
}

fn options() -> Options {
    Options {
        job_regex: ".*bingo-exporter.*".parse().unwrap(),
        grafana_url: "http://localhost:3000".to_owned(),
        runbook_url: "alerts/runbooks".to_owned(),
    }
}

/// Runs it where the repository is.
fn generate(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bingo-exporter"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.arg("generate").args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_repository_holds_what_the_built_in_profile_generates() {
    assert_eq!(generate(&[".", "--check"]), (Some(0), String::new()));
}

#[test]
fn another_job_makes_other_files() {
    let (code, said) = generate(&[".", "--check", "--job-regex", "bingo"]);
    assert_eq!(code, Some(1));
    let first = "bingo-exporter: ./alerts/rules/service.yml differs, ";
    assert!(said.starts_with(first), "{said}");
    assert!(
        said.ends_with("; write them with: bingo-exporter generate .\n"),
        "{said}"
    );
}
