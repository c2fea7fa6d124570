//! Numbers as they stand in logs.

use crate::record::{DurationUnit, Nanos, Unmeasured};

const SECOND: Nanos = 1_000_000_000;
const DAY: Nanos = 86_400 * SECOND;

/// So many digits surely fit into 64 bits.
const SHORT: usize = 19;

const POWERS: [u64; 10] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    SECOND,
];

/// Reads an integer; a fraction of zeros is tolerated, as shippers that know only floats write `200.0`.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    // A status.
    if let [a, b, c] = text
        && let Some(value) = together([*a, *b, *c])
    {
        return Some(value.into());
    }
    any_integer(text)
}

fn any_integer(text: &[u8]) -> Option<i64> {
    if (1..SHORT).contains(&text.len())
        && let Some(value) = digits(0, text)
    {
        return i64::try_from(value).ok();
    }
    let (negative, text) = signed(text);
    let (whole, fraction) = decimal(text)?;
    if whole.is_empty() || fraction.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let value = whole.iter().try_fold(0_i64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })?;
    Some(if negative { -value } else { value })
}

/// Reads a duration. Decimals never pass through a float, so `0.123` seconds are 123,000,000 exactly; what is below
/// a nanosecond is cut off.
///
/// # Errors
/// Why there is no duration.
#[inline]
pub(super) fn duration(text: &[u8], unit: DurationUnit) -> Result<Nanos, Unmeasured> {
    // nginx writes milliseconds, and most are of less than ten seconds.
    if let ([whole, b'.', a, b, c], DurationUnit::Seconds) = (text, unit)
        && let Some(millis) = together([*whole, *a, *b, *c])
    {
        return Ok(Nanos::from(millis) * 1_000_000);
    }
    any_duration(text, unit)
}

fn any_duration(text: &[u8], unit: DurationUnit) -> Result<Nanos, Unmeasured> {
    let (places, unit): (usize, Nanos) = match unit {
        DurationUnit::Nanoseconds => (0, 1),
        DurationUnit::Microseconds => (3, 1_000),
        DurationUnit::Milliseconds => (6, 1_000_000),
        DurationUnit::Seconds => (9, SECOND),
    };
    if let Some((value, fraction)) = short(text)
        && let Some(missing) = places.checked_sub(fraction)
    {
        let nanos = value.saturating_mul(POWERS[missing]);
        return if nanos > DAY {
            Err(Unmeasured::OverADay)
        } else {
            Ok(nanos)
        };
    }
    let (negative, digits) = signed(text);
    let Some((whole, fraction)) = decimal(digits) else {
        return float(text, unit);
    };
    let whole = whole.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    let fraction = fixed(fraction, places);
    match whole.saturating_mul(unit).saturating_add(fraction) {
        1.. if negative => Err(Unmeasured::Negative),
        nanos if nanos > DAY => Err(Unmeasured::OverADay),
        nanos => Ok(nanos),
    }
}

/// Of most numbers, which are short, the digits as one integer, and how many of them stand behind the point. `None` says
/// nothing about the others.
#[inline]
fn short(text: &[u8]) -> Option<(u64, usize)> {
    if !(1..=SHORT).contains(&text.len()) {
        return None;
    }
    if let [whole @ .., b'.', a, b, c] = text
        && !whole.is_empty()
    {
        return Some((digits(digits(0, whole)?, &[*a, *b, *c])?, 3));
    }
    let (mut value, mut point) = (0, None);
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() && at > 0 {
            point = Some(at);
        } else {
            return None;
        }
    }
    let fraction = point.map_or(0, |point| text.len() - point - 1);
    Some((value, fraction))
}

/// So many digits as a number; without an early end there is nothing to guess.
#[inline(always)]
pub(super) fn together<const N: usize>(text: [u8; N]) -> Option<u32> {
    let digits = text.map(|byte| byte.wrapping_sub(b'0'));
    let odd = digits.iter().fold(false, |odd, digit| odd | (*digit > 9));
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u32::from(*digit));
    (!odd).then_some(value)
}

/// Some digits appended to those of `value`.
fn digits(value: u64, text: &[u8]) -> Option<u64> {
    text.iter().try_fold(value, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u64::from(digit))
    })
}

