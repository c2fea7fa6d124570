//! Bytes to lines. Pure; nothing is kept but whether we are inside a line that is too long.
//!
//! Zeros before a line are no part of it: nobody wrote them. A writer without `O_APPEND` leaves such a hole where its
//! file was cut, and a machine that loses power where it had made a file longer and not yet written to it.

use std::mem;

use fearless_simd::{Level, Simd, SimdBase, SimdMask, dispatch, u8x64};

/// What the tailer hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A complete line, without its newline.
    Complete(&'a [u8]),
    /// A line over the limit; its bytes were passed over.
    TooLong,
    /// What a finished file holds after its last newline.
    Unfinished(&'a [u8]),
}

/// Lines of one file in their order, handed on at once: what is the same for all of them is done once.
#[derive(Debug)]
pub struct Lines<'a> {
    /// Complete lines.
    data: &'a [u8],
    limit: usize,
    /// The beginning of the first one was passed over.
    skipping: bool,
    /// Given after those in `data`.
    last: Option<Line<'a>>,
}

/// Bytes looked at in one step, a bit for each.
const STEP: usize = u64::BITS as usize;

impl<'a> Lines<'a> {
    /// A single one.
    pub fn one(line: Line<'a>) -> Self {
        Self {
            data: b"",
            limit: 0,
            skipping: false,
            last: Some(line),
        }
    }

    /// Gives each to `with`.
    pub fn each(self, with: impl FnMut(Line<'a>)) {
        dispatch!(Level::new(), simd => self.each_with(simd, with));
    }

    /// The same with known vectors.
    #[inline(always)]
    pub(crate) fn each_with<S: Simd>(self, simd: S, mut with: impl FnMut(Line<'a>)) {
        let mut ends = Ends::new(self.data);
        let (mut start, mut skipping) = (0, self.skipping);
        while ends.find(simd) {
            for &end in ends.found() {
                let line = without_zeros(&self.data[start..end]);
                start = end + 1;
                let too_long = mem::take(&mut skipping) || line.len() > self.limit;
                with(if too_long {
                    Line::TooLong
                } else {
                    Line::Complete(line)
                });
            }
        }
        if let Some(line) = self.last {
            with(line);
        }
    }
}

/// Where lines end, found some at a time: many may end in one step, and no byte is looked at twice.
struct Ends<'a> {
    data: &'a [u8],
    /// Looked at up to here.
    at: usize,
    found: [usize; 2 * STEP],
    count: usize,
}

impl<'a> Ends<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            found: [0; 2 * STEP],
            count: 0,
        }
    }

    fn found(&self) -> &[usize] {
        &self.found[..self.count]
    }

    /// Finds some more, unless there are none.
    #[inline(always)]
    fn find<S: Simd>(&mut self, simd: S) -> bool {
        simd.vectorize(
            #[inline(always)]
            || {
                let (mut at, mut count) = (self.at, 0);
                while at < self.data.len() && count < STEP {
                    let mut ends = match self.data[at..].first_chunk() {
                        Some(bytes) => newlines(simd, bytes),
                        None => newlines(simd, &padded(&self.data[at..])),
                    };
                    while ends != 0 {
                        self.found[count] = at + ends.trailing_zeros() as usize;
                        ends &= ends - 1;
                        count += 1;
                    }
                    at += STEP;
                }
                (self.at, self.count) = (at, count);
                count > 0
            },
        )
    }
}

/// A bit for each newline.
#[inline(always)]
fn newlines<S: Simd>(simd: S, bytes: &[u8; STEP]) -> u64 {
    u8x64::from_slice(simd, bytes).simd_eq(b'\n').to_bitmask()
}

fn padded(rest: &[u8]) -> [u8; STEP] {
    let mut bytes = [0; STEP];
    bytes[..rest.len()].copy_from_slice(rest);
    bytes
}

/// What somebody wrote of a line.
#[inline(always)]
fn without_zeros(line: &[u8]) -> &[u8] {
    if line.first() == Some(&0) {
        &line[zeros_before(line)..]
    } else {
        line
    }
}

fn zeros_before(line: &[u8]) -> usize {
    line.iter().position(|byte| *byte != 0).unwrap_or(line.len())
}

