//! What came in, before it means anything: bytes, files, and what became of each line.

use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::record::{Reject, UnixMillis};
use crate::tail::{Polled, Rotation};

/// A line read this long after its own time stamp is late; one with a time stamp this far ahead of the clock is early.
pub const LATE: UnixMillis = 60_000;

/// The counts of a source that do not depend on what its lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// What became of the lines.
    pub lines: LineCounts,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes known to be gone before they were read.
    pub lost_bytes: u64,
    /// By [`Rotation`].
    pub rotations: [u64; Rotation::COUNT],
    /// Files that `limits.files` kept from being followed.
    pub over_limit: u64,
}

/// What became of the lines of a source. Complete lines read = counted + ignored + rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Lines that were counted for what they say.
    pub counted: u64,
    /// Lines that say nothing and need not.
    pub ignored: u64,
    /// Lines that could not be read, by [`Reject`].
    pub rejected: [u64; Reject::COUNT],
    /// Counted lines read more than [`LATE`] after their own time stamp.
    pub late: u64,
    /// Counted lines with a time stamp more than [`LATE`] ahead of the clock. Releases before this was kept counted none.
    #[serde(default)]
    pub early: u64,
    /// The newest time stamp seen in a line.
    pub last_timestamp: Option<UnixMillis>,
}

impl Intake {
    /// Adds what one pass came to.
    pub(super) fn add(&mut self, polled: &Polled) {
        self.read_bytes += polled.read_bytes;
        self.lost_bytes += polled.lost_bytes;
        self.over_limit += polled.over_limit;
        for (sum, count) in self.rotations.iter_mut().zip(polled.rotations) {
            *sum += count;
        }
    }
}

impl LineCounts {
    /// All rejected lines.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// All complete lines.
    pub fn total(&self) -> u64 {
        self.counted + self.ignored + self.rejected_total()
    }

    /// A line that was counted, with its own time stamp.
    pub(super) fn count(&mut self, time: Option<UnixMillis>, now: Now) {
        self.counted += 1;
        let Some(time) = time else { return };
        let age = now.unix.saturating_sub(time);
        self.late += u64::from(age > LATE);
        self.early += u64::from(age < -LATE);
        let time = now.plausible(time);
        // The clock may have been set back since.
        let last = self.last_timestamp.map(|last| now.plausible(last));
        self.last_timestamp = Some(last.map_or(time, |last| last.max(time)));
    }

    /// A line that says nothing.
    pub(super) fn ignore(&mut self) {
        self.ignored += 1;
    }

    /// A line that could not be read.
    pub(super) fn reject(&mut self, reason: Reject) {
        self.rejected[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn late_and_early_lines_and_the_newest_time() {
        let now = Now {
            unix: 1_000_000,
            elapsed: Duration::ZERO,
        };
        let mut lines = LineCounts::default();
        let mut count = |time| {
            lines.count(Some(time), now);
            (lines.late, lines.early, lines.last_timestamp)
        };
        assert_eq!(count(now.unix - LATE), (0, 0, Some(now.unix - LATE)));
        assert_eq!(count(now.unix - LATE - 1), (1, 0, Some(now.unix - LATE)));
        assert_eq!(
            count(now.unix + LATE),
            (1, 0, Some(now.unix)),
            "a clock ahead of ours"
        );
        assert_eq!(count(now.unix + LATE + 1), (1, 1, Some(now.unix)));
        assert_eq!(
            count(now.unix + 9),
            (1, 1, Some(now.unix + 9)),
            "written during the pass that reads it"
        );
    }

    #[test]
    fn a_clock_that_was_set_back() {
        let mut lines = LineCounts::default();
        for unix in [2_000_000, 1_000_000, 1_005_000] {
            let elapsed = Duration::ZERO;
            lines.count(Some(unix), Now { unix, elapsed });
            assert_eq!(lines.last_timestamp, Some(unix));
        }
    }
}
