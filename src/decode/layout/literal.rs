//! Text that every line has at the same place.

use fearless_simd::{Simd, SimdBase, SimdMask, u8x32};

/// Bytes looked at in one step.
pub(super) const WIDTH: usize = 32;

/// Text to compare with, its first bytes in one step.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    /// The first bytes, with zeros before and behind them: at a line's end, a step begins before its text does.
    padded: [u8; 2 * WIDTH],
    /// A bit for each of them that counts.
    counts: u64,
    /// The whole of it.
    text: Box<[u8]>,
}

impl Literal {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut padded = [0; 2 * WIDTH];
        let len = text.len().min(WIDTH);
        padded[WIDTH..WIDTH + len].copy_from_slice(&text[..len]);
        Self {
            padded,
            counts: (1 << len) - 1,
            text: text.into(),
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where it ends in a line that has it at `at`. A line is at least [`WIDTH`] bytes long.
    #[inline(always)]
    pub(super) fn end<S: Simd>(&self, simd: S, line: &[u8], at: usize) -> Option<usize> {
        let end = at + self.text.len();
        let Some(bytes) = line.get(at..)?.first_chunk::<WIDTH>() else {
            return self.end_at_the_end(simd, line, at);
        };
        let text = self.padded.last_chunk::<WIDTH>()?;
        if !same_bytes(simd, bytes, text) & self.counts != 0 {
            return None;
        }
        if self.text.len() > WIDTH && line.get(at + WIDTH..end)? != self.text.get(WIDTH..)? {
            return None;
        }
        Some(end)
    }

    /// The same, less than a step before the line's end: the step is taken earlier.
    #[inline(always)]
    fn end_at_the_end<S: Simd>(&self, simd: S, line: &[u8], at: usize) -> Option<usize> {
        let bytes = line.last_chunk::<WIDTH>()?;
        let earlier = at + WIDTH - line.len();
        let own = WIDTH.checked_sub(earlier)?;
        let text = self.padded.get(own..own + WIDTH)?;
        // Bytes that would have to be behind the line's end are never the same.
        (!same_bytes(simd, bytes, text) & (self.counts << earlier) == 0).then_some(at + self.text.len())
    }
}

/// A bit for each byte that is the same in both.
#[inline(always)]
fn same_bytes<S: Simd>(simd: S, a: &[u8], b: &[u8]) -> u64 {
    u8x32::from_slice(simd, a)
        .simd_eq(u8x32::from_slice(simd, b))
        .to_bitmask()
}
