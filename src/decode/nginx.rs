//! nginx's `log_format` with variables in a string, as it stands in nginx.conf.

use super::Field;
use super::keys::Slots;
use super::splitter::{Part, Shape, Splitter};
use crate::record::Reject;

#[cfg(test)]
mod tests;

/// A compiled `log_format` string. Equal to another where the two read the same lines.
#[derive(Debug, Clone)]
pub struct LogFormat {
    text: String,
    /// The physical line that tells of the request.
    counted: Splitter,
    /// The other physical lines of a request, where the format holds line feeds.
    ignored: Vec<Splitter>,
}

impl PartialEq for LogFormat {
    fn eq(&self, other: &Self) -> bool {
        (&self.counted, &self.ignored) == (&other.counted, &other.ignored)
    }
}

impl Eq for LogFormat {}

/// One physical line of a format: a text, then variables with the text behind each.
#[derive(Default)]
struct Written {
    begin: Vec<u8>,
    variables: Vec<(String, Vec<u8>)>,
}

impl LogFormat {
    /// Compiles the string of a `log_format`, or the whole directive with its quotes.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let mut lines = if trimmed.starts_with("log_format ") || trimmed.starts_with('\'') {
            compile(&unquote(trimmed)?, meaning, true)?
        } else {
            compile(text.trim_end_matches('\n'), meaning, true)?
        };
        let with = |lines: &[Splitter], field| lines.iter().position(|line| line.has(field));
        let request = with(&lines, Field::Request).or_else(|| with(&lines, Field::Target));
        let status = with(&lines, Field::Status);
        let counted = match (request, status) {
            (None, None) => return Err("expected $request or $status among its variables".to_owned()),
            (Some(request), Some(status)) if request != status => {
                return Err(
                    "expected $request and $status on one physical line: a request is counted by one line"
                        .to_owned(),
                );
            }
            (request, status) => status.or(request).unwrap_or_default(),
        };
        Ok(Self {
            text: text.to_owned(),
            counted: lines.remove(counted),
            ignored: lines,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a line into `slots`; false for one that is only part of a request's.
    pub(super) fn read<'a>(&self, line: &'a [u8], slots: &mut Slots<'_, 'a>) -> Result<bool, Reject> {
        if self.counted.split(line, slots).is_some() {
            return Ok(true);
        }
        let mut part = Slots::new(slots.keys());
        let is_part = |splitter: &Splitter| splitter.split(line, &mut part).is_some();
        if self.ignored.iter().any(is_part) {
            Ok(false)
        } else {
            Err(Reject::UnknownFormat)
        }
    }

    /// Whether blank lines are part of it.
    pub(super) fn has_blank_lines(&self) -> bool {
        self.ignored.iter().any(Splitter::is_blank)
    }
}

/// Compiles a format to one splitter for each physical line.
pub(super) fn compile(format: &str, meaning: Meaning, escaped: bool) -> Result<Vec<Splitter>, String> {
    let lines = physical_lines(format)?.into_iter();
    lines.map(|line| splitter(line, meaning, escaped)).collect()
}

/// What a variable tells, and what its value can look like.
type Meaning = fn(&str) -> (Option<Field>, Shape);

/// The strings of a directive, put together as nginx does.
fn unquote(directive: &str) -> Result<String, String> {
    let mut rest = directive.strip_suffix(';').unwrap_or(directive).trim();
    if let Some(named) = rest.strip_prefix("log_format ") {
        rest = named.trim_start();
        rest = &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..];
    }
    let mut format = String::new();
    loop {
        rest = rest.trim_start();
        let Some(quote @ ('\'' | '"')) = rest.chars().next() else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match word {
                "" => return Ok(format),
                _ if word.starts_with("escape=") => {}
                _ => return Err("expected its strings in quotes, as in nginx.conf".to_owned()),
            }
            rest = after;
            continue;
        };
        let (string, after) = rest[1..]
            .match_indices(quote)
            .find(|(at, _)| !rest[1..][..*at].ends_with('\\'))
            .map(|(at, _)| (&rest[1..=at], &rest[at + 2..]))
            .ok_or("expected a quote at the end of each string")?;
        format.push_str(string);
        rest = after;
    }
}

