//! The command line: flags, their environment variables, and what this release refuses because a later one brings
//! it. Reads neither the process's arguments nor its environment: both are passed in.

mod subcommand;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use tracing::Level;

use self::subcommand::Subcommand;
pub use self::subcommand::{Check, Demo, Task};
use crate::config::{ConfigError, Overrides, RELEASE, scalar};
use crate::log::LogFormat;
use crate::serve::peers::PeerUrl;
use crate::tail;

const NAME: &str = "bingo-exporter";

/// Arguments that the demo has values of its own for.
const OWN_OF_DEMO: [&str; 4] = ["source_access", "source_app", "read_from", "state_dir"];

/// What a later release brings, and what holds until then. Refused, since to ignore it would look like it worked.
const LATER: &[(&str, &str)] = &[
    ("replay", "logs are followed, not read once"),
    (
        "--web.config.file",
        "the endpoint is plain HTTP without passwords",
    ),
    ("--web.page-networks", "everyone who can connect sees the page"),
];

const EXAMPLES: &str = "\
Examples:
  Say what would be counted, and what is missing:
    bingo-exporter check
  See it work, with simulated logs:
    bingo-exporter demo
  Follow nginx's log and serve metrics on port 10352:
    bingo-exporter --source.access /var/log/nginx/access.log
  Several logs, for this host only:
    bingo-exporter --source.access '/var/log/nginx/*.log' \\
        --web.listen-address 127.0.0.1:10352
  Begin a configuration file from the built-in one:
    bingo-exporter --config.print > bingo-exporter.yaml

A flag given here wins over its environment variable. In the environment, a
flag that may be repeated takes several values with commas between them.";

/// The arguments, validated.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Cli {
    /// YAML file with sources, endpoints and objectives; without it the built-in profile for bingo is in force
    #[arg(long = "config.file", value_name = "FILE", help_heading = "Configuration")]
    pub config_file: Option<PathBuf>,

    /// Validate the configuration, print the one in force (these flags included) and exit
    #[arg(long = "config.print", help_heading = "Configuration", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", hide_default_value = true,
          hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub config_print: bool,

    /// Access log of the reverse proxy, an absolute path or glob; replaces the configuration's paths (repeatable)
    #[arg(long = "source.access", value_name = "GLOB", help_heading = "Logs")]
    pub source_access: Vec<String>,

    /// bingo's own log, an absolute path or glob; replaces the configuration's paths (repeatable)
    #[arg(long = "source.app", value_name = "GLOB", help_heading = "Logs")]
    pub source_app: Vec<String>,

    /// Where to begin in files that are present at the start; files that appear later are read from their beginning
    #[arg(
        long = "source.read-from",
        value_name = "WHERE",
        help_heading = "Logs",
        default_value = "end"
    )]
    pub read_from: ReadFrom,

    /// Where positions and counts are kept, so that counters go on over a restart; without it $STATE_DIRECTORY,
    /// else /var/lib/bingo-exporter if it can be used, else nothing is kept
    #[arg(long = "state.dir", value_name = "DIR", help_heading = "State")]
    pub state_dir: Option<PathBuf>,

    /// Where to serve HTTP: HOST:PORT, or :PORT for every address, IPv4 and IPv6 (repeatable)
    #[arg(
        long = "web.listen-address",
        value_name = "ADDR",
        help_heading = "HTTP",
        default_value = ":10352"
    )]
    pub listen_addresses: Vec<ListenAddress>,

    /// Path of the metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH", help_heading = "HTTP", default_value = "/metrics",
          value_parser = telemetry_path)]
    pub telemetry_path: String,

    /// Page of another node's exporter, such as http://10.0.0.2:10352: this one's page shows both (repeatable)
    #[arg(long = "web.peer", value_name = "URL", help_heading = "HTTP")]
    pub peers: Vec<PeerUrl>,

    /// Allow POST /-/reload to read the configuration anew, as SIGHUP does
    #[arg(long = "web.enable-lifecycle", help_heading = "HTTP", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", hide_default_value = true,
          hide_possible_values = true, action = ArgAction::Set, value_name = "BOOL")]
    pub enable_lifecycle: bool,

    /// Least severe messages to log
    #[arg(long = "log.level", value_name = "LEVEL", help_heading = "Own log", default_value = "info",
          value_parser = PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"])
              .try_map(|level| level.parse::<Level>()))]
    pub log_level: Level,

    /// How messages are written
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        help_heading = "Own log",
        default_value = "logfmt"
    )]
    pub log_format: LogFormat,

    /// What the subcommand says.
    #[arg(skip)]
    pub task: Task,
}

