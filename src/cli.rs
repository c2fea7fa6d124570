//! The command line: flags, their environment variables, and what this release refuses because a later one brings
//! it. Reads neither the process's arguments nor its environment: both are passed in.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use tracing::Level;

use crate::config::{ConfigError, Overrides, RELEASE, scalar};
use crate::log::LogFormat;
use crate::tail;

const NAME: &str = "bingo-exporter";

const DEMO: &str = "demo";

/// What a later release brings, and what holds until then. Refused, since to ignore it would look like it worked.
const LATER: &[(&str, &str)] = &[
    (
        "check",
        "to see whether the configuration is valid, call --config.print",
    ),
    ("replay", "logs are followed, not read once"),
    ("generate", "rules and dashboards are not written"),
    ("health", "ask /-/ready with an HTTP client"),
    (
        "--web.config.file",
        "the endpoint is plain HTTP without passwords",
    ),
    ("--web.enable-lifecycle", "to change the configuration, restart"),
    ("--web.page-networks", "everyone who can connect sees the page"),
    ("--web.peer", "each exporter shows its own node"),
    ("--job-regex", "rules and dashboards are not written"),
];

const EXAMPLES: &str = "\
Examples:
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

    /// Set where the subcommand was given.
    #[arg(skip)]
    pub demo: Option<Demo>,
}

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

/// What else there is to do than to follow real logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subcommand {
    Demo,
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
    if subcommand == Some(Subcommand::Demo) {
        if let Some(flag) = first_given(&matches, &["source_access", "read_from"]) {
            return Err(Exit::usage(format!(
                "demo brings its own logs and state: leave {flag} out"
            )));
        }
        cli.read_from = ReadFrom::Beginning;
        cli.demo = Some(Demo::from_arg_matches(&matches).map_err(|error| usage(&error, None))?);
    }
    Ok(cli)
}

impl Cli {
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
    if name != DEMO {
        return Err(Exit::usage(format!(
            "unexpected argument '{name}' found; see {NAME} --help"
        )));
    }
    let after = after.get_many::<OsString>("").map_or(0, |values| values.len());
    let at = args.len().saturating_sub(after + 1);
    let others = args.into_iter().enumerate().filter(|(i, _)| *i != at);
    Ok((Some(Subcommand::Demo), others.map(|(_, arg)| arg).collect()))
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
            .subcommand(Demo::augment_args(Command::new(DEMO))),
        Some(Subcommand::Demo) => Demo::augment_args(command).bin_name(format!("{NAME} {DEMO}")),
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
            let alone = command.clone().try_get_matches_from([&flag]);
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
    let said = said.join("; ");
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
mod tests {
    use super::*;

    fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Cli, Exit> {
        parse([NAME].iter().chain(args), |name| {
            env.iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| value.into())
        })
    }

    #[track_caller]
    fn refused(args: &[&str], env: &[(&str, &str)], expect: &str) {
        let exit = run(args, env).unwrap_err();
        assert_eq!((exit.code, exit.to_stdout), (2, false));
        assert_eq!(
            exit.message,
            format!("bingo-exporter: {}\n", expect.replace("{release}", RELEASE))
        );
    }

