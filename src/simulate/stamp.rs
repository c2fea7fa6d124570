//! Time stamps as bingo and nginx write them.

use crate::record::UnixMillis;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Go's `2006-01-02T15:04:05.000Z0700`, as zap writes it: `Z` at UTC, else an offset without a colon.
pub fn zap(time: UnixMillis, offset_minutes: i32) -> String {
    let at = Local::new(time, offset_minutes);
    let millis = time.rem_euclid(1000);
    let zone = if offset_minutes == 0 {
        "Z".to_owned()
    } else {
        at.zone("")
    };
    format!("{}.{millis:03}{zone}", at.date_and_time())
}

/// nginx's `$time_iso8601`: whole seconds, an offset with a colon.
pub fn iso8601(time: UnixMillis, offset_minutes: i32) -> String {
    let at = Local::new(time, offset_minutes);
    format!("{}{}", at.date_and_time(), at.zone(":"))
}

/// nginx's `$time_local`: `29/Nov/2023:22:24:44 +0000`.
pub fn time_local(time: UnixMillis, offset_minutes: i32) -> String {
    let at = Local::new(time, offset_minutes);
    let month = MONTHS[at.month - 1];
    format!(
        "{:02}/{month}/{:04}:{} {}",
        at.day,
        at.year,
        at.time(),
        at.zone("")
    )
}

/// A second of a clock on the wall.
struct Local {
    year: i64,
    /// From 1 to 12.
    month: usize,
    day: i64,
    second_of_day: i64,
    offset_minutes: i32,
}

impl Local {
    fn new(time: UnixMillis, offset_minutes: i32) -> Self {
        let seconds = time.div_euclid(1000) + i64::from(offset_minutes) * 60;
        // Hinnant's civil_from_days: years begin in March, so that a leap day is a year's last day.
        let days = seconds.div_euclid(86_400) + 719_468;
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        Self {
            year: days.div_euclid(146_097) * 400 + year_of_era + i64::from(month <= 2),
            month: month as usize,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            second_of_day: seconds.rem_euclid(86_400),
            offset_minutes,
        }
    }

    fn time(&self) -> String {
        let second = self.second_of_day;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }

    fn date_and_time(&self) -> String {
        format!(
            "{:04}-{:02}-{:02}T{}",
            self.year,
            self.month,
            self.day,
            self.time()
        )
    }

    fn zone(&self, colon: &str) -> String {
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.abs();
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let time = 1_701_515_807_381;
        assert_eq!(zap(time, 0), "2023-12-02T11:16:47.381Z");
        assert_eq!(zap(time, 300), "2023-12-02T16:16:47.381+0500");
        assert_eq!(zap(time, -210), "2023-12-02T07:46:47.381-0330");
        assert_eq!(iso8601(time, 0), "2023-12-02T11:16:47+00:00");
        assert_eq!(time_local(time, 180), "02/Dec/2023:14:16:47 +0300");
    }

    proptest! {
        #[test]
        fn agree_with_jiff(millis in -62_000_000_000_000..253_000_000_000_000_i64, minutes in -1439..1440_i32) {
            let zone = TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap());
            let at = Timestamp::from_millisecond(millis).unwrap().to_zoned_datetime(zone);
            let text = |format: &str| at.strftime(format).to_string();
            if minutes != 0 {
                prop_assert_eq!(zap(millis, minutes), text("%Y-%m-%dT%H:%M:%S.%3f%z"));
            }
            let second = at.timestamp().as_millisecond().div_euclid(1000) * 1000;
            prop_assert_eq!(second, millis.div_euclid(1000) * 1000);
            prop_assert_eq!(iso8601(millis, minutes), text("%Y-%m-%dT%H:%M:%S%:z"));
            prop_assert_eq!(time_local(millis, minutes), text("%d/%b/%Y:%H:%M:%S %z"));
        }
    }
}
