//! The nodes behind the proxy: the one label that comes from a line's text, so it is bounded and forgotten.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CodeCounts, Histogram, Room};
use crate::record::{Attempt, Code, Nanos, UnixMillis};
use crate::words;

/// An upstream nobody tried for this long is dropped; a restarted container has a new address every time.
pub(super) const FORGET_AFTER: UnixMillis = 3_600_000;

/// Where tries go once `limits.upstreams` are known.
const OVERFLOW: &str = "other";

/// Counts per upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upstreams {
    known: Vec<Upstream>,
    limit: usize,
    /// What an upstream is on first sight: its closed set of codes at zero. Saved, since earlier builds ask for it.
    fresh: Upstream,
    /// Tries counted under `other` because the limit was reached.
    pub hits: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    /// Label: `host:port` or `unix:path`.
    pub name: String,
    /// Named in the configuration, so never forgotten.
    pub configured: bool,
    /// When a try was last counted.
    pub last_seen: UnixMillis,
    /// Tries by what the node answered.
    pub codes: CodeCounts,
    /// How long the tries took, where the line says.
    pub durations: Histogram,
}

impl Upstreams {
    /// The configured ones at zero, and room for `limit` in all; each begins with these codes.
    pub fn new(configured: &[String], limit: usize, zero_codes: &Arc<[Code]>) -> Self {
        let fresh = Upstream {
            name: String::new(),
            configured: false,
            last_seen: 0,
            codes: CodeCounts::zeros(zero_codes),
            durations: Histogram::default(),
        };
        let configured = configured.iter().map(|name| Upstream {
            name: name.clone(),
            configured: true,
            ..fresh.clone()
        });
        Self {
            known: configured.collect(),
            limit,
            fresh,
            hits: 0,
        }
    }

    /// Counts one try.
    pub fn count(&mut self, attempt: &Attempt<'_>, edges: &[Nanos], now: UnixMillis, room: &mut Room) {
        let index = self.find(attempt.upstream);
        self.count_at(index, attempt.code, attempt.duration, edges, now, room);
    }

    /// Counts one try at the upstream with this index.
    pub(super) fn count_at(
        &mut self,
        index: usize,
        code: Code,
        duration: Option<Nanos>,
        edges: &[Nanos],
        now: UnixMillis,
        room: &mut Room,
    ) {
        let upstream = &mut self.known[index];
        upstream.last_seen = upstream.last_seen.max(now);
        upstream.codes.add(code, room);
        if let Some(duration) = duration {
            upstream.durations.observe(edges, duration);
        }
    }

    /// The upstream that an address as logged is the name of; names are addresses, all but one.
    #[inline]
    pub(super) fn index_of(&self, address: &[u8]) -> Option<usize> {
        let is_named = |upstream: &Upstream| words::same(upstream.name.as_bytes(), address);
        let index = self.known.iter().position(is_named)?;
        (address != OVERFLOW.as_bytes()).then_some(index)
    }

    /// Drops what nobody tried for `FORGET_AFTER`. Never folded into another: a sum that jumps is a lie.
    pub fn forget(&mut self, now: UnixMillis, room: &mut Room) {
        let zeros = self.fresh.codes.series();
        self.known.retain(|upstream| {
            let kept = upstream.configured || now.saturating_sub(upstream.last_seen) <= FORGET_AFTER;
            if !kept {
                room.give_back(upstream.codes.series() - zeros);
            }
            kept
        });
    }

