//! HAProxy: `option httplog`, and JSON by a `log-format`; with or without what syslog puts before it.
//!
//! ```text
//! [prefix ]client:port [date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes CC CS tsc conns queues [captures] "request"
//! ```
//! Source: HAProxy 2.6, configuration.txt, 8.2.3 and 8.4. All durations are milliseconds, and -1 where it did not come to
//! that; `Ta` is the time the client saw. The date is the request's beginning.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use memchr::memchr_iter;
use memchr::memmem::find;

use super::Field;
use super::dialect::Dialect;
use super::keys::{Keys, Slots};
use super::number::integer;
use super::request::{self, Units, at_end};
use super::time;
use crate::clock::Zone;
use crate::record::{Reject, Request, UnixMillis};

#[cfg(test)]
mod tests;

/// Reads both of HAProxy's forms.
#[derive(Debug, Clone)]
pub(super) struct Haproxy {
    json: Dialect,
    keys: Keys,
    /// What its dates without an offset are in.
    pub(super) zone: Zone,
}

/// The length of `06/Feb/2009:12:14:14.655`.
const DATE_BYTES: usize = 24;

/// What HAProxy's own messages begin with; they are about no request.
const NOTICES: [&[u8]; 9] = [
    b"Server ",
    b"Backup Server ",
    b"Health check ",
    b"Proxy ",
    b"proxy ",
    b"backend ",
    b"Stopping ",
    b"Pausing ",
    b"Connect from ",
];

impl Haproxy {
    pub(super) fn new(fields: &BTreeMap<Field, String>) -> Self {
        let signature = &[Field::Status, Field::RequestTime, Field::Termination];
        Self {
            json: Dialect::new(fields, names, Units::MILLISECONDS, signature).finish(finish),
            keys: Keys::new(&BTreeMap::new()),
            zone: TimeZone::UTC.into(),
        }
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        match object(line) {
            Some(object) => self.json.read(object),
            None => self.text(line),
        }
    }

    pub(super) fn claims(&self, line: &[u8]) -> bool {
        match object(line) {
            Some(object) => self.json.claims(object),
            // Before a date of its own stands what syslog writes: no text of a client, which other formats quote.
            None => {
                let quoted = |before: &[u8]| before.contains(&b'"');
                matches!(self.text(line), Ok(Some(_)))
                    && !dated(line).is_some_and(|(before, ..)| quoted(before))
            }
        }
    }

    fn text<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        let Some((before, date, rest)) = dated(line) else {
            return if is_notice(line) {
                Ok(None)
            } else {
                Err(Reject::UnknownFormat)
            };
        };
        // `frontend/bind: SSL handshake failure`: a connection without a request.
        if rest
            .split(|byte| *byte == b' ')
            .next()
            .is_some_and(|word| word.ends_with(b":"))
        {
            return Ok(None);
        }
        let mut slots = Slots::new(&self.keys);
        let said = httplog(rest, &mut slots).ok_or(Reject::UnknownFormat)?;
        let request = request::build(&slots, Units::MILLISECONDS)?;
        let began = time::local(date, self.zone.get());
        let ended = logged_at(before).or(at_end(began, request.duration));
        Ok(Some(Request {
            time: ended,
            ..said.apply(request)
        }))
    }
}

/// What HAProxy says besides the fields that all proxies have.
struct Said<'a> {
    termination: &'a [u8],
    retries: &'a [u8],
}

impl Said<'_> {
    fn apply<'a>(&self, mut request: Request<'a>) -> Request<'a> {
        // The client left before there was a response: in the queue, while connecting, waiting for headers. What it
        // leaves later is nothing that other proxies speak of.
        request.client_gave_up |= matches!(self.termination, [b'C', b'Q' | b'C' | b'H', ..]);
        let retries = integer(self.retries.strip_prefix(b"+").unwrap_or(self.retries));
        let retries = retries.map_or(0, |retries| u8::try_from(retries).unwrap_or(0));
        request.attempts.untold = if request.attempts.addresses.is_empty() {
            0
        } else {
            retries
        };
        request
    }
}

