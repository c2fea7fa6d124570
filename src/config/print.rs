//! The configuration in force as YAML that reads back to the same values.

use std::fmt::Write;
use std::time::Duration;

use super::{Access, App, Config, Endpoint};
use crate::decode::Format;
use crate::slo::{ErrorCodes, Objectives};

/// `1MiB`, `64KiB`, `1500`: the largest unit that is exact.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// The whole configuration.
pub(super) fn config(config: &Config) -> String {
    let Config {
        access,
        app,
        endpoints,
        unmatched,
        error_codes,
        limits,
    } = config;
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|e| format!("\n  - {}", endpoint(e, error_codes)))
        .collect();
    let endpoints = if endpoints.is_empty() {
        " []".to_owned()
    } else {
        endpoints.concat()
    };
    format!(
        "sources:\n  access:\n{access}  app:\n{app}endpoints:{endpoints}\nunmatched: {unmatched}\nerror_codes: {codes}\n\
         limits: {{line_bytes: {line_bytes}, files: {files}, series: {series}, upstreams: {upstreams}}}\n",
        access = access_source(access),
        app = app_source(app),
        unmatched = quoted(unmatched),
        codes = code_list(error_codes),
        line_bytes = size(limits.line_bytes),
        files = limits.files,
        series = limits.series,
        upstreams = limits.upstreams,
    )
}

fn access_source(access: &Access) -> String {
    let format = match &access.format {
        Format::Nginx(format) => format!("{{nginx: {}}}", quoted(format.as_str())),
        Format::Regex(pattern) => format!("{{regex: {}}}", quoted(pattern.as_str())),
        named => named.to_string(),
    };
    let fields = access
        .fields
        .iter()
        .map(|(field, key)| format!("{field}: {}", quoted(key)));
    format!(
        "    paths: {}\n    rotated: {}\n    format: {format}\n    fields: {{{}}}\n    upstreams: {}\n",
        list(&access.paths),
        list(&access.rotated),
        fields.collect::<Vec<_>>().join(", "),
        list(&access.upstreams),
    )
}

fn app_source(app: &App) -> String {
    let fields = app
        .fields
        .iter()
        .map(|(field, key)| format!("{field}: {}", quoted(key)));
    let unit = app
        .duration_unit
        .map(|unit| format!("    duration_unit: {unit}\n"));
    format!(
        "    paths: {}\n    fields: {{{}}}\n{}",
        list(&app.paths),
        fields.collect::<Vec<_>>().join(", "),
        unit.unwrap_or_default(),
    )
}

fn endpoint(endpoint: &Endpoint, global: &ErrorCodes) -> String {
    let mut line = format!("{{method: {}, path: {}", endpoint.method, quoted(&endpoint.path));
    if endpoint.probe {
        line.push_str(", probe: true");
    }
    let wanted = objectives(&endpoint.objectives);
    if !wanted.is_empty() {
        line.push_str(&format!(", objectives: {{{wanted}}}"));
    }
    if endpoint.objectives.error_codes != *global {
        line.push_str(&format!(
            ", error_codes: {}",
            code_list(&endpoint.objectives.error_codes)
        ));
    }
    line + "}"
}

fn objectives(objectives: &Objectives) -> String {
    let availability = objectives
        .availability
        .map(|ratio| format!("availability: {ratio}"));
    let latency = objectives.latency.map(|latency| {
        let under = humantime::format_duration(Duration::from_nanos(latency.under));
        format!("latency: {{under: {under}, ratio: {}}}", latency.ratio)
    });
    let both: Vec<_> = availability.into_iter().chain(latency).collect();
    both.join(", ")
}

fn code_list(codes: &ErrorCodes) -> String {
    list(&codes.patterns().collect::<Vec<_>>())
}

fn list(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A double-quoted scalar. Quoted always: then no text is taken for a number, a null or the end of a list.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Writing to a String cannot fail.
            c => _ = write!(out, "\\U{:08X}", u32::from(c)),
        }
    }
    out + "\""
}
