//! Tells the binary which revision it was built from, for `bingo_exporter_build_info`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=BINGO_EXPORTER_REVISION");
    // Written at each commit and checkout; a tree without it is no git checkout, and cargo would always rerun us.
    let log = ".git/logs/HEAD";
    println!(
        "cargo::rerun-if-changed={}",
        if std::path::Path::new(log).exists() {
            log
        } else {
            "build.rs"
        }
    );
    let given = std::env::var("BINGO_EXPORTER_REVISION").ok();
    let revision = given.or_else(git_revision).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=BINGO_EXPORTER_REVISION={revision}");
}

fn git_revision() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let revision = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| revision.trim().to_owned())
}
