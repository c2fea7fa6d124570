//! One JSON object a line.
//!
//! serde_json reads every key and value; only the walk over the objects is ours. Its own walk has to know before it
//! reads a value whether it is a string of bytes or a number (`deserialize_any` refuses strings that are not UTF-8,
//! and nginx's `escape=json` writes those raw), and operators log a status as either. As we see where a value
//! begins and ends, numbers stay the text they were: exact, and infinitely large ones do not spoil their line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};

use super::keys::{Node, Slots, Wanted};
use crate::record::Text;

#[cfg(test)]
mod tests;

/// Reads a line into `slots`; `None` where it is not one JSON object and nothing else.
pub(super) fn read<'a, F: Wanted>(line: &'a [u8], slots: &mut Slots<'_, 'a, F>) -> Option<()> {
    let mut cursor = Cursor { rest: line };
    cursor.object(slots.keys().root(), slots)?;
    cursor.skip_space();
    cursor.rest.is_empty().then_some(())
}

/// What is left of the line.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads an object; `node` knows its keys. Recurses only as deep as configured keys are nested.
    fn object<F: Wanted>(&mut self, node: &Node, slots: &mut Slots<'_, 'a, F>) -> Option<()> {
        self.expect(b'{')?;
        if self.expect(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            match node.child(&key) {
                Some(child) => self.known_value(child, slots)?,
                None => drop(self.skip_value()?),
            }
            if self.expect(b',').is_none() {
                return self.expect(b'}');
            }
        }
    }

    fn known_value<F: Wanted>(&mut self, key: &Node, slots: &mut Slots<'_, 'a, F>) -> Option<()> {
        slots.forget(key);
        match self.peek()? {
            b'"' => slots.put(key, self.string()?),
            b'-' | b'0'..=b'9' => slots.put(key, Cow::Borrowed(self.number()?)),
            b'{' if key.is_parent() => self.object(key, slots)?,
            _ => drop(self.skip_value()?),
        }
        Some(())
    }

    /// A number; also three digits with leading zeros, which are no JSON but what nginx makes of
    /// `"status":$status` where no status was sent: `000`.
    fn number(&mut self) -> Option<&'a [u8]> {
        if let [b'0', b'0'..=b'9', b'0'..=b'9', next, ..] = self.rest
            && !next.is_ascii_digit()
        {
            let (status, rest) = self.rest.split_at(3);
            self.rest = rest;
            return Some(status);
        }
        self.skip_value()
    }

    fn string(&mut self) -> Option<Text<'a>> {
        let (Bytes(text), raw) = self.token()?;
        // serde_json checks this in strings that it skips, not in those read as bytes.
        raw.iter().all(|byte| *byte >= b' ').then_some(text)
    }

    /// Passes over any value and returns it as it stands.
    fn skip_value(&mut self) -> Option<&'a [u8]> {
        self.token::<IgnoredAny>().map(|(_, raw)| raw)
    }

    fn token<T: Deserialize<'a>>(&mut self) -> Option<(T, &'a [u8])> {
        self.skip_space();
        let mut stream = serde_json::Deserializer::from_slice(self.rest).into_iter();
        let value = stream.next()?.ok()?;
        let (raw, rest) = self.rest.split_at_checked(stream.byte_offset())?;
        self.rest = rest;
        Some((value, raw))
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.rest = &self.rest[1..])
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest.first().copied()
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// A JSON string, not necessarily UTF-8.
struct Bytes<'a>(Text<'a>);

impl<'de> Deserialize<'de> for Bytes<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Bytes(Cow::Borrowed(text)))
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<Self::Value, E> {
        Ok(Bytes(Cow::Owned(text.to_vec())))
    }
}
