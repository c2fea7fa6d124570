//! One scalar of the configuration to its value. Each function says in its error what it expected, as a fragment
//! that follows the text it refused.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;

use crate::decode::{AppField, Field, upstream_label};
use crate::record::{DurationUnit, Method, Nanos};
use crate::slo::ErrorCodes;
use crate::tally::UNKNOWN;

/// What was expected instead.
pub(super) type Expected = String;

/// The methods an endpoint can have.
const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, TRACE or PATCH";
/// Longest objective and longest believable request: a duration over it is counted as no measurement.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Label values; longer ones are a mistake and cost on every scrape.
const LABEL_BYTES: usize = 255;

/// A method that requests are matched by.
pub(crate) fn method(text: &str) -> Result<Method, Expected> {
    match Method::parse(text.as_bytes()) {
        Method::Other => Err(format!("expected {METHODS}, in capitals")),
        // Two spellings for one thing would leave one of them without effect.
        Method::Head => Err(format!(
            "expected {METHODS}: HEAD requests are counted with GET's endpoint"
        )),
        Method::Connect => Err(format!("expected {METHODS}: a CONNECT request has no path")),
        method => Ok(method),
    }
}

/// A path template: `/`, or segments that are literal or a `{parameter}`.
pub(crate) fn template(text: &str) -> Result<String, Expected> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err("expected a path that begins with /".to_owned());
    };
    if text.len() > LABEL_BYTES {
        return Err(format!("expected at most {LABEL_BYTES} bytes"));
    }
    if text.contains(['?', '#', '%']) {
        return Err(
            "expected a path without ?, # and %: it is matched decoded and without the query".to_owned(),
        );
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("expected a path without white space".to_owned());
    }
    if rest.is_empty() {
        return Ok(text.to_owned());
    }
    if rest.split('/').any(str::is_empty) {
        return Err(
            "expected no empty segment and no / at the end: a request's own last / is ignored".to_owned(),
        );
    }
    if !rest
        .split('/')
        .all(|segment| is_parameter(segment) || !segment.contains(['{', '}']))
    {
        return Err(
            "expected braces only around a whole segment, with a name of a-z, 0-9 and _: /api/movie/{id}"
                .into(),
        );
    }
    Ok(text.to_owned())
}

