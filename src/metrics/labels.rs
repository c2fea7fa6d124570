//! The labels of a sample as text, so that those that many samples carry are escaped once; prometheus-client writes labels anew
//! for each, in five pieces a label.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};

use crate::record::Code;

/// Names and values.
pub(super) trait Labels {
    /// Adds them to `text`.
    fn write(&self, text: &mut String);

    /// Them as text.
    fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
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
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(self.0);
        text.push_str("=\"");
        self.1.write(text);
        text.push('"');
    }
}

impl<L: Labels, const N: usize> Labels for [L; N] {
    fn write(&self, text: &mut String) {
        for label in self {
            label.write(text);
        }
    }
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    fn write(&self, text: &mut String) {
        self.0.write(text);
        self.1.write(text);
    }
}

/// As both text formats have it.
fn escape(value: &str, text: &mut String) {
    // Without a branch, which short values and the ordinary case would pay for.
    let any_special = value.bytes().fold(false, |any, byte| any | is_special(byte));
    if !any_special {
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

/// Labels that are text already.
#[derive(Debug)]
pub(super) struct Text<'t>(pub(super) &'t str);

impl Labels for Text<'_> {
    fn write(&self, text: &mut String) {
        text.push_str(self.0);
    }
}

impl EncodeLabelSet for Text<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        // A name is written as it is, and nothing has to come after it.
        encoder.encode_label().encode_label_key()?.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::*;

    /// What prometheus-client makes of labels itself.
    fn expected(labels: [(&'static str, String); 2]) -> String {
        let family = Family::<Vec<(&'static str, String)>, Counter>::default();
        family.get_or_create(&labels.to_vec()).inc();
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("a", "", family);
        encode(&mut text, &registry).unwrap();
        let (_, labels) = text.split_once("a_total{").unwrap();
        labels.rsplit_once("} 1\n").unwrap().0.to_owned()
    }

    proptest! {
        #[test]
        fn labels_are_written_as_prometheus_client_does(first in "([a-zё]|[\\\\\"\n,{}=])*", second in "\\PC*") {
            let text = [("first", &*first), ("second", &*second)].to_text();
            prop_assert_eq!(text, expected([("first", first), ("second", second)]));
        }
    }
}
