//! Text that every line has at the same place.

use fearless_simd::{Simd, SimdBase, SimdMask, u8x32};

/// Bytes looked at in one step.
pub(super) const WIDTH: usize = 32;

/// Text to compare with, its first bytes in one step.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    /// The first bytes, padded.
    first: [u8; WIDTH],
    /// A bit for each of them that counts.
    counts: u64,
    /// The whole of it.
    text: Box<[u8]>,
}

impl Literal {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut first = [0; WIDTH];
        let len = text.len().min(WIDTH);
        first[..len].copy_from_slice(&text[..len]);
        Self {
            first,
            counts: (1 << len) - 1,
            text: text.into(),
        }
    }

    /// Where it ends in a line that has it at `at`.
    #[inline(always)]
    pub(super) fn end<S: Simd>(&self, simd: S, line: &[u8], at: usize) -> Option<usize> {
        let end = at + self.text.len();
        match line.get(at..at + WIDTH) {
            Some(bytes) => {
                let same = u8x32::from_slice(simd, bytes).simd_eq(u8x32::from_slice(simd, &self.first));
                if !same.to_bitmask() & self.counts != 0 {
                    return None;
                }
                let rest = self.text.get(WIDTH..).unwrap_or_default();
                (rest.is_empty() || line.get(at + WIDTH..end)? == rest).then_some(end)
            }
            None => (line.get(at..end)? == &*self.text).then_some(end),
        }
    }
}
