//! The configuration file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use sha1::{Digest, Sha1};

/// What `print_default_config` prints. `port` is ours: the original's follows from the address.
pub(crate) const DEFAULT: &str = "\
student_email: test@example.com
port: 27352
postgres_cluster:
  hosts:
  - address: localhost
    port: 5432
  user: postgres
  password: postgres
  db_name: postgres
  ssl_mode: disable
  use_closest_node: false
";

/// As much of it as there is use for here.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) student_email: String,
    pub(crate) port: u16,
    pub(crate) database_hosts: usize,
    /// The file as it is.
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
struct Raw {
    student_email: String,
    port: u16,
    #[serde(default)]
    postgres_cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
struct Cluster {
    #[serde(default)]
    hosts: Vec<serde::de::IgnoredAny>,
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| {
            format!("failed to read the configuration {shown}; print_default_config prints one to begin with")
        })?;
        let raw: Raw = serde_saphyr::from_str(&text)
            .with_context(|| format!("failed to read the configuration {shown}"))?;
        ensure!(
            raw.student_email.contains('@'),
            "{shown}: student_email is no address"
        );
        Ok(Self {
            student_email: raw.student_email,
            port: raw.port,
            database_hosts: raw.postgres_cluster.hosts.len(),
            text,
        })
    }

    /// Name of the log's directory.
    pub(crate) fn log_id(&self) -> String {
        let digest = Sha1::digest(self.student_email.as_bytes());
        digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
    }
}
