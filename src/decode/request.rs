//! Texts to a [`Request`]: the rules that hold whatever the format.

use memchr::memchr;

use super::Field;
use super::keys::Said;
use super::number::{duration, integer};
use super::time;
use crate::record::{
    Attempts, Cache, Code, DurationUnit, Method, Nanos, Protocol, REQUEST_ID_BYTES, Reject, Request,
    RequestLine, Scheme, Text, UnixMillis, Unmeasured,
};
use crate::words;

/// The units of a format's durations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub(super) request: DurationUnit,
    pub(super) upstream: DurationUnit,
}

impl Units {
    /// nginx's.
    pub(super) const SECONDS: Self = Self {
        request: DurationUnit::Seconds,
        upstream: DurationUnit::Seconds,
    };
    pub(super) const MILLISECONDS: Self = Self {
        request: DurationUnit::Milliseconds,
        upstream: DurationUnit::Milliseconds,
    };
}

/// Makes a request of what a line says.
///
/// # Errors
/// [`Reject::NoRequest`] for neither a status nor a request. A request that cannot be parsed is one all the same.
pub(super) fn build<'a>(said: &impl Said<'a, Field>, units: Units) -> Result<Request<'a>, Reject> {
    build_with(said, units, time::parse)
}

/// The same, with the time stamps read by `time`.
///
/// # Errors
/// The same.
#[inline(always)]
pub(super) fn build_with<'a>(
    said: &impl Said<'a, Field>,
    units: Units,
    mut time: impl FnMut(&[u8]) -> Option<UnixMillis>,
) -> Result<Request<'a>, Reject> {
    let whole = said.first(Field::Request);
    let status = said.first(Field::Status);
    let usual = match whole {
        Some(Text::Borrowed(text)) => usual(text),
        _ => None,
    };
    let (line, version) = match usual {
        Some((method, target, version)) => {
            let target = Text::Borrowed(target);
            (Some(RequestLine { method, target }), Some(version))
        }
        None => {
            let parts = said.first(Field::Method).zip(said.first(Field::Target));
            if whole.is_none() && parts.is_none() && status.is_none() {
                return Err(Reject::NoRequest);
            }
            unusual(whole, parts)
        }
    };
    // Matches here and below: of closures the compiler leaves some out of line, and each call costs more than what it does.
    // `status` is a word to some loggers, whose number has another name.
    let status = match status {
        Some(text) => match integer(&text) {
            None => said.all(Field::Status).skip(1).find_map(|text| integer(&text)),
            known => known,
        },
        None => None,
    };
    let text = |field| said.first(field).unwrap_or_default();
    Ok(Request {
        code: status.map_or(Code::NONE, Code::new),
        client_gave_up: matches!(status, Some(499 | 0 | -1)),
        duration: match said.first(Field::RequestTime) {
            Some(text) => duration(&text, units.request),
            None => Err(Unmeasured::Missing),
        },
        bytes: bytes(said),
        cache: said.first(Field::CacheStatus).and_then(|text| cache(&text)),
        protocol: version
            .or_else(|| said.first(Field::Protocol).map(|text| protocol(&text)))
            .unwrap_or(Protocol::Other),
        scheme: scheme(said.first(Field::Scheme).as_ref(), line.as_ref()),
        attempts: Attempts {
            addresses: text(Field::UpstreamAddr),
            codes: text(Field::UpstreamStatus),
            durations: text(Field::UpstreamTime),
            unit: units.upstream,
            untold: 0,
        },
        // `time` and `ts` mean other things to some loggers, so the first that is a time stamp.
        time: match said.first(Field::Time) {
            Some(text) => match time(&text) {
                None => said.all(Field::Time).skip(1).find_map(|text| time(&text)),
                known => known,
            },
            None => None,
        },
        line,
        id: said.first(Field::RequestId).filter(|id| is_id(id)),
    })
}

/// Whether a text may become an exemplar's label.
fn is_id(text: &[u8]) -> bool {
    let odd = |odd: bool, byte: &u8| odd | !(byte.is_ascii_alphanumeric() | (*byte == b'-'));
    text.len() <= REQUEST_ID_BYTES && !text.iter().fold(false, odd)
}

/// The end of a request whose beginning the line tells; without a duration, the beginning is all there is.
pub(super) fn at_end(began: Option<UnixMillis>, duration: Result<Nanos, Unmeasured>) -> Option<UnixMillis> {
    let millis = duration.map_or(0, |nanos| nanos / 1_000_000);
    began.map(|began| began.saturating_add_unsigned(millis))
}

