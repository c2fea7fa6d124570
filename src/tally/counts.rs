//! The two shapes of a count: requests by code, and durations by bucket.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

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

/// Counts by status code: few distinct codes, so a short list searched from the front. Zeros are not saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCounts(#[serde(serialize_with = "counted")] Vec<(Code, u64)>);

fn counted<S: Serializer>(codes: &[(Code, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.iter().filter(|(_, count)| *count > 0))
}

impl CodeCounts {
    /// These codes at zero.
    pub fn zeros(codes: &[Code]) -> Self {
        Self(codes.iter().map(|code| (*code, 0)).collect())
    }

    /// Counts one; under [`Code::OTHER`] where a new series has no room.
    #[inline]
    pub fn add(&mut self, code: Code, room: &mut Room) {
        match self.0.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None if room.take() => self.0.push((code, 1)),
            None => *self.slot(Code::OTHER) += 1,
        }
    }

    /// Adds another's counts to these. What was a series stays one, even beyond the room.
    pub fn merge(&mut self, other: &Self, room: &mut Room) {
        for (code, count) in &other.0 {
            let before = self.0.len();
            *self.slot(*code) += count;
            room.left = room.left.saturating_sub(self.0.len() - before);
        }
    }

    /// How many codes there are.
    pub(super) fn series(&self) -> usize {
        self.0.len()
    }

    /// Every code with its count, in order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        let mut codes = Cow::Borrowed(&*self.0);
        if !codes.is_sorted() {
            codes.to_mut().sort_unstable();
        }
        (0..codes.len()).map(move |index| codes[index])
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn slot(&mut self, code: Code) -> &mut u64 {
        let index = self
            .0
            .iter()
            .position(|(known, _)| *known == code)
            .unwrap_or_else(|| {
                self.0.push((code, 0));
                self.0.len() - 1
            });
        &mut self.0[index].1
    }
}

/// A histogram of durations. Its edges are kept once, outside, since all histograms share them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Observations per bucket, not cumulative; `counts.len() == edges.len() + 1`, the last is `+Inf`. Zeros at the end are
    /// not saved: what was saved is to be taken over by [`Histogram::with_edges`].
    #[serde(serialize_with = "up_to_the_last")]
    counts: Box<[u64]>,
    /// Nanoseconds. 128 bits, because a hostile log of day-long requests would overflow 64 within minutes.
    sum: u128,
}

fn up_to_the_last<S: Serializer>(counts: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    let used = counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or(0, |last| last + 1);
    serializer.collect_seq(&counts[..used])
}

impl Histogram {
    /// An empty histogram over so many edges.
    pub fn new(edges: usize) -> Self {
        Self {
            counts: vec![0; edges + 1].into(),
            sum: 0,
        }
    }

    /// Counts one duration: in the first bucket whose edge it does not exceed, which is returned.
    pub fn observe(&mut self, edges: &[Nanos], duration: Nanos) -> usize {
        debug_assert_eq!(self.counts.len(), edges.len() + 1);
        let bucket = edges.partition_point(|edge| *edge < duration);
        self.counts[bucket] += 1;
        self.sum += u128::from(duration);
        bucket
    }

    /// Observations per bucket, not cumulative, `+Inf` last.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all durations in seconds.
    pub fn sum_seconds(&self) -> f64 {
        let (seconds, nanos) = (self.sum / 1_000_000_000, self.sum % 1_000_000_000);
        seconds as f64 + nanos as f64 / 1e9
    }

    /// The same observations over other edges. Where an edge is new, what lay around it is taken to lie above:
    /// its cumulative count is its lower neighbour's, so no bucket ever claims more than was measured.
    #[must_use]
    pub fn with_edges(&self, old: &[Nanos], new: &[Nanos]) -> Self {
        let mut moved = Self {
            sum: self.sum,
            ..Self::new(new.len())
        };
        for (index, count) in self.counts.iter().enumerate() {
            let bucket = old
                .get(index)
                .map_or(new.len(), |edge| new.partition_point(|other| other < edge));
            moved.counts[bucket] += count;
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
        let mut codes = CodeCounts::zeros(&[Code::new(200)]);
        let mut room = Room::new(1);
        for status in [200, 404, 404, 418, 418, 200] {
            codes.add(Code::new(status), &mut room);
        }
        let seen: Vec<_> = codes
            .iter()
            .map(|(code, count)| (code.to_string(), count))
            .collect();
        assert_eq!(seen, [("other".into(), 2), ("200".into(), 2), ("404".into(), 2)]);
        assert_eq!(room.hits, 2);
    }

    #[test]
    fn edges_are_inclusive() {
        let edges = [10, 20];
        let mut histogram = Histogram::new(edges.len());
        for duration in [0, 10, 11, 20, 21, u64::MAX] {
            histogram.observe(&edges, duration);
        }
        assert_eq!(histogram.counts(), [2, 2, 2]);
    }

    #[test]
    fn a_new_edge_takes_its_lower_neighbours_count() {
        let mut histogram = Histogram::new(2);
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
            let mut histogram = Histogram::new(old.len());
            let mut exact = Histogram::new(new.len());
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
