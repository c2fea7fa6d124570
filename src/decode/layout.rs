//! How lines of a log are laid out, learned from one of them: a logger writes the same text around its values in every
//! line. Where a line has that text, its values are found without reading the rest; where it has not, the complete
//! parser reads it. So a layout accepts no line that the complete parser does not, and finds the same values
//! (property tests in `layout/tests.rs`).

mod learn;
mod literal;

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch, u8x32};

use self::literal::{Literal, WIDTH};
use super::keys::{Said, Wanted};
use crate::record::Text;

#[cfg(test)]
mod tests;

pub(super) use self::learn::{combined, json};

/// Most values a layout may say something with.
pub(super) const VALUES: usize = 16;

/// Most values that may say one field: its aliases, and one that the format itself gives a meaning.
const CANDIDATES: usize = 8;

/// The text of a line around its values.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    parts: Vec<Part>,
    /// After the last value.
    end: Literal,
    /// By field: the places of its values in [`Values`], best first; ended by [`NOTHING`].
    by_field: Vec<[u8; CANDIDATES]>,
}

/// More might not fit into 64 bits.
const INTEGER_DIGITS: usize = 18;

/// No place among the values.
const NOTHING: u8 = u8::MAX;

#[derive(Debug, Clone)]
struct Part {
    /// The text before the value.
    before: Literal,
    kind: Kind,
    /// The value's place in [`Values`].
    place: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Up to this byte or a quote. Neither escapes nor control characters.
    Until(u8),
    /// Up to a closing bracket, without an opening one.
    Bracketed,
    /// `0`, `12`, `0.25`.
    Number,
    /// Digits, few enough for an integer.
    Integer,
}

/// The values of one line.
#[derive(Debug)]
pub(super) struct Values<'l, 'a> {
    layout: &'l Layout,
    values: &'l Found<'a>,
}

/// Where the values of a line are kept: made once for a line and never moved.
pub(super) type Found<'a> = [&'a [u8]; VALUES];

impl Layout {
    /// The values of a line that is laid out like this, kept in `found`.
    #[inline]
    pub(super) fn read<'l, 'a>(
        &'l self,
        level: Level,
        line: &'a [u8],
        found: &'l mut Found<'a>,
    ) -> Option<Values<'l, 'a>> {
        dispatch!(level, simd => self.values(simd, line, found)).then_some(Values {
            layout: self,
            values: found,
        })
    }

    #[inline(always)]
    fn values<'a, S: Simd>(&self, simd: S, line: &'a [u8], found: &mut Found<'a>) -> bool {
        self.walk(simd, line, found).is_some()
    }

    #[inline(always)]
    fn walk<'a, S: Simd>(&self, simd: S, line: &'a [u8], values: &mut Found<'a>) -> Option<()> {
        let mut at = 0;
        for part in &self.parts {
            at = part.before.end(simd, line, at)?;
            let end = match part.kind {
                Kind::Until(stop) => text_end(simd, line, at, stop)?,
                Kind::Bracketed => {
                    let end = text_end(simd, line, at, b']')?;
                    if line.get(at..end)?.contains(&b'[') {
                        return None;
                    }
                    end
                }
                Kind::Number => number_end(line, at)?,
                Kind::Integer => integer_end(line, at)?,
            };
            if let Some(value) = values.get_mut(usize::from(part.place)) {
                *value = line.get(at..end)?;
            }
            at = end;
        }
        (self.end.end(simd, line, at)? == line.len()).then_some(())
    }
}

impl<'a, F: Wanted> Said<'a, F> for Values<'_, 'a> {
    #[inline(always)]
    fn all(&self, field: F) -> impl Iterator<Item = Text<'a>> {
        let places = &self.layout.by_field[field.index()];
        let values = places
            .iter()
            .map_while(|place| self.values.get(usize::from(*place)));
        values
            .filter(|value| !matches!(value, [] | [b'-']))
            .map(|value| Text::Borrowed(value))
    }
}

/// Where the text that begins at `at` ends: before `stop` or a quote. What follows tells which.
#[inline(always)]
fn text_end<S: Simd>(simd: S, line: &[u8], mut at: usize, stop: u8) -> Option<usize> {
    loop {
        // The last bytes of the line are looked at together with some before them.
        let from = at.min(line.len().checked_sub(WIDTH)?);
        let bytes = u8x32::from_slice(simd, line.get(from..from + WIDTH)?);
        let passed = at - from;
        let stops = (bytes.simd_eq(stop) | bytes.simd_eq(b'"')).to_bitmask() >> passed;
        let odd = (bytes.simd_eq(b'\\') | bytes.simd_lt(b' ')).to_bitmask() >> passed;
        // Anything odd before the stop is lower than its lowest bit.
        if odd & (stops ^ stops.wrapping_sub(1)) != 0 {
            return None;
        }
        if stops != 0 {
            return Some(at + stops.trailing_zeros() as usize);
        }
        at = from + WIDTH;
        if at >= line.len() {
            return None;
        }
    }
}

/// Where the number that begins at `at` ends: a subset of JSON's, and of what other formats take.
#[inline(always)]
fn number_end(line: &[u8], at: usize) -> Option<usize> {
    let whole = digits_end(line, at);
    let leading_zero = line.get(at) == Some(&b'0') && whole - at > 1;
    if whole == at || leading_zero {
        return None;
    }
    if line.get(whole) != Some(&b'.') {
        return Some(whole);
    }
    let end = digits_end(line, whole + 1);
    (end > whole + 1).then_some(end)
}

#[inline(always)]
fn integer_end(line: &[u8], at: usize) -> Option<usize> {
    let end = digits_end(line, at);
    (1..=INTEGER_DIGITS).contains(&(end - at)).then_some(end)
}

#[inline(always)]
fn digits_end(line: &[u8], from: usize) -> usize {
    let rest = line.get(from..).unwrap_or_default();
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit());
    from + digits.unwrap_or(rest.len())
}
