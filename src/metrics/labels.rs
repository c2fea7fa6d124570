//! The labels of a sample.

use crate::record::{ClosedSet, Code};

/// Names and values.
pub(super) trait Labels {
    /// Adds them to `text`, with commas between them.
    fn write(&self, text: &mut String);
}

/// What a label can say.
pub(super) trait Value {
    /// Adds it to `text`, escaped.
    fn write(&self, text: &mut String);
}

impl Value for &str {
    fn write(&self, text: &mut String) {
        escape(self, text);
    }
}

impl<S: ClosedSet> Value for S {
    fn write(&self, text: &mut String) {
        text.push_str(self.label());
    }
}

impl Value for Code {
    fn write(&self, text: &mut String) {
        match self.number() {
            Some(number) => text.push_str(itoa::Buffer::new().format(number)),
            None => text.push_str(&self.to_string()),
        }
    }
}

impl<V: Value> Labels for (&'static str, V) {
    fn write(&self, text: &mut String) {
        text.push_str(self.0);
        text.push_str("=\"");
        self.1.write(text);
        text.push('"');
    }
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    fn write(&self, text: &mut String) {
        self.0.write(text);
        text.push(',');
        self.1.write(text);
    }
}

impl<A: Labels, B: Labels, C: Labels> Labels for (A, B, C) {
    fn write(&self, text: &mut String) {
        (&self.0, (&self.1, &self.2)).write(text);
    }
}

impl<L: Labels> Labels for &L {
    fn write(&self, text: &mut String) {
        (*self).write(text);
    }
}

/// Labels that are text already: those that many samples carry are written once.
#[derive(Debug)]
pub(super) struct Text(String);

impl Text {
    const USUAL_BYTES: usize = 64;

    pub(super) fn of(labels: &impl Labels) -> Self {
        let mut text = String::with_capacity(Self::USUAL_BYTES);
        labels.write(&mut text);
        Self(text)
    }
}

impl Labels for Text {
    fn write(&self, text: &mut String) {
        text.push_str(&self.0);
    }
}

/// As both forms of text have it.
fn escape(value: &str, text: &mut String) {
    if !value.bytes().any(is_special) {
        return text.push_str(value);
    }
    for character in value.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '"' | '\\' => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"' | b'\n')
}