/// Reads what follows the date.
fn httplog<'a>(text: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<Said<'a>> {
    let mut words = text.splitn(10, |byte| *byte == b' ');
    let (frontend, server) = (words.next()?, words.next()?);
    let [_, _, _, response, active] = numbers(words.next()?)?;
    let (status, bytes) = (words.next()?, words.next()?);
    let (_cookies, termination) = ((words.next()?, words.next()?), words.next()?);
    let [.., retries] = numbers(words.next()?)?;
    integer(status)?;
    // A line that is too long for syslog loses its end.
    let request = words
        .next()
        .and_then(|rest| rest.splitn(3, |byte| *byte == b'"').nth(1));

    let mut place = |field, text: &'a [u8]| slots.place(field, Cow::Borrowed(text));
    place(Field::Request, request.unwrap_or_default());
    place(Field::Status, status);
    // `option logasap` writes before the end, and says so by a plus.
    place(Field::RequestTime, active.strip_prefix(b"+").unwrap_or(active));
    place(Field::Bytes, bytes.strip_prefix(b"+").unwrap_or(bytes));
    place(
        Field::Scheme,
        if frontend.ends_with(b"~") {
            b"https"
        } else {
            b"http"
        },
    );
    // `<NOSRV>`: none was tried.
    if server.ends_with(b">") {
        return Some(Said {
            termination,
            retries: b"0",
        });
    }
    place(Field::UpstreamAddr, server);
    if response != b"-1" {
        place(Field::UpstreamStatus, status);
        place(Field::UpstreamTime, response);
    }
    Some(Said { termination, retries })
}

/// Five numbers with slashes between.
fn numbers(text: &[u8]) -> Option<[&[u8]; 5]> {
    let mut parts = text.split(|byte| *byte == b'/');
    let mut next = || {
        let part = parts.next()?;
        integer(part.strip_prefix(b"+").unwrap_or(part)).map(|_| part)
    };
    let numbers = [next()?, next()?, next()?, next()?, next()?];
    parts.next().is_none().then_some(numbers)
}

/// Splits at the date in brackets, which no prefix has.
fn dated(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    memchr_iter(b'[', line).find_map(|open| {
        let date = line.get(open + 1..open + 1 + DATE_BYTES)?;
        let rest = line[open + 1 + DATE_BYTES..].strip_prefix(b"] ")?;
        (date[2] == b'/' && date[6] == b'/' && date[20] == b'.').then_some((&line[..open], date, rest))
    })
}

/// The time with an offset that a syslog daemon put first, where it did: RFC 5424's `<134>1 2009-02-06T12:14:14+01:00 …`,
/// or the same without the number. RFC 3164's has neither year nor offset.
fn logged_at(prefix: &[u8]) -> Option<UnixMillis> {
    let mut words = prefix.split(|byte| *byte == b' ');
    let first = words.next()?;
    let stamp = if first.starts_with(b"<") && first.ends_with(b">1") {
        words.next()?
    } else {
        first
    };
    stamp.contains(&b'T').then(|| time::parse(stamp)).flatten()
}

fn is_notice(line: &[u8]) -> bool {
    let message = find(line, b"]: ").map_or(line, |end| &line[end + 3..]);
    NOTICES.iter().any(|notice| message.starts_with(notice))
}

/// The object that a JSON line holds, behind syslog's `haproxy[1]: ` or RFC 5424's `- - `.
fn object(line: &[u8]) -> Option<&[u8]> {
    if !line.ends_with(b"}") {
        return line.starts_with(b"{").then_some(line);
    }
    let behind = |separator: &[u8]| find(line, separator).map(|at| at + separator.len() - 1);
    let begin = if line.starts_with(b"{") {
        Some(0)
    } else {
        behind(b": {").or_else(|| behind(b" - {"))
    };
    begin.map(|begin| &line[begin..])
}

/// There is no JSON of HAProxy's own: these are names for its variables, and what people call them.
fn names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Request => &["request", "http_request"],
        Field::Method => &["method", "http_method", "request_method", "http_request_method"],
        Field::Target => &[
            "uri",
            "request_uri",
            "http_uri",
            "http_request_uri",
            "path",
            "http_request_path",
        ],
        Field::Status => &["status", "status_code", "http_status_code"],
        Field::RequestTime => &["time_active", "ta", "Ta"],
        Field::Bytes => &["bytes", "bytes_read", "http_bytes_read"],
        Field::Protocol => &["http_version", "protocol"],
        Field::Scheme => &["scheme"],
        Field::UpstreamAddr => &["server_addr", "upstream_addr"],
        Field::UpstreamTime => &["time_response", "tr", "Tr"],
        Field::Time => &["time", "timestamp", "request_date", "accept_date"],
        Field::Termination => &["termination_state", "tsc", "request_termination_state"],
        Field::Retries => &["retries"],
        _ => &[],
    }
}

fn finish<'a>(slots: &Slots<'_, 'a>, mut request: Request<'a>) -> Request<'a> {
    let text = |field| slots.first(field).map_or(&b""[..], |text| text);
    request.time = at_end(request.time, request.duration);
    if !matches!(text(Field::UpstreamTime), b"" | b"-1") {
        request.attempts.codes = slots.first(Field::Status).cloned().unwrap_or_default();
    }
    let said = Said {
        termination: text(Field::Termination),
        retries: text(Field::Retries),
    };
    said.apply(request)
}