/// An address out of `http://10.0.0.1:80`.
pub(super) fn without_scheme(url: Text<'_>) -> Text<'_> {
    match absolute_scheme(&url).map(<[u8]>::len) {
        Some(length) => cut(&url, length + 3, url.len() - length - 3),
        None => url,
    }
}

/// Reads what most requests are, `GET /path HTTP/1.1`. `None` says nothing about the others.
#[inline(always)]
fn usual(text: &[u8]) -> Option<(Method, &[u8], Protocol)> {
    let (method, rest) = match text {
        [b'G', b'E', b'T', b' ', rest @ ..] => (Method::Get, rest),
        [b'P', b'O', b'S', b'T', b' ', rest @ ..] => (Method::Post, rest),
        _ => return None,
    };
    let (target, version) = rest.split_last_chunk()?;
    let version = u64::from_le_bytes(*version);
    // Chosen without a branch, since both are common.
    let protocol = if version == HTTP2 {
        Protocol::Http2
    } else {
        Protocol::Http11
    };
    let known = (version == HTTP11) | (version == HTTP2);
    let target = target.strip_suffix(b" ")?;
    let valid = known && target.starts_with(b"/") && !has_space_or_control(target);
    valid.then_some((method, target, protocol))
}

/// Reads a request line, else its parts.
fn unusual<'a>(
    whole: Option<Text<'a>>,
    parts: Option<(Text<'a>, Text<'a>)>,
) -> (Option<RequestLine<'a>>, Option<Protocol>) {
    match whole.as_ref().and_then(split) {
        Some((line, version)) => (Some(line), version),
        None => (parts.and_then(|(method, target)| join(&method, target)), None),
    }
}

/// Reads `METHOD target` or `METHOD target HTTP/x`.
fn split<'a>(text: &Text<'a>) -> Option<(RequestLine<'a>, Option<Protocol>)> {
    let (method, rest) = text.split_at(memchr(b' ', text)?);
    let (length, protocol) = version(rest.get(1..)?)?;
    let target = cut(text, method.len() + 1, length);
    join(method, target).map(|line| (line, protocol))
}

const HTTP11: u64 = u64::from_le_bytes(*b"HTTP/1.1");
const HTTP2: u64 = u64::from_le_bytes(*b"HTTP/2.0");

/// The target's length and the version behind it.
fn version(text: &[u8]) -> Option<(usize, Option<Protocol>)> {
    let length = memchr(b' ', text).unwrap_or(text.len());
    match &text[length..] {
        [] => Some((length, None)),
        [_, version @ ..] if version.starts_with(b"HTTP/") && !version.contains(&b' ') => {
            Some((length, Some(protocol(version))))
        }
        _ => None,
    }
}

fn join<'a>(method: &[u8], target: Text<'a>) -> Option<RequestLine<'a>> {
    let known = Method::parse(method);
    let parsable = (known != Method::Other || is_token(method)) && is_target(method, &target);
    parsable.then_some(RequestLine {
        method: known,
        target,
    })
}

/// A part of a text, borrowed from the line wherever the whole is.
fn cut<'a>(text: &Text<'a>, from: usize, length: usize) -> Text<'a> {
    match text {
        Text::Borrowed(text) => Text::Borrowed(&text[from..from + length]),
        Text::Owned(text) => Text::Owned(text[from..from + length].to_vec()),
    }
}

/// A token of RFC 9110, 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

/// One of the forms of RFC 9112, 3.2.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if has_space_or_control(target) {
        return false;
    }
    let authority = || method == b"CONNECT" && is_authority(target);
    target.starts_with(b"/") || target == b"*" || absolute_scheme(target).is_some() || authority()
}

#[inline]
fn has_space_or_control(text: &[u8]) -> bool {
    // Without an early end there is nothing to guess.
    let mut any = false;
    words::for_each(text, |word| any |= words::has_space_or_control(word));
    any
}

/// The scheme of an absolute-form target.
#[inline(always)]
fn absolute_scheme(target: &[u8]) -> Option<&[u8]> {
    // As nearly all are: an absolute path.
    if target.starts_with(b"/") {
        return None;
    }
    scheme_of(target)
}

fn scheme_of(target: &[u8]) -> Option<&[u8]> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(allowed);
    (named && rest.starts_with(b"://")).then_some(scheme)
}

/// `host:port`.
fn is_authority(target: &[u8]) -> bool {
    target
        .iter()
        .rposition(|byte| *byte == b':')
        .is_some_and(|colon| {
            let (host, port) = (&target[..colon], &target[colon + 1..]);
            !host.is_empty()
                && !host.contains(&b'/')
                && !port.is_empty()
                && port.iter().all(u8::is_ascii_digit)
        })
}

#[inline(always)]
fn number<'a>(said: &impl Said<'a, Field>, field: Field) -> Option<u64> {
    u64::try_from(integer(&said.first(field)?)?).ok()
}

#[inline(always)]
fn bytes<'a>(said: &impl Said<'a, Field>) -> u64 {
    match number(said, Field::BodyBytes) {
        Some(bytes) => bytes,
        None => number(said, Field::Bytes).unwrap_or(0),
    }
}

fn cache(text: &[u8]) -> Option<Cache> {
    let known = |cache: &&Cache| text.eq_ignore_ascii_case(cache.as_str().as_bytes());
    Cache::ALL.iter().find(known).copied()
}

