//! The two shapes of a count: requests by code, and durations by bucket.

use std::iter;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::{Code, Nanos};

/// How many series may still be made, and how often there was no room for one (`limits.series`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    left: usize,
    /// Counts that went to `other` for want of room.
    pub hits: u64,
}

impl Room {
    /// Room for so many more series.
    pub fn new(left: usize) -> Self {
        Self { left, hits: 0 }
    }

    /// Series that are gone make room.
    pub(super) fn give_back(&mut self, series: usize) {
        self.left = self.left.saturating_add(series);
    }

    /// Takes room for so many series at once, or none.
    pub fn reserve(&mut self, series: usize) -> bool {
        let left = self.left.checked_sub(series);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn take(&mut self) -> bool {
        let taken = self.reserve(1);
        self.hits += u64::from(!taken);
        taken
    }
}

/// Counts by status code. Few distinct codes: a short list, searched from the front.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeCounts {
    /// Ascending. Lists that count nothing need no memory of their own, and most do not: every pass copies all of them.
    counted: Vec<(Code, u64)>,
    /// Codes that are a series before they are seen, ascending; they take no room.
    #[serde(skip)]
    zeros: Arc<[Code]>,
}

impl CodeCounts {
    /// These codes, ascending, at zero.
    pub fn zeros(codes: &Arc<[Code]>) -> Self {
        Self {
            counted: vec![],
            zeros: Arc::clone(codes),
        }
    }

    /// Counts one; under [`Code::OTHER`] where a new series has no room.
    #[inline]
    pub fn add(&mut self, code: Code, room: &mut Room) {
        match self.counted.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None if self.zeros.contains(&code) || room.take() => *self.slot(code) += 1,
            None => *self.slot(Code::OTHER) += 1,
        }
    }

    /// Adds another's counts to these. What was counted stays a series, even beyond the room.
    pub fn merge(&mut self, other: &Self, room: &mut Room) {
        for (code, count) in &other.counted {
            let before = self.series();
            *self.slot(*code) += count;
            room.left = room.left.saturating_sub(self.series() - before);
        }
    }

    /// How many codes there are.
    pub(super) fn series(&self) -> usize {
        self.iter().count()
    }

    /// Every code with its count, in order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        let mut counted = self.counted.iter().copied().peekable();
        let mut zeros = self.zeros.iter().copied().peekable();
        iter::from_fn(move || match (zeros.peek(), counted.peek()) {
            (Some(zero), Some((code, _))) if zero < code => zeros.next().map(|zero| (zero, 0)),
            (Some(_), None) => zeros.next().map(|zero| (zero, 0)),
            (_, next) => {
                zeros.next_if(|zero| next.is_some_and(|(code, _)| code == zero));
                counted.next()
            }
        })
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.counted.iter().map(|(_, count)| count).sum()
    }

    fn slot(&mut self, code: Code) -> &mut u64 {
        let known = self.counted.binary_search_by_key(&code, |(code, _)| *code);
        let index = known.unwrap_or_else(|index| {
            self.counted.insert(index, (code, 0));
            index
        });
        &mut self.counted[index].1
    }
}

/// A histogram of durations. Its edges are kept once, outside, since all histograms share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Observations per bucket, not cumulative, up to the last bucket with one: most histograms, those of errors say, have
    /// none.
    counts: Vec<u64>,
    /// Nanoseconds. 128 bits, because a hostile log of day-long requests would overflow 64 within minutes.
    sum: u128,
}

impl Histogram {
    /// Counts one duration: in the first bucket whose edge it does not exceed, which is returned.
    pub fn observe(&mut self, edges: &[Nanos], duration: Nanos) -> usize {
        let bucket = edges.partition_point(|edge| *edge < duration);
        *self.slot(bucket) += 1;
        self.sum += u128::from(duration);
        bucket
    }

    /// Observations per bucket, not cumulative, up to the last bucket with one; `+Inf` follows the last edge.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    #[inline]
    fn slot(&mut self, bucket: usize) -> &mut u64 {
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        &mut self.counts[bucket]
    }

    /// Observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all durations in seconds.
    pub fn sum_seconds(&self) -> f64 {
        // In one division: a sum of two floats shows digits that were never counted.
        self.sum as f64 / 1e9
    }

    /// The same observations over other edges. Where an edge is new, what lay around it is taken to lie above:
    /// its cumulative count is its lower neighbour's, so no bucket ever claims more than was measured.
    #[must_use]
    pub fn with_edges(&self, old: &[Nanos], new: &[Nanos]) -> Self {
        let mut moved = Self {
            sum: self.sum,
            ..Self::default()
        };
        for (index, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bucket = old
                .get(index)
                .map_or(new.len(), |edge| new.partition_point(|other| other < edge));
            *moved.slot(bucket) += count;
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_keep_within_their_room() {
        let mut codes = CodeCounts::zeros(&[200, 500].map(Code::new).into());
        let mut room = Room::new(1);
        for status in [404, 200, 404, 418, 418, 200] {
            codes.add(Code::new(status), &mut room);
        }
        let seen: Vec<_> = codes
            .iter()
            .map(|(code, count)| (code.to_string(), count))
            .collect();
        let expected = [("other", 2), ("200", 2), ("404", 2), ("500", 0)];
        assert_eq!(seen, expected.map(|(code, count)| (code.to_owned(), count)));
        assert_eq!((codes.series(), codes.total()), (4, 6));
        assert_eq!(room.hits, 2);
    }

    #[test]
    fn edges_are_inclusive() {
        let edges = [10, 20];
        let mut histogram = Histogram::default();
        for duration in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.observe(&edges, duration);
        }
        assert_eq!(histogram.counts(), [2, 2, 2]);
    }

    #[test]
    fn a_new_edge_takes_its_lower_neighbours_count() {
        let mut histogram = Histogram::default();
        for duration in [5, 15, 15, 25] {
            histogram.observe(&[10, 20], duration);
        }
        assert_eq!(
            histogram.with_edges(&[10, 20], &[10, 15, 20]).counts(),
            [1, 0, 2, 1]
        );
        assert_eq!(histogram.with_edges(&[10, 20], &[20]).counts(), [3, 1]);
        assert_eq!(histogram.with_edges(&[10, 20], &[]).counts(), [4]);
    }

    proptest! {
        #[test]
        fn moving_edges_keeps_count_and_sum(
            durations: Vec<u32>, old in prop::collection::btree_set(0u64..5_000_000_000, 0..6),
            new in prop::collection::btree_set(0u64..5_000_000_000, 0..6),
        ) {
            let (old, new): (Vec<_>, Vec<_>) = (old.into_iter().collect(), new.into_iter().collect());
            let (mut histogram, mut exact) = (Histogram::default(), Histogram::default());
            for duration in &durations {
                histogram.observe(&old, u64::from(*duration));
                exact.observe(&new, u64::from(*duration));
            }
            let moved = histogram.with_edges(&old, &new);
            let saved = serde_json::to_value(&histogram).unwrap();
            let restored: Histogram = serde_json::from_value(saved).unwrap();
            prop_assert_eq!(&restored.with_edges(&old, &new), &moved);
            prop_assert_eq!(moved.count(), durations.len() as u64);
            prop_assert_eq!(moved.sum_seconds(), histogram.sum_seconds());
            // Never claims a request was faster than was measured.
            let cumulative = |h: &Histogram| h.counts().iter().scan(0, |sum, n| { *sum += n; Some(*sum) }).collect::<Vec<u64>>();
            for (claimed, truth) in cumulative(&moved).iter().zip(cumulative(&exact)) {
                prop_assert!(*claimed <= truth);
            }
        }
    }
}