/// Gives the complete lines in `data` to `sink` and returns how many bytes are done with. What is left is an
/// unfinished line of at most `limit` bytes, to be offered again with more behind it.
///
/// `skipping` is true inside a line whose beginning was passed over because it is over `limit`; such a line is
/// reported once, when its newline comes.
pub fn split(data: &[u8], limit: usize, skipping: &mut bool, sink: &mut dyn FnMut(Lines<'_>)) -> usize {
    let mut start = memchr::memrchr(b'\n', data).map_or(0, |last| last + 1);
    if start > 0 {
        sink(Lines {
            data: &data[..start],
            limit,
            skipping: mem::take(skipping),
            last: None,
        });
    }
    if !*skipping {
        start += zeros_before(&data[start..]);
    }
    if *skipping || data.len() - start > limit {
        *skipping = true;
        start = data.len();
    }
    start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 4;

    /// Feeds `chunks` as a file that grows, offering again what was left.
    fn lines(chunks: &[&[u8]]) -> (Vec<String>, usize) {
        let (mut seen, mut pending, mut skipping) = (vec![], vec![], false);
        for chunk in chunks {
            pending.extend_from_slice(chunk);
            let done = split(&pending, LIMIT, &mut skipping, &mut |lines| {
                lines.each(|line| {
                    seen.push(match line {
                        Line::Complete(bytes) => bytes.escape_ascii().to_string(),
                        Line::TooLong => "TOO LONG".into(),
                        Line::Unfinished(_) => "UNFINISHED".into(),
                    });
                });
            });
            pending.drain(..done);
        }
        (seen, pending.len())
    }

    #[track_caller]
    fn check(input: &str, expect: &[&str], left: usize) {
        let expect = expect.iter().map(ToString::to_string).collect();
        assert_eq!(lines(&[input.as_bytes()]), (expect, left), "{input:?}");
    }

    #[test]
    fn lines_and_what_is_left() {
        check("", &[], 0);
        check("ab", &[], 2);
        check("ab\n", &["ab"], 0);
        check("ab\ncd", &["ab"], 2);
        check("\n\n", &["", ""], 0);
        check("abcd\nabcde\nx\n", &["abcd", "TOO LONG", "x"], 0);
        check("abcde", &[], 0);
        check("abcd", &[], 4);
    }

    #[test]
    fn zeros_are_a_part_of_a_line_only_inside_it() {
        check("\0\0ab\n\0cd\n", &["ab", "cd"], 0);
        check("ab\n\0\0\0\0\0", &["ab"], 0);
        check("\0\0\0\0\0abcd\n", &["abcd"], 0);
        check("\0\n", &[""], 0);
        check("a\0b\n", &[r"a\x00b"], 0);
        check("\0abcde\n\0f\n", &["TOO LONG", "f"], 0);
    }

    /// What is between newlines, told in the plainest way.
    fn plainly(data: &[u8]) -> Vec<String> {
        let mut lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
        lines.pop();
        let said = |line: &[u8]| match &line[zeros_before(line)..] {
            line if line.len() > LIMIT => "TOO LONG".into(),
            line => line.escape_ascii().to_string(),
        };
        lines.into_iter().map(said).collect()
    }

    proptest! {
        #[test]
        fn as_many_lines_as_newlines(
            // As many in one step as it has bytes, and steps without any.
            data in prop::collection::vec(prop_oneof![Just(vec![b'\n']), Just(b"ab\n".to_vec()), "a{1,200}".prop_map(Vec::from)], 0..300),
        ) {
            let data = data.concat();
            prop_assert_eq!(lines(&[&data]).0, plainly(&data));
        }

        #[test]
        fn any_chunking_gives_the_same_lines(
            data in prop::collection::vec(prop::sample::select(b"ab\n\0".to_vec()), 0..200), cuts: Vec<prop::sample::Index>,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).chain([0, data.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &data[cut[0]..cut[1]]).collect();
            prop_assert_eq!(lines(&chunks), lines(&[&data]));
            prop_assert_eq!(lines(&chunks).0, plainly(&data));
        }
    }
}
