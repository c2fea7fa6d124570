//! What lines taught about the lines after them. It makes decoding faster and changes nothing else.

use fearless_simd::{Level as Cpu, Simd};

use super::layout::{Found, Layout, NONE_FOUND, Quotes, Values};
use super::{number, time};
use crate::record::{Level, UnixMillis};
use crate::words;

/// Layouts kept. Optional parts make some; beyond that the lines are too different for this to help.
const LAYOUTS: usize = 4;

/// Lines kept of which only the time stamp changes: one for each process whose log is read.
const REPEATED: usize = 4;

/// Longest of these.
const REPEATED_BYTES: usize = 16 * 1024;

/// Longest time stamp that is remembered.
const TIME_BYTES: usize = 40;

/// What lines of one log have in common. Bounded, whatever they are.
#[derive(Debug)]
pub struct Learned {
    cpu: Cpu,
    /// The likeliest first.
    layouts: Vec<(Of, Layout)>,
    /// Of the line at hand.
    quotes: Quotes,
    /// Of the line at hand.
    found: Found,
    /// The likeliest first.
    repeated: Vec<Repeated>,
    time: LastTime,
}

/// What lines a layout is of: what one format accepts, another may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    App,
    Json,
    Combined,
}

/// A line that comes again and again, but for its time stamp.
#[derive(Debug)]
struct Repeated {
    before: Box<[u8]>,
    after: Box<[u8]>,
    level: Level,
}

/// The last time stamp: it is the next line's too, more often than not, or of the same second.
#[derive(Debug, Default)]
pub(super) struct LastTime {
    text: Vec<u8>,
    time: Option<UnixMillis>,
    /// When its second began, where it has milliseconds.
    second: Option<UnixMillis>,
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            cpu: Cpu::new(),
            layouts: vec![],
            quotes: Quotes::default(),
            found: NONE_FOUND,
            repeated: vec![],
            time: LastTime::default(),
        }
    }
}

impl Learned {
    /// The vectors this processor has.
    pub(crate) fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// The values of a line in a known layout, and what its time stamp is to be read with.
    #[inline(always)]
    pub(super) fn find<'l, 'a, S: Simd>(
        &'l mut self,
        simd: S,
        of: Of,
        line: &'a [u8],
    ) -> Option<(Values<'l, 'a>, &'l mut LastTime)> {
        let index = place(simd, &self.layouts, of, line, &mut self.quotes, &mut self.found)?;
        let likelier = index.saturating_sub(1);
        if likelier < index {
            self.layouts.swap(index, likelier);
        }
        let (_, layout) = &self.layouts[likelier];
        Some((Values::new(layout, line, &self.found), &mut self.time))
    }

    /// Keeps a layout in place of the least likely one.
    pub(super) fn learn(&mut self, of: Of, layout: Option<Layout>) {
        let Some(layout) = layout else { return };
        self.layouts.truncate(LAYOUTS - 1);
        self.layouts.push((of, layout));
    }

    /// Level and time stamp of a line that differs in nothing but the latter from one told to [`repeats`](Self::repeats).
    #[inline]
    pub(super) fn repeated(&mut self, line: &[u8]) -> Option<(Level, UnixMillis)> {
        let stamp = |known: &Repeated| {
            let rest = line.strip_prefix(&*known.before)?;
            Some((known.level, rest.strip_suffix(&*known.after)?))
        };
        let mut known = self.repeated.iter().map(stamp).enumerate();
        let (index, (level, text)) = known.find_map(|(index, stamp)| Some((index, stamp?)))?;
        if index > 0 {
            self.repeated.swap(index, index - 1);
        }
        // Text that is no time stamp might be more than one value.
        Some((level, self.time.parse(text)?))
    }

    /// Keeps a line of which only the time stamp, a part of it, is of interest.
    pub(super) fn repeats(&mut self, level: Level, before: &[u8], after: &[u8]) {
        if before.len() + after.len() > REPEATED_BYTES {
            return;
        }
        self.repeated.truncate(REPEATED - 1);
        self.repeated.push(Repeated {
            before: before.into(),
            after: after.into(),
            level,
        });
    }
}

