//! What was asked lately, and the row it belongs to: clients ask for the same few endpoints again and again.

use super::RowId;
use crate::record::{Method, RequestLine};
use crate::words;

/// Entries; a power of two. More than there are endpoints, and few enough to stay in the cache.
const ENTRIES: usize = 512;

/// Requests and their rows, each in the one place its hash says. Valid for one [`Routes`](super::Routes).
#[derive(Debug, Default)]
pub struct Lately {
    /// Empty until the first request.
    entries: Vec<(Key, RowId)>,
}

/// What tells a request from those that have another row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The target's, as [`words::whole`] has them.
    words: [u64; words::WHOLE],
    /// 0 where nothing is remembered: targets are never empty.
    len: u8,
    method: Method,
}

/// Word by word: they were written so, and read otherwise they are waited for.
impl PartialEq for Key {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let words = self.words.iter().zip(&other.words);
        words.fold(0, |odd, (a, b)| odd | (a ^ b)) == 0
            && (self.len, self.method) == (other.len, other.method)
    }
}

impl Lately {
    /// The row of a request, remembered or else found by `resolve`.
    #[inline(always)]
    pub(super) fn row(&mut self, key: &Key, resolve: impl FnOnce() -> RowId) -> RowId {
        if self.entries.is_empty() {
            self.entries = vec![(Key::NONE, 0); ENTRIES];
        }
        let Some((known, row)) = self.entries.get_mut(key.hash() % ENTRIES) else {
            return resolve();
        };
        if known != key {
            let found = resolve();
            // What is written in digits behind `%` makes a difference.
            if key.has(b'%') {
                return found;
            }
            (*known, *row) = (*key, found);
        }
        *row
    }
}

impl Key {
    const NONE: Self = Self {
        words: [0; words::WHOLE],
        len: 0,
        method: Method::Other,
    };

    /// `None` where the target is too long. With `numbers_alike`, targets that differ in digits alone have one key.
    #[inline(always)]
    pub(super) fn new(line: &RequestLine<'_>, numbers_alike: bool) -> Option<Self> {
        let words = words::whole(&line.target, |word| {
            if numbers_alike {
                words::without_digits(word)
            } else {
                word
            }
        })?;
        let (len, method) = (line.target.len() as u8, line.method);
        Some(Self { words, len, method })
    }

    /// Whether a byte that is no digit is in the target.
    fn has(&self, byte: u8) -> bool {
        self.words.iter().any(|word| words::has(*word, byte))
    }

    /// rustc's own multiplicative hash; a collision costs time, no more.
    #[inline(always)]
    fn hash(&self) -> usize {
        let mix = |hash: u64, word: &u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        (self.words.iter().fold(self.method as u64, mix) >> 48) as usize
    }
}
