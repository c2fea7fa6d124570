//! Configuration: raw YAML to validated values, once. Whoever holds a [`Config`] need not check it again.

mod print;
mod profile;
mod raw;
pub(crate) mod scalar;
mod sources;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_saphyr::Location;

use crate::decode::{AppField, Field, Format};
use crate::record::{DurationUnit, Method};
use crate::slo::{ErrorCodes, LatencyObjective, Objectives};
use crate::source::SourceName;

/// The built-in profile: bingo's endpoints and objectives, a file an operator could have written.
pub const PROFILE: &str = include_str!("config/profile.yaml");

/// Largest configuration file read. A thousand endpoints take 0.1 MiB.
const FILE_BYTES: u64 = 1 << 20;

/// This release, named where something is refused that a later one brings.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The reverse proxy's access log.
    pub access: Access,
    /// bingo's own log. One of the two has paths.
    pub app: App,
    /// What is counted apart. No two have the same method and path, and no path has two spellings.
    pub endpoints: Vec<Endpoint>,
    /// The route of everything that no endpoint matches, `[a-z][a-z0-9_]*`.
    pub unmatched: String,
    /// Codes that spend the error budget where an endpoint has no list of its own, and of what is unmatched.
    pub error_codes: ErrorCodes,
    /// Bounds on what logs can make us use.
    pub limits: Limits,
}

/// Where the access log is and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Absolute paths and globs that parse; none switches the source off.
    pub paths: Vec<String>,
    /// Where rotated copies go besides the file's own directory; absolute globs that parse.
    pub rotated: Vec<String>,
    /// How lines are written.
    pub format: Format,
    /// JSON keys that stand for our fields, over the built-in aliases; dots reach into nested objects.
    pub fields: BTreeMap<Field, String>,
    /// Upstreams known in advance, `host:port` or `unix:/path`; at most `limits.upstreams`.
    pub upstreams: Vec<String>,
}

/// Where bingo's own log is and what it calls things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Absolute paths and globs that parse, no two with the same directory name; none switches the source off.
    pub paths: Vec<String>,
    /// JSON keys of request lines in place of bingo's own; of [`AppField::OF_REQUESTS`].
    pub fields: BTreeMap<AppField, String>,
    /// What a request line's duration is in; until it is known, durations are not read.
    pub duration_unit: Option<DurationUnit>,
}

/// A method and a path template that are counted apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Neither HEAD, CONNECT nor OTHER.
    pub method: Method,
    /// `/`, or segments without a slash at the end; `{name}` stands for any one segment.
    pub path: String,
    /// A health check: it has no objective.
    pub probe: bool,
    /// What is asked of it. The error codes are its own or the global ones.
    pub objectives: Objectives,
}

/// Bounds on what logs can make us use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest line, in bytes.
    pub line_bytes: usize,
    /// Files followed at one time.
    pub files: usize,
    /// Time series that each source may create. Not checked here: the tallies know what they make.
    pub series: usize,
    /// Upstreams told apart.
    pub upstreams: usize,
}

/// What the command line says instead of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--source.access`: replaces the paths of the access log; empty leaves them.
    pub access: Vec<String>,
    /// `--source.app`: the same for bingo's own log.
    pub app: Vec<String>,
}

/// Why there is no configuration, on one line: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file or the flag.
    place: Option<String>,
    /// Line and column, from 1.
    position: Option<(u64, u64)>,
    problem: String,
}