/// The first `places` digits of a fraction as an integer: `fixed(b"5", 3)` is 500.
pub(super) fn fixed(fraction: &[u8], places: usize) -> u64 {
    let digits = fraction.iter().map(|digit| u64::from(digit - b'0'));
    let padded = digits.chain(std::iter::repeat(0)).take(places);
    padded.fold(0, |sum, digit| sum * 10 + digit)
}

/// Splits `12.5` into its digits before and after the point. `None` where there is anything else, or no digit.
pub(super) fn decimal(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    let digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    (digits && whole.len() + fraction.len() > 0).then_some((whole, fraction))
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    }
}

/// Exponents, infinities, and what is no number at all.
fn float(text: &[u8], unit: Nanos) -> Result<Nanos, Unmeasured> {
    let text = str::from_utf8(text).map_err(|_| Unmeasured::NotANumber)?;
    let value: f64 = text.parse().map_err(|_| Unmeasured::NotANumber)?;
    let nanos = (value * unit as f64).round();
    if nanos.is_nan() {
        Err(Unmeasured::NotANumber)
    } else if nanos < 0.0 {
        Err(Unmeasured::Negative)
    } else if nanos > DAY as f64 {
        Err(Unmeasured::OverADay)
    } else {
        Ok(nanos as Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &[u8]) -> Result<Nanos, Unmeasured> {
        duration(text, DurationUnit::Seconds)
    }

    #[track_caller]
    fn check(text: &str, expect: Result<Nanos, Unmeasured>) {
        assert_eq!(seconds(text.as_bytes()), expect, "{text:?}");
    }

    #[test]
    fn durations() {
        check("0.123", Ok(123_000_000));
        check("0.000", Ok(0));
        check("-0.000", Ok(0));
        check("0", Ok(0));
        check("12", Ok(12 * SECOND));
        check(".5", Ok(SECOND / 2));
        check("1.", Ok(SECOND));
        check("0.1234567899", Ok(123_456_789));
        check("1e-3", Ok(1_000_000));
        check("2.5E0", Ok(2_500_000_000));
        check("+1", Ok(SECOND));
        check("86400", Ok(DAY));
        check("86400.000000001", Err(Unmeasured::OverADay));
        check("99999999999999999999999.5", Err(Unmeasured::OverADay));
        check("1e999", Err(Unmeasured::OverADay));
        check("inf", Err(Unmeasured::OverADay));
        check("-0.001", Err(Unmeasured::Negative));
        check("-inf", Err(Unmeasured::Negative));
        check("-1e3", Err(Unmeasured::Negative));
        check("-99999999999999999999999", Err(Unmeasured::Negative));
        for text in [
            "", ".", "-", "--1", "NaN", "0,1", "0.1, 0.2", "0.1s", "1.2.3", " 1",
        ] {
            check(text, Err(Unmeasured::NotANumber));
        }
        assert_eq!(seconds(b"\xff"), Err(Unmeasured::NotANumber));
    }

    #[test]
    fn units() {
        use DurationUnit::{Microseconds, Milliseconds, Nanoseconds};
        for (text, unit, expect) in [
            ("1234567", Nanoseconds, Ok(1_234_567)),
            ("12.9", Nanoseconds, Ok(12)),
            ("1.5e3", Nanoseconds, Ok(1_500)),
            ("12.3456", Microseconds, Ok(12_345)),
            ("12.3456789", Milliseconds, Ok(12_345_678)),
            ("1e-3", Milliseconds, Ok(1_000)),
            ("86400001", Milliseconds, Err(Unmeasured::OverADay)),
            ("-1", Nanoseconds, Err(Unmeasured::Negative)),
            ("1.2ms", Milliseconds, Err(Unmeasured::NotANumber)),
        ] {
            assert_eq!(duration(text.as_bytes(), unit), expect, "{text} {unit}");
        }
    }

    #[test]
    fn integers() {
        for (text, expect) in [
            ("200", Some(200)),
            ("000", Some(0)),
            ("-1", Some(-1)),
            ("200.0", Some(200)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("200.5", None),
            ("2e2", None),
            ("", None),
            ("-", None),
            (".0", None),
            ("+1", None),
            ("1 ", None),
        ] {
            assert_eq!(integer(text.as_bytes()), expect, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_exact(nanos in 0..=DAY) {
            let text = format!("{}.{:09}", nanos / SECOND, nanos % SECOND);
            prop_assert_eq!(seconds(text.as_bytes()), Ok(nanos));
        }
    }
}
