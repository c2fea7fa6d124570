//! Where the quotes of a line are, found all at once: what is looked for value by value has to wait for where the last
//! value ended.

use fearless_simd::{Simd, SimdBase, SimdMask, mask8x64, u8x64};

/// Bytes looked at in one step, a bit for each.
const STEP: usize = u64::BITS as usize;

/// Where the quotes of one line are.
#[derive(Debug, Default)]
pub(in crate::decode) struct Quotes {
    /// A bit for each byte of the line, set for quotes, then a word without any; behind that, what is left of other lines.
    words: Vec<u64>,
    /// How many of these words are the line's.
    used: usize,
}

impl Quotes {
    /// Finds those of a line. False where it has escapes or control characters, or is shorter than a step: no layout is
    /// for such lines.
    #[inline(always)]
    pub(in crate::decode) fn find<S: Simd>(&mut self, simd: S, line: &[u8]) -> bool {
        let Some(last) = line.last_chunk() else {
            return false;
        };
        let (whole, rest) = line.as_chunks();
        let mut odd = Odd::none(simd);
        self.used = whole.len() + 2;
        if self.words.len() < self.used {
            self.words.resize(self.used, 0);
        }
        let mut words = self.words.iter_mut();
        for (bytes, word) in whole.iter().zip(&mut words) {
            *word = quotes(simd, bytes, &mut odd);
        }
        // The last bytes are looked at together with some before them.
        let last = quotes(simd, last, &mut odd);
        for word in [last.checked_shr((STEP - rest.len()) as u32).unwrap_or(0), 0] {
            if let Some(own) = words.next() {
                *own = word;
            }
        }
        !odd.is_any()
    }

    /// The words of the line.
    #[inline(always)]
    pub(super) fn words(&self) -> Words<'_> {
        Words(self.words.get(..self.used).unwrap_or_default())
    }
}

/// See [`Quotes`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'q>(&'q [u64]);

impl Words<'_> {
    /// The first quote at `from` or behind it.
    #[inline(always)]
    pub(super) fn next(self, from: usize) -> Option<usize> {
        let (mut index, passed) = (from / STEP, from % STEP);
        // A whole step from there on: most values end in it, in whichever word.
        let after = *self.0.get(index + 1)?;
        let word = *self.0.get(index)?;
        let near = word >> passed | after << 1 << (STEP - 1 - passed);
        if near != 0 {
            return Some(from + near.trailing_zeros() as usize);
        }
        loop {
            index += 1;
            let word = *self.0.get(index)?;
            if word != 0 {
                return Some(index * STEP + word.trailing_zeros() as usize);
            }
        }
    }
}

/// What no layout is for.
struct Odd<S: Simd> {
    escapes: mask8x64<S>,
    /// The least byte in each place.
    least: u8x64<S>,
}

impl<S: Simd> Odd<S> {
    #[inline(always)]
    fn none(simd: S) -> Self {
        let least = u8x64::splat(simd, u8::MAX);
        Self {
            escapes: least.simd_eq(0),
            least,
        }
    }

    #[inline(always)]
    fn is_any(&self) -> bool {
        (self.escapes | self.least.simd_lt(b' ')).any_true()
    }
}

/// The quotes among some bytes; what no layout is for is added to `odd`.
#[inline(always)]
fn quotes<S: Simd>(simd: S, bytes: &[u8; STEP], odd: &mut Odd<S>) -> u64 {
    let bytes = u8x64::from_slice(simd, bytes);
    odd.escapes |= bytes.simd_eq(b'\\');
    odd.least = odd.least.min(bytes);
    bytes.simd_eq(b'"').to_bitmask()
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};
    use proptest::prelude::*;

    use super::*;

    fn find(quotes: &mut Quotes, line: &[u8]) -> bool {
        dispatch!(Level::new(), simd => quotes.find(simd, line))
    }

    proptest! {
        #[test]
        fn as_byte_by_byte(line in "[a-c \"é]{0,300}", odd in prop::option::of(prop::sample::select(vec!['\\', '\u{1f}', '\0'])), at: prop::sample::Index) {
            let mut line = line.into_bytes();
            let mut quotes = Quotes::default();
            // What was found in another line is forgotten.
            find(&mut quotes, &[b'"'; 1000]);
            let plain = find(&mut quotes, &line);
            prop_assert_eq!(plain, line.len() >= STEP);
            if plain {
                let expect = |from: usize| line.iter().skip(from).position(|byte| *byte == b'"').map(|at| from + at);
                for from in 0..=line.len() {
                    prop_assert_eq!(quotes.words().next(from), expect(from));
                }
            }
            if let Some(odd) = odd {
                line.insert(at.index(line.len() + 1), odd as u8);
                prop_assert!(!find(&mut quotes, &line));
            }
        }
    }
}
