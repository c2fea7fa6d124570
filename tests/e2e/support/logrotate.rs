//! The real logrotate, with a configuration and a state of its own.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::{program, run};

pub(crate) struct Logrotate {
    configuration: PathBuf,
    state: PathBuf,
}

impl Logrotate {
    /// Rotates `log` by these directives, keeping everything; `postrotate` is run by the shell after each rotation.
    /// Its own files go into `dir`.
    ///
    /// # Panics
    /// If they cannot be written.
    #[track_caller]
    pub(crate) fn new(dir: &Path, log: &Path, directives: &[&str], postrotate: &str) -> Self {
        let configuration = dir.join("logrotate.conf");
        let directives = directives.join("\n ");
        let text = format!(
            "{} {{\n rotate 999\n missingok\n ifempty\n {directives}\n postrotate\n {postrotate}\n endscript\n}}\n",
            log.display()
        );
        fs::write(&configuration, text).unwrap();
        Self {
            configuration,
            state: dir.join("logrotate.state"),
        }
    }

    /// Rotates now, whatever the schedule. False if a rotated copy of the same name is there already, as it is for
    /// names by date within a second.
    ///
    /// # Panics
    /// If logrotate fails for any other reason.
    #[track_caller]
    pub(crate) fn force(&self) -> bool {
        let mut command = program("logrotate");
        command
            .arg("--force")
            .arg("--state")
            .args([&self.state, &self.configuration]);
        let output = run(&mut command, "logrotate");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() || said.contains("already exists, skipping rotation"),
            "{said}"
        );
        output.status.success()
    }
}