/// Where reading begins in files that are present at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadFrom {
    /// What is there already is not counted.
    End,
    /// Everything is counted.
    Beginning,
}

impl From<ReadFrom> for tail::ReadFrom {
    fn from(flag: ReadFrom) -> Self {
        match flag {
            ReadFrom::End => Self::End,
            ReadFrom::Beginning => Self::Beginning,
        }
    }
}

/// Where to serve HTTP, not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address, IPv6 without its brackets; None is every address of both families.
    pub host: Option<String>,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

/// The end of the program before it began: help, or why it cannot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// 0 for help and version, 2 for bad usage or configuration.
    pub code: u8,
    /// What to print as it is, with the last line's end; an error is one line that begins with our name.
    pub message: String,
    /// Where to print it: stdout, or else stderr.
    pub to_stdout: bool,
}

/// Reads the arguments (the program's name first) and, for flags that are not among them, the environment.
///
/// # Errors
/// Help and version where asked for; unknown, later or malformed flags and malformed values of our variables.
pub fn parse(
    args: impl IntoIterator<Item = impl Into<OsString>>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Cli, Exit> {
    let args = args.into_iter().skip(1).map(Into::into).collect();
    let (subcommand, args) = split(args)?;
    let command = command(subcommand);
    let given = command
        .clone()
        .try_get_matches_from(&args)
        .map_err(|error| usage(&error, None))?;
    // An empty variable is an unset one: compose files and unit files write `${VAR:-}`.
    let env = |variable: &str| env(variable).filter(|value| !value.is_empty());
    for (flag, _) in LATER.iter().filter(|(flag, _)| flag.starts_with("--")) {
        let variable = variable(flag);
        if env(&variable).is_some() {
            return Err(later(&variable, flag));
        }
    }
    let flags = from_environment(&command, &given, env)?;
    // In front: a `--` among the arguments ends the flags.
    let matches = command
        .try_get_matches_from(flags.into_iter().chain(args))
        .map_err(|error| usage(&error, None))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| usage(&error, None))?;
    if subcommand == Some(Subcommand::Demo)
        && let Some(flag) = first_given(&matches, &OWN_OF_DEMO)
    {
        return Err(Exit::usage(format!(
            "demo brings its own logs and state: leave {flag} out"
        )));
    }
    if let Some(subcommand) = subcommand {
        cli.task = subcommand.task(&matches).map_err(|error| usage(&error, None))?;
    }
    Ok(cli)
}

impl Cli {
    /// The demo, where it is that.
    pub fn demo(&self) -> Option<&Demo> {
        match &self.task {
            Task::Demo(demo) => Some(demo),
            _ => None,
        }
    }

    /// What these flags replace in the configuration.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            access: self.source_access.clone(),
            app: self.source_app.clone(),
        }
    }
}

/// Takes the subcommand out of the arguments. Flags may stand on both sides of it, and one that may be repeated
/// counts on both: clap's global flags would keep one side's only.
fn split(args: Vec<OsString>) -> Result<(Option<Subcommand>, Vec<OsString>), Exit> {
    let flags = Cli::augment_args(Command::new(NAME))
        .no_binary_name(true)
        .version(RELEASE);
    let matches = flags.allow_external_subcommands(true).try_get_matches_from(&args);
    let matches = matches.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => help(command(None)),
        _ => usage(&error, None),
    })?;
    let Some((name, after)) = matches.subcommand() else {
        return Ok((None, args));
    };
    if LATER.iter().any(|(later, _)| *later == name) {
        return Err(later(name, name));
    }
    let Some(subcommand) = Subcommand::named(name) else {
        return Err(Exit::usage(format!(
            "unexpected argument '{name}' found; see {NAME} --help"
        )));
    };
    let after = after.get_many::<OsString>("").map_or(0, |values| values.len());
    let at = args.len().saturating_sub(after + 1);
    let others = args.into_iter().enumerate().filter(|(i, _)| *i != at);
    Ok((Some(subcommand), others.map(|(_, arg)| arg).collect()))
}

/// The first of these arguments that was given, as it is written.
fn first_given(matches: &ArgMatches, ids: &[&str]) -> Option<String> {
    let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let id = ids.iter().copied().find(given)?;
    let command = command(None);
    let arg = command.get_arguments().find(|arg| arg.get_id() == id)?;
    Some(format!("--{}", arg.get_long()?))
}

fn help(mut command: Command) -> Exit {
    Exit {
        code: 0,
        message: command.render_help().to_string(),
        to_stdout: true,
    }
}

/// All there is on the command line, for manual and completions.
pub fn reference() -> Command {
    command(None)
}

