//! Exemplars: for each bucket of a histogram the newest request in it that has an id, so that a slow bucket names a
//! request to look for in the logs (OpenMetrics 1.0, "Exemplars").

use crate::record::{Nanos, REQUEST_ID_BYTES, Request, UnixMillis};

/// A time stamp further ahead of the clock is taken for wrong: as the newest it would stay for ever.
const AHEAD: UnixMillis = 60_000;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    id: [u8; REQUEST_ID_BYTES],
    length: u8,
    /// How long it took.
    pub duration: Nanos,
    /// When it ended.
    pub time: UnixMillis,
}

impl Exemplar {
    /// A request that has an id and a time that can be.
    pub(super) fn of(request: &Request<'_>, duration: Nanos, now: UnixMillis) -> Option<Self> {
        let text = request.id.as_deref()?;
        let time = request.time.filter(|time| *time <= now.saturating_add(AHEAD))?;
        let mut id = [0; REQUEST_ID_BYTES];
        id.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            id,
            length: u8::try_from(text.len()).ok()?,
            duration,
            time,
        })
    }

    /// What the proxy calls it.
    pub fn id(&self) -> &str {
        let id = self.id.get(..usize::from(self.length)).unwrap_or_default();
        str::from_utf8(id).unwrap_or_default()
    }
}

/// Those of one histogram, by bucket. Empty until the first.
#[derive(Debug, Clone, Default)]
pub struct Exemplars(Vec<Option<Exemplar>>);

/// They are no state: two tallies that counted the same are equal.
impl PartialEq for Exemplars {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Exemplars {
    /// Keeps a request of a bucket unless a newer one is there: Prometheus refuses exemplars that go back in time.
    pub(super) fn keep(&mut self, bucket: usize, exemplar: Exemplar) {
        if self.0.len() <= bucket {
            self.0.resize(bucket + 1, None);
        }
        let kept = &mut self.0[bucket];
        if kept.is_none_or(|kept| kept.time <= exemplar.time) {
            *kept = Some(exemplar);
        }
    }

    /// The newest request of a bucket.
    pub fn get(&self, bucket: usize) -> Option<&Exemplar> {
        self.0.get(bucket)?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, time: UnixMillis) -> Option<Exemplar> {
        let request = Request {
            id: Some(id.as_bytes().into()),
            time: Some(time),
            ..crate::tally::tests::get("/")
        };
        Exemplar::of(&request, 5, 1_000_000)
    }

    #[test]
    fn the_newest_of_a_bucket_is_kept() {
        let mut exemplars = Exemplars::default();
        for (bucket, id, time) in [
            (2, "a", 10),
            (2, "b", 30),
            (2, "late", 20),
            (0, "c", 5),
            (2, "d", 30),
        ] {
            exemplars.keep(bucket, of(id, time).unwrap());
        }
        let ids: Vec<_> = (0..4)
            .map(|bucket| exemplars.get(bucket).map(Exemplar::id))
            .collect();
        assert_eq!(ids, [Some("c"), None, Some("d"), None]);
    }

    #[test]
    fn a_time_that_cannot_be_makes_no_exemplar() {
        assert!(of("a", 1_060_000).is_some());
        assert_eq!(of("a", 1_060_001), None);
    }
}
