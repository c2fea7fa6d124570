//! What a client may take from us, and how often one wanted more. The port is open to whoever reaches it, while
//! the process shares a machine with the service it watches: nothing here may grow with the number, the slowness
//! or the malice of clients.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::record::closed_set;

closed_set! {
    /// The limits whose hits are counted, one for one with what can be told apart.
    Limit {
        /// [`Limits::connections`]: one that waited for its client was closed, or the new one was answered 503.
        Connections = "connections",
        /// No descriptors or memory for another connection; tried again after [`Limits::accept_pause`].
        Accept = "accept",
        /// [`Limits::header_time`]: closed.
        HeaderTime = "header_time",
        /// [`Limits::header_bytes`] or [`Limits::header_count`]: answered 431 and closed.
        HeaderBytes = "header_bytes",
        /// [`Limits::body_bytes`]: answered 413, or 411 where the length was not announced, and closed.
        BodyBytes = "body_bytes",
        /// [`Limits::write_stall`]: closed in the middle of a response.
        WriteStall = "write_stall",
        /// [`Limits::response_time`]: closed before or in the middle of a response.
        ResponseTime = "response_time",
    }
}

/// The limits in force. The default is what the program runs with; tests pass shorter ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. A pair of Prometheus servers, a few open status pages and a health check need about
    /// ten.
    pub connections: usize,
    /// When all places are taken, the connection that has waited for its client the longest, and at least this long,
    /// gives way to the new one: whoever opens connections and says nothing shuts nobody out. A head comes with its
    /// connection, and a client whose kept connection is closed opens another.
    pub yields_after: Duration,
    /// Pause after an accept that failed for want of descriptors or memory. Such an accept fails again at once, so
    /// without a pause the loop would eat a core.
    pub accept_pause: Duration,
    /// From connecting, or from the first byte of a later request, to the end of its head. A head is one packet.
    pub header_time: Duration,
    /// Size of a request's head, request line included. Room for the cookies of everything else on the same host.
    pub header_bytes: usize,
    /// Header lines of a request.
    pub header_count: usize,
    /// Announced size of a request's body. Nothing we serve takes one; room for a client that posts `{}` to
    /// `/-/reload`.
    pub body_bytes: u64,
    /// How long a connection may wait for its next request. Longer than the usual scrape interval of a minute, so
    /// that a scraper finds its connection still open. Ends are not counted: they are how kept connections end.
    pub idle: Duration,
    /// How long a client may take not a single byte of a response. A pause that long is no slow network.
    pub write_stall: Duration,
    /// From a request's head to the last byte of its response handed to the kernel. Three times Prometheus'
    /// default scrape timeout: who reads slower has long given up.
    pub response_time: Duration,
    /// How long a shutdown waits for responses under way.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            yields_after: Duration::from_millis(250),
            accept_pause: Duration::from_millis(100),
            header_time: Duration::from_secs(5),
            header_bytes: 16 * 1024,
            header_count: 64,
            body_bytes: 1024,
            idle: Duration::from_secs(120),
            write_stall: Duration::from_secs(10),
            response_time: Duration::from_secs(30),
            shutdown: Duration::from_secs(1),
        }
    }
}

/// How often each limit was hit since the start.
#[derive(Debug, Default)]
pub struct LimitHits([AtomicU64; Limit::COUNT]);

impl LimitHits {
    /// Hits of one limit.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, limit: Limit) {
        self.0[limit as usize].fetch_add(1, Ordering::Relaxed);
    }
}