    #[test]
    fn defaults() {
        let expect = Cli {
            config_file: None,
            config_print: false,
            source_access: Vec::new(),
            source_app: Vec::new(),
            read_from: ReadFrom::End,
            state_dir: None,
            listen_addresses: vec![ListenAddress {
                host: None,
                port: 10352,
            }],
            telemetry_path: "/metrics".to_owned(),
            log_level: Level::INFO,
            log_format: LogFormat::Logfmt,
            demo: None,
        };
        assert_eq!(run(&[], &[]), Ok(expect.clone()));
        // Neither is ours: Kubernetes injects them into every container beside a service of this name.
        let injected = [
            ("BINGO_EXPORTER_PORT", "tcp://10.0.0.1:10352"),
            ("BINGO_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ];
        assert_eq!(run(&[], &injected), Ok(expect.clone()));
        assert_eq!(
            run(
                &[],
                &[("BINGO_EXPORTER_LOG_LEVEL", ""), ("BINGO_EXPORTER_STATE_DIR", "")]
            ),
            Ok(expect)
        );
    }

    #[test]
    fn the_environment_stands_in_for_flags_not_given() {
        let env = [
            ("BINGO_EXPORTER_CONFIG_FILE", "/a,b.yaml"),
            ("BINGO_EXPORTER_CONFIG_PRINT", "true"),
            ("BINGO_EXPORTER_SOURCE_ACCESS", "/a.log, /b.log,"),
            ("BINGO_EXPORTER_SOURCE_APP", "/logs/*/main.log"),
            ("BINGO_EXPORTER_SOURCE_READ_FROM", "beginning"),
            ("BINGO_EXPORTER_WEB_LISTEN_ADDRESS", "127.0.0.1:1,[::1]:0"),
            ("BINGO_EXPORTER_WEB_TELEMETRY_PATH", "/m"),
            ("BINGO_EXPORTER_LOG_LEVEL", "debug"),
            ("BINGO_EXPORTER_LOG_FORMAT", "json"),
        ];
        let expect = Cli {
            config_file: Some("/a,b.yaml".into()),
            config_print: true,
            source_access: vec!["/a.log".to_owned(), "/b.log".to_owned()],
            source_app: vec!["/logs/*/main.log".to_owned()],
            read_from: ReadFrom::Beginning,
            state_dir: None,
            listen_addresses: vec!["127.0.0.1:1".parse().unwrap(), "[::1]:0".parse().unwrap()],
            telemetry_path: "/m".to_owned(),
            log_level: Level::DEBUG,
            log_format: LogFormat::Json,
            demo: None,
        };
        assert_eq!(run(&[], &env), Ok(expect.clone()));
        // A flag replaces the variable's list, and a comma on the command line is a comma.
        let args = [
            "--source.access",
            "/c,d.log",
            "--source.access=/e",
            "--log.level",
            "warn",
            "--config.print",
        ];
        let expect = Cli {
            source_access: vec!["/c,d.log".to_owned(), "/e".to_owned()],
            log_level: Level::WARN,
            ..expect
        };
        assert_eq!(run(&args, &env), Ok(expect));
        assert_eq!(
            run(&[], &[("BINGO_EXPORTER_CONFIG_PRINT", "false")]),
            run(&[], &[])
        );
    }

    #[test]
    fn what_a_later_release_brings_is_refused() {
        for (name, until) in LATER {
            let expect = format!("{name} is not in release {{release}}: {until}");
            refused(&[name], &[], &expect);
            refused(&["--log.level", "debug", name, "--help"], &[], &expect);
            if name.starts_with("--") {
                refused(&[&format!("{name}=x")], &[], &expect);
                refused(&[name, "x"], &[], &expect);
                let variable = variable(name);
                refused(&[], &[(&variable, "x")], &expect.replace(name, &variable));
            }
        }
        // The value of a flag is no subcommand.
        assert!(run(&["--config.file", "check"], &[]).is_ok());
    }

    #[test]
    fn the_demo_and_its_flags() {
        let demo = |rps, seed, keep: Option<&str>| {
            let demo = Demo {
                rps,
                seed,
                keep: keep.map(Into::into),
            };
            Ok(Some(demo))
        };
        let run_demo = |args: &[&str], env: &[(&str, &str)]| run(args, env).map(|cli| cli.demo);
        assert_eq!(run_demo(&["demo"], &[]), demo(60, 1, None));
        let args = ["demo", "--rps", "5", "--seed=7", "--keep", "d"];
        assert_eq!(run_demo(&args, &[]), demo(5, 7, Some("d")));
        assert_eq!(
            run_demo(
                &["demo", "--rps=9"],
                &[("BINGO_EXPORTER_RPS", "7"), ("BINGO_EXPORTER_SEED", "8")]
            ),
            demo(9, 8, None)
        );
        assert_eq!(run_demo(&[], &[("BINGO_EXPORTER_RPS", "x")]), Ok(None));
        assert_eq!(run_demo(&["--config.file", "demo"], &[]), Ok(None));

        // Flags stand on both sides, and add up.
        let address = "--web.listen-address";
        let cli = run(&[address, ":1", "demo", "--log.level=debug", address, ":2"], &[]).unwrap();
        assert_eq!(cli.listen_addresses.len(), 2);
        assert_eq!(
            (cli.log_level, cli.read_from),
            (Level::DEBUG, ReadFrom::Beginning)
        );

        let help = run(&["demo", "--help"], &[]).unwrap_err().message;
        assert!(
            help.contains("Usage: bingo-exporter demo [OPTIONS]") && help.contains("--rps <N>"),
            "{help}"
        );
        assert!(run(&["--help"], &[]).unwrap_err().message.contains("  demo  "));

        refused(
            &["--rps", "5"],
            &[],
            "unexpected argument '--rps' found; see bingo-exporter --help",
        );
        refused(
            &["demo", "x"],
            &[],
            "unexpected argument 'x' found; see bingo-exporter --help",
        );
        refused(
            &["demo", "--rps", "0"],
            &[],
            "invalid value '0' for '--rps <N>': 0 is not in 1..=5000; see bingo-exporter --help",
        );
        refused(
            &["--source.access", "/a", "demo"],
            &[],
            "demo brings its own logs and state: leave --source.access out",
        );
        refused(
            &["demo"],
            &[("BINGO_EXPORTER_SOURCE_READ_FROM", "end")],
            "demo brings its own logs and state: leave --source.read-from out",
        );
    }

    #[test]
    fn bad_usage_takes_one_line() {
        refused(
            &["--foo"],
            &[],
            "unexpected argument '--foo' found; see bingo-exporter --help",
        );
        refused(
            &["--log.levle=x"],
            &[],
            "unexpected argument '--log.levle' found; tip: a similar argument exists: '--log.level'; see bingo-exporter --help",
        );
        refused(
            &["--log.level", "loud"],
            &[],
            "invalid value 'loud' for '--log.level <LEVEL>'; [possible values: error, warn, info, debug, trace]; \
             see bingo-exporter --help",
        );
        refused(
            &[],
            &[("BINGO_EXPORTER_LOG_FORMAT", "x\ny")],
            "BINGO_EXPORTER_LOG_FORMAT: invalid value 'x; y' for '--log.format <FORMAT>'; [possible values: logfmt, json]",
        );
        refused(
            &["--web.listen-address", "10352"],
            &[],
            "invalid value '10352' for '--web.listen-address <ADDR>': expected HOST:PORT, [IPv6]:PORT or :PORT, such as \
             127.0.0.1:10352; see bingo-exporter --help",
        );
        refused(
            &["access.log"],
            &[],
            "unexpected argument 'access.log' found; see bingo-exporter --help",
        );
        let not_text = parse([NAME], |name| {
            use std::os::unix::ffi::OsStringExt;
            (name == "BINGO_EXPORTER_LOG_LEVEL").then(|| OsString::from_vec(vec![0xff]))
        });
        assert_eq!(
            not_text.unwrap_err().message,
            "bingo-exporter: BINGO_EXPORTER_LOG_LEVEL: expected UTF-8\n"
        );
    }

    #[test]
    fn help_shows_each_flag_with_its_variable_and_default() {
        for args in [["--help"], ["-h"]] {
            let help = run(&args, &[]).unwrap_err();
            assert_eq!((help.code, help.to_stdout), (0, true));
            // Undo the wrapping.
            let help = help.message.split_whitespace().collect::<Vec<_>>().join(" ");
            for arg in command(None).get_arguments().filter_map(clap::Arg::get_long) {
                assert!(help.contains(&format!("[env: {}]", variable(arg))), "{arg}");
            }
            assert!(
                help.contains("Usage: bingo-exporter [OPTIONS]")
                    && help.contains("[default: :10352]")
                    && help.contains("Examples:")
            );
        }
        let version = run(&["--version"], &[]).unwrap_err();
        assert_eq!(
            (version.code, version.message),
            (0, format!("bingo-exporter {RELEASE}\n"))
        );
    }

    #[test]
    fn listen_addresses() {
        let address = |host: Option<&str>, port| {
            Ok(ListenAddress {
                host: host.map(str::to_owned),
                port,
            })
        };
        for (text, expect) in [
            (":10352", address(None, 10352)),
            (":0", address(None, 0)),
            ("127.0.0.1:1", address(Some("127.0.0.1"), 1)),
            ("localhost:65535", address(Some("localhost"), 65535)),
            ("[::1]:80", address(Some("::1"), 80)),
        ] {
            assert_eq!(text.parse(), expect);
            assert_eq!(expect.unwrap().to_string(), text);
        }
        for text in [
            "",
            ":",
            "80",
            "::1:80",
            "[::1]",
            "[::1:80",
            "[]:80",
            "[a]:80",
            "a b:80",
            ":65536",
            ":+80",
            "http://a:80",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn telemetry_paths() {
        for text in ["/metrics", "/a/b", "/apis", "/-x", "/m.txt"] {
            assert!(telemetry_path(text).is_ok(), "{text:?}");
        }
        for text in [
            "",
            "/",
            "metrics",
            "/metrics/",
            "//",
            "/a//b",
            "/-",
            "/-/ready",
            "/api",
            "/api/v1",
            "/{a}",
            "/*a",
            "/a?b",
            "/a b",
        ] {
            assert!(telemetry_path(text).is_err(), "{text:?}");
        }
    }
}
