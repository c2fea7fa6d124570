//! Bytes to lines. Pure; nothing is kept but whether we are inside a line that is too long.
//!
//! Zeros before a line are no part of it: nobody wrote them. A writer without `O_APPEND` leaves such a hole where its
//! file was cut, and a machine that loses power where it had made a file longer and not yet written to it.

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

/// Lines of one file in their order, handed on at once: what is the same for all of them is done once. Who takes them
/// takes all; those left would be lost.
#[derive(Debug)]
pub struct Lines<'a> {
    data: &'a [u8],
    ends: memchr::Memchr<'a>,
    /// Where the next one begins.
    start: usize,
    limit: usize,
    /// The beginning of the next one was passed over.
    skipping: bool,
    /// Given after those in `data`.
    last: Option<Line<'a>>,
}

impl<'a> Lines<'a> {
    /// A single one.
    pub fn one(line: Line<'a>) -> Self {
        Self {
            last: Some(line),
            ..Self::complete(b"", 0, false)
        }
    }

    fn complete(data: &'a [u8], limit: usize, skipping: bool) -> Self {
        Self {
            data,
            ends: memchr::memchr_iter(b'\n', data),
            start: 0,
            limit,
            skipping,
            last: None,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let Some(end) = self.ends.next() else {
            return self.last.take();
        };
        let mut line = &self.data[self.start..end];
        self.start = end + 1;
        if line.first() == Some(&0) {
            line = &line[zeros_before(line)..];
        }
        let too_long = std::mem::take(&mut self.skipping) || line.len() > self.limit;
        Some(if too_long {
            Line::TooLong
        } else {
            Line::Complete(line)
        })
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
        sink(Lines::complete(&data[..start], limit, std::mem::take(skipping)));
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
                seen.extend(lines.map(|line| match line {
                    Line::Complete(bytes) => bytes.escape_ascii().to_string(),
                    Line::TooLong => "TOO LONG".into(),
                    Line::Unfinished(_) => "UNFINISHED".into(),
                }));
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

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            data in prop::collection::vec(prop::sample::select(b"ab\n\0".to_vec()), 0..60), cuts: Vec<prop::sample::Index>,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).chain([0, data.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &data[cut[0]..cut[1]]).collect();
            prop_assert_eq!(lines(&chunks), lines(&[&data]));
        }
    }
}
