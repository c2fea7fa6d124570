//! Where the quotes of a line are, found all at once: what is looked for value by value has to wait for where the last
//! value ended.

use fearless_simd::{Simd, SimdBase, SimdMask, u8x64};

/// Bytes looked at in one step, a bit for each.
const STEP: usize = u64::BITS as usize;

/// A bit for each byte of a line, set for quotes; then a word without any.
#[derive(Debug, Default)]
pub(in crate::decode) struct Quotes(Vec<u64>);

impl Quotes {
    /// Finds those of a line. False where it has escapes or control characters, or is shorter than a step: no layout is
    /// for such lines.
    #[inline(always)]
    pub(in crate::decode) fn find<S: Simd>(&mut self, simd: S, line: &[u8]) -> bool {
        let Some(last) = line.last_chunk() else {
            return false;
        };
        let (whole, rest) = line.as_chunks();
        let mut odd = 0;
        self.0.clear();
        for bytes in whole {
            self.0.push(quotes(simd, bytes, &mut odd));
        }
        // The last bytes are looked at together with some before them.
        if !rest.is_empty() {
            self.0.push(quotes(simd, last, &mut odd) >> (STEP - rest.len()));
        }
        self.0.push(0);
        odd == 0
    }

    /// The first at `from` or behind it.
    #[inline(always)]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let (mut index, passed) = (from / STEP, from % STEP);
        // A whole step from there on: most values end in it, in whichever word.
        let [word, after] = *self.0.get(index..)?.first_chunk()?;
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

/// The quotes among some bytes; what no layout is for is added to `odd`.
#[inline(always)]
fn quotes<S: Simd>(simd: S, bytes: &[u8; STEP], odd: &mut u64) -> u64 {
    let bytes = u8x64::from_slice(simd, bytes);
    *odd |= (bytes.simd_eq(b'\\') | bytes.simd_lt(b' ')).to_bitmask();
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
                    prop_assert_eq!(quotes.next(from), expect(from));
                }
            }
            if let Some(odd) = odd {
                line.insert(at.index(line.len() + 1), odd as u8);
                prop_assert!(!find(&mut quotes, &line));
            }
        }
    }
}
