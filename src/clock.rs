//! The one place that reads clocks. Everything else is handed a [`Now`], once per batch.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use crate::record::UnixMillis;

/// A time zone, for logs that tell no offset. Most tell one, and to find the machine's, the names of all are read and kept:
/// it is looked for when it is first needed.
#[derive(Debug, Clone)]
pub struct Zone {
    found: OnceLock<TimeZone>,
    find: fn() -> TimeZone,
}

impl Zone {
    /// The machine's: `TZ`, else /etc/localtime; UTC where there is neither.
    pub fn system() -> Self {
        Self {
            found: OnceLock::new(),
            find: || TimeZone::try_system().unwrap_or(TimeZone::UTC),
        }
    }

    /// The zone itself.
    pub fn get(&self) -> &TimeZone {
        self.found.get_or_init(self.find)
    }
}

impl From<TimeZone> for Zone {
    fn from(zone: TimeZone) -> Self {
        Self {
            found: zone.into(),
            ..Self::system()
        }
    }
}

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: compared with the time stamps in lines, shown to people. May jump.
    pub unix: UnixMillis,
    /// Time since the clock was made: for intervals. Never goes back.
    pub elapsed: Duration,
}

/// A line may have been written after the pass began that reads it, whose instant is the present one.
const PASS: UnixMillis = 1_000;

impl Now {
    /// A line's time stamp; the present where it is of the future, since a clock that runs ahead must not freeze a gauge there.
    pub fn plausible(&self, time: UnixMillis) -> UnixMillis {
        if time > self.unix.saturating_add(PASS) {
            self.unix
        } else {
            time
        }
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose `elapsed` begins now.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// The present instant. A wall clock before 1970 reads as 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            unix: UnixMillis::try_from(unix.as_millis()).unwrap_or(UnixMillis::MAX),
            elapsed: self.started.elapsed(),
        }
    }
}
