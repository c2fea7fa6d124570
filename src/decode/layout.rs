//! How lines of a log are laid out, learned from one of them: a logger writes the same text around its values in every
//! line. Where a line has that text, its values are found without reading the rest; where it has not, the complete
//! parser reads it. So a layout accepts no line that the complete parser does not, and finds the same values
//! (property tests in `layout/tests.rs`).

mod ending;
mod learn;
mod literal;
mod quotes;

use fearless_simd::{Simd, SimdBase, SimdMask, u8x32};

use self::ending::Ending;
use self::literal::{Literal, WIDTH};
pub(super) use self::quotes::Quotes;
use super::Field;
use super::keys::{Said, Wanted};
use crate::record::Text;
use crate::words;

#[cfg(test)]
mod tests;

pub(super) use self::learn::{combined, json};

/// Most values a layout may say something with.
pub(super) const VALUES: usize = 16;

/// The text of a line around its values.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    parts: Vec<Part>,
    /// After the last value.
    end: Literal,
    /// The last of these parts and the end, as most lines have them.
    ending: Option<Ending>,
    /// By field: the place of its best value in [`Found`].
    best: [u8; Field::COUNT],
    /// Fields and the places of their other values, best first.
    others: Vec<(u8, u8)>,
}

/// More might not fit into 64 bits.
const INTEGER_DIGITS: usize = 18;

/// The place of what a line does not have: nothing is ever found there.
const ABSENT: u8 = VALUES as u8;

/// The place of what nobody asks for.
const NOTHING: u8 = u8::MAX;

#[derive(Debug, Clone)]
struct Part {
    /// The text before the value.
    before: Literal,
    kind: Kind,
    /// The value's place in [`Found`].
    place: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Up to a quote.
    Quoted,
    /// From the last opening bracket to two bytes before the first quote; what is before it differs from line to line.
    Stamp,
    /// `0`, `12`, `0.25`.
    Number,
    /// Digits, few enough for an integer.
    Integer,
}

/// The values of one line.
#[derive(Debug)]
pub(super) struct Values<'l, 'a> {
    layout: &'l Layout,
    line: &'a [u8],
    found: &'l Found,
}

/// Where the values of a line begin and end, by place. As many as a place can tell apart, so that none need be checked; those
/// that a layout has no use for are another's.
pub(super) type Found = [(usize, usize); PLACES];

const PLACES: usize = u8::MAX as usize + 1;

/// Before the first line.
pub(super) const NONE_FOUND: Found = [(0, 0); PLACES];

impl Layout {
    /// Whether a line with these quotes is laid out like this; its values are kept in `found`.
    #[inline(always)]
    pub(super) fn find<S: Simd>(&self, simd: S, line: &[u8], quotes: &Quotes, found: &mut Found) -> bool {
        self.walk(simd, line, quotes, found).is_some()
    }

    #[inline(always)]
    fn walk<S: Simd>(&self, simd: S, line: &[u8], quotes: &Quotes, found: &mut Found) -> Option<()> {
        let (mut at, quotes) = (0, quotes.words());
        let (mut parts, mut end) = (&*self.parts, None);
        if let Some(ending) = &self.ending
            && let Some(begin) = ending.begin(simd, line, found)
        {
            (parts, end) = (parts.get(..parts.len() - ending.parts)?, Some(begin));
        }
        for part in parts {
            at = part.before.end(simd, line, at)?;
            let end = match part.kind {
                Kind::Quoted => quotes.next(at)?,
                Kind::Stamp => {
                    let end = quotes.next(at)?.checked_sub(2)?;
                    at = after_bracket(simd, line, end)?;
                    end
                }
                Kind::Number => at + number_length(line.get(at..)?)?,
                Kind::Integer => at + integer_length(line.get(at..)?)?,
            };
            found[usize::from(part.place)] = (at, end);
            at = end;
        }
        let fits = match end {
            Some(begin) => at == begin,
            None => self.end.end(simd, line, at)? == line.len(),
        };
        fits.then_some(())
    }
}

impl<'l, 'a> Values<'l, 'a> {
    /// Those that a layout found.
    #[inline]
    pub(super) fn new(layout: &'l Layout, line: &'a [u8], found: &'l Found) -> Self {
        Self { layout, line, found }
    }
}

impl<'a, F: Wanted> Said<'a, F> for Values<'_, 'a> {
    #[inline(always)]
    fn all(&self, field: F) -> impl Iterator<Item = Text<'a>> {
        let best = self.best(field);
        best.into_iter().chain(self.others(field)).map(Text::Borrowed)
    }

    #[inline(always)]
    fn first(&self, field: F) -> Option<Text<'a>> {
        let value = match self.best(field) {
            None if !self.layout.others.is_empty() => self.others(field).next(),
            best => best,
        };
        value.map(Text::Borrowed)
    }
}

impl<'a> Values<'_, 'a> {
    #[inline(always)]
    fn best<F: Wanted>(&self, field: F) -> Option<&'a [u8]> {
        self.at(*self.layout.best.get(field.index())?)
    }

    fn others<F: Wanted>(&self, field: F) -> impl Iterator<Item = &'a [u8]> {
        let others = self.layout.others.iter();
        others.filter_map(move |(of, place)| (usize::from(*of) == field.index()).then(|| self.at(*place))?)
    }

    #[inline(always)]
    fn at(&self, place: u8) -> Option<&'a [u8]> {
        if place == ABSENT {
            return None;
        }
        let (begin, end) = self.found[usize::from(place)];
        let value = self.line.get(begin..end)?;
        (!matches!(value, [] | [b'-'])).then_some(value)
    }
}

/// Where the text behind the last `[` before `end` begins, if that is less than a step away.
#[inline(always)]
fn after_bracket<S: Simd>(simd: S, line: &[u8], end: usize) -> Option<usize> {
    let from = end.checked_sub(WIDTH)?;
    let brackets = u8x32::from_slice(simd, line.get(from..end)?)
        .simd_eq(b'[')
        .to_bitmask();
    Some(from + brackets.checked_ilog2()? as usize + 1)
}

/// How long a number is: a subset of JSON's, and of what other formats take.
#[inline(always)]
fn number_length(text: &[u8]) -> Option<usize> {
    let (whole, fraction_end) = match text
        .first_chunk()
        .map(|word| words::not_digits(u64::from_le_bytes(*word)))
    {
        // Its end is in the first word, as of most.
        Some((whole, end @ 0..8)) => (whole, end),
        _ => {
            let whole = digits(text);
            (
                whole,
                whole + 1 + digits(text.get(whole + 1..).unwrap_or_default()),
            )
        }
    };
    let leading_zero = text.first() == Some(&b'0') && whole > 1;
    if whole == 0 || leading_zero {
        return None;
    }
    match text.get(whole) {
        Some(b'.') => (fraction_end > whole + 1).then_some(fraction_end),
        _ => Some(whole),
    }
}

#[inline(always)]
fn integer_length(text: &[u8]) -> Option<usize> {
    let length = digits(text);
    (1..=INTEGER_DIGITS).contains(&length).then_some(length)
}

#[inline(always)]
fn digits(text: &[u8]) -> usize {
    if let Some(word) = text.first_chunk()
        && let length @ 0..8 = words::leading_digits(u64::from_le_bytes(*word))
    {
        return length;
    }
    let length = text.iter().position(|byte| !byte.is_ascii_digit());
    length.unwrap_or(text.len())
}
