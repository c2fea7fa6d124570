//! Which key of a line holds which field, and where its value is kept until the whole line is read.
//!
//! Every key has a slot of its own, and fields are resolved only at the end. So a later duplicate of a key simply
//! overwrites its slot, and the order of keys in the line never decides which alias wins.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::{AppField, Field};
use crate::record::Text;

/// A closed set of things to look for in a line.
pub(super) trait Wanted: Copy + Ord + 'static {
    /// All of them, by their index.
    const ALL: &'static [Self];

    /// The place in [`Wanted::ALL`].
    fn index(self) -> usize;

    /// The names it is known by, best first.
    fn aliases(self) -> &'static [&'static str];
}

impl Wanted for Field {
    const ALL: &'static [Self] = Self::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn aliases(self) -> &'static [&'static str] {
        aliases(self)
    }
}

/// What a line says, field by field.
pub(super) trait Said<'a, F> {
    /// The values for a field that are not empty, best first.
    fn all(&self, field: F) -> impl Iterator<Item = Text<'a>>;

    /// The best value for a field.
    #[inline(always)]
    fn first(&self, field: F) -> Option<Text<'a>> {
        self.all(field).next()
    }
}

/// The names a field is known by, best first. Names whose unit differs from logger to logger (`duration`,
/// `response_time`) are left out: a wrong time is worse than none.
const fn aliases(field: Field) -> &'static [&'static str] {
    match field {
        Field::Request => &["request"],
        Field::Method => &["request_method", "method", "http_method", "http_request_method"],
        Field::Target => &["request_uri", "uri", "url", "path", "url_path"],
        Field::Status => &[
            "status",
            "response_status",
            "status_code",
            "response_code",
            "http_status",
        ],
        Field::RequestTime => &["request_time", "rt"],
        Field::BodyBytes => &["body_bytes_sent"],
        Field::Bytes => &["bytes_sent"],
        Field::Protocol => &["server_protocol", "protocol", "http_version"],
        Field::Scheme => &["scheme"],
        Field::UpstreamAddr => &["upstream_addr", "upstream"],
        Field::UpstreamStatus => &["upstream_status"],
        Field::UpstreamTime => &["upstream_response_time", "urt"],
        Field::CacheStatus => &["upstream_cache_status", "cache_status"],
        Field::Time => &[
            "time_iso8601",
            "time_local",
            "timestamp",
            "time",
            "ts",
            "@timestamp",
            "msec",
        ],
        Field::RequestId => &["request_id", "http_x_request_id", "x_request_id", "x-request-id"],
        Field::Termination | Field::Retries | Field::Logger => &[],
    }
}

/// As many slots as any configuration can need: an entry of `fields` replaces the aliases of its field by at most
/// two keys, the flat and the nested one.
const SLOTS: usize = {
    let (mut slots, mut i) = (0, 0);
    while i < Field::COUNT {
        let names = aliases(Field::ALL[i]).len();
        slots += if names < 2 { 2 } else { names };
        i += 1;
    }
    slots
};

/// bingo's own log needs no more.
const _: () = assert!(AppField::COUNT <= Field::COUNT && 2 * AppField::COUNT <= SLOTS);

/// The keys worth reading, as a tree: the children of a node are the keys of a nested object.
#[derive(Debug, Clone)]
pub(super) struct Keys<F = Field> {
    root: Node,
    /// Slots of a field's keys, best first; all below [`SLOTS`].
    by_field: Vec<Vec<usize>>,
    fields: PhantomData<F>,
}

/// What is known of one key.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    slot: Option<usize>,
    /// Sorted by key.
    children: Vec<(Box<[u8]>, Node)>,
}

/// The values found in one line.
pub(super) struct Slots<'k, 'a, F = Field> {
    keys: &'k Keys<F>,
    /// Values that the format itself gives a meaning, by field.
    placed: [Option<Text<'a>>; Field::COUNT],
    keyed: [Option<Text<'a>>; SLOTS],
}

impl<F: Wanted> Keys<F> {
    pub(super) fn new(fields: &BTreeMap<F, String>) -> Self {
        Self::named(fields, F::aliases)
    }

    /// With other names than the usual ones, nested with dots.
    pub(super) fn named(fields: &BTreeMap<F, String>, names: impl Fn(F) -> &'static [&'static str]) -> Self {
        let mut root = Node::default();
        let mut used = 0;
        let slots = |field: &F| {
            let Some(name) = fields.get(field) else {
                let names = names(*field).iter();
                return names
                    .map(|name| root.slot_of(name.split('.'), &mut used))
                    .collect();
            };
            let flat = root.slot_of([name.as_str()], &mut used);
            let nested = root.slot_of(name.split('.'), &mut used);
            if flat == nested {
                vec![flat]
            } else {
                vec![flat, nested]
            }
        };
        let by_field = F::ALL.iter().map(slots).collect();
        debug_assert!(used <= SLOTS);
        Self {
            root,
            by_field,
            fields: PhantomData,
        }
    }

    /// The slots of a field's keys, best first.
    pub(super) fn slots_of(&self, field: F) -> &[usize] {
        &self.by_field[field.index()]
    }

    /// The node of the line's outermost object.
    pub(super) fn root(&self) -> &Node {
        &self.root
    }
}

impl Node {
    /// What is known of `key` inside this node's object.
    pub(super) fn child(&self, key: &[u8]) -> Option<&Self> {
        let found = self.children.binary_search_by(|(name, _)| (**name).cmp(key));
        found.ok().map(|i| &self.children[i].1)
    }

