//! bingo's own log: one JSON object a line, as Go's zap writes it.
//!
//! Most lines are `Quota updated.`, some twenty a second from an idle node, each with the process's whole
//! environment in it. They are told by their beginning, and after the first of them by being the same but for the time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fearless_simd::{Simd, dispatch};
use memchr::memmem::Finder;

use super::json;
use super::keys::{Keys, Said, Slots, Wanted};
use super::layout;
use super::learned::{Learned, Of};
use super::number::{duration, integer};
use super::time;
use crate::record::{
    AppRequest, Code, DurationUnit, Event, EventKind, Level, Method, Reject, Text, UnixMillis, Unmeasured,
    closed_set,
};

#[cfg(test)]
mod tests;

const TIMESTAMP: &[u8] = br#","timestamp":""#;

const QUOTA: &[u8] = b"Quota updated.";

/// What the limiter says when it refuses, in `msg` or in `error`, in whatever case.
const THROTTLED: &[u8] = b"too many requests";

/// Longest version string.
const VERSION_BYTES: usize = 64;

closed_set! {
    /// What the decoder looks for in a line. The names are bingo's own keys. `os_env`, the environment, is none of
    /// them, so it is passed over unread.
    AppField {
        Level = "level",
        Timestamp = "timestamp",
        Message = "msg",
        Error = "error",
        Version = "app_version",
        GoVersion = "runtime_version",
        Path = "url_path",
        Method = "http_request_method",
        Status = "http_response_status_code",
        Duration = "event_duration",
    }
}

impl AppField {
    /// The fields of request lines. What bingo calls them is known from hearsay only, so a configuration may say
    /// otherwise.
    pub const OF_REQUESTS: [Self; 4] = [Self::Path, Self::Method, Self::Status, Self::Duration];
}

impl Wanted for AppField {
    const ALL: &'static [Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn aliases(self) -> &'static [&'static str] {
        const NAMES: [[&str; 1]; AppField::COUNT] = {
            let (mut names, mut i) = ([[""]; AppField::COUNT], 0);
            while i < AppField::COUNT {
                names[i] = [AppField::ALL[i].as_str()];
                i += 1;
            }
            names
        };
        &NAMES[self as usize]
    }
}

/// Decodes the lines of bingo's own log. Compiled once from the configuration.
#[derive(Debug, Clone)]
pub struct AppDecoder {
    keys: Keys<AppField>,
    unit: Option<DurationUnit>,
    /// Keys of a quota line that count when they come again: see [`AppDecoder::quota`].
    again: [Finder<'static>; 3],
}

impl AppDecoder {
    /// A decoder. An entry of `fields` is the key that holds that field, nested with dots, in place of bingo's own;
    /// without a `unit` durations are not read.
    pub fn new(fields: &BTreeMap<AppField, String>, unit: Option<DurationUnit>) -> Self {
        Self {
            keys: Keys::new(fields),
            unit,
            again: ["\"msg\"", "\"level\"", "\"timestamp\""].map(Finder::new),
        }
    }

