//! The only place where the tests wait. They wait for conditions, never for a time in the hope that something
//! has happened by then.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long anything may take before its test fails: far more than it needs on a busy machine, and no test
/// that passes ever waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Waits until there is something.
///
/// # Panics
/// After `deadline`, saying `what` did not happen.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        pause(POLL);
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// After `deadline`, saying `what` did not happen.
#[track_caller]
pub(crate) fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}

/// Lets time pass where time itself is what is tested (a client's patience), not to wait for something.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests wait")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// Lets time pass up to a moment: the pace of a writer, which must not drift.
pub(crate) fn pause_until(moment: Instant) {
    pause(moment.saturating_duration_since(now()));
}

/// Unix time in seconds, to compare with what others note.
#[expect(clippy::disallowed_methods, reason = "tests are an edge of the program")]
pub(crate) fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

/// For measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "tests are an edge of the program")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