impl Config {
    /// Reads the file over the built-in profile, and what the command line says over both.
    ///
    /// # Errors
    /// Where the file cannot be read or anything in it or in `overrides` is not as it must be.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let profile = profile::built_in();
        let Some(file) = file else {
            return validate(profile, overrides).map_err(|error| error.of("built-in profile"));
        };
        read_file(file)
            .and_then(|text| raw::Config::parse(&text))
            .and_then(|raw| validate(raw.or(profile), overrides))
            .map_err(|error| error.of(&file.display().to_string()))
    }

    /// What a source follows; nothing switches it off.
    pub fn paths(&self, source: SourceName) -> &[String] {
        match source {
            SourceName::Access => &self.access.paths,
            SourceName::App => &self.app.paths,
        }
    }

    /// What a configuration that is valid in itself came to when it was compiled: too many series. At the place of
    /// `limits.series`, where the file has it.
    pub fn refused(file: Option<&Path>, problem: &anyhow::Error) -> ConfigError {
        let raw = file.and_then(|file| raw::Config::parse(&read_file(file).ok()?).ok());
        let series = raw.and_then(|raw| raw.limits.series);
        let location = series.map_or(Location::UNKNOWN, |series| series.referenced);
        let place = file.map_or("built-in profile".to_owned(), |file| file.display().to_string());
        ConfigError::at(&location, format!("{problem:#}")).of(&place)
    }

    /// The configuration in force as YAML that loads to an equal one; the commented profile where it is that.
    pub fn to_yaml(&self) -> String {
        match Self::load(None, &Overrides::default()) {
            Ok(profile) if profile == *self => PROFILE.to_owned(),
            _ => print::config(self),
        }
    }
}

impl ConfigError {
    /// At a place in a file that [`ConfigError::of`] names.
    fn at(location: &Location, problem: impl Into<String>) -> Self {
        let position = (*location != Location::UNKNOWN).then(|| (location.line(), location.column()));
        Self {
            place: None,
            position,
            problem: problem.into(),
        }
    }

    fn new(problem: impl Into<String>) -> Self {
        Self::at(&Location::UNKNOWN, problem)
    }

    /// Names the place, unless it is known.
    fn of(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| place.to_owned());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever stands in a path or came out of the YAML parser.
        let place = self
            .place
            .as_deref()
            .unwrap_or("configuration")
            .replace(char::is_control, "?");
        let problem = self.problem.replace(char::is_control, " ");
        match self.position {
            Some((line, column)) => write!(f, "{place}:{line}:{column}: {problem}"),
            None => write!(f, "{place}: {problem}"),
        }
    }
}

impl std::error::Error for ConfigError {}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        ConfigError::new(format!(
            "failed to read the configuration: {error}: correct --config.file, or leave it out for the built-in profile"
        ))
    })?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(ConfigError::new("expected a configuration of at most 1MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        ConfigError::new(format!(
            "expected UTF-8: byte {} is not",
            error.utf8_error().valid_up_to() + 1
        ))
    })
}

fn validate(raw: raw::Config, overrides: &Overrides) -> Result<Config, ConfigError> {
    let error_codes = error_codes("error_codes", &raw.error_codes.unwrap_or_default())?;
    let limits = limits(&raw.limits)?;
    let off = raw.sources.access.paths.as_ref().map(|paths| paths.referenced);
    let access = sources::access(raw.sources.access, overrides, &limits)?;
    let app = sources::app(&raw.sources.app, overrides)?;
    if access.paths.is_empty() && app.paths.is_empty() {
        let problem = "sources: expected a path, in sources.access.paths or in sources.app.paths: without one there is \
                       nothing to count";
        return Err(ConfigError::at(&off.unwrap_or(Location::UNKNOWN), problem));
    }
    Ok(Config {
        access,
        app,
        endpoints: endpoints(&raw.endpoints.unwrap_or_default(), &error_codes)?,
        unmatched: one("unmatched", raw.unmatched.as_ref(), scalar::name)?,
        error_codes,
        limits,
    })
}

