//! The built-in profile without reading it: what `profile.yaml` says, as a test makes sure. All that reads YAML is half a
//! megabyte of the program, which stays on the disk where there is no `--config.file`.

use serde_saphyr::{Location, Spanned};

use super::raw::{Access, App, Config, Endpoint, Format, Latency, Limits, Objectives, Sources, Text};

/// Of what has a latency objective, but for `/long_dummy`.
const USUAL: Option<(&str, &str)> = Some(("400ms", "0.9"));

/// Method, path, availability, latency. What has no objective is a probe.
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<(&'static str, &'static str)>,
);

const ENDPOINTS: [Row; 15] = [
    ("GET", "/", Some("0.99"), None),
    ("POST", "/", Some("0.99"), None),
    ("GET", "/ping", None, None),
    ("GET", "/long_dummy", Some("0.99"), Some(("1s", "0.75"))),
    ("GET", "/db_dummy", Some("0.99"), USUAL),
    ("POST", "/operation", Some("0.99"), USUAL),
    ("GET", "/config", Some("0.99"), None),
    ("GET", "/api/movie", Some("0.99"), None),
    ("GET", "/api/movie/{id}", Some("0.99"), USUAL),
    ("GET", "/api/customer", Some("0.99"), None),
    ("GET", "/api/customer/{id}", Some("0.99"), USUAL),
    ("GET", "/api/session", Some("0.95"), None),
    ("POST", "/api/session", Some("0.99"), None),
    ("GET", "/api/session/{id}", Some("0.99"), USUAL),
    ("DELETE", "/api/session/{id}", Some("0.99"), None),
];

/// What is in force where nothing else is said.
pub(super) fn built_in() -> Config {
    Config {
        sources: Sources {
            access: Access {
                paths: Some(placed(texts(&["/var/log/nginx/access.log"]))),
                format: Some(placed(Format::Name("auto".to_owned()))),
                fields: Some(placed([].into())),
                rotated: vec![],
                upstreams: Some(placed(vec![])),
            },
            app: App {
                paths: Some(placed(texts(&["/opt/bongo/logs/*/main.log"]))),
                fields: Some([].into()),
                duration_unit: None,
            },
        },
        endpoints: Some(ENDPOINTS.into_iter().map(endpoint).collect()),
        unmatched: Some(text("other")),
        error_codes: Some(texts(&["5xx", "429"])),
        limits: Limits {
            line_bytes: Some(text("1MiB")),
            files: Some(text("1000")),
            series: Some(text("10000")),
            upstreams: Some(text("32")),
        },
    }
}

fn endpoint((method, path, availability, latency): Row) -> Endpoint {
    let latency = latency.map(|(under, ratio)| Latency {
        under: text(under),
        ratio: text(ratio),
    });
    Endpoint {
        method: text(method),
        path: text(path),
        probe: availability.is_none(),
        objectives: availability.map(|availability| {
            placed(Objectives {
                availability: Some(text(availability)),
                latency,
            })
        }),
        error_codes: None,
    }
}

fn texts(values: &[&str]) -> Vec<Text> {
    values.iter().copied().map(text).collect()
}

fn text(value: &str) -> Text {
    placed(value.to_owned())
}

/// In no file.
fn placed<T>(value: T) -> Spanned<T> {
    Spanned {
        value,
        referenced: Location::UNKNOWN,
        defined: Location::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, PROFILE, validate};

    #[test]
    fn is_what_its_file_says() {
        let valid = |raw| validate(raw, &Overrides::default()).unwrap();
        assert_eq!(valid(built_in()), valid(Config::parse(PROFILE).unwrap()));
    }
}