    /// Reads one line, without its line feed. Every JSON object is an event, if only an `other` one.
    ///
    /// # Errors
    /// Why the line cannot be counted.
    pub fn decode<'a>(&self, line: &'a [u8]) -> Result<Event<'a>, Reject> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Err(Reject::Empty);
        }
        self.quota(line)
            .map_or_else(|| self.any(line), |quota| Ok(quota.event()))
    }

    /// The same as [`decode`](Self::decode), faster on lines like earlier ones. The event is lent to `count`.
    ///
    /// # Errors
    /// The same.
    pub fn decode_like<'a, T>(
        &self,
        line: &'a [u8],
        learned: &mut Learned,
        count: impl FnOnce(&Event<'a>) -> T,
    ) -> Result<T, Reject> {
        dispatch!(learned.cpu(), simd => self.decode_with(simd, line, learned, count))
    }

    /// The same, where the processor's vectors are chosen already: for many lines that is done once.
    #[inline(always)]
    pub(crate) fn decode_with<'a, S: Simd, T>(
        &self,
        simd: S,
        line: &'a [u8],
        learned: &mut Learned,
        count: impl FnOnce(&Event<'a>) -> T,
    ) -> Result<T, Reject> {
        if let Some((level, time)) = learned.repeated(line) {
            return Ok(count(&Event {
                time: Some(time),
                ..event(level, EventKind::Quota)
            }));
        }
        if let Some(quota) = self.quota(line) {
            learned.repeats(quota.level, quota.before, quota.after);
            return Ok(count(&quota.event()));
        }
        if let Some((values, times)) = learned.find(simd, Of::App, line) {
            return Ok(count(&self.build(&values, |text| times.parse(text))));
        }
        let event = self.decode(line)?;
        learned.learn(Of::App, layout::json(line, &self.keys));
        Ok(count(&event))
    }

    /// Recognises a quota line by its beginning, key by key, and its end. Whether what lies between is JSON is not
    /// looked at; but a line that was torn by a full disk and has another one behind it must not pass, so a line
    /// that has one of these keys again is left to the complete parser.
    fn quota<'a>(&self, line: &'a [u8]) -> Option<Quota<'a>> {
        let (level, rest) = string(line, br#"{"level":""#)?;
        let (timestamp, after) = string(rest, TIMESTAMP)?;
        let (_caller, rest) = string(after, br#","caller":""#)?;
        let rest = string(rest, br#","msg":""#).and_then(|(msg, rest)| (msg == QUOTA).then_some(rest))?;
        let ends = rest == b"}" || rest.starts_with(b",\"") && rest.ends_with(b"}");
        let once = || self.again.iter().all(|key| key.find(rest).is_none());
        let closing_quote = line.len() - after.len() - 1;
        (ends && once()).then(|| Quota {
            level: self::level(level),
            timestamp,
            before: &line[..closing_quote - timestamp.len()],
            after: &line[closing_quote..],
        })
    }

    fn any<'a>(&self, line: &'a [u8]) -> Result<Event<'a>, Reject> {
        let mut slots = Slots::new(&self.keys);
        json::read(line, &mut slots).ok_or(Reject::BrokenJson)?;
        Ok(self.build(&slots, time::parse))
    }

    fn build<'a>(
        &self,
        said: &impl Said<'a, AppField>,
        mut time: impl FnMut(&[u8]) -> Option<UnixMillis>,
    ) -> Event<'a> {
        let text = |field| said.first(field).unwrap_or_default();
        let msg = text(AppField::Message);
        let event = Event {
            time: time(&text(AppField::Timestamp)),
            ..event(level(&text(AppField::Level)), kind(&msg, &text(AppField::Error)))
        };
        // Quota lines tell their time and nothing else, however they are read.
        if event.kind == EventKind::Quota {
            return event;
        }
        Event {
            version: said.first(AppField::Version).and_then(version),
            go_version: said.first(AppField::GoVersion).and_then(version),
            request: is_request(&msg).then(|| self.request(said)),
            ..event
        }
    }

    fn request<'a>(&self, said: &impl Said<'a, AppField>) -> AppRequest<'a> {
        let status = said.first(AppField::Status).and_then(|status| integer(&status));
        AppRequest {
            method: said.first(AppField::Method).map(|method| Method::parse(&method)),
            path: said.first(AppField::Path),
            code: status.map_or(Code::NONE, Code::new),
            duration: self.unit.map(|unit| {
                let text = said.first(AppField::Duration);
                text.map_or(Err(Unmeasured::Missing), |text| duration(&text, unit))
            }),
        }
    }
}

/// A quota line around its time stamp.
struct Quota<'a> {
    level: Level,
    timestamp: &'a [u8],
    before: &'a [u8],
    after: &'a [u8],
}

impl Quota<'_> {
    fn event(&self) -> Event<'static> {
        Event {
            time: time::parse(self.timestamp),
            ..event(self.level, EventKind::Quota)
        }
    }
}

fn event(level: Level, kind: EventKind) -> Event<'static> {
    Event {
        level,
        kind,
        time: None,
        version: None,
        go_version: None,
        request: None,
    }
}

/// A string without escapes behind `prefix`, and what follows its closing quote.
fn string<'a>(text: &'a [u8], prefix: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = text.strip_prefix(prefix)?;
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\') || *byte < b' ')?;
    (text[end] == b'"').then(|| (&text[..end], &text[end + 1..]))
}

/// What happened. A message that is known says it; of other lines, and of requests, being throttled is what matters
/// most.
fn kind(msg: &[u8], error: &[u8]) -> EventKind {
    let throttled = || [msg, error].iter().any(|text| contains(text, THROTTLED));
    match msg {
        b"Prepare app." => EventKind::Start,
        b"Run server." => EventKind::Ready,
        b"Shutdown server." => EventKind::Shutdown,
        b"Failed initialization request." => EventKind::InitFailed,
        b"I am alive." | b"I`m fine." => EventKind::Heartbeat,
        b"Node is alive." => EventKind::NodeAlive,
        // `Notified all waiters.` comes with it, but does not say what was updated.
        b"Started updating nodes." => EventKind::NodesUpdate,
        QUOTA => EventKind::Quota,
        _ if throttled() => EventKind::Throttled,
        _ if is_request(msg) => EventKind::Request,
        _ => EventKind::Other,
    }
}

fn is_request(msg: &[u8]) -> bool {
    matches!(msg, b"request completed" | b"request complete")
}

fn contains(text: &[u8], lowercase: &[u8]) -> bool {
    let mut windows = text.windows(lowercase.len());
    windows.any(|window| window.eq_ignore_ascii_case(lowercase))
}

fn level(text: &[u8]) -> Level {
    let known = |level: &&Level| text.eq_ignore_ascii_case(level.as_str().as_bytes());
    Level::ALL.iter().find(known).copied().unwrap_or(Level::Other)
}

/// A version becomes a label, so it is believed only where it looks like one.
fn version(text: Text<'_>) -> Option<Cow<'_, str>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
    if text.is_empty() || text.len() > VERSION_BYTES || !text.iter().all(allowed) {
        return None;
    }
    match text {
        Cow::Borrowed(text) => str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}
