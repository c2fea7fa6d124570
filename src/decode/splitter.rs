//! A line cut along the texts that always stand between its values, for formats that are written as a string with
//! variables in it.
//!
//! A value may hold any text, the next separator included: a user agent, a request that nobody quoted. So it goes from
//! both ends of the line: from the left as long as the end of a value is certain, then from the right as long as its
//! beginning is. What is uncertain is left in the middle and cannot shift anything else. Linear, without backtracking.

use std::borrow::Cow;

use memchr::memmem::{find_iter, rfind};

use super::Field;
use super::combined::unescape;
use super::keys::Slots;
use super::number::{decimal, integer};

#[cfg(test)]
mod tests;

/// The length of nginx's `$time_local`, `29/Nov/2023:22:24:44 +0000`.
const LOCAL_BYTES: usize = 26;

/// A format of one physical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splitter {
    /// What a line begins with.
    begin: Box<[u8]>,
    parts: Vec<Part>,
    /// Values have escapes, and never hold a `"` of their own.
    escaped: bool,
}

/// A value and the text behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What it tells, if anything of interest.
    pub(super) field: Option<Field>,
    /// What it can look like.
    pub(super) shape: Shape,
    /// The text that always follows; empty behind the last, and before a path that follows at once.
    pub(super) after: Box<[u8]>,
}

/// What a value can look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Text,
    /// Anything without a space.
    Word,
    /// A word that is a number, `-` or nothing.
    Number,
    /// nginx's list of tries, which has separators with spaces in it.
    List,
    /// nginx's `$time_local`.
    Local,
}

impl Splitter {
    pub(super) fn new(begin: &[u8], parts: Vec<Part>, escaped: bool) -> Self {
        Self {
            begin: begin.into(),
            parts,
            escaped,
        }
    }

    /// Whether a line of this format tells `field`.
    pub(super) fn has(&self, field: Field) -> bool {
        self.parts.iter().any(|part| part.field == Some(field))
    }

    /// Whether its lines are blank.
    pub(super) fn is_blank(&self) -> bool {
        self.parts.is_empty() && self.begin.is_empty()
    }

    /// Reads a line into `slots`; `None` where it is not written like this.
    pub(super) fn split<'a>(&self, line: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<()> {
        let mut rest = line.strip_prefix(&*self.begin)?;
        let (mut left, mut right) = (0, self.parts.len());
        while left < right && self.ends_surely(left) {
            rest = self.take_first(left, rest, slots)?;
            left += 1;
        }
        if left == right {
            return rest.is_empty().then_some(());
        }
        while right - left > 1 && self.begins_surely(right - 1) {
            right -= 1;
            rest = self.take_last(right, rest, slots)?;
        }
        while right - left > 1 {
            rest = self.take_first(left, rest, slots)?;
            left += 1;
        }
        let part = &self.parts[left];
        self.put(part, rest.strip_suffix(&*part.after)?, slots)
    }

    /// Whether the text behind a value, where it first stands, is its end.
    fn ends_surely(&self, index: usize) -> bool {
        let part = &self.parts[index];
        part.shape != Shape::Text || self.escaped && part.after.starts_with(b"\"")
    }

    /// Whether the text before a value, where it last stands, is its beginning.
    fn begins_surely(&self, index: usize) -> bool {
        let before = &*self.parts[index - 1].after;
        !before.is_empty()
            && (self.parts[index].shape != Shape::Text || self.escaped && before.ends_with(b"\""))
    }

    /// Takes the leftmost value and the text behind it.
    fn take_first<'a>(&self, index: usize, text: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<&'a [u8]> {
        let part = &self.parts[index];
        let after = &*part.after;
        let end = if index + 1 == self.parts.len() {
            text.len().checked_sub(after.len())?
        } else if part.shape == Shape::Local && !text.starts_with(b"-") {
            LOCAL_BYTES
        } else if after.is_empty() {
            memchr::memchr(b'/', text)?
        } else {
            find_iter(text, after).find(|at| part.may_end(&text[..*at], &text[*at..]))?
        };
        let (value, rest) = text.split_at_checked(end)?;
        self.put(part, value, slots)?;
        rest.strip_prefix(after)
    }

    /// Takes the rightmost value and the text behind it; what remains ends where the value before it does.
    fn take_last<'a>(&self, index: usize, text: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<&'a [u8]> {
        let part = &self.parts[index];
        let before = &self.parts[index - 1];
        let text = text.strip_suffix(&*part.after)?;
        let mut end = text.len();
        let begin = loop {
            let at = rfind(&text[..end], &before.after)?;
            let value = &text[at + before.after.len()..];
            let inside_list = part.shape == Shape::List && is_list_separator(&text[..at], &text[at..]);
            if !inside_list && !is_escaped(&text[..at], &before.after) {
                self.put(part, value, slots)?;
                break at;
            }
            end = at + before.after.len() - 1;
        };
        // The text between belongs to the value before as its end.
        Some(&text[..begin + before.after.len()])
    }

    fn put<'a>(&self, part: &Part, value: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<()> {
        if !part.fits(value) {
            return None;
        }
        if let Some(field) = part.field {
            slots.place(
                field,
                if self.escaped {
                    unescape(value)
                } else {
                    Cow::Borrowed(value)
                },
            );
        }
        Some(())
    }
}

impl Part {
    fn fits(&self, value: &[u8]) -> bool {
        let unset = matches!(value, b"" | b"-");
        match self.shape {
            Shape::Number => {
                unset
                    || integer(value).is_some()
                    || self.field != Some(Field::Status) && decimal(value).is_some()
            }
            Shape::Word => !value.contains(&b' '),
            Shape::Local => unset || value.len() == LOCAL_BYTES,
            Shape::Text | Shape::List => true,
        }
    }

    /// Whether a value can be `before` where `behind` begins with the text that follows it.
    fn may_end(&self, before: &[u8], behind: &[u8]) -> bool {
        match self.shape {
            Shape::List if self.after.starts_with(b":") => !before.ends_with(b" "),
            Shape::List if self.after.starts_with(b" :") => true,
            Shape::List => !is_list_separator(before, behind),
            _ => !is_escaped(before, &self.after),
        }
    }
}

/// Whether a space between the two is inside nginx's `0.1, 0.2 : 0.3`.
fn is_list_separator(before: &[u8], behind: &[u8]) -> bool {
    behind.starts_with(b" ")
        && (before.ends_with(b",") || before.ends_with(b" :") || behind.starts_with(b" : "))
}

/// Whether the quote that `literal` begins with belongs to the value: a backslash stands before it.
fn is_escaped(before: &[u8], literal: &[u8]) -> bool {
    literal.starts_with(b"\"") && before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
