//! A stand-in for bingo: command line, configuration, HTTP, log and deaths like the original, which is not ours to
//! ship. For tests and for trying things out; the exporter does not know it.
//!
//! ```text
//! mkdir -p logs/567159d622
//! cargo run --example bingo -- print_default_config > bingo.yaml
//! cargo run --example bingo -- --config bingo.yaml --logs logs run_server
//! ```
//!
//! How it dies is up to `--death`, after 10 to 25 minutes or `--death-after`; or at once by `POST /operation` with
//!
//! | `{"operation": N}` | |
//! |---|---|
//! | 1001 | exit 0, without a word |
//! | 1002 | exit 1, without a word |
//! | 1003 | Go's panic: stderr, exit 2 |
//! | 1004 | 500 `I feel bad` to everything until it is restarted |
//! | 1005 | takes more and more memory, then is killed as by the kernel |
//!
//! None of them leaves a line in the log. These numbers, the log's levels, what a request's line says besides
//! `url_path` and `event_duration`, and the wording of `prepare_db` are ours; the original's are not known.

#[path = "bingo/config.rs"]
mod config;
#[path = "bingo/death.rs"]
mod death;
#[path = "bingo/log.rs"]
mod log;
#[path = "bingo/server.rs"]
mod server;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use bingo_exporter::simulate::main_log::VERSION;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::death::Fate;

/// A stand-in for bingo
#[derive(Debug, Parser)]
#[command(name = "bingo")]
struct Cli {
    /// Configuration [env: BINGO_CONFIG] [default: /opt/bingo/config.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the log's directory, the first 10 digits of sha1(student_email), is [env: BINGO_LOGS] [default: /opt/bongo/logs]
    #[arg(long, global = true, value_name = "DIR")]
    logs: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Command {
    /// Serve until a signal or death
    RunServer(RunServer),
    /// Fill the database: nothing to do here
    PrepareDb,
    /// Print the configuration to begin with
    PrintDefaultConfig,
    /// Print the configuration in force
    PrintCurrentConfig,
    /// Print the version
    Version,
}

#[derive(Debug, clap::Args)]
struct RunServer {
    #[command(flatten)]
    fate: Fate,

    /// How long the initialization request takes: up to 30000 in the field
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 300)]
    init_takes: u64,

    /// The initialization request fails
    #[arg(long)]
    init_fails: bool,

    /// What the clock is ahead of UTC: 300 writes `+0500`, 0 writes `Z`
    #[arg(
        long,
        value_name = "MINUTES",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    offset: i32,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_on(io::stderr(), &format!("bingo: {error:#}\n"));
            ExitCode::from(1)
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let path = given(cli.config.as_ref(), "BINGO_CONFIG", "/opt/bingo/config.yaml");
    match &cli.command {
        Command::RunServer(options) => {
            let config = Config::read(&path)?;
            let logs = given(cli.logs.as_ref(), "BINGO_LOGS", "/opt/bongo/logs");
            server::run(config, &logs, options)
        }
        Command::PrepareDb => {
            Config::read(&path)?;
            say("Preparing database.\nDatabase is prepared.\n");
            Ok(())
        }
        Command::PrintDefaultConfig => {
            say(config::DEFAULT);
            Ok(())
        }
        Command::PrintCurrentConfig => {
            say(&Config::read(&path)?.text);
            Ok(())
        }
        Command::Version => {
            say(&format!("{VERSION}\n"));
            Ok(())
        }
    }
}

fn given(flag: Option<&PathBuf>, variable: &str, default: &str) -> PathBuf {
    let from_environment = || std::env::var_os(variable).filter(|value| !value.is_empty());
    flag.cloned()
        .or_else(|| from_environment().map(PathBuf::from))
        .unwrap_or_else(|| default.into())
}

fn say(text: &str) {
    say_on(io::stdout(), text);
}

fn say_on(mut to: impl Write, text: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
