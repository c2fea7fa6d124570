//! The end of a line: proxies put their times there, and most of them have one digit before the point and three behind it.
//! So all of it has the same length in most lines, and is compared in one step.

use fearless_simd::{Simd, SimdBase, SimdMask, u8x64};

use super::{Found, Kind, Literal, NOTHING, Part};

/// Bytes looked at in one step.
const WIDTH: usize = 64;

/// Fewer values are found as fast one by one.
const LEAST_PARTS: usize = 2;

/// The last values of a line where all have their usual length, with the text around them.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// The least each byte may be.
    least: [u8; WIDTH],
    /// How much more it may be: nothing for text, nine for a digit, anything for what is before.
    slack: [u8; WIDTH],
    length: usize,
    /// Places of the values of interest, and how far before the line's end they begin; all are as long.
    values: Vec<(u8, usize)>,
    /// How many parts of a line these are.
    pub(super) parts: usize,
}

/// `0.123`: the least of each byte, and how much more it may be.
const USUAL: [(u8, u8); 5] = [(b'0', 9), (b'.', 0), (b'0', 9), (b'0', 9), (b'0', 9)];

impl Ending {
    /// Of as many of the last parts as fit into one step, each with its value in the line that is learned from; `None` where
    /// that spares nothing.
    pub(super) fn new(parts: &[(Part, &[u8])], end: &Literal) -> Option<Self> {
        let same = |text: &[u8]| text.iter().map(|byte| (*byte, 0)).collect::<Vec<_>>();
        let (mut text, mut values, mut count) = (same(end.text()), vec![], 0);
        for (part, value) in parts.iter().rev() {
            let longer = [&*same(part.before.text()), &USUAL, &text].concat();
            if longer.len() > WIDTH || !is_usual(part.kind, value) {
                break;
            }
            if part.place != NOTHING {
                values.push((part.place, text.len() + USUAL.len()));
            }
            (text, count) = (longer, count + 1);
        }
        let (mut least, mut slack) = ([0; WIDTH], [u8::MAX; WIDTH]);
        // No value is before an end that is longer.
        let own = least
            .iter_mut()
            .zip(&mut slack)
            .skip(WIDTH.saturating_sub(text.len()));
        for ((least, slack), byte) in own.zip(&text) {
            (*least, *slack) = *byte;
        }
        (count >= LEAST_PARTS).then_some(Self {
            least,
            slack,
            length: text.len(),
            values,
            parts: count,
        })
    }

    /// Where it begins in a line that ends in it; its values are kept in `found`.
    #[inline(always)]
    pub(super) fn begin<S: Simd>(&self, simd: S, line: &[u8], found: &mut Found) -> Option<usize> {
        let bytes = line.last_chunk::<WIDTH>()?;
        let more = u8x64::from_slice(simd, bytes) - u8x64::from_slice(simd, &self.least);
        if !more.simd_le(u8x64::from_slice(simd, &self.slack)).all_true() {
            return None;
        }
        for (place, before_end) in &self.values {
            let begin = line.len().saturating_sub(*before_end);
            found[usize::from(*place)] = (begin, begin + USUAL.len());
        }
        line.len().checked_sub(self.length)
    }
}

fn is_usual(kind: Kind, value: &[u8]) -> bool {
    let fits = |(byte, (least, more)): (&u8, &(u8, u8))| byte.wrapping_sub(*least) <= *more;
    let numbers = matches!(kind, Kind::Quoted | Kind::Number);
    numbers && value.len() == USUAL.len() && value.iter().zip(&USUAL).all(fits)
}