/// The template with its parameters' names left out: what it matches.
pub(crate) fn shape(template: &str) -> String {
    let segments = template.split('/');
    segments
        .map(|segment| if is_parameter(segment) { "{}" } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

fn is_parameter(segment: &str) -> bool {
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// A share of requests, above 0 and below 1.
pub(super) fn ratio(text: &str) -> Result<f64, Expected> {
    match text.parse() {
        Ok(ratio) if 0.0 < ratio && ratio < 1.0 => Ok(ratio),
        // The burn rate divides by what is left over.
        Ok(1.0) => {
            Err("expected a ratio below 1, such as 0.999: 1 leaves no error budget to spend".to_owned())
        }
        _ => Err("expected a ratio above 0 and below 1, such as 0.99".to_owned()),
    }
}

/// A time limit, above 0 and at most a day.
pub(super) fn duration(text: &str) -> Result<Nanos, Expected> {
    humantime::parse_duration(text)
        .ok()
        .filter(|duration| !duration.is_zero() && *duration <= DAY)
        .and_then(|duration| Nanos::try_from(duration.as_nanos()).ok())
        .ok_or_else(|| "expected a duration above 0 and up to a day, with its unit: 400ms, 1s".to_owned())
}

/// A status code or a class of them.
pub(super) fn error_code(text: &str) -> Result<String, Expected> {
    match ErrorCodes::parse(&[text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a status code, 100 to 599, or a class such as 5xx".to_owned()),
    }
}

/// A size in bytes within bounds.
pub(super) fn size(text: &str, bounds: RangeInclusive<usize>) -> Result<usize, Expected> {
    let size = text
        .parse()
        .ok()
        .and_then(|size: ByteSize| usize::try_from(size.as_u64()).ok());
    size.filter(|size| bounds.contains(size)).ok_or_else(|| {
        let [low, high] = [bounds.start(), bounds.end()].map(|bytes| super::print::size(*bytes));
        format!("expected a size from {low} to {high}, such as 1MiB")
    })
}

/// A whole number within bounds.
pub(super) fn count(text: &str, bounds: RangeInclusive<usize>) -> Result<usize, Expected> {
    let count = text.parse().ok().filter(|count| bounds.contains(count));
    count.ok_or_else(|| {
        format!(
            "expected a whole number from {} to {}",
            bounds.start(),
            bounds.end()
        )
    })
}

/// An absolute path or glob.
pub(super) fn path(text: &str) -> Result<String, Expected> {
    if !Path::new(text).is_absolute() {
        return Err("expected an absolute path or glob, such as /var/log/nginx/access.log".to_owned());
    }
    if let Err(error) = glob::Pattern::new(text) {
        return Err(format!(
            "expected a path or glob: {} at character {}",
            error.msg,
            error.pos + 1
        ));
    }
    Ok(text.to_owned())
}

/// The directory that a path's log file stands in, where it is named without wildcards: `/opt/*/x/main.log` is in
/// `x`. `None` is a wildcard.
pub(super) fn directory_name(path: &str) -> Result<Option<&str>, Expected> {
    let name = Path::new(path)
        .parent()
        .and_then(|directory| directory.file_name()?.to_str());
    let name = name.ok_or_else(|| {
        "expected a file in a directory of its own, such as /opt/bongo/logs/*/main.log: the directory's name becomes \
         the label log_id"
            .to_owned()
    })?;
    Ok((!name.contains(['*', '?', '['])).then_some(name))
}

/// An upstream address as the proxy logs it.
pub(super) fn upstream(text: &str) -> Result<String, Expected> {
    let known = match text.strip_prefix("unix:") {
        Some(path) => path.starts_with('/'),
        None => text
            .rsplit_once(':')
            .is_some_and(|(host, port)| is_host(host) && port.parse().is_ok_and(|p: u16| p > 0)),
    };
    // Whatever a line with it would be counted under.
    if !known || upstream_label(text.as_bytes()) != Some(text.as_bytes()) {
        return Err(
            "expected host:port or unix:/path as the proxy logs it, such as 10.0.0.1:27352".to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    }
}

/// The name of everything unmatched. It cannot be mistaken for a path.
pub(super) fn name(text: &str) -> Result<String, Expected> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !(starts && rest && text.len() <= 64) {
        return Err("expected a name of at most 64 of a-z, 0-9 and _, beginning with a letter".to_owned());
    }
    if text == UNKNOWN {
        return Err("expected another name: this one stands for requests without a path".to_owned());
    }
    Ok(text.to_owned())
}

/// One of our fields.
pub(super) fn field(text: &str) -> Result<Field, Expected> {
    one_of(Field::CONFIGURABLE, |field| field.as_str(), text)
}

/// A field of bingo's own request lines.
pub(super) fn app_field(text: &str) -> Result<AppField, Expected> {
    one_of(&AppField::OF_REQUESTS, |field| field.as_str(), text)
}

/// The unit of a bare number.
pub(super) fn duration_unit(text: &str) -> Result<DurationUnit, Expected> {
    one_of(DurationUnit::ALL, |unit| unit.as_str(), text)
}

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Result<T, Expected> {
    let found = all.iter().copied().find(|value| name(*value) == text);
    found.ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|value| name(*value)).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// A key of the operator's JSON lines.
pub(super) fn json_key(text: &str) -> Result<String, Expected> {
    if text.len() > LABEL_BYTES || text.split('.').any(str::is_empty) {
        return Err("expected the name of a JSON key; dots reach into nested objects".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(parse: impl Fn(&str) -> Result<T, Expected>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(parse(text).is_ok(), "{text:?} refused: {:?}", parse(text).err());
        }
        for text in bad {
            assert!(parse(text).is_err(), "{text:?} taken");
        }
    }

    #[test]
    fn templates() {
        check(
            template,
            &[
                "/",
                "/ping",
                "/api/movie/{id}",
                "/{a}/{b_2}",
                "/a.b/~c/*",
                "/café",
                "/{_x}",
            ],
            &[
                "", "ping", "//", "/a/", "/a//b", "/a?b", "/a#b", "/a%20b", "/a b", "/a\tb", "/a\u{0}", "/{",
                "/}", "/{}", "/{Id}", "/{2a}", "/{a-b}", "/x{id}", "/{id}x", "/{*rest}", "/{a}{b}", "/{{a}}",
            ],
        );
        assert!(template(&format!("/{}", "a".repeat(300))).is_err());
        assert_eq!(shape("/a/{x}/b/{y}"), "/a/{}/b/{}");
    }

    #[test]
    fn numbers() {
        check(
            ratio,
            &["0.99", ".5", "0.90", "1e-3"],
            &["0", "1", "1.0", "-0.5", "99", "99%", "nan", "inf", ""],
        );
        check(
            duration,
            &["400ms", "1s", "1s 500ms", "1ns", "24h", "1day"],
            &["0s", "400", "-1s", "25h", "", "fast"],
        );
        check(
            |t| size(t, 1024..=2048),
            &["1KiB", "1024", "2 KiB", "2kB"],
            &["1023", "3KiB", "-1", "", "1 MiBs"],
        );
        check(
            |t| count(t, 1..=10),
            &["1", "10"],
            &["0", "11", "-1", "1.0", "", "1_0"],
        );
        check(error_code, &["429", "5xx"], &["5XX", "600", "", "5"]);
        assert_eq!(duration("1s 500ms").unwrap(), 1_500_000_000);
    }

    #[test]
    fn names() {
        check(
            method,
            &["GET", "DELETE", "PATCH"],
            &["get", "", "HEAD", "CONNECT", "OTHER", "PURGE"],
        );
        check(
            path,
            &["/var/log/*.log", "/a/**/b", "/[ab]"],
            &["a.log", "", "*", "/a/[", "/a/***"],
        );
        check(
            upstream,
            &[
                "10.0.0.1:80",
                "[::1]:80",
                "bingo-1.local:27352",
                "unix:/run/bingo.sock",
                "unix:/run/bingo+1.sock",
            ],
            &[
                "10.0.0.1",
                "::1:80",
                ":80",
                "a:0",
                "a:65536",
                "a:x",
                "unix:",
                "unix:run",
                "a b:1",
                "unix:/a,b",
                "unix:/run/a b.sock",
                "unix:/run/x.sock:",
                "unix:/run/{x}.sock",
                "http://a:1",
            ],
        );
        check(name, &["other", "a1_b"], &["", "Other", "1a", "_a", "a/b", "a-b"]);
        check(field, &["status", "request_time"], &["Status", "code", ""]);
        check(
            app_field,
            &["url_path", "event_duration"],
            &["msg", "level", "path", ""],
        );
        check(
            duration_unit,
            &["ns", "us", "ms", "s"],
            &["", "m", "MS", "seconds"],
        );
        check(
            |t| directory_name(t).map(drop),
            &["/a/x.log", "/*/x.log"],
            &["/x.log", "/", "/a/../x.log"],
        );
        assert_eq!(directory_name("/*/a/x.log"), Ok(Some("a")));
        assert_eq!(directory_name("/a/[b]/x.log"), Ok(None));
        check(
            json_key,
            &["code", "response.code", "a b"],
            &["", ".", "a..b", "a."],
        );
        assert!(name(&"a".repeat(64)).is_ok() && name(&"a".repeat(65)).is_err());
    }
}
