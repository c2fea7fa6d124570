//! What else there is to do than to follow logs.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::generate::Generate;

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Task {
    /// Follow the logs and serve metrics.
    #[default]
    Run,
    /// Say what would be counted, and why lines would be rejected.
    Check(Check),
    /// Ask the running exporter whether it is ready.
    Health,
    /// Write alert rules.
    Generate(Generate),
    /// Follow simulated logs.
    Demo(Demo),
}

/// Say of each log whether it can be read, what is decided about its format, how its last lines would be counted and
/// what is missing in them. Exits 1 if something must be mended
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Check {
    /// Write JSON, for machines
    #[arg(long, help_heading = "Check", num_args = 0..=1, require_equals = true, default_value = "false",
          default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
          action = ArgAction::Set, value_name = "BOOL")]
    pub json: bool,
}

/// Ask the exporter that runs on this machine at --web.listen-address whether it is ready: for health checks of
/// containers. Exits 0 if it is, 1 if not
#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct Health {}

/// Follow the logs of a simulated bingo and its proxy, written while you watch, with faults every minute
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Demo {
    /// Requests a second; twice as many at the peak. Over 200, what bingo's limiters refuse
    #[arg(long, value_name = "N", help_heading = "Demo", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub rps: u32,

    /// What chance follows from: the same seed, the same requests
    #[arg(long, value_name = "N", help_heading = "Demo", default_value_t = 1)]
    pub seed: u64,

    /// Write the logs here, a new or empty directory, and leave them; without it they are removed at the end
    #[arg(long, value_name = "DIR", help_heading = "Demo")]
    pub keep: Option<PathBuf>,
}

/// A task by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subcommand {
    Check,
    Health,
    Generate,
    Demo,
}

impl Subcommand {
    pub(super) const ALL: [Self; 4] = [Self::Check, Self::Health, Self::Generate, Self::Demo];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Health => "health",
            Self::Generate => "generate",
            Self::Demo => "demo",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subcommand| subcommand.name() == name)
    }

    /// Its own arguments, beside those of everything.
    pub(super) fn augment(self, command: Command) -> Command {
        match self {
            Self::Check => Check::augment_args(command),
            Self::Health => Health::augment_args(command),
            Self::Generate => Generate::augment_args(command),
            Self::Demo => Demo::augment_args(command),
        }
    }

    pub(super) fn task(self, matches: &ArgMatches) -> Result<Task, clap::Error> {
        Ok(match self {
            Self::Check => Task::Check(Check::from_arg_matches(matches)?),
            Self::Health => Task::Health,
            Self::Generate => Task::Generate(Generate::from_arg_matches(matches)?),
            Self::Demo => Task::Demo(Demo::from_arg_matches(matches)?),
        })
    }
}
