//! Layouts from lines that the complete parser has accepted.

use super::{ABSENT, Ending, Kind, Layout, Literal, NOTHING, Part, VALUES, WIDTH};
use crate::decode::Field;
use crate::decode::keys::{Keys, Node, Wanted};

/// Deeper lines are left to the complete parser.
const DEPTH: usize = 8;

/// More values make no layout: a hostile line must not be a long one's cost for every line after it.
const PARTS: usize = 128;

/// What a value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says<F> {
    /// Of no interest.
    Nothing,
    /// What a key with this slot says.
    Slot(usize),
    /// What its place in the line says.
    Placed(F),
}

/// The layout of a line that is one JSON object. `None` where a line like it cannot be told from others by its layout.
pub(in crate::decode) fn json<F: Wanted>(line: &[u8], keys: &Keys<F>) -> Option<Layout> {
    let mut draft = Draft::new(line)?;
    draft.object(Some(keys.root()), DEPTH)?;
    draft.space();
    (draft.at == line.len()).then_some(())?;
    draft.finish(keys)
}

/// The layout of a line in the format of [`combined`](crate::decode::combined).
pub(in crate::decode) fn combined(line: &[u8], keys: &Keys<Field>) -> Option<Layout> {
    let mut draft = Draft::new(line)?;
    draft.stamp(Says::Placed(Field::Time))?;
    draft.pass(b"] \"")?;
    draft.quoted(Says::Placed(Field::Request))?;
    draft.pass(b"\" ")?;
    draft.integer(Says::Placed(Field::Status))?;
    draft.pass(b" ")?;
    draft.integer(Says::Placed(Field::BodyBytes))?;
    while draft.at < line.len() {
        draft.pass(b" ")?;
        draft.trailing(keys.root())?;
    }
    draft.finish(keys)
}

/// A layout in the making.
struct Draft<'a, F> {
    line: &'a [u8],
    /// Read up to here.
    at: usize,
    /// The end of the last value.
    value_end: usize,
    /// Each with its value in this line.
    parts: Vec<(Part, &'a [u8])>,
    /// By part.
    says: Vec<Says<F>>,
}

impl<'a, F: Wanted> Draft<'a, F> {
    fn new(line: &'a [u8]) -> Option<Self> {
        let plain = line.iter().all(|byte| *byte >= b' ' && *byte != b'\\');
        plain.then_some(Self {
            line,
            at: 0,
            value_end: 0,
            parts: vec![],
            says: vec![],
        })
    }

