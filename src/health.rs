//! Whether a source's numbers can be trusted: a window over the last minutes. Pure; `now` is handed in.

use std::time::Duration;

/// The window is kept in slots of this length.
const SLOT: Duration = Duration::from_secs(10);

/// Ten minutes of slots: how far back a loss makes the numbers incomplete.
const SLOTS: usize = 60;

/// Slots in the "last minute" of the oldest unread byte.
const MINUTE: u64 = 6;

/// A byte that waits longer than this makes the numbers incomplete.
const TOO_OLD: Duration = Duration::from_secs(30);

/// One in so many lines may be rejected.
const REJECTED_ONE_IN: u64 = 100;

/// What happened in one pass, or in one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Complete lines read.
    pub lines: u64,
    /// Of these, rejected.
    pub rejected: u64,
    /// Something is gone, whether or not it is known how much.
    pub gap: bool,
    /// A file could not be read.
    pub unreadable: bool,
    /// How long the oldest unread byte waited.
    pub oldest_unread: Duration,
}

/// The last ten minutes.
#[derive(Debug, Clone)]
pub struct Health {
    slots: [(u64, Sample); SLOTS],
}

impl Default for Health {
    fn default() -> Self {
        Self {
            slots: [(0, Sample::default()); SLOTS],
        }
    }
}

impl Health {
    /// Adds what one pass at `now` (the clock's `elapsed`) came to.
    pub fn note(&mut self, now: Duration, sample: Sample) {
        let number = number(now);
        let (slot, sum) = &mut self.slots[index(number)];
        if *slot != number {
            (*slot, *sum) = (number, Sample::default());
        }
        sum.add(sample);
    }

    /// Nothing lost, nothing unreadable, nothing waiting too long, hardly anything rejected.
    pub fn is_complete(&self, now: Duration) -> bool {
        let all = self.sum(now, SLOTS as u64);
        !all.gap
            && !all.unreadable
            && all.oldest_unread < TOO_OLD
            && all.rejected.saturating_mul(REJECTED_ONE_IN) <= all.lines
    }

    /// How long the oldest unread byte waited, maximum of the last minute.
    pub fn oldest_unread(&self, now: Duration) -> Duration {
        self.sum(now, MINUTE).oldest_unread
    }

    fn sum(&self, now: Duration, slots: u64) -> Sample {
        let newest = number(now);
        let mut sum = Sample::default();
        for (_, sample) in self
            .slots
            .iter()
            .filter(|(slot, _)| newest.saturating_sub(*slot) < slots)
        {
            sum.add(*sample);
        }
        sum
    }
}

impl Sample {
    fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.rejected += other.rejected;
        self.gap |= other.gap;
        self.unreadable |= other.unreadable;
        self.oldest_unread = self.oldest_unread.max(other.oldest_unread);
    }
}

fn number(now: Duration) -> u64 {
    now.as_secs() / SLOT.as_secs()
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[track_caller]
    fn check(sample: Sample, complete_then: bool, complete_after_ten_minutes: bool) {
        let mut health = Health::default();
        health.note(at(5), sample);
        assert_eq!(health.is_complete(at(5)), complete_then);
        assert_eq!(health.is_complete(at(595)), complete_then);
        assert_eq!(health.is_complete(at(600)), complete_after_ten_minutes);
    }

    #[test]
    fn what_makes_numbers_incomplete_for_ten_minutes() {
        let fine = Sample {
            lines: 100,
            rejected: 1,
            oldest_unread: at(29),
            ..Sample::default()
        };
        check(fine, true, true);
        check(Sample { rejected: 2, ..fine }, false, true);
        check(Sample { gap: true, ..fine }, false, true);
        check(
            Sample {
                unreadable: true,
                ..fine
            },
            false,
            true,
        );
        check(
            Sample {
                oldest_unread: at(30),
                ..fine
            },
            false,
            true,
        );
    }

    #[test]
    fn the_oldest_unread_byte_of_the_last_minute() {
        let mut health = Health::default();
        for (second, waited) in [(0, 9), (61, 2), (62, 3), (63, 1)] {
            health.note(
                at(second),
                Sample {
                    oldest_unread: at(waited),
                    ..Sample::default()
                },
            );
        }
        assert_eq!(health.oldest_unread(at(59)), at(9));
        assert_eq!(health.oldest_unread(at(63)), at(3));
        assert_eq!(health.oldest_unread(at(10_000)), at(0));
    }
}
