//! What was asked lately, and the row it belongs to: clients ask for the same few targets again and again.

use xxhash_rust::xxh3::xxh3_64;

use super::RowId;
use crate::record::{Method, RequestLine};

/// Entries; a power of two. Most services have fewer targets in use at a time, and 64 kB stay in the cache.
const ENTRIES: usize = 1024;

/// Longest target that is remembered.
const TARGET_BYTES: usize = 46;

/// Targets and their rows, each in the one place its hash says. Valid for one [`Routes`](super::Routes).
#[derive(Debug, Default)]
pub struct Lately {
    /// Empty until the first request.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    target: [u8; TARGET_BYTES],
    /// 0 where nothing is remembered: targets are never empty.
    len: u8,
    method: Method,
    pub(super) row: RowId,
}

impl Lately {
    /// The place of a request; `None` where its target is too long.
    pub(super) fn entry(&mut self, line: &RequestLine<'_>) -> Option<&mut Entry> {
        if line.target.len() > TARGET_BYTES {
            return None;
        }
        if self.entries.is_empty() {
            self.entries = vec![Entry::EMPTY; ENTRIES];
        }
        let place = xxh3_64(&line.target) as usize ^ line.method as usize;
        self.entries.get_mut(place % ENTRIES)
    }
}

impl Entry {
    const EMPTY: Self = Self {
        target: [0; TARGET_BYTES],
        len: 0,
        method: Method::Other,
        row: 0,
    };

    /// Whether this is the entry of that request.
    pub(super) fn is_of(&self, line: &RequestLine<'_>) -> bool {
        let target = self.target.get(..usize::from(self.len)).unwrap_or_default();
        self.len > 0 && self.method == line.method && target == &*line.target
    }

    /// Remembers a request; its target is at most [`TARGET_BYTES`] long.
    pub(super) fn set(&mut self, line: &RequestLine<'_>, row: RowId) {
        let Some(target) = self.target.get_mut(..line.target.len()) else {
            return;
        };
        target.copy_from_slice(&line.target);
        (self.len, self.method, self.row) = (target.len() as u8, line.method, row);
    }
}
