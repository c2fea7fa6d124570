//! A ring of intervals of one length, for all series.

use std::collections::{BTreeMap, VecDeque};

use super::packed::{Packed, Slot};
use super::sheet::{Key, Sheet};
use crate::record::UnixMillis;

/// Intervals follow each other without a hole: one that nobody recorded is part of the next one, which is longer then.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tier {
    /// Length of a slot.
    pub(super) step: UnixMillis,
    /// How many slots are kept.
    keep: Slot,
    /// How many bytes the series may take.
    budget: usize,
    /// Where intervals end, ascending; the first is where the first interval begins.
    pub(super) ends: VecDeque<Slot>,
    pub(super) series: BTreeMap<Key, Packed>,
    /// How often something was forgotten before its time, for want of room.
    pub(super) cut_short: u64,
}

/// What a series rose by in each of some stretches of time; inside, by cell.
pub(super) type Bins = Vec<Vec<u64>>;

impl Tier {
    pub(super) fn new(step: UnixMillis, keep: Slot, budget: usize) -> Self {
        Self {
            step,
            keep,
            budget,
            ends: VecDeque::new(),
            series: BTreeMap::new(),
            cut_short: 0,
        }
    }

    /// The slot an instant lies in.
    pub(super) fn slot(&self, time: UnixMillis) -> Slot {
        Slot::try_from(time / self.step).unwrap_or_default()
    }

    /// Where the oldest interval begins.
    pub(super) fn begin(&self) -> Option<Slot> {
        self.ends.front().copied()
    }

    /// Where the newest interval ends.
    pub(super) fn end(&self) -> Option<Slot> {
        self.ends.back().copied()
    }

    /// Adds the interval from the last one's end to this one; forgets what is too old or too much.
    pub(super) fn push(&mut self, end: Slot, rises: &Sheet) {
        self.ends.push_back(end);
        for (key, cells) in rises {
            if cells.iter().any(|cell| *cell > 0) {
                self.series.entry(key.clone()).or_default().push(end, cells);
            }
        }
        self.forget(end.saturating_sub(self.keep));
        while self.bytes() > self.budget {
            let Some(oldest) = self.ends.get(1 + self.ends.len() / 16).copied() else {
                break;
            };
            self.forget(oldest);
            self.cut_short += 1;
        }
    }

    /// Bytes the series take.
    pub(super) fn bytes(&self) -> usize {
        self.series.values().map(Packed::len).sum()
    }

    /// What a series rose by between each two neighbours of `bounds`, ascending slots. What lies in an interval longer
    /// than a slot is taken to be spread over it evenly.
    pub(super) fn bins(&self, key: &Key, bounds: &[Slot], width: usize) -> Bins {
        let mut bins = vec![vec![0; width]; bounds.len().saturating_sub(1)];
        let (Some(packed), Some(first)) = (self.series.get(key), bounds.first()) else {
            return bins;
        };
        let (mut entries, mut cells) = (packed.entries(), vec![]);
        while let Some(end) = entries.next(&mut cells) {
            if end <= *first {
                continue;
            }
            let begin = self.begin_of(end);
            let length = u128::from(end - begin);
            for (bin, bound) in bins.iter_mut().zip(bounds.windows(2)) {
                let (from, to) = (bound[0].clamp(begin, end), bound[1].clamp(begin, end));
                if from == to {
                    continue;
                }
                for (cell, value) in cells.iter().filter(|(cell, _)| *cell < width) {
                    let up_to = |slot: Slot| u128::from(*value) * u128::from(slot - begin) / length;
                    bin[*cell] += u64::try_from(up_to(to) - up_to(from)).unwrap_or(u64::MAX);
                }
            }
        }
        bins
    }

    /// Where the interval that ends here begins.
    fn begin_of(&self, end: Slot) -> Slot {
        let index = self.ends.partition_point(|other| *other < end);
        let before = index.checked_sub(1).and_then(|index| self.ends.get(index));
        before.copied().unwrap_or(end.saturating_sub(1)).min(end - 1)
    }

    fn forget(&mut self, up_to: Slot) {
        let gone = self.ends.partition_point(|end| *end <= up_to).saturating_sub(1);
        if gone == 0 {
            return;
        }
        self.ends.drain(..gone);
        let begin = self.ends.front().copied().unwrap_or_default();
        self.series.retain(|_, packed| {
            packed.forget(begin);
            packed.len() > 0
        });
    }
}
