//! What one connection is doing and by when it must have done it.
//!
//! hyper has a timer for request heads only, and that one also runs while a kept connection waits for its next
//! request, so a head could not be held to seconds without closing every idle connection as fast. Here a
//! [`State`] follows the connection from the outside: the stream tells it of bytes, the service of requests, the
//! body of its end. All of that happens inside the one future that drives the connection, so looking at
//! [`Guard::deadline`] after each of its polls misses nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::limits::{Limit, Limits};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Just connected, or a part of a head is here.
    Head,
    /// A request is being answered, its body not yet wholly in hyper's hands.
    Response,
    /// hyper holds the rest of the response.
    Flush,
    /// Between two requests.
    Idle,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    /// Since when the phase's time limit runs. `Flush` runs on with `Response`'s.
    since: Instant,
    /// Since when the client takes nothing of what we want to write.
    blocked: Option<Instant>,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Head,
            since: now,
            blocked: None,
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        *self = Self {
            phase,
            since: now,
            ..*self
        };
    }

    fn received(&mut self, now: Instant) {
        if self.phase == Phase::Idle {
            self.enter(Phase::Head, now);
        }
    }

    fn body_ended(&mut self) {
        if self.phase == Phase::Response {
            self.phase = Phase::Flush;
        }
    }

    /// hyper flushes the stream only once its own buffer is empty.
    fn flushed(&mut self, now: Instant) {
        if self.phase == Phase::Flush {
            self.enter(Phase::Idle, now);
        }
    }

    fn waiting_since(&self) -> Option<Instant> {
        matches!(self.phase, Phase::Head | Phase::Idle).then_some(self.since)
    }

    fn deadline(&self, limits: &Limits) -> (Instant, Option<Limit>) {
        let (span, limit) = match self.phase {
            Phase::Head => (limits.header_time, Some(Limit::HeaderTime)),
            Phase::Response | Phase::Flush => (limits.response_time, Some(Limit::ResponseTime)),
            Phase::Idle => (limits.idle, None),
        };
        let due = (self.since + span, limit);
        match self.blocked.map(|blocked| blocked + limits.write_stall) {
            Some(stalled) if stalled < due.0 => (stalled, Some(Limit::WriteStall)),
            _ => due,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of connections are held against the clock that the runtime's timers go by"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The shared handle to a connection's [`State`]; never contended.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<Mutex<State>>);

impl Guard {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State::new(now()))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is complete.
    pub(super) fn requested(&self) {
        self.state().enter(Phase::Response, now());
    }

    /// Since when the connection waits for its client to ask, or to finish asking; `None` while it is answered.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.state().waiting_since()
    }

    /// When the connection must be closed if nothing changes, and for which limit; `None` where it has only been
    /// kept for long enough ([`Limits::idle`]).
    pub(super) fn deadline(&self, limits: &Limits) -> (Instant, Option<Limit>) {
        self.state().deadline(limits)
    }

    /// Notes what a write came to, and passes it on.
    fn wrote<T>(&self, result: Poll<T>) -> Poll<T> {
        let mut state = self.state();
        match result {
            Poll::Pending => state.blocked = state.blocked.or_else(|| Some(now())),
            Poll::Ready(_) => state.blocked = None,
        }
        result
    }
}

/// A stream that tells the guard of its bytes.
pub(super) struct GuardedStream<S> {
    pub(super) stream: S,
    pub(super) guard: Guard,
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.guard.state().received(now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.guard.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.guard.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = result {
            self.guard.state().flushed(now());
        }
        self.guard.wrote(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.guard.wrote(result)
    }
}

/// A response body that tells the guard of its end: hyper drops it once it has taken, or will take, no more of it.
pub(super) struct GuardedBody {
    pub(super) body: Body,
    pub(super) guard: Guard,
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuardedBody {
    fn drop(&mut self) {
        self.guard.state().body_ended();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn limits() -> Limits {
        Limits {
            header_time: seconds(5),
            idle: seconds(120),
            write_stall: seconds(10),
            response_time: seconds(30),
            ..Limits::default()
        }
    }

    #[test]
    fn each_phase_has_its_own_deadline() {
        let start = now();
        let at = |s| start + seconds(s);
        let limits = limits();

        let mut state = State::new(start);
        state.received(at(3));
        assert_eq!(
            state.deadline(&limits),
            (at(5), Some(Limit::HeaderTime)),
            "bytes of a head buy no time"
        );
        state.enter(Phase::Response, at(4));
        assert_eq!(state.deadline(&limits), (at(34), Some(Limit::ResponseTime)));
        state.flushed(at(5));
        assert_eq!(
            state.deadline(&limits),
            (at(34), Some(Limit::ResponseTime)),
            "the body is not complete"
        );
        state.body_ended();
        assert_eq!(
            state.deadline(&limits),
            (at(34), Some(Limit::ResponseTime)),
            "nor flushed"
        );
        state.flushed(at(6));
        assert_eq!(state.deadline(&limits), (at(126), None));
        state.flushed(at(7));
        assert_eq!(
            state.deadline(&limits),
            (at(126), None),
            "an empty flush is no request"
        );
        state.received(at(100));
        assert_eq!(state.deadline(&limits), (at(105), Some(Limit::HeaderTime)));
    }

    #[test]
    fn who_is_being_answered_does_not_wait() {
        let start = now();
        let at = |s| start + seconds(s);
        let mut state = State::new(start);
        assert_eq!(state.waiting_since(), Some(start));
        state.received(at(1));
        assert_eq!(state.waiting_since(), Some(start), "a part of a head is none");
        state.enter(Phase::Response, at(2));
        assert_eq!(state.waiting_since(), None);
        state.body_ended();
        assert_eq!(state.waiting_since(), None);
        state.flushed(at(3));
        assert_eq!(state.waiting_since(), Some(at(3)));
    }

    #[tokio::test]
    async fn a_blocked_write_counts_from_its_first_refusal() {
        let limits = limits();
        let guard = Guard::new();
        guard.requested();
        assert!(guard.wrote(Poll::<()>::Pending).is_pending());
        let first = guard.deadline(&limits);
        assert_eq!(first.1, Some(Limit::WriteStall));
        assert!(guard.wrote(Poll::<()>::Pending).is_pending());
        assert_eq!(guard.deadline(&limits), first);
        assert!(guard.wrote(Poll::Ready(())).is_ready());
        assert_eq!(guard.deadline(&limits).1, Some(Limit::ResponseTime));
    }

    #[test]
    fn the_nearer_of_two_deadlines_wins() {
        let start = now();
        let mut state = State::new(start);
        state.enter(Phase::Response, start);
        state.blocked = Some(start + seconds(25));
        assert_eq!(
            state.deadline(&limits()),
            (start + seconds(30), Some(Limit::ResponseTime))
        );
    }
}
