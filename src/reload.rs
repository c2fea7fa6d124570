//! The configuration read anew while we run: validated whole first, then handed to the sources. A bad one changes
//! nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::cli::Cli;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::ingest::Handle;
use crate::model::Model;
use crate::process;
use crate::record::UnixMillis;

/// How long a source may take to finish its pass. One that reads a log from a hanging file system takes longer.
const SWAP_WITHIN: Duration = Duration::from_secs(10);

/// Where the configuration comes from and whom it is handed to.
#[derive(Debug)]
pub struct Reloader {
    file: Option<PathBuf>,
    overrides: Overrides,
    /// The demo brings its own logs, whatever the file says.
    own_logs: bool,
    sources: Vec<Handle>,
    clock: Clock,
    /// What was handed out last. Held while one reload is under way, so that the next begins after it and reads the
    /// file once more.
    current: tokio::sync::Mutex<Arc<Model>>,
    outcome: Mutex<Outcome>,
}

/// How the last reload went; the start is the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The last one succeeded.
    pub successful: bool,
    /// When the last one that succeeded did.
    pub succeeded: UnixMillis,
}

impl Reloader {
    /// Hands `sources`, which began with `model`, what the same arguments make of the file later.
    pub fn new(cli: &Cli, model: Arc<Model>, sources: Vec<Handle>, clock: Clock) -> Self {
        Self {
            file: cli.config_file.clone(),
            overrides: cli.overrides(),
            own_logs: cli.demo().is_some(),
            sources,
            current: tokio::sync::Mutex::new(model),
            outcome: Mutex::new(Outcome {
                successful: true,
                succeeded: clock.now().unix,
            }),
            clock,
        }
    }

    /// Reloads, and says so in the log. Goes on to its end even if nobody waits for it.
    ///
    /// # Errors
    /// What is wrong with the configuration; the old one stays in force.
    pub async fn reload(self: &Arc<Self>) -> Result<()> {
        let reloader = Arc::clone(self);
        let task = tokio::spawn(async move { reloader.run().await });
        task.await
            .context("the reload panicked; its message is in the log")?
    }

    /// How the last one went.
    pub fn outcome(&self) -> Outcome {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self) -> Result<()> {
        let mut current = self.current.lock().await;
        let result = self.replace(&mut current).await;
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let file = file.as_deref().unwrap_or("built-in profile");
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.successful = result.is_ok();
        match &result {
            Ok(changed) => {
                outcome.succeeded = self.clock.now().unix;
                info!(file, changed, "configuration reloaded");
            }
            Err(problem) => {
                let problem = format!("{problem:#}");
                error!(
                    problem,
                    "failed to reload the configuration; the one before stays in force"
                );
            }
        }
        result.map(|_| ())
    }

    /// Whether there was anything new.
    async fn replace(&self, current: &mut Arc<Model>) -> Result<bool> {
        let (file, overrides) = (self.file.clone(), self.overrides.clone());
        let old = Arc::clone(current);
        let own_logs = self.own_logs;
        let compile = move || -> anyhow::Result<_> {
            let mut config = Config::load(file.as_deref(), &overrides)?;
            if own_logs {
                config.access.clone_from(&old.config.access);
                config.app.clone_from(&old.config.app);
            }
            if config == old.config {
                return Ok(None);
            }
            let compiled = Model::new(config).map(Some);
            compiled.map_err(|error| anyhow!(Config::refused(file.as_deref(), &error)))
        };
        // The file may lie on a slow disk.
        let Some(mut model) = tokio::task::spawn_blocking(compile).await?? else {
            return Ok(false);
        };
        model.files = process::files_each(model.files);
        *current = Arc::new(model);
        let mut swaps = JoinSet::new();
        for source in self.sources.clone() {
            let model = Arc::clone(current);
            swaps.spawn(async move { source.swap(model, SWAP_WITHIN).await });
        }
        if !swaps.join_all().await.into_iter().all(|swapped| swapped) {
            bail!(
                "the configuration is valid, but a log cannot be read just now; it takes effect once that is over"
            );
        }
        Ok(true)
    }
}