/// Cuts at line feeds and variables, and undoes the escapes of strings in nginx.conf.
fn physical_lines(format: &str) -> Result<Vec<Written>, String> {
    let mut lines = vec![];
    let mut line = Written::default();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let behind = &rest[first.len_utf8()..];
        let (text, length): (&[u8], _) = match (first, behind.bytes().next()) {
            ('$', _) => {
                let (variable, behind) = variable(behind)?;
                line.variables.push((variable.to_owned(), vec![]));
                rest = behind;
                continue;
            }
            ('\n', _) => (b"\n", 1),
            ('\\', Some(b'n')) => (b"\n", 2),
            // Of a line's end, which is the line feed's alone.
            ('\r', _) => (b"", 1),
            ('\\', Some(b'r')) => (b"", 2),
            ('\\', Some(b't')) => (b"\t", 2),
            ('\\', Some(b'"' | b'\'' | b'\\')) => (&behind.as_bytes()[..1], 2),
            (first, _) => (&rest.as_bytes()[..first.len_utf8()], first.len_utf8()),
        };
        if text == b"\n" {
            lines.push(std::mem::take(&mut line));
        } else {
            let last = line.variables.last_mut().map(|(_, after)| after);
            last.unwrap_or(&mut line.begin).extend_from_slice(text);
        }
        rest = &rest[length..];
    }
    lines.push(line);
    Ok(lines)
}

/// Splits the name of a variable from what follows a `$`.
fn variable(text: &str) -> Result<(&str, &str), String> {
    let is_named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => braced
            .split_once('}')
            .ok_or("expected } behind ${ and a variable's name")?,
        None => text.split_at(text.find(|c| !is_named(c)).unwrap_or(text.len())),
    };
    if name.is_empty() || !name.chars().all(is_named) {
        return Err("expected the name of a variable behind $".to_owned());
    }
    Ok((name, rest))
}

fn splitter(line: Written, meaning: Meaning, escaped: bool) -> Result<Splitter, String> {
    // The best of several time stamps.
    let best_time = ["msec", "time_iso8601", "time_local", "time", "local"]
        .into_iter()
        .find(|name| line.variables.iter().any(|(variable, _)| variable == name));
    let mut parts: Vec<(String, Part)> = vec![];
    for (name, after) in line.variables {
        let (field, shape) = meaning(&name);
        let field = field.filter(|field| *field != Field::Time || Some(&*name) == best_time);
        let part = Part {
            field,
            shape,
            after: after.into(),
        };
        match parts.last_mut() {
            Some((before, last)) if last.after.is_empty() => match (last.field, part.field) {
                // `$uri$is_args$args`: what comes behind a path is its query.
                (Some(Field::Target) | None, None) => {
                    last.shape = Shape::Text;
                    last.after = part.after;
                }
                // `$host$request_uri`: a path begins with a slash.
                (None, Some(Field::Target)) => {
                    last.shape = Shape::Word;
                    parts.push((name, part));
                }
                _ => {
                    return Err(format!(
                        "expected a text between ${before} and ${name}: nothing says where the one ends and the other begins"
                    ));
                }
            },
            _ => parts.push((name, part)),
        }
    }
    let parts = parts.into_iter().map(|(_, part)| part).collect();
    Ok(Splitter::new(&line.begin, parts, escaped))
}

fn meaning(variable: &str) -> (Option<Field>, Shape) {
    match variable {
        "request" => (Some(Field::Request), Shape::Text),
        "request_method" => (Some(Field::Method), Shape::Word),
        "request_uri" | "uri" | "document_uri" => (Some(Field::Target), Shape::Text),
        "status" => (Some(Field::Status), Shape::Number),
        "request_time" => (Some(Field::RequestTime), Shape::Number),
        "body_bytes_sent" => (Some(Field::BodyBytes), Shape::Number),
        "bytes_sent" => (Some(Field::Bytes), Shape::Number),
        "server_protocol" => (Some(Field::Protocol), Shape::Word),
        "scheme" => (Some(Field::Scheme), Shape::Word),
        "upstream_addr" => (Some(Field::UpstreamAddr), Shape::List),
        "upstream_status" => (Some(Field::UpstreamStatus), Shape::List),
        "upstream_response_time" => (Some(Field::UpstreamTime), Shape::List),
        "upstream_cache_status" => (Some(Field::CacheStatus), Shape::Word),
        "request_id" | "http_x_request_id" => (Some(Field::RequestId), Shape::Word),
        "time_local" => (Some(Field::Time), Shape::Local),
        "time_iso8601" => (Some(Field::Time), Shape::Word),
        "msec" => (Some(Field::Time), Shape::Number),
        "upstream_connect_time" | "upstream_header_time" | "upstream_queue_time" => (None, Shape::List),
        "remote_addr"
        | "remote_port"
        | "realip_remote_addr"
        | "server_addr"
        | "server_port"
        | "server_name"
        | "host"
        | "hostname"
        | "connection"
        | "connection_requests"
        | "pid"
        | "request_length"
        | "gzip_ratio"
        | "ssl_protocol"
        | "ssl_cipher"
        | "http2"
        | "http3"
        | "pipe" => (None, Shape::Word),
        _ => (None, Shape::Text),
    }
}
