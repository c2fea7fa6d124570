//! nginx's and Apache's `combined`, and what is written like it: the Common Log Format, a virtual host in front,
//! `key=value` fields at the end.
//!
//! `anything [time] "request" status bytes "referer" "agent" rt=0.123 urt="0.1, 0.2"`

use std::borrow::Cow;

use memchr::{memchr, memchr2, memrchr};

use super::Field;
use super::keys::Slots;
use super::number::integer;
use crate::record::Text;

#[cfg(test)]
mod tests;

/// Reads a line into `slots`; `None` where it is not written like this.
pub(super) fn read<'a>(line: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<()> {
    let (before, rest) = until_quote(line)?;
    let (request, rest) = until_quote(rest)?;
    slots.place(Field::Time, Cow::Borrowed(time_at_end(before)?));
    slots.place(Field::Request, unescape(request));

    let (status, rest) = word(rest.strip_prefix(b" ")?);
    let (bytes, rest) = word(rest.strip_prefix(b" ")?);
    slots.place(Field::Status, Cow::Borrowed(integer_or_dash(status)?));
    slots.place(Field::BodyBytes, Cow::Borrowed(integer_or_dash(bytes)?));
    trailing(rest, slots)
}

/// The time in brackets that `before` ends in. A remote user's name stands before it and may hold brackets itself,
/// so only the last one counts.
fn time_at_end(before: &[u8]) -> Option<&[u8]> {
    let inside = before.strip_suffix(b"] ")?;
    let open = memrchr(b'[', inside)?;
    Some(&inside[open + 1..])
}

fn integer_or_dash(text: &[u8]) -> Option<&[u8]> {
    (text == b"-" || integer(text).is_some()).then_some(text)
}

/// Takes what has a name; what has none could be anything.
fn trailing<'a>(mut rest: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<()> {
    let root = slots.keys().root();
    loop {
        rest = rest.trim_ascii_start();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            (_, rest) = until_quote(quoted)?;
            continue;
        }
        let end = memchr2(b'=', b' ', rest).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let value;
        (value, rest) = match after {
            [] => return Some(()),
            [b'=', b'"', quoted @ ..] => until_quote(quoted)?,
            [b'=', bare @ ..] => bare_list(bare),
            _ => {
                rest = after;
                continue;
            }
        };
        if let Some(key) = root.child(name) {
            slots.put(key, unescape(value));
        }
    }
}

/// Splits off a value without quotes. It ends at a space, but for the separators of nginx's lists: `0.1, 0.2 : 0.3`.
fn bare_list(text: &[u8]) -> (&[u8], &[u8]) {
    let mut end = word(text).0.len();
    loop {
        let (value, rest) = text.split_at(end);
        let separator = match rest {
            [b' ', b':', b' ', ..] => 3,
            [b' ', ..] if value.ends_with(b",") => 1,
            _ => return (value, rest),
        };
        end += separator + word(&rest[separator..]).0.len();
    }
}

/// Splits at the first space.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr(b' ', text).unwrap_or(text.len()))
}

/// Splits at the first `"` that is not escaped (nginx writes `\x22` for it, Apache `\"`) and drops it.
fn until_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
    }
}

/// Undoes the escapes of nginx (`\xHH`) and Apache (those, and C's).
pub(super) fn unescape(text: &[u8]) -> Text<'_> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (byte, after) = match rest {
            [] => return Cow::Owned(out),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', b'n', after @ ..] => (b'\n', after),
            [b'\\', b'r', after @ ..] => (b'\r', after),
            [b'\\', b't', after @ ..] => (b'\t', after),
            [b'\\', b'b', after @ ..] => (0x08, after),
            [b'\\', b'v', after @ ..] => (0x0b, after),
            [b'\\', other @ (b'"' | b'\\'), after @ ..] => (*other, after),
            [byte, after @ ..] => (*byte, after),
        };
        out.push(byte);
        rest = after;
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}
