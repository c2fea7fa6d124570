//! What `bingo-exporter generate` writes, and what the repository holds of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

/// Runs it where the repository is.
fn generate(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bingo-exporter"));
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("generate")
        .args(args)
        .output()
        .unwrap();
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
    assert!(
        said.starts_with("bingo-exporter: ./alerts/rules/service.yml differs, "),
        "{said}"
    );
    assert!(
        said.ends_with("; write them with: bingo-exporter generate .\n"),
        "{said}"
    );
}
