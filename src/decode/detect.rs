//! `format: auto`: which of the known formats a file is written in.
//!
//! The first line that a format claims decides, and its file is read in that format from then on: trying costs nothing
//! per line. Once more lines are rejected than read, the next line decides anew. All of it depends on the lines alone,
//! never on how they came, and is kept over restarts.

use serde::{Deserialize, Serialize};

use super::{AccessDecoder, Reader};
use crate::record::{Reject, closed_set, is_default};

#[cfg(test)]
mod tests;

/// So many more rejected lines than read ones, and the format is decided anew.
const MISSES: u8 = 8;

closed_set! {
    /// The formats that are tried, in this order: those that claim fewer lines come first.
    Known {
        Haproxy = "haproxy",
        Caddy = "caddy",
        Traefik = "traefik",
        Envoy = "envoy",
        NginxTo = "nginx_to",
        NginxBingo = "nginx_bingo",
        Json = "json",
        Combined = "combined",
    }
}

/// Formats of nginx seen in front of bingo, with a request that is not quoted.
const NGINX_TO: &str = "[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request $status \
                        upstream_response_time $upstream_response_time msec $msec request_time $request_time";
const NGINX_BINGO: &str = "BINGO: [$time_local] $status, $request, to: $upstream_addr request_time: $request_time sec, \
                           from $remote_addr, $http_user_agent";

/// What is known of how one file is written. Serialises; of a fixed format nothing need be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    known: Option<Known>,
    /// Rejected lines less read ones since then.
    #[serde(default, skip_serializing_if = "is_default")]
    misses: u8,
    /// Lines that no format claimed, since none is known.
    #[serde(default, skip_serializing_if = "is_default")]
    unclaimed: u64,
}

/// How a file is read, and why so: for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The format as it stands in the configuration; `None` while it is undecided.
    pub format: Option<String>,
    /// Why this one, or what to do.
    pub why: String,
}

impl Known {
    /// The format as it stands in the configuration.
    pub fn configured(self) -> String {
        match self {
            Self::NginxTo | Self::NginxBingo => format!("{{nginx: '{}'}}", self.nginx().unwrap_or_default()),
            _ => self.as_str().to_owned(),
        }
    }

    /// The `log_format` string, where it is one.
    pub(super) fn nginx(self) -> Option<&'static str> {
        match self {
            Self::NginxTo => Some(NGINX_TO),
            Self::NginxBingo => Some(NGINX_BINGO),
            _ => None,
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Haproxy => "its lines are those of `option httplog`, or JSON with a termination state",
            Self::Caddy => "its lines are JSON with request.method, request.uri, status and duration",
            Self::Traefik => {
                "its lines are JSON with RequestMethod, DownstreamStatus and Duration, or end in a duration in ms"
            }
            Self::Envoy => {
                "its lines are JSON with start_time, response_code and duration, or Envoy's default text"
            }
            Self::NginxTo => "its lines have the request between `to: …:` and `upstream_response_time`",
            Self::NginxBingo => "its lines begin with `BINGO: [`",
            Self::Json => "its lines are JSON with a status or a request",
            Self::Combined => "its lines have a time in brackets, a quoted request, status and size",
        }
    }
}

impl Detection {
    /// What was decided; `None` while nothing is.
    pub fn known(&self) -> Option<Known> {
        self.known
    }

    /// Whether so many lines were rejected that hope is small.
    pub fn is_in_vain(&self) -> bool {
        self.unclaimed >= u64::from(MISSES)
    }

    /// Reads a line with the format it is known to have, or with the first that claims it. `readers` are in the order
    /// of [`Known`], and `read` reads with one of them.
    #[inline(always)]
    pub(super) fn decode<'a, T>(
        &mut self,
        readers: &[Reader],
        line: &'a [u8],
        read: impl FnOnce(&Reader, &'a [u8]) -> Result<Option<T>, Reject>,
    ) -> Result<Option<T>, Reject> {
        let known = match self.known {
            Some(known) => known,
            None => match self.decide(readers, line)? {
                Some(known) => known,
                None => return Ok(None),
            },
        };
        let read = read(&readers[known as usize], line);
        match read {
            Ok(_) => self.misses = self.misses.saturating_sub(1),
            Err(_) if self.misses < MISSES - 1 => self.misses += 1,
            Err(_) => *self = Self::default(),
        }
        read
    }

    /// The first format that claims a line; none for a line to be ignored.
    fn decide(&mut self, readers: &[Reader], line: &[u8]) -> Result<Option<Known>, Reject> {
        let claims = |known: &&Known| readers[**known as usize].claims(line);
        let Some(known) = Known::ALL.iter().find(claims) else {
            // HAProxy says that it starts before it serves.
            if matches!(readers[Known::Haproxy as usize].read(line), Ok(None)) {
                return Ok(None);
            }
            self.unclaimed = self.unclaimed.saturating_add(1);
            return Err(match line.trim_ascii_start().first() {
                Some(b'{') => readers[Known::Json as usize]
                    .read(line)
                    .err()
                    .unwrap_or(Reject::BrokenJson),
                _ => Reject::UnknownFormat,
            });
        };
        *self = Self {
            known: Some(*known),
            ..Self::default()
        };
        Ok(Some(*known))
    }
}

impl AccessDecoder {
    /// How a file is read of which this is known, and why so.
    pub fn decided(&self, file: &Detection) -> Decided {
        let decided = |format, why: &str| Decided {
            format,
            why: why.to_owned(),
        };
        if !self.is_auto() {
            return decided(Some(self.format.to_string()), "sources.access.format says so");
        }
        match (file.known, file.unclaimed) {
            (Some(known), _) => decided(Some(known.configured()), known.why()),
            (None, 0) => decided(None, "no line was read yet"),
            (None, unclaimed) => decided(
                None,
                &format!(
                    "no known format fits the last {unclaimed} lines: set sources.access.format to {{nginx: '…'}} with \
                     the log_format string of nginx, or to {{regex: '…'}}"
                ),
            ),
        }
    }
}

/// What `format: auto` makes of a file that has these lines, in this order.
pub fn detect<'l>(decoder: &AccessDecoder, lines: impl IntoIterator<Item = &'l [u8]>) -> Detection {
    let mut file = Detection::default();
    for line in lines {
        // What is wrong with a line is counted in the file's detection.
        let _ = decoder.decode(line, &mut file);
    }
    file
}
