//! Bytes of one line to a [`Request`], or to an [`Event`](crate::record::Event) of bingo's own log. Pure: no I/O, no clock, no state between lines.

use std::collections::BTreeMap;

use crate::record::{Reject, Request, closed_set};

mod attempts;
mod bingo;
mod combined;
mod json;
mod keys;
mod layout;
mod learned;
mod number;
mod request;
pub mod time;

#[cfg(test)]
mod tests;

pub use bingo::{AppDecoder, AppField, DurationUnit};
pub use learned::Learned;

/// Decodes the lines of a reverse proxy's access log. Compiled once from the configuration.
#[derive(Debug, Clone)]
pub struct AccessDecoder {
    format: Format,
    keys: keys::Keys,
}

/// How the lines of the access log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// JSON where a line begins with `{`, else combined.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// nginx's and Apache's `combined`, with any trailing fields.
    Combined,
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
    }
}

impl AccessDecoder {
    /// A decoder for `format`. An entry of `fields` is the key that holds that field, nested with dots, in place of
    /// the names the field is known by.
    pub fn new(format: Format, fields: &BTreeMap<Field, String>) -> Self {
        Self {
            format,
            keys: keys::Keys::new(fields),
        }
    }

    /// Reads one line, without its line feed. `None` is a line that is ignored on purpose.
    ///
    /// # Errors
    /// Why the line cannot be counted.
    pub fn decode<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let first = line.trim_ascii_start().first().ok_or(Reject::Empty)?;
        let json = match self.format {
            Format::Auto => *first == b'{',
            Format::Json => true,
            Format::Combined => false,
        };
        let mut slots = keys::Slots::new(&self.keys);
        if json {
            json::read(line, &mut slots).ok_or(Reject::BrokenJson)?;
        } else {
            combined::read(line, &mut slots).ok_or(Reject::UnknownFormat)?;
        }
        request::build(&slots).map(Some)
    }

    /// The same as [`decode`](Self::decode), faster on lines like earlier ones.
    ///
    /// # Errors
    /// The same.
    pub fn decode_like<'a>(
        &self,
        line: &'a [u8],
        learned: &mut Learned,
    ) -> Result<Option<Request<'a>>, Reject> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let json = match (self.format, line.first()) {
            (Format::Auto | Format::Json, Some(b'{')) => true,
            (Format::Auto | Format::Combined, Some(b'!'..)) => false,
            _ => return self.decode(line),
        };
        let build = |values: &layout::Values<'_, 'a>, times: &mut learned::LastTime| {
            request::build_with(values, |text| times.parse(text))
        };
        if let Some(request) = learned.find(line, build) {
            return request.map(Some);
        }
        let request = self.decode(line)?;
        let layout = if json {
            layout::json(line, &self.keys)
        } else {
            layout::combined(line, &self.keys)
        };
        learned.learn(layout);
        Ok(request)
    }
}
