//! How lines of a log are laid out, learned from one of them: a logger writes the same text around its values in every
//! line. Where a line has that text, its values are found without reading the rest; where it has not, the complete
//! parser reads it. So a layout accepts no line that the complete parser does not, and finds the same values
//! (property tests in `layout/tests.rs`).

mod learn;
mod literal;
mod quotes;

use fearless_simd::Simd;
use memchr::{memchr, memchr3};

use self::literal::Literal;
pub(super) use self::quotes::Quotes;
use super::Field;
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
    by_field: [[u8; CANDIDATES]; Field::COUNT],
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
    /// Up to a quote.
    Quoted,
    /// Up to this byte, and no quote before it.
    Until(u8),
    /// Up to a closing bracket, with neither an opening one nor a quote before it.
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
    /// Whether a line with these quotes is laid out like this; its values are kept in `found`.
    #[inline(always)]
    pub(super) fn find<'a, S: Simd>(
        &self,
        simd: S,
        line: &'a [u8],
        quotes: &Quotes,
        found: &mut Found<'a>,
    ) -> bool {
        self.walk(simd, line, quotes, found).is_some()
    }

    #[inline(always)]
    fn walk<'a, S: Simd>(
        &self,
        simd: S,
        line: &'a [u8],
        quotes: &Quotes,
        found: &mut Found<'a>,
    ) -> Option<()> {
        let mut at = 0;
        for part in &self.parts {
            at = part.before.end(simd, line, at)?;
            let length = match part.kind {
                Kind::Quoted => quotes.next(at)?.checked_sub(at)?,
                Kind::Until(stop) => memchr(stop, line.get(at..quotes.next(at)?)?)?,
                Kind::Bracketed => {
                    let text = line.get(at..)?;
                    let end = memchr3(b'[', b']', b'"', text)?;
                    (text.get(end) == Some(&b']')).then_some(end)?
                }
                Kind::Number => number_length(line.get(at..)?)?,
                Kind::Integer => integer_length(line.get(at..)?)?,
            };
            let end = at + length;
            if let Some(value) = found.get_mut(usize::from(part.place)) {
                *value = line.get(at..end)?;
            }
            at = end;
        }
        (self.end.end(simd, line, at)? == line.len()).then_some(())
    }
}

impl<'l, 'a> Values<'l, 'a> {
    /// Those that a layout found.
    #[inline]
    pub(super) fn new(layout: &'l Layout, values: &'l Found<'a>) -> Self {
        Self { layout, values }
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

    #[inline(always)]
    fn first(&self, field: F) -> Option<Text<'a>> {
        for place in self.layout.by_field.get(field.index())? {
            let value = self.values.get(usize::from(*place))?;
            if !matches!(value, [] | [b'-']) {
                return Some(Text::Borrowed(value));
            }
        }
        None
    }
}

/// How long a number is: a subset of JSON's, and of what other formats take.
#[inline(always)]
fn number_length(text: &[u8]) -> Option<usize> {
    let whole = digits(text);
    let leading_zero = text.first() == Some(&b'0') && whole > 1;
    if whole == 0 || leading_zero {
        return None;
    }
    match text.get(whole..)? {
        [b'.', fraction @ ..] => match digits(fraction) {
            0 => None,
            digits => Some(whole + 1 + digits),
        },
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
    let length = text.iter().position(|byte| !byte.is_ascii_digit());
    length.unwrap_or(text.len())
}