    /// Where the value of this key is kept.
    pub(super) fn slot(&self) -> Option<usize> {
        self.slot
    }

    /// Whether an object under this key holds anything of interest.
    pub(super) fn is_parent(&self) -> bool {
        !self.children.is_empty()
    }

    fn slot_of<'n>(&mut self, path: impl IntoIterator<Item = &'n str>, used: &mut usize) -> usize {
        let mut node = self;
        for name in path {
            let name = name.as_bytes();
            let i = match node.children.binary_search_by(|(key, _)| (**key).cmp(name)) {
                Ok(i) => i,
                Err(i) => {
                    node.children.insert(i, (name.into(), Self::default()));
                    i
                }
            };
            node = &mut node.children[i].1;
        }
        *node.slot.get_or_insert_with(|| {
            *used += 1;
            *used - 1
        })
    }
}

impl<'k, 'a, F: Wanted> Slots<'k, 'a, F> {
    pub(super) fn new(keys: &'k Keys<F>) -> Self {
        Self {
            keys,
            placed: [const { None }; Field::COUNT],
            keyed: [const { None }; SLOTS],
        }
    }

    pub(super) fn keys(&self) -> &'k Keys<F> {
        self.keys
    }

    /// Sets a value whose place in the line says what it is; it wins over any key.
    pub(super) fn place(&mut self, field: F, text: Text<'a>) {
        self.placed[field.index()] = present(text);
    }

    /// Sets the value of a key.
    pub(super) fn put(&mut self, key: &Node, text: Text<'a>) {
        if let Some(slot) = key.slot {
            self.keyed[slot] = present(text);
        }
    }

    /// Forgets what an earlier duplicate of this key, or an object under it, had said.
    pub(super) fn forget(&mut self, key: &Node) {
        if let Some(slot) = key.slot {
            self.keyed[slot] = None;
        }
        for (_, child) in &key.children {
            self.forget(child);
        }
    }

    /// The values a line gives for a field, best first.
    pub(super) fn all(&self, field: F) -> impl Iterator<Item = &Text<'a>> {
        let keyed = self.keys.slots_of(field).iter();
        let keyed = keyed.filter_map(|slot| self.keyed[*slot].as_ref());
        self.placed[field.index()].iter().chain(keyed)
    }

    /// The best value a line gives for a field.
    pub(super) fn first(&self, field: F) -> Option<&Text<'a>> {
        self.all(field).next()
    }
}

impl<'a, F: Wanted> Said<'a, F> for Slots<'_, 'a, F> {
    fn all(&self, field: F) -> impl Iterator<Item = Text<'a>> {
        Slots::all(self, field).cloned()
    }
}

/// nginx writes an empty variable as `-`, or as nothing under `escape=json`.
fn present(text: Text<'_>) -> Option<Text<'_>> {
    (!matches!(&*text, b"" | b"-")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_configuration_fits() {
        let few = Field::ALL.iter().filter(|field| aliases(**field).len() < 2);
        let fields = few.map(|field| (*field, format!("a.{field}"))).collect();
        let keys = Keys::new(&fields);
        assert_eq!(keys.by_field.iter().flatten().max(), Some(&(SLOTS - 1)));
    }

    #[test]
    fn a_key_may_serve_two_fields() {
        let fields = [Field::RequestTime, Field::UpstreamTime].map(|field| (field, "took".to_owned()));
        let keys = Keys::new(&fields.into());
        let mut slots = Slots::new(&keys);
        let key = keys.root().child(b"took").unwrap();
        slots.put(key, b"1".as_slice().into());
        for field in [Field::RequestTime, Field::UpstreamTime] {
            assert_eq!(slots.first(field).map(|text| &**text), Some(b"1".as_slice()));
        }
        assert!(keys.root().child(b"request_time").is_none());
    }
}