/// The place of the first layout that a line has.
#[inline(always)]
fn place<S: Simd>(
    simd: S,
    layouts: &[(Of, Layout)],
    of: Of,
    line: &[u8],
    quotes: &mut Quotes,
    found: &mut Found,
) -> Option<usize> {
    if layouts.is_empty() || !quotes.find(simd, line) {
        return None;
    }
    for (index, (own, layout)) in layouts.iter().enumerate() {
        if *own == of && layout.find(simd, line, quotes, found) {
            return Some(index);
        }
    }
    None
}

/// Up to the point before the milliseconds: `2023-12-02T11:16:47.`
const TO_THE_SECOND: usize = 20;

/// `381`
const MILLIS: usize = 3;

impl LastTime {
    /// Reads a time stamp.
    #[inline]
    pub(super) fn parse(&mut self, text: &[u8]) -> Option<UnixMillis> {
        if let Some(time) = self.same_second(text) {
            return Some(time);
        }
        if words::same(&self.text, text) {
            return self.time;
        }
        let time = time::parse(text);
        self.text.clear();
        self.time = time.filter(|_| text.len() <= TIME_BYTES);
        if self.time.is_some() {
            self.text.extend_from_slice(text);
        }
        self.second = self.time.and_then(|time| Some(time - second_and_millis(text)?.1));
        time
    }

    /// The same, for stamps of whole seconds, most of which are the last one again.
    #[inline(always)]
    pub(super) fn parse_seconds(&mut self, text: &[u8]) -> Option<UnixMillis> {
        if words::same(&self.text, text) {
            return self.time;
        }
        self.parse(text)
    }

    /// The time stamp where it differs from the last one in nothing but its milliseconds.
    #[inline]
    fn same_second(&self, text: &[u8]) -> Option<UnixMillis> {
        let second = self.second?;
        let ([to_the_second, zone], millis) = second_and_millis(text)?;
        let (last, rest) = self.text.split_at_checked(TO_THE_SECOND)?;
        let same = words::same(last, to_the_second) && words::same(rest.get(MILLIS..)?, zone);
        same.then_some(second + millis)
    }
}

/// What is around the milliseconds of a time stamp, and these.
#[inline]
fn second_and_millis(text: &[u8]) -> Option<([&[u8]; 2], i64)> {
    let (second, rest) = text.split_at_checked(TO_THE_SECOND)?;
    let (millis, zone) = rest.split_first_chunk::<MILLIS>()?;
    let millis = number::together(*millis)?;
    let more = zone.first().is_none_or(u8::is_ascii_digit);
    (second.ends_with(b".") && !more).then_some(([second, zone], millis.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stamp_is_read_as_if_it_were_the_first() {
        let mut last = LastTime::default();
        for text in [
            "2023-12-02T11:16:47.381+0500",
            "2023-12-02T11:16:47.381+0500",
            "2023-12-02T11:16:47.999+0500",
            "2023-12-02T11:16:47.000+0500",
            "2023-12-02T11:16:47.381+0300",
            "2023-12-02T11:16:48.381+0300",
            "2023-12-02T11:16:48.38+0300",
            "2023-12-02T11:16:48.3811+0300",
            "2023-12-02T11:16:48.x81+0300",
            "2023-12-02T11:16:48.381Z",
            "2023-12-02T11:16:48.382Z",
            "2023-12-02T11:16:48.382",
            "2023-12-02T11:16:48.383",
            "2023-12-02T11:16:48Z",
            "nothing",
            "2023-12-02T11:16:48.383Z",
        ] {
            assert_eq!(
                last.parse(text.as_bytes()),
                time::parse(text.as_bytes()),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn stamps_in_any_order_are_read_alike(
            texts in prop::collection::vec(
                "2023-12-02[T ]11:16:4[78](\\.[0-9]{2,4})?(Z|\\+0[35]:?00)?|2[89]/Nov/2023:22:24:44 \\+0[01]00|17015126[0-9]{2}(\\.[0-9]{3})?",
                0..20,
            ),
        ) {
            let (mut any, mut seconds) = (LastTime::default(), LastTime::default());
            for text in &texts {
                let time = time::parse(text.as_bytes());
                prop_assert_eq!(any.parse(text.as_bytes()), time, "{}", text);
                prop_assert_eq!(seconds.parse_seconds(text.as_bytes()), time, "{}", text);
            }
        }
    }
}
