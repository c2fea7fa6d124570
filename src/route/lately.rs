//! What was asked lately, and the row it belongs to: clients ask for the same few endpoints again and again.

use super::RowId;
use crate::record::{Method, RequestLine};
use crate::words;

/// Entries; a power of two. More than there are endpoints, and few enough to stay in the cache.
const ENTRIES: usize = 512;

/// Longest target that is remembered.
const TARGET_BYTES: usize = 48;

const WORDS: usize = TARGET_BYTES / 8;

/// Requests and their rows, each in the one place its hash says. Valid for one [`Routes`](super::Routes).
#[derive(Debug, Default)]
pub struct Lately {
    /// Empty until the first request.
    entries: Vec<(Key, RowId)>,
}

/// What tells a request from those that have another row.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The target's.
    words: [u64; WORDS],
    /// 0 where nothing is remembered: targets are never empty.
    len: u8,
    method: Method,
    hash: u16,
}

/// Word by word: they were written so, and read otherwise they are waited for.
impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let words = self
            .words
            .iter()
            .zip(&other.words)
            .take(usize::from(self.len).div_ceil(8));
        (self.len, self.method) == (other.len, other.method)
            && words.fold(0, |odd, (a, b)| odd | (a ^ b)) == 0
    }
}

impl Lately {
    /// The row of a request, remembered or else found by `resolve`.
    #[inline]
    pub(super) fn row(&mut self, key: &Key, resolve: impl FnOnce() -> RowId) -> RowId {
        if self.entries.is_empty() {
            self.entries = vec![(Key::NONE, 0); ENTRIES];
        }
        let place = usize::from(key.hash) % ENTRIES;
        let Some((known, row)) = self.entries.get_mut(place) else {
            return resolve();
        };
        if known != key {
            (*known, *row) = (key.clone(), resolve());
        }
        *row
    }
}

impl Key {
    const NONE: Self = Self {
        words: [0; WORDS],
        len: 0,
        method: Method::Other,
        hash: 0,
    };

    /// `None` where the target is too long, or written so that bytes of it do not stand for themselves. With
    /// `numbers_alike`, targets that differ in digits alone have one key.
    #[inline]
    pub(super) fn new(line: &RequestLine<'_>, numbers_alike: bool) -> Option<Self> {
        if line.target.len() > TARGET_BYTES {
            return None;
        }
        let mut key = Self {
            len: line.target.len() as u8,
            method: line.method,
            ..Self::NONE
        };
        // rustc's own multiplicative hash; a collision costs time, no more.
        let (mut hash, mut encoded) = (line.method as u64, false);
        let mut own = key.words.iter_mut();
        words::for_each(&line.target, |word| {
            encoded |= words::has(word, b'%');
            let word = if numbers_alike {
                words::without_digits(word)
            } else {
                word
            };
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
            if let Some(own) = own.next() {
                *own = word;
            }
        });
        if numbers_alike && encoded {
            return None;
        }
        key.hash = (hash >> 48) as u16;
        Some(key)
    }
}
