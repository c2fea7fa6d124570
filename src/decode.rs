//! Bytes of one line to a [`Request`], or to an [`Event`](crate::record::Event) of bingo's own log. Pure: no I/O but
//! for the machine's time zone, looked for by the first line that needs it; no clock; and between the lines of a file no state
//! but its format, where that is to be found out.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::ManuallyDrop;

use fearless_simd::{Simd, dispatch};

use self::dialect::{Dialect, FixedText};
use self::haproxy::Haproxy;
use self::keys::{Keys, Slots};
use self::layout::Layout;
use self::learned::Of;
use self::request::Units;
use crate::clock::Zone;
use crate::record::{Reject, Request, closed_set};

mod detect;

mod caddy;
mod combined;
mod envoy;
mod haproxy;
mod json;
mod nginx;
mod pattern;
mod traefik;

mod attempts;
mod dialect;
mod keys;
mod layout;
mod learned;
mod number;
mod request;
mod splitter;
pub mod time;

mod bingo;

#[cfg(test)]
mod tests;

pub(crate) use attempts::upstream_label;
pub use bingo::{AppDecoder, AppField};
pub use detect::{Decided, Detection, Known, detect};
pub use learned::Learned;
pub use nginx::LogFormat;
pub use pattern::Pattern;

/// Decodes the lines of a reverse proxy's access log. Compiled once from the configuration.
#[derive(Debug, Clone)]
pub struct AccessDecoder {
    format: Format,
    /// The format's own, or for [`Format::Auto`] one for each of [`Known`].
    readers: Vec<Reader>,
}

/// How the lines of the access log are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// As the file's first lines say.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// nginx's and Apache's `combined`, with any trailing fields.
    Combined,
    /// nginx's `log_format` string.
    Nginx(LogFormat),
    /// `option httplog`, or JSON.
    Haproxy,
    /// Caddy's JSON.
    Caddy,
    /// Traefik's JSON or Common Log Format.
    Traefik,
    /// Envoy's default text or JSON.
    Envoy,
    /// A regular expression with named groups.
    Regex(Pattern),
}

/// Reads the lines of one format.
#[derive(Debug, Clone)]
enum Reader {
    Json(Dialect),
    Combined(Keys),
    Nginx(LogFormat, Keys),
    Haproxy(Haproxy),
    /// JSON where a line begins with `{`, else the text.
    Either(Dialect, FixedText),
    Regex(Pattern, Keys),
}

closed_set! {
    /// What a decoder looks for in a line. The names are nginx's variables.
    Field {
        /// The whole request line, `GET /api/movie/5?x=y HTTP/1.1`.
        Request = "request",
        Method = "request_method",
        /// The target as the client sent it.
        Target = "request_uri",
        Status = "status",
        /// Seconds.
        RequestTime = "request_time",
        BodyBytes = "body_bytes_sent",
        Bytes = "bytes_sent",
        Protocol = "server_protocol",
        Scheme = "scheme",
        UpstreamAddr = "upstream_addr",
        UpstreamStatus = "upstream_status",
        /// Seconds.
        UpstreamTime = "upstream_response_time",
        CacheStatus = "upstream_cache_status",
        /// When the request ended.
        Time = "time",
        /// What the proxy calls the request.
        RequestId = "request_id",
        /// HAProxy's, four letters.
        Termination = "termination_state",
        /// Tries before the one that is told of.
        Retries = "retries",
        /// Which of a proxy's loggers wrote the line.
        Logger = "logger",
    }
}

impl Field {
    /// Those that every format can have, and so a configuration can name.
    pub const CONFIGURABLE: &'static [Self] = Self::ALL.split_at(Self::Time as usize + 1).0;
}

impl AccessDecoder {
    /// A decoder for `format`. An entry of `fields` is the JSON key that holds that field, nested with dots, in place of
    /// the names the field is known by.
    pub fn new(format: Format, fields: &BTreeMap<Field, String>) -> Self {
        let known = |known| vec![Reader::known(known, fields)];
        let readers = match &format {
            Format::Auto => Known::ALL
                .iter()
                .map(|known| Reader::known(*known, fields))
                .collect(),
            Format::Json => known(Known::Json),
            Format::Combined => known(Known::Combined),
            Format::Haproxy => known(Known::Haproxy),
            Format::Caddy => known(Known::Caddy),
            Format::Traefik => known(Known::Traefik),
            Format::Envoy => known(Known::Envoy),
            Format::Nginx(format) => vec![Reader::Nginx(format.clone(), Keys::new(fields))],
            Format::Regex(pattern) => vec![Reader::Regex(pattern.clone(), Keys::new(fields))],
        };
        Self { format, readers }
    }

    /// Takes dates without an offset, as HAProxy writes them, for dates in `zone`; else they are UTC.
    #[must_use]
    pub fn in_zone(mut self, zone: &Zone) -> Self {
        for reader in &mut self.readers {
            if let Reader::Haproxy(haproxy) = reader {
                haproxy.zone = zone.clone();
            }
        }
        self
    }

