//! The configuration file as it is written: which keys exist, and where each value stands. Every scalar is text
//! here, so that one place says what was expected of it, in one voice.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_saphyr::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::{ConfigError, shown};

/// A scalar and its place.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    pub(super) sources: Sources,
    #[serde(deserialize_with = "present")]
    pub(super) endpoints: Option<Vec<Endpoint>>,
    #[serde(deserialize_with = "present")]
    pub(super) unmatched: Option<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) error_codes: Option<Vec<Text>>,
    pub(super) limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sources {
    pub(super) access: Access,
    pub(super) app: App,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Access {
    #[serde(deserialize_with = "present")]
    pub(super) paths: Option<Spanned<Vec<Text>>>,
    #[serde(deserialize_with = "present")]
    pub(super) format: Option<Spanned<Format>>,
    #[serde(deserialize_with = "present")]
    pub(super) fields: Option<Spanned<BTreeMap<String, Text>>>,
    pub(super) rotated: Vec<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) upstreams: Option<Spanned<Vec<Text>>>,
}

/// `auto`, or `{nginx: '…'}`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name of a format, {nginx: '…'} or {regex: '…'}"
)]
pub(super) enum Format {
    Name(String),
    Pattern(BTreeMap<String, String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct App {
    #[serde(deserialize_with = "present")]
    pub(super) paths: Option<Spanned<Vec<Text>>>,
    #[serde(deserialize_with = "present")]
    pub(super) fields: Option<BTreeMap<String, Text>>,
    #[serde(deserialize_with = "present")]
    pub(super) duration_unit: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    pub(super) method: Text,
    pub(super) path: Text,
    #[serde(default)]
    pub(super) probe: bool,
    #[serde(default, deserialize_with = "present")]
    pub(super) objectives: Option<Spanned<Objectives>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) error_codes: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Objectives {
    #[serde(deserialize_with = "present")]
    pub(super) availability: Option<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) latency: Option<Latency>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Latency {
    pub(super) under: Text,
    pub(super) ratio: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    #[serde(deserialize_with = "present")]
    pub(super) line_bytes: Option<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) files: Option<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) series: Option<Text>,
    #[serde(deserialize_with = "present")]
    pub(super) upstreams: Option<Text>,
}

/// A key with nothing behind it is no value left out: `endpoints:` with every entry commented out would
/// otherwise bring the profile's endpoints back.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Config {
    /// Reads one YAML document; an empty one sets nothing.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        // A thousand endpoints take some 15,000 events. Aliases are for sharing an objective, not for growth.
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_events: 200_000,
                max_aliases: 10_000,
                max_depth: 32,
                max_total_scalar_bytes: 4 << 20,
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000 },
            strict_booleans: true,
            reject_unsupported_tags: true,
            reject_tagged_field_names: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options::<Option<Self>>(text, options)
            .map(Option::unwrap_or_default)
            .map_err(|error| {
                let location = error.location().unwrap_or(Location::UNKNOWN);
                let line = usize::try_from(location.line())
                    .ok()
                    .and_then(|line| line.checked_sub(1));
                let line = line.and_then(|line| text.lines().nth(line)).unwrap_or_default();
                ConfigError::at(&location, describe(&error, line.trim()))
            })
    }

    /// Takes from `base` what this file leaves out.
    pub(super) fn or(self, base: Self) -> Self {
        let (access, access_base) = (self.sources.access, base.sources.access);
        let (app, app_base) = (self.sources.app, base.sources.app);
        Self {
            sources: Sources {
                access: Access {
                    paths: access.paths.or(access_base.paths),
                    format: access.format.or(access_base.format),
                    fields: access.fields.or(access_base.fields),
                    rotated: access.rotated,
                    upstreams: access.upstreams.or(access_base.upstreams),
                },
                app: App {
                    paths: app.paths.or(app_base.paths),
                    fields: app.fields.or(app_base.fields),
                    duration_unit: app.duration_unit.or(app_base.duration_unit),
                },
            },
            endpoints: self.endpoints.or(base.endpoints),
            unmatched: self.unmatched.or(base.unmatched),
            error_codes: self.error_codes.or(base.error_codes),
            limits: Limits {
                line_bytes: self.limits.line_bytes.or(base.limits.line_bytes),
                files: self.limits.files.or(base.limits.files),
                series: self.limits.series.or(base.limits.series),
                upstreams: self.limits.upstreams.or(base.limits.upstreams),
            },
        }
    }
}

/// What is wrong with the shape of the file, in an operator's words. The parser knows no key where it found no
/// value, so the line itself says where we are.
fn describe(error: &Error, line: &str) -> String {
    let expected = match error {
        Error::AliasError { error, .. } => return describe(error, line),
        Error::SerdeUnknownField { field, expected, .. } => {
            return format!(
                "unknown key {:?}: expected one of {}",
                shown(field),
                expected.join(", ")
            );
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            return format!(
                "the key {:?} is here for the second time: expected it once",
                shown(key)
            );
        }
        Error::MultipleDocuments { .. } => return "a second YAML document begins: expected one".to_owned(),
        Error::SerdeMissingField { field, .. } => format!("expected the key {field:?} here"),
        Error::InvalidBooleanStrict { .. } => "expected true or false".to_owned(),
        Error::NullIntoString { .. } => "expected a value".to_owned(),
        Error::Unexpected { expected, .. } => match *expected {
            "sequence start" => "expected a list".to_owned(),
            "mapping start" => "expected a mapping (key: value)".to_owned(),
            "string scalar" => "expected a single value".to_owned(),
            other => format!("expected {other}"),
        },
        other => UserMessageFormatter.format_message(other).into_owned(),
    };
    format!("{:?}: {expected}", shown(line))
}