    fn object(&mut self, node: Option<&Node>, depth: usize) -> Option<()> {
        let mut seen = vec![];
        self.token(b'{')?;
        if self.token(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.key()?;
            self.token(b':')?;
            let child = node.and_then(|node| node.child(key));
            // Of two values of one key the last one counts, which a layout does not know.
            if child.is_some() && seen.contains(&key) {
                return None;
            }
            seen.push(key);
            self.value(child, depth)?;
            if self.token(b',').is_none() {
                return self.token(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.token(b'[')?;
        if self.token(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(None, depth)?;
            if self.token(b',').is_none() {
                return self.token(b']');
            }
        }
    }

    fn value(&mut self, node: Option<&Node>, depth: usize) -> Option<()> {
        self.space();
        let slot = node.and_then(Node::slot);
        let says = slot.map_or(Says::Nothing, Says::Slot);
        match self.line.get(self.at)? {
            b'"' => {
                self.at += 1;
                self.quoted(says)?;
                self.at += 1;
                Some(())
            }
            b'0'..=b'9' => self.number(says),
            b'{' => self.object(node.filter(|node| node.is_parent()), depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            _ => ["true", "false", "null"]
                .iter()
                .find_map(|word| self.pass(word.as_bytes())),
        }
    }

    /// A key, without its quotes.
    fn key(&mut self) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let rest = self.line.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// `"quoted"`, `name=0.1` or `name="quoted"` at the end of a combined line; what else there may be is of no
    /// interest, and the same in every line.
    fn trailing(&mut self, root: &Node) -> Option<()> {
        let rest = self.line.get(self.at..)?;
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'=' | b' ' | b'"'))
            .unwrap_or(rest.len());
        let named = rest.get(end) == Some(&b'=');
        let child = root.child(&rest[..end]).filter(|_| named);
        let says = child.and_then(Node::slot).map_or(Says::Nothing, Says::Slot);
        self.at += end + usize::from(named);
        match self.line.get(self.at) {
            Some(b'"') if named || end == 0 => {
                self.at += 1;
                self.quoted(says)?;
                self.at += 1;
                Some(())
            }
            Some(b'0'..=b'9') if named => self.number(says),
            // A lone colon goes on with the list before it.
            _ if named || &rest[..end] == b":" => None,
            _ => Some(()),
        }
    }

    /// A value that ends before a quote.
    fn quoted(&mut self, says: Says<F>) -> Option<()> {
        let rest = self.line.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == b'"')?;
        self.part(length, Kind::Quoted, says)
    }

    /// The first value; what is before it is passed over.
    fn stamp(&mut self, says: Says<F>) -> Option<()> {
        let quote = self.line.iter().position(|byte| *byte == b'"')?;
        let before = self.line.get(..quote.checked_sub(2)?)?;
        let begin = before.iter().rposition(|byte| *byte == b'[')? + 1;
        (before.len() - begin < WIDTH).then_some(())?;
        (self.at, self.value_end) = (begin, begin);
        self.part(before.len() - begin, Kind::Stamp, says)
    }

    fn number(&mut self, says: Says<F>) -> Option<()> {
        let length = super::number_length(self.line.get(self.at..)?)?;
        self.part(length, Kind::Number, says)
    }

    fn integer(&mut self, says: Says<F>) -> Option<()> {
        let length = super::integer_length(self.line.get(self.at..)?)?;
        self.part(length, Kind::Integer, says)
    }

    fn part(&mut self, length: usize, kind: Kind, says: Says<F>) -> Option<()> {
        // Of two values under one name the last one counts, which a layout does not know.
        if says != Says::Nothing && self.says.contains(&says) {
            return None;
        }
        let part = Part {
            before: Literal::new(&self.line[self.value_end..self.at]),
            kind,
            place: NOTHING,
        };
        self.parts.push((part, &self.line[self.at..self.at + length]));
        self.says.push(says);
        self.at += length;
        self.value_end = self.at;
        (self.parts.len() <= PARTS).then_some(())
    }

    fn space(&mut self) {
        let rest = self.line.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| **byte == b' ').count();
    }

    /// Passes over a byte of JSON's structure, and the space before it.
    fn token(&mut self, byte: u8) -> Option<()> {
        self.space();
        self.pass(&[byte])
    }

    fn pass(&mut self, text: &[u8]) -> Option<()> {
        self.line
            .get(self.at..)?
            .starts_with(text)
            .then(|| self.at += text.len())
    }

    fn finish(mut self, keys: &Keys<F>) -> Option<Layout> {
        let (mut best, mut others) = ([ABSENT; Field::COUNT], vec![]);
        let mut used = 0_u8;
        for field in F::ALL {
            let placed = self.places(Says::Placed(*field));
            let keyed = keys
                .slots_of(*field)
                .iter()
                .flat_map(|slot| self.places(Says::Slot(*slot)));
            let candidates: Vec<usize> = placed.into_iter().chain(keyed).collect();
            for part in candidates {
                let place = &mut self.parts[part].0.place;
                if *place == NOTHING {
                    (usize::from(used) < VALUES).then_some(())?;
                    *place = used;
                    used += 1;
                }
                let best = &mut best[field.index()];
                if *best == ABSENT {
                    *best = *place;
                } else {
                    others.push((field.index() as u8, *place));
                }
            }
        }
        let end = Literal::new(&self.line[self.value_end..]);
        Some(Layout {
            ending: Ending::new(&self.parts, &end),
            end,
            parts: self.parts.into_iter().map(|(part, _)| part).collect(),
            best,
            others,
        })
    }

    fn places(&self, says: Says<F>) -> Vec<usize> {
        let says_it = |part: &usize| self.says[*part] == says;
        (0..self.says.len()).filter(says_it).collect()
    }
}
