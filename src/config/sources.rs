//! The two logs: where they are and how they are written.

use std::collections::{BTreeMap, HashMap};

use serde_saphyr::Spanned;

use super::{Access, App, ConfigError, Limits, Overrides, all, one, raw, scalar, shown};
use crate::decode::{Field, Format, LogFormat, Pattern};

/// Where the access log is, from the file and the flags.
pub(super) fn access(
    raw: raw::Access,
    overrides: &Overrides,
    limits: &Limits,
) -> Result<Access, ConfigError> {
    let rotated = all("sources.access.rotated", &raw.rotated, scalar::path)?;
    let format = raw.format.as_ref().map(format).transpose()?.unwrap_or_default();
    let fields = raw
        .fields
        .map(|raw| fields(&raw, &format))
        .transpose()?
        .unwrap_or_default();
    let upstreams = raw
        .upstreams
        .map(|raw| upstreams(&raw, limits))
        .transpose()?
        .unwrap_or_default();
    let paths = paths(
        "sources.access.paths",
        raw.paths.as_ref(),
        "--source.access",
        &overrides.access,
    )?;
    Ok(Access {
        paths,
        rotated,
        format,
        fields,
        upstreams,
    })
}

/// Where bingo's own log is, from the file and the flags.
pub(super) fn app(raw: &raw::App, overrides: &Overrides) -> Result<App, ConfigError> {
    let place = "sources.app.fields";
    let field = |(field, key): (&String, &raw::Text)| {
        let name = shown(field);
        let field = scalar::app_field(field)
            .map_err(|expected| ConfigError::at(&key.referenced, format!("{place}: {name:?}: {expected}")))?;
        Ok((
            field,
            one(&format!("{place}.{field}"), Some(key), scalar::json_key)?,
        ))
    };
    let unit = raw.duration_unit.as_ref();
    let unit = unit.map(|unit| one("sources.app.duration_unit", Some(unit), scalar::duration_unit));
    let paths = paths(
        "sources.app.paths",
        raw.paths.as_ref(),
        "--source.app",
        &overrides.app,
    )?;
    Ok(App {
        fields: raw.fields.iter().flatten().map(field).collect::<Result<_, _>>()?,
        duration_unit: unit.transpose()?,
        paths: told_apart(paths).map_err(|problem| match &raw.paths {
            Some(paths) if overrides.app.is_empty() => {
                ConfigError::at(&paths.referenced, format!("sources.app.paths: {problem}"))
            }
            _ => ConfigError::new(problem).of("--source.app"),
        })?,
    })
}

/// The paths, if the name of its directory says which log a line is from. What wildcards will find is not known
/// here; directories of one name are told apart when they are found.
fn told_apart(paths: Vec<String>) -> Result<Vec<String>, String> {
    let mut names = HashMap::new();
    for path in &paths {
        let name =
            scalar::directory_name(path).map_err(|expected| format!("{:?}: {expected}", shown(path)))?;
        if let Some(other) = name.and_then(|name| names.insert(name, path)) {
            return Err(format!(
                "{:?} and {:?}: expected directories with different names: they become the label log_id",
                shown(other),
                shown(path)
            ));
        }
    }
    Ok(paths)
}

/// The paths of a source: the flag's where there is one. The file's are checked even then: a broken file should
/// not work by accident.
fn paths(
    key: &str,
    raw: Option<&Spanned<Vec<raw::Text>>>,
    flag: &str,
    overriding: &[String],
) -> Result<Vec<String>, ConfigError> {
    let paths = raw
        .map(|paths| all(key, &paths.value, scalar::path))
        .transpose()?;
    if overriding.is_empty() {
        return Ok(paths.unwrap_or_default());
    }
    let mut read: Vec<String> = Vec::new();
    for path in overriding {
        let parsed = match scalar::path(path) {
            Ok(path) if read.contains(&path) => Err("expected it once".to_owned()),
            parsed => parsed,
        };
        read.push(
            parsed.map_err(|expected| ConfigError::new(format!("{:?}: {expected}", shown(path))).of(flag))?,
        );
    }
    Ok(read)
}

fn format(raw: &Spanned<raw::Format>) -> Result<Format, ConfigError> {
    const EXPECTED: &str =
        "expected auto, json, combined, haproxy, caddy, traefik, envoy, {nginx: '…'} or {regex: '…'}";
    let parsed = match &raw.value {
        raw::Format::Name(name) => match name.as_str() {
            "auto" => Ok(Format::Auto),
            "json" => Ok(Format::Json),
            "combined" => Ok(Format::Combined),
            "haproxy" => Ok(Format::Haproxy),
            "caddy" => Ok(Format::Caddy),
            "traefik" => Ok(Format::Traefik),
            "envoy" => Ok(Format::Envoy),
            "regex" => Err("regex: expected an expression with named groups: {regex: '…'}".to_owned()),
            "nginx" => Err("nginx: expected its log_format string: {nginx: '…'}".to_owned()),
            other => Err(format!("{:?}: {EXPECTED}", shown(other))),
        },
        raw::Format::Pattern(patterns) => match patterns.iter().collect::<Vec<_>>()[..] {
            [(name, text)] if name == "nginx" => LogFormat::parse(text)
                .map(Format::Nginx)
                .map_err(|expected| format!("nginx: {:?}: {expected}", shown(text))),
            [(name, text)] if name == "regex" => Pattern::parse(text)
                .map(Format::Regex)
                .map_err(|expected| format!("regex: {:?}: {expected}", shown(text))),
            [(name, _)] => Err(format!("{:?}: {EXPECTED}", shown(name))),
            _ => Err(format!("{EXPECTED}, and one of them")),
        },
    };
    parsed.map_err(|problem| ConfigError::at(&raw.referenced, format!("sources.access.format: {problem}")))
}

fn fields(
    raw: &Spanned<BTreeMap<String, raw::Text>>,
    format: &Format,
) -> Result<BTreeMap<Field, String>, ConfigError> {
    let text = match format {
        Format::Combined => Some("combined"),
        Format::Nginx(_) => Some("nginx"),
        Format::Regex(_) => Some("regex"),
        _ => None,
    };
    if let Some(text) = text.filter(|_| !raw.value.is_empty()) {
        let problem =
            format!("sources.access.fields: expected {{}}: they name JSON keys, and the format is {text}");
        return Err(ConfigError::at(&raw.referenced, problem));
    }
    let read = |(field, key): (&String, &raw::Text)| {
        let place = "sources.access.fields";
        let field = scalar::field(field).map_err(|expected| {
            ConfigError::at(
                &key.referenced,
                format!("{place}: {:?}: {expected}", shown(field)),
            )
        })?;
        Ok((
            field,
            one(&format!("{place}.{field}"), Some(key), scalar::json_key)?,
        ))
    };
    raw.value.iter().map(read).collect()
}

fn upstreams(raw: &Spanned<Vec<raw::Text>>, limits: &Limits) -> Result<Vec<String>, ConfigError> {
    let upstreams = all("sources.access.upstreams", &raw.value, scalar::upstream)?;
    if upstreams.len() > limits.upstreams {
        let problem = format!(
            "sources.access.upstreams: expected at most {} (limits.upstreams), found {}",
            limits.upstreams,
            upstreams.len()
        );
        return Err(ConfigError::at(&raw.referenced, problem));
    }
    Ok(upstreams)
}