/// The flags, each with its variable in its help.
fn command(subcommand: Option<Subcommand>) -> Command {
    let command = Cli::augment_args(Command::new(NAME))
        .bin_name(NAME)
        .no_binary_name(true)
        .version(RELEASE)
        .about(
            "Follows the logs of bingo and its reverse proxy and serves per-endpoint request, error and latency \
             metrics, starts and crashes",
        );
    let command = match subcommand {
        None => command
            .after_help(EXAMPLES)
            .disable_help_subcommand(true)
            .subcommands(Subcommand::ALL.map(|other| other.augment(Command::new(other.name())))),
        Some(subcommand) => subcommand
            .augment(command)
            .bin_name(format!("{NAME} {}", subcommand.name())),
    };
    command.mut_args(|arg| match (arg.get_long(), arg.get_help()) {
        (Some(long), Some(help)) => {
            let help = format!("{help} [env: {}]", variable(long));
            arg.help(help)
        }
        _ => arg,
    })
}

/// `--web.listen-address` is BINGO_EXPORTER_WEB_LISTEN_ADDRESS.
fn variable(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace(['.', '-'], "_");
    format!("BINGO_EXPORTER_{}", name.to_ascii_uppercase())
}

/// The variables of flags that were not given, as flags. Each is tried alone, so that what is wrong with it is
/// said of the variable.
fn from_environment(
    command: &Command,
    given: &ArgMatches,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, Exit> {
    let mut flags = Vec::new();
    for arg in command.get_arguments() {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else {
            continue;
        };
        if given.value_source(id) == Some(ValueSource::CommandLine) {
            continue;
        }
        let variable = variable(long);
        let Some(value) = env(&variable) else { continue };
        let repeatable = matches!(arg.get_action(), ArgAction::Append);
        for value in values(&value, repeatable, &variable)? {
            let flag = OsString::from(format!("--{long}={value}"));
            let lenient = command.clone().mut_args(|arg| arg.required(false));
            let alone = lenient.try_get_matches_from([&flag]);
            alone.map_err(|error| usage(&error, Some(&variable)))?;
            flags.push(flag);
        }
    }
    Ok(flags)
}

fn values<'a>(value: &'a OsStr, repeatable: bool, variable: &str) -> Result<Vec<&'a str>, Exit> {
    let Some(value) = value.to_str() else {
        return Err(Exit::usage(format!("{variable}: expected UTF-8")));
    };
    if !repeatable {
        return Ok(vec![value]);
    }
    Ok(value
        .split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .collect())
}

/// What clap found, on one line; `variable` where the environment said it.
fn usage(error: &clap::Error, variable: Option<&str>) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Exit {
            code: 0,
            message: error.render().to_string(),
            to_stdout: true,
        };
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg)
        && LATER.iter().any(|(flag, _)| flag == given)
    {
        return later(given, given);
    }
    let text = error.render().to_string();
    let said = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let said: Vec<_> = said.filter(|line| !line.is_empty()).collect();
    let said = said.join("; ").replace(":; ", ": ");
    let said = said.trim_start_matches("error: ");
    Exit::usage(match variable {
        Some(variable) => format!("{variable}: {said}"),
        None => format!("{said}; see {NAME} --help"),
    })
}

/// Refuses what a later release brings. `given` is what the operator wrote, `flag` its entry.
fn later(given: &str, flag: &str) -> Exit {
    let until = LATER
        .iter()
        .find(|(name, _)| *name == flag)
        .map_or("", |(_, until)| until);
    Exit::usage(format!("{given} is not in release {RELEASE}: {until}"))
}

/// A path that neither collides with the page, the API and the probes nor means something to the router.
fn telemetry_path(text: &str) -> Result<String, String> {
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    if let Some(rest) = text.strip_prefix('/')
        && rest.split('/').all(plain)
        && !matches!(rest.split('/').next(), Some("-" | "api"))
    {
        return Ok(text.to_owned());
    }
    Err("expected a path such as /metrics, not /, nor below /-/ or /api/".to_owned())
}

impl Exit {
    /// Bad usage: one line that says what to do.
    fn usage(message: impl fmt::Display) -> Self {
        // A value may hold anything, a line break too.
        let message = format!("{NAME}: {message}").replace(char::is_control, " ");
        Self {
            code: 2,
            message: message + "\n",
            to_stdout: false,
        }
    }
}

impl From<ConfigError> for Exit {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected HOST:PORT, [IPv6]:PORT or :PORT, such as 127.0.0.1:10352".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        if !host.is_empty() && !scalar::is_host(host) || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(expected());
        }
        let host = (!host.is_empty()).then(|| host.trim_matches(['[', ']']).to_owned());
        Ok(Self {
            host,
            port: port.parse().map_err(|_| expected())?,
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests;