fn endpoints(raw: &[raw::Endpoint], global: &ErrorCodes) -> Result<Vec<Endpoint>, ConfigError> {
    let mut seen = HashSet::new();
    let mut spellings: HashMap<String, &str> = HashMap::new();
    let mut endpoints = Vec::with_capacity(raw.len());
    for (index, raw) in raw.iter().enumerate() {
        let key = format!("endpoints[{index}]");
        let endpoint = endpoint(&key, raw, global)?;
        let place = || &raw.path.referenced;
        if !seen.insert((endpoint.method, &raw.path.value)) {
            let problem = format!(
                "{key}: {} {} is here for the second time: expected it once",
                endpoint.method, endpoint.path
            );
            return Err(ConfigError::at(place(), problem));
        }
        // A route label has to mean one path.
        let spelling = spellings
            .entry(scalar::shape(&endpoint.path))
            .or_insert(&raw.path.value);
        if *spelling != endpoint.path {
            let problem = format!(
                "{key}.path: {:?}: expected {spelling:?}, as the same path is spelled above",
                endpoint.path
            );
            return Err(ConfigError::at(place(), problem));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn endpoint(key: &str, raw: &raw::Endpoint, global: &ErrorCodes) -> Result<Endpoint, ConfigError> {
    let method = one(&format!("{key}.method"), Some(&raw.method), scalar::method)?;
    let path = one(&format!("{key}.path"), Some(&raw.path), scalar::template)?;
    let codes = raw
        .error_codes
        .as_ref()
        .map(|codes| error_codes(&format!("{key}.error_codes"), codes))
        .transpose()?;
    let mut wanted = Objectives {
        error_codes: codes.unwrap_or_else(|| global.clone()),
        ..Objectives::default()
    };
    if let Some(objectives) = &raw.objectives {
        let key = format!("{key}.objectives");
        if raw.probe {
            let problem =
                format!("{key}: expected none on a probe: health checks are never part of an objective");
            return Err(ConfigError::at(&objectives.referenced, problem));
        }
        let ratio = |name: &str, text| one(&format!("{key}.{name}"), Some(text), scalar::ratio);
        wanted.availability = objectives
            .value
            .availability
            .as_ref()
            .map(|text| ratio("availability", text))
            .transpose()?;
        if let Some(latency) = &objectives.value.latency {
            wanted.latency = Some(LatencyObjective {
                under: one(
                    &format!("{key}.latency.under"),
                    Some(&latency.under),
                    scalar::duration,
                )?,
                ratio: ratio("latency.ratio", &latency.ratio)?,
            });
        }
    }
    Ok(Endpoint {
        method,
        path,
        probe: raw.probe,
        objectives: wanted,
    })
}

fn error_codes(key: &str, raw: &[raw::Text]) -> Result<ErrorCodes, ConfigError> {
    let codes = all(key, raw, scalar::error_code)?;
    ErrorCodes::parse(&codes).map_err(|problem| ConfigError::new(format!("{key}: {problem}")))
}

fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    Ok(Limits {
        line_bytes: one("limits.line_bytes", raw.line_bytes.as_ref(), |t| {
            scalar::size(t, 1 << 10..=64 << 20)
        })?,
        files: one("limits.files", raw.files.as_ref(), |t| {
            scalar::count(t, 1..=100_000)
        })?,
        series: one("limits.series", raw.series.as_ref(), |t| {
            scalar::count(t, 1..=1_000_000)
        })?,
        upstreams: one("limits.upstreams", raw.upstreams.as_ref(), |t| {
            scalar::count(t, 0..=1_000)
        })?,
    })
}

/// Reads one value. None is there only where the built-in profile lacks it, which a test rules out.
fn one<T>(
    key: &str,
    text: Option<&raw::Text>,
    parse: impl FnOnce(&str) -> Result<T, scalar::Expected>,
) -> Result<T, ConfigError> {
    let text = text.ok_or_else(|| ConfigError::new(format!("{key}: expected a value")))?;
    parse(&text.value).map_err(|expected| {
        ConfigError::at(
            &text.referenced,
            format!("{key}: {:?}: {expected}", shown(&text.value)),
        )
    })
}

/// Reads a list whose values differ.
fn all<T>(
    key: &str,
    texts: &[raw::Text],
    parse: impl Fn(&str) -> Result<T, scalar::Expected>,
) -> Result<Vec<T>, ConfigError> {
    let mut seen = HashSet::new();
    let read = |(index, text): (usize, &raw::Text)| {
        one(&format!("{key}[{index}]"), Some(text), |value| {
            let parsed = parse(value)?;
            // The set borrows from `texts`, `value` does not.
            if !seen.insert(text.value.clone()) {
                return Err("expected it once".to_owned());
            }
            Ok(parsed)
        })
    };
    texts.iter().enumerate().map(read).collect()
}

/// Enough of a text to find it by.
fn shown(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| &text[..end])
}