    /// All known upstreams, in the order they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.known.iter()
    }

    /// Takes over another's counts, measured over other edges. What was counted stays, even beyond the limit.
    pub fn merge(&mut self, old: Self, old_edges: &[Nanos], new_edges: &[Nanos], room: &mut Room) {
        self.hits = old.hits;
        for old in old.known {
            let known = self.known.iter().position(|upstream| upstream.name == old.name);
            let index = known.unwrap_or_else(|| self.add(old.name));
            let upstream = &mut self.known[index];
            upstream.codes.merge(&old.codes, room);
            upstream.durations = old.durations.with_edges(old_edges, new_edges);
            upstream.last_seen = old.last_seen;
        }
    }

    fn add(&mut self, name: String) -> usize {
        self.known.push(Upstream {
            name,
            ..self.fresh.clone()
        });
        self.known.len() - 1
    }

    fn find(&mut self, name: &[u8]) -> usize {
        let is_named = |upstream: &Upstream| upstream.name.as_bytes() == name;
        if let Some(index) = self.known.iter().position(is_named) {
            return index;
        }
        let full = self
            .known
            .iter()
            .filter(|upstream| upstream.name != OVERFLOW)
            .count()
            >= self.limit;
        self.hits += u64::from(full);
        let name = if full {
            OVERFLOW.into()
        } else {
            String::from_utf8_lossy(name)
        };
        if let Some(index) = self.known.iter().position(|upstream| upstream.name == name) {
            return index;
        }
        self.add(name.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(upstream: &str) -> Attempt<'_> {
        Attempt {
            upstream: upstream.as_bytes(),
            code: Code::new(200),
            duration: Some(1),
        }
    }

    fn names(upstreams: &Upstreams) -> Vec<&str> {
        upstreams.iter().map(|upstream| upstream.name.as_str()).collect()
    }

    #[test]
    fn none_is_folded_into_another_where_there_is_room_for_fewer() {
        let mut room = Room::new(100);
        let mut old = Upstreams::new(&[], 3, &Arc::default());
        for name in ["a:1", "b:1", "c:1", "d:1"] {
            old.count(&attempt(name), &[], 0, &mut room);
        }
        let mut new = Upstreams::new(&["e:1".into()], 1, &Arc::default());
        new.merge(old, &[], &[], &mut room);
        new.count(&attempt("f:1"), &[], 0, &mut room);
        let counted = new.iter().map(|upstream| {
            (
                &*upstream.name,
                upstream.codes.total(),
                upstream.durations.count(),
            )
        });
        let all = ["e:1", "a:1", "b:1", "c:1", "other"].map(|name| match name {
            "e:1" => (name, 0, 0),
            "other" => (name, 2, 2),
            _ => (name, 1, 1),
        });
        assert_eq!(counted.collect::<Vec<_>>(), all);
    }

    #[test]
    fn bounded_and_forgotten() {
        let mut room = Room::new(100);
        let mut upstreams = Upstreams::new(&["a:1".into()], 2, &Arc::default());
        for (name, now) in [
            ("a:1", 0),
            ("b:1", 0),
            ("c:1", 0),
            ("d:1", FORGET_AFTER),
            ("b:1", 0),
        ] {
            upstreams.count(&attempt(name), &[], now, &mut room);
        }
        assert_eq!(
            (names(&upstreams), upstreams.hits),
            (vec!["a:1", "b:1", "other"], 2)
        );

        upstreams.forget(FORGET_AFTER, &mut room);
        assert_eq!(names(&upstreams), ["a:1", "b:1", "other"]);
        upstreams.forget(FORGET_AFTER + 1, &mut room);
        assert_eq!(names(&upstreams), ["a:1", "other"]);
        upstreams.count(&attempt("c:1"), &[], FORGET_AFTER, &mut room);
        assert_eq!(names(&upstreams), ["a:1", "other", "c:1"]);
    }

    #[test]
    fn who_is_forgotten_makes_room() {
        let mut room = Room::new(3);
        let mut upstreams = Upstreams::new(&[], 2, &Arc::default());
        for number in 0..200 {
            let now = number * (FORGET_AFTER + 1);
            upstreams.forget(now, &mut room);
            upstreams.count(&attempt(&format!("10.0.0.1:{number}")), &[], now, &mut room);
        }
        assert_eq!((upstreams.iter().count(), room.hits), (1, 0));
    }

    #[test]
    fn configured_ones_outlive_a_change_of_edges() {
        let mut room = Room::new(100);
        let mut old = Upstreams::new(&["a:1".into()], 2, &Arc::default());
        old.count(&attempt("a:1"), &[5], 0, &mut room);
        old.count(&attempt("b:1"), &[5], 7, &mut room);
        let mut new = Upstreams::new(&["a:1".into()], 2, &Arc::default());
        new.merge(old, &[5], &[1, 5], &mut room);
        let counts: Vec<_> = new
            .iter()
            .map(|u| (u.name.as_str(), u.configured, u.durations.counts().to_vec()))
            .collect();
        assert_eq!(counts, [("a:1", true, vec![0, 1]), ("b:1", false, vec![0, 1])]);
    }
}