fn protocol(text: &[u8]) -> Protocol {
    if text == b"HTTP/1.1" {
        return Protocol::Http11;
    }
    let version = match text.split_at_checked(5) {
        Some((http, version)) if http.eq_ignore_ascii_case(b"HTTP/") => version,
        _ => text,
    };
    match version {
        b"1.0" => Protocol::Http10,
        b"1.1" => Protocol::Http11,
        b"2.0" | b"2" | b"h2" | b"h2c" => Protocol::Http2,
        b"3.0" | b"3" | b"h3" => Protocol::Http3,
        _ => Protocol::Other,
    }
}

#[inline(always)]
fn scheme(field: Option<&Text<'_>>, line: Option<&RequestLine<'_>>) -> Scheme {
    let text = match (field, line) {
        (Some(text), _) => Some(&**text),
        (None, Some(line)) => absolute_scheme(&line.target),
        (None, None) => None,
    };
    match text {
        // As nginx writes it.
        Some(b"http") => Scheme::Http,
        Some(b"https") => Scheme::Https,
        Some(text) => named_scheme(text),
        None => Scheme::Unknown,
    }
}

fn named_scheme(name: &[u8]) -> Scheme {
    if name.eq_ignore_ascii_case(b"http") {
        Scheme::Http
    } else if name.eq_ignore_ascii_case(b"https") {
        Scheme::Https
    } else {
        Scheme::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(Method, &str, Option<Protocol>)>) {
        let found = split(&text.as_bytes().into());
        let found = found.map(|(line, version)| {
            (
                line.method,
                String::from_utf8(line.target.into_owned()).unwrap(),
                version,
            )
        });
        let expect = expect.map(|(method, target, version)| (method, target.to_owned(), version));
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn request_lines() {
        let http11 = Some(Protocol::Http11);
        check(
            "GET /api/movie/5?x=y HTTP/1.1",
            Some((Method::Get, "/api/movie/5?x=y", http11)),
        );
        check("GET / HTTP/9", Some((Method::Get, "/", Some(Protocol::Other))));
        check("GET /", Some((Method::Get, "/", None)));
        check("OPTIONS * HTTP/1.1", Some((Method::Options, "*", http11)));
        check(
            "GET http://x/y HTTP/1.1",
            Some((Method::Get, "http://x/y", http11)),
        );
        check("CONNECT x:443 HTTP/1.1", Some((Method::Connect, "x:443", http11)));
        check(
            "CONNECT [::1]:443 HTTP/1.1",
            Some((Method::Connect, "[::1]:443", http11)),
        );
        check("get / HTTP/1.1", Some((Method::Other, "/", http11)));
        check(
            "PRI * HTTP/2.0",
            Some((Method::Other, "*", Some(Protocol::Http2))),
        );
        check("GET /фильм HTTP/1.1", Some((Method::Get, "/фильм", http11)));
        for garbage in [
            "",
            " ",
            "GET",
            "GET ",
            " / HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET / ",
            "GET / x",
            "GET / HTTP/1.1 x",
            "GET /a b HTTP/1.1",
            "GET x:443 HTTP/1.1",
            "GET ** HTTP/1.1",
            "GET ://x HTTP/1.1",
            "GET 1http://x HTTP/1.1",
            "CONNECT x HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "GET /\u{0} HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "G\u{16}T / HTTP/1.1",
            "GÉT / HTTP/1.1",
            "\u{16}\u{3}\u{1}",
        ] {
            check(garbage, None);
        }
    }

    #[test]
    fn protocols() {
        for (text, expect) in [
            ("HTTP/1.0", Protocol::Http10),
            ("HTTP/1.1", Protocol::Http11),
            ("1.1", Protocol::Http11),
            ("http/1.1", Protocol::Http11),
            ("HTTP/2", Protocol::Http2),
            ("HTTP/2.0", Protocol::Http2),
            ("h2", Protocol::Http2),
            ("HTTP/3", Protocol::Http3),
            ("HTTP/3.0", Protocol::Http3),
            ("h3", Protocol::Http3),
            ("HTTP/0.9", Protocol::Other),
            ("HTTP/", Protocol::Other),
            ("", Protocol::Other),
        ] {
            assert_eq!(protocol(text.as_bytes()), expect, "{text:?}");
        }
    }

    #[test]
    fn schemes() {
        let line = split(&b"GET HTTPS://x/ HTTP/1.1".as_slice().into()).map(|(line, _)| line);
        assert_eq!(
            scheme(Some(&b"Http".as_slice().into()), line.as_ref()),
            Scheme::Http
        );
        assert_eq!(scheme(None, line.as_ref()), Scheme::Https);
        assert_eq!(scheme(Some(&b"ws".as_slice().into()), None), Scheme::Unknown);
        assert_eq!(scheme(None, None), Scheme::Unknown);
    }

    #[test]
    fn caches() {
        for cache_value in Cache::ALL {
            assert_eq!(
                cache(cache_value.as_str().to_uppercase().as_bytes()),
                Some(*cache_value)
            );
        }
        assert_eq!(cache(b"Hit"), Some(Cache::Hit));
        assert_eq!(cache(b"SCARCE"), None);
    }
}
