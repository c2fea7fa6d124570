//! Bytes of one line to a [`Request`](crate::record::Request). Pure: no I/O, no clock, no state between lines.

use crate::record::closed_set;

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
