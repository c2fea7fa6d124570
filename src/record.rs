//! What a log line says: the only types between the halves of the program. Decoders make them, routing and
//! counting take them; the tailer never sees one.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Text as it stood in the line, borrowed unless it had to be unescaped. Not necessarily UTF-8.
pub type Text<'a> = Cow<'a, [u8]>;

/// A duration in nanoseconds. Integers, so that sums are exact and come back exactly from a saved state.
pub type Nanos = u64;

/// Milliseconds since the Unix epoch, UTC.
pub type UnixMillis = i64;

/// One request as the proxy logged it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// Method and target; `None` where the line holds none that can be parsed (TLS bytes on the plain port).
    pub line: Option<RequestLine<'a>>,
    /// The status sent to the client.
    pub code: Code,
    /// The client closed the connection before it had its answer (nginx 499; a status of 0 or -1 elsewhere).
    pub client_gave_up: bool,
    /// How long the proxy took, first byte in to last byte out.
    pub duration: Result<Nanos, Unmeasured>,
    /// Bytes sent to the client; 0 where the line does not say.
    pub bytes: u64,
    /// What the proxy's cache had to do with it; `None` where no cache was asked.
    pub cache: Option<Cache>,
    /// HTTP version spoken by the client.
    pub protocol: Protocol,
    /// Scheme used by the client.
    pub scheme: Scheme,
    /// Tries at upstream nodes, in order.
    pub attempts: Attempts<'a>,
    /// The line's own time stamp.
    pub time: Option<UnixMillis>,
    /// What the proxy calls this request, `[A-Za-z0-9-]{1,64}`; `None` where it says nothing like that.
    pub id: Option<Text<'a>>,
}

/// Most bytes of a request's id.
pub const REQUEST_ID_BYTES: usize = 64;

/// Method and raw request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method, folded to the closed set.
    pub method: Method,
    /// The target as sent: origin-form, absolute-form, or `*`; never empty.
    pub target: Text<'a>,
}

/// A value of a set that is known beforehand.
pub trait ClosedSet: Copy {
    /// The value as it stands in a label, where it needs no escaping.
    fn label(self) -> &'static str;
}

macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every value, in the order of the discriminants: `ALL[x as usize] == x`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many values there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value as it stands in a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl $crate::record::ClosedSet for $name {
            fn label(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use closed_set;

/// Whether a value need not be saved, since what is absent is read as this.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

closed_set! {
    /// The methods of RFC 9110 and PATCH; anything else is `OTHER`.
    Method {
        Get = "GET", Head = "HEAD", Post = "POST", Put = "PUT", Delete = "DELETE", Connect = "CONNECT",
        Options = "OPTIONS", Trace = "TRACE", Patch = "PATCH", Other = "OTHER",
    }
}

impl Method {
    /// Folds a method token. Methods are case-sensitive (RFC 9110, 9.1): `get` is `OTHER`.
    #[inline]
    pub fn parse(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// An HTTP status code, 100 to 599, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Code(u16);

impl Code {
    /// No code, or one outside 100-599.
    pub const NONE: Self = Self(0);

    /// Stands for codes that came after `limits.series` was reached.
    pub const OTHER: Self = Self(1);

    /// `status` where it is a status code, else [`Code::NONE`].
    pub const fn new(status: i64) -> Self {
        if status >= 100 && status <= 599 {
            Self(status as u16)
        } else {
            Self::NONE
        }
    }

    /// The number, where there is one.
    pub const fn number(self) -> Option<u16> {
        if self.0 < 100 { None } else { Some(self.0) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::OTHER => f.write_str("other"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

closed_set! {
    /// Unit of a duration that is logged as a bare number.
    DurationUnit { Nanoseconds = "ns", Microseconds = "us", Milliseconds = "ms", Seconds = "s" }
}

closed_set! {
    /// Why a request has no duration. Such a request is counted, its latency is not measured.
    Unmeasured {
        /// The format logs no time, or this line holds `-`.
        Missing = "missing",
        /// Not a number: text, NaN.
        NotANumber = "not_a_number",
        /// Below zero.
        Negative = "negative",
        /// Over a day, or infinite.
        OverADay = "over_a_day",
    }
}

closed_set! {
    /// What the proxy's cache did.
    Cache {
        Hit = "hit", Miss = "miss", Expired = "expired", Stale = "stale", Updating = "updating",
        Revalidated = "revalidated", Bypass = "bypass",
    }
}

closed_set! {
    /// HTTP version.
    Protocol {
        Http10 = "HTTP/1.0", Http11 = "HTTP/1.1", Http2 = "HTTP/2.0", Http3 = "HTTP/3.0", Other = "other",
    }
}

closed_set! {
    /// Scheme of the request.
    Scheme { Http = "http", Https = "https", Unknown = "unknown" }
}

closed_set! {
    /// Why a line could not be counted.
    Reject {
        /// Not a JSON object from its first byte to its last.
        BrokenJson = "broken_json",
        /// Not a line of the configured text format.
        UnknownFormat = "unknown_format",
        /// Neither a status nor a request.
        NoRequest = "no_request",
        /// Nothing but white space.
        Empty = "empty",
        /// Over `limits.line_bytes`.
        TooLong = "too_long",
        /// The unfinished end of a finished file, and not a whole line by itself.
        Truncated = "truncated",
    }
}

/// The tries at upstream nodes, as nginx lists them: three parallel lists, entries separated by `, `
/// (next try) or ` : ` (internal redirect to another group).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts<'a> {
    /// `$upstream_addr`; empty where no upstream was asked.
    pub addresses: Text<'a>,
    /// `$upstream_status`.
    pub codes: Text<'a>,
    /// `$upstream_response_time`.
    pub durations: Text<'a>,
    /// What `durations` are in.
    pub unit: DurationUnit,
    /// Tries before these of which only their number is told.
    pub untold: u8,
}

impl Default for Attempts<'_> {
    fn default() -> Self {
        Self {
            addresses: Text::default(),
            codes: Text::default(),
            durations: Text::default(),
            unit: DurationUnit::Seconds,
            untold: 0,
        }
    }
}

/// One try at an upstream node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// `host:port` or `unix:path`.
    pub upstream: &'a [u8],
    /// What the node answered, none where it did not.
    pub code: Code,
    /// How long it took, where known.
    pub duration: Option<Nanos>,
}

/// One line of bingo's own log. It holds no free text of the line but the path of a request: the line carries the
/// process's whole environment, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// How bad bingo says it is.
    pub level: Level,
    /// What happened.
    pub kind: EventKind,
    /// The line's own time stamp.
    pub time: Option<UnixMillis>,
    /// bingo's version, `[A-Za-z0-9._+-]{1,64}`.
    pub version: Option<Cow<'a, str>>,
    /// The Go runtime's version, of the same characters.
    pub go_version: Option<Cow<'a, str>>,
    /// The request this line is about.
    pub request: Option<AppRequest<'a>>,
}

/// One request as bingo itself logged it. Nothing in it can be relied on to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRequest<'a> {
    /// The method, folded to the closed set.
    pub method: Option<Method>,
    /// The path.
    pub path: Option<Text<'a>>,
    /// The status bingo answered, none where the line has none.
    pub code: Code,
    /// How long bingo took; `None` while nobody said what unit the line is in.
    pub duration: Option<Result<Nanos, Unmeasured>>,
}

closed_set! {
    /// zap's levels.
    Level {
        Debug = "debug", Info = "info", Warn = "warn", Error = "error", Dpanic = "dpanic", Panic = "panic",
        Fatal = "fatal",
        /// Any other text, or none.
        Other = "other",
    }
}

closed_set! {
    /// What a line of bingo's own log tells of. Every line is one event.
    EventKind {
        /// A process began.
        Start = "start",
        /// It serves requests.
        Ready = "ready",
        /// It ends gracefully.
        Shutdown = "shutdown",
        /// It could not reach what it asks for at its start.
        InitFailed = "init_failed",
        /// It lives.
        Heartbeat = "heartbeat",
        /// A database host answered.
        NodeAlive = "node_alive",
        /// It looks for database hosts.
        NodesUpdate = "nodes_update",
        /// The rate limiter was filled up.
        Quota = "quota",
        /// The rate limiter refused a request.
        Throttled = "throttled",
        /// A request was answered.
        Request = "request",
        /// Anything else.
        Other = "other",
    }
}