    /// Reads one line, without its line feed, of a file of which `file` is known. `None` is a line that is ignored on
    /// purpose.
    ///
    /// # Errors
    /// Why the line cannot be counted.
    pub fn decode<'a>(&self, line: &'a [u8], file: &mut Detection) -> Result<Option<Request<'a>>, Reject> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            return self.blank();
        }
        match &*self.readers {
            [reader] => reader.read(line),
            readers => file.decode(readers, line, Reader::read),
        }
    }

    /// The same, faster on lines like earlier ones. The request is lent to `count`: to hand it back costs as much as half
    /// of its reading.
    ///
    /// # Errors
    /// The same.
    pub fn decode_like<'a, T>(
        &self,
        line: &'a [u8],
        file: &mut Detection,
        learned: &mut Learned,
        count: impl FnOnce(&Request<'a>) -> T,
    ) -> Result<Option<T>, Reject> {
        dispatch!(learned.cpu(), simd => self.decode_with(simd, line, file, learned, count))
    }

    /// The same, where the processor's vectors are chosen already: for many lines that is done once.
    #[inline(always)]
    pub(crate) fn decode_with<'a, S: Simd, T>(
        &self,
        simd: S,
        line: &'a [u8],
        file: &mut Detection,
        learned: &mut Learned,
        count: impl FnOnce(&Request<'a>) -> T,
    ) -> Result<Option<T>, Reject> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii_start().is_empty() {
            return self.blank().map(|_| None);
        }
        match &*self.readers {
            [reader] => reader.read_like(simd, line, learned, count),
            readers => file.decode(
                readers,
                line,
                #[inline(always)]
                |reader, line| reader.read_like(simd, line, learned, count),
            ),
        }
    }

    fn blank(&self) -> Result<Option<Request<'static>>, Reject> {
        match &self.format {
            Format::Nginx(format) if format.has_blank_lines() => Ok(None),
            _ => Err(Reject::Empty),
        }
    }

    /// Whether each file's format is decided from its lines.
    pub fn is_auto(&self) -> bool {
        self.format == Format::Auto
    }
}

impl Reader {
    fn known(known: Known, fields: &BTreeMap<Field, String>) -> Self {
        let nginx = known.nginx().and_then(|format| LogFormat::parse(format).ok());
        let text = match known {
            Known::Traefik => FixedText::new(&traefik::TEXT),
            Known::Envoy => FixedText::new(&envoy::TEXT),
            _ => None,
        };
        match (known, nginx, text) {
            (_, Some(format), _) => Self::Nginx(format, Keys::new(fields)),
            (Known::Traefik, _, Some(text)) => Self::Either(traefik::dialect(fields), text),
            (Known::Envoy, _, Some(text)) => Self::Either(envoy::dialect(fields), text),
            (Known::Haproxy, ..) => Self::Haproxy(Haproxy::new(fields)),
            (Known::Caddy, ..) => Self::Json(caddy::dialect(fields)),
            (Known::Combined, ..) => Self::Combined(Keys::new(fields)),
            _ => Self::Json(Dialect::any(fields)),
        }
    }

    fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        match self {
            Self::Json(dialect) => dialect.read(line),
            Self::Combined(keys) => {
                let mut slots = Slots::new(keys);
                combined::read(line, &mut slots).ok_or(Reject::UnknownFormat)?;
                request::build(&slots, Units::SECONDS).map(Some)
            }
            Self::Nginx(format, keys) => {
                let mut slots = Slots::new(keys);
                let counted = format.read(line, &mut slots)?;
                counted
                    .then(|| request::build(&slots, Units::SECONDS))
                    .transpose()
            }
            Self::Haproxy(haproxy) => haproxy.read(line),
            Self::Either(json, _) if is_json(line) => json.read(line),
            Self::Either(_, text) => text.read(line),
            Self::Regex(pattern, keys) => {
                let mut slots = Slots::new(keys);
                pattern.read(line, &mut slots).ok_or(Reject::UnknownFormat)?;
                request::build(&slots, pattern.units).map(Some)
            }
        }
    }

    /// The same, faster on lines like earlier ones.
    #[inline(always)]
    fn read_like<'a, S: Simd, T>(
        &self,
        simd: S,
        line: &'a [u8],
        learned: &mut Learned,
        count: impl FnOnce(&Request<'a>) -> T,
    ) -> Result<Option<T>, Reject> {
        let of = match self {
            Self::Json(dialect) if dialect.is_plain() => Of::Json,
            Self::Combined(_) => Of::Combined,
            _ => return Ok(self.read(line)?.as_ref().map(count)),
        };
        if let Some((values, times)) = learned.find(simd, of, line) {
            let request = request::build_with(
                &values,
                Units::SECONDS,
                #[inline(always)]
                |text| times.parse_seconds(text),
            )?;
            // All of it is borrowed from the line: there is nothing to drop, and to find that out takes longer than a number.
            let request = ManuallyDrop::new(request);
            return Ok(Some(count(&request)));
        }
        let request = self.read(line)?;
        learned.learn(of, self.layout(line));
        Ok(request.as_ref().map(count))
    }

    fn layout(&self, line: &[u8]) -> Option<Layout> {
        match self {
            Self::Json(dialect) => dialect.layout(line),
            Self::Combined(keys) => layout::combined(line, keys),
            _ => None,
        }
    }

    /// Whether a line is surely of this format.
    fn claims(&self, line: &[u8]) -> bool {
        match self {
            Self::Json(json) => json.claims(line),
            Self::Either(json, _) if is_json(line) => json.claims(line),
            Self::Haproxy(haproxy) => haproxy.claims(line),
            _ => matches!(self.read(line), Ok(Some(_))),
        }
    }
}

fn is_json(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
}

/// As it stands in the configuration.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Json => f.write_str("json"),
            Self::Combined => f.write_str("combined"),
            Self::Haproxy => f.write_str("haproxy"),
            Self::Caddy => f.write_str("caddy"),
            Self::Traefik => f.write_str("traefik"),
            Self::Envoy => f.write_str("envoy"),
            Self::Nginx(format) => write!(f, "{{nginx: '{}'}}", format.as_str()),
            Self::Regex(pattern) => write!(f, "{{regex: '{}'}}", pattern.as_str()),
        }
    }
}
