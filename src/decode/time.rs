//! Time stamps.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::number::{decimal, fixed};
use crate::record::UnixMillis;

/// The last millisecond of the year 9999: beyond it, a number is of another unit.
const LAST: UnixMillis = 253_402_300_799_999;

/// A number from here on is in milliseconds, below it in seconds (to the year 5138).
const MILLISECONDS_FROM: UnixMillis = 100_000_000_000;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads nginx's and Apache's `29/Nov/2023:22:24:44 +0000`, ISO 8601 with an offset (with or without a colon: zap
/// writes `+0500`), and seconds or milliseconds since the epoch.
pub fn parse(text: &[u8]) -> Option<UnixMillis> {
    match text.get(2..5) {
        Some([b'/', ..]) => with_offset(text),
        Some([_, _, b'-']) => iso8601(text),
        _ => epoch(text),
    }
}

/// Reads HAProxy's `06/Feb/2009:12:14:14.655`, which is in the machine's zone.
pub(super) fn local(text: &[u8], zone: &TimeZone) -> Option<UnixMillis> {
    let mut cursor = Cursor(text);
    let (days, time) = cursor.local()?;
    let millis = cursor.fraction()?;
    cursor.end()?;
    let seconds = days * 86_400 + time;
    // What the clocks in that zone showed, taken for a moment in UTC, is the civil time to look up.
    let civil = Offset::UTC.to_datetime(Timestamp::from_second(seconds).ok()?);
    let offset = zone.to_ambiguous_timestamp(civil).compatible().ok()?.as_second() - seconds;
    Some((seconds + offset) * 1000 + millis)
}

fn with_offset(text: &[u8]) -> Option<UnixMillis> {
    let mut cursor = Cursor(text);
    let (days, time) = cursor.local()?;
    cursor.expect(b' ')?;
    let offset = cursor.offset()?;
    cursor.end()?;
    Some((days * 86_400 + time - offset) * 1000)
}

fn iso8601(text: &[u8]) -> Option<UnixMillis> {
    let mut cursor = Cursor(text);
    let year = cursor.number(4)?;
    cursor.expect(b'-')?;
    let month = cursor.number(2)?;
    cursor.expect(b'-')?;
    let days = days(year, month, cursor.number(2)?)?;
    cursor.expect(b'T').or_else(|| cursor.expect(b' '))?;
    let time = cursor.time_of_day()?;
    let millis = cursor.fraction()?;
    let offset = cursor.offset()?;
    cursor.end()?;
    Some((days * 86_400 + time - offset) * 1000 + millis)
}

fn epoch(text: &[u8]) -> Option<UnixMillis> {
    let (whole, fraction) = decimal(text)?;
    let whole: UnixMillis = str::from_utf8(whole).ok()?.parse().ok()?;
    let millis = if whole >= MILLISECONDS_FROM {
        whole
    } else {
        whole * 1000 + fixed(fraction, 3) as UnixMillis
    };
    (millis <= LAST).then_some(millis)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` where there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Hinnant's days_from_civil: years begin in March, so that a leap day is a year's last day.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// What is left of the text.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        self.take(digits)?.iter().try_fold(0, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    }

    /// `06/Feb/2009:12:14:14` in days and seconds.
    fn local(&mut self) -> Option<(i64, i64)> {
        let day = self.number(2)?;
        self.expect(b'/')?;
        let name = self.take(3)?;
        let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
        self.expect(b'/')?;
        let days = days(self.number(4)?, month, day)?;
        self.expect(b':')?;
        Some((days, self.time_of_day()?))
    }

    /// `HH:MM:SS` in seconds. A leap second is the first of the next minute.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.expect(b':')?;
        let minute = self.number(2)?;
        self.expect(b':')?;
        let second = self.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }

    /// `.123…` in milliseconds, or nothing.
    fn fraction(&mut self) -> Option<i64> {
        if self.expect(b'.').is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.take(digits)?;
        (!digits.is_empty()).then_some(fixed(digits, 3) as i64)
    }

    /// `Z`, `+0500` or `+05:00` in seconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.take(1)? {
            b"Z" => return Some(0),
            b"+" => 1,
            b"-" => -1,
            _ => return None,
        };
        let hours = self.number(2)?;
        self.0 = self.0.strip_prefix(b":").unwrap_or(self.0);
        let minutes = self.number(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expect: Option<UnixMillis>) {
        assert_eq!(parse(text.as_bytes()), expect, "{text:?}");
    }

    #[test]
    fn of_nginx_and_apache() {
        check("29/Nov/2023:22:24:44 +0000", Some(1_701_296_684_000));
        check("29/Nov/2023:22:24:44 +0300", Some(1_701_285_884_000));
        check("29/Nov/2023:22:24:44 -0330", Some(1_701_309_284_000));
        check("29/nov/2023:22:24:44 +0000", None);
        check("29/Nov/2023:22:24:44", None);
        check("29/Nov/2023:22:24:44 +0000 ", None);
        check("29/Nov/2023:22:24:44.123 +0000", None);
        check("31/Nov/2023:22:24:44 +0000", None);
        check("9/Nov/2023:22:24:44 +0000", None);
    }

    #[test]
    fn of_iso8601() {
        check("2023-12-02T11:16:47Z", Some(1_701_515_807_000));
        check("2023-12-02 11:16:47Z", Some(1_701_515_807_000));
        check("2023-12-02T11:16:47.381Z", Some(1_701_515_807_381));
        check(
            "2023-12-02T11:16:47.381999999999999999999Z",
            Some(1_701_515_807_381),
        );
        check("2023-12-02T11:16:47.3+0500", Some(1_701_497_807_300));
        check("2023-12-02T11:16:47+05:00", Some(1_701_497_807_000));
        check("2023-12-02T23:59:60Z", Some(1_701_561_600_000));
        check("2024-02-29T00:00:00Z", Some(1_709_164_800_000));
        for text in [
            "2023-12-02T11:16:47",
            "2023-12-02T11:16:47.Z",
            "2023-12-02T11:16:47+05",
            "2023-12-02T11:16:47+2400",
            "2023-12-02T11:16:47+0060",
            "2023-12-02T24:00:00Z",
            "2023-12-02T11:60:00Z",
            "2023-12-02T11:16:61Z",
            "2023-12-02T1é:16:47Z",
            "2023-13-02T11:16:47Z",
            "2023-00-02T11:16:47Z",
            "2023-12-00T11:16:47Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-12-02",
            "2023-1-02T11:16:47Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn since_the_epoch() {
        check("1701296684", Some(1_701_296_684_000));
        check("1701296684.123", Some(1_701_296_684_123));
        check("1701296684.1239999", Some(1_701_296_684_123));
        check("1701296684123", Some(1_701_296_684_123));
        check("1701296684123.9", Some(1_701_296_684_123));
        check("99999999999", Some(99_999_999_999_000));
        check("100000000000", Some(100_000_000_000));
        check("0", Some(0));
        check("1701296684123456", None);
        check("99999999999999999999999999", None);
        for text in ["", "-", ".5", "-1", "1e9", "1701296684 ", "now", "\u{661}"] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(millis in -62_000_000_000_000..253_000_000_000_000_i64, minutes in -1439..1440_i32) {
            let zone = TimeZone::fixed(Offset::from_seconds(minutes * 60).unwrap());
            let time = Timestamp::from_millisecond(millis).unwrap().to_zoned_datetime(zone);
            let text = |format: &str| time.strftime(format).to_string();
            check(&text("%Y-%m-%dT%H:%M:%S%.3f%z"), Some(millis));
            check(&text("%Y-%m-%d %H:%M:%S%.3f%:z"), Some(millis));
            check(&text("%d/%b/%Y:%H:%M:%S %z"), Some(millis.div_euclid(1000) * 1000));
        }

        #[test]
        fn knows_the_dates_jiff_knows(year in 0..=9999_i16, month in 0..20_i8, day in 0..40_i8) {
            let known = jiff::civil::Date::new(year, month, day).is_ok();
            let text = format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
            prop_assert_eq!(parse(text.as_bytes()).is_some(), known);
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..40), like in "[0-9]{1,4}[-/.][0-9A-Za-z]{2,3}[-/][0-9TZ:+. -]{0,30}") {
            parse(&text);
            parse(like.as_bytes());
        }
    }
}
