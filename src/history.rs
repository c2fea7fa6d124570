//! The last hour in steps of 5 s and the last day in steps of a minute: what the status page shows without Prometheus.
//! Pure; it is fed with counts, and keeps by how much they rose.

mod file;
pub mod keeper;
mod packed;
pub mod sheet;
mod tier;

use std::mem;
use std::sync::Arc;

use self::packed::Slot;
pub use self::sheet::{Key, Sheet};
use self::tier::{Bins, Tier};
use crate::record::{Nanos, UnixMillis};

/// The shorter step: what a change needs to show.
pub const STEP: UnixMillis = 5_000;

/// The longer one.
const MINUTE: UnixMillis = 60_000;

/// Short steps in a long one.
const STEPS_A_MINUTE: Slot = 12;

/// Short steps kept: an hour, and one more, so that what a window begins in is whole.
const STEPS: Slot = 721;

/// Long steps kept: a day, and one more.
const MINUTES: Slot = 1441;

/// Up to here the short steps reach.
const HOUR: UnixMillis = 3_600_000;

/// A clock that was set back by no more is waited for: meanwhile, windows are longer than they say.
const WAIT_FOR_CLOCK: UnixMillis = STEP;

/// Bytes the short and the long steps may take. What twenty busy endpoints need is a third of it; with more of them the
/// history is shorter. Together with baselines and names it stays under the 2 MB of [`file::LIMIT`].
const BUDGETS: [usize; 2] = [512 * 1024, 896 * 1024];

/// The history of every series.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Upper edges of all latency buckets, ascending.
    edges: Arc<[Nanos]>,
    short: Tier,
    long: Tier,
    /// The first step ever recorded.
    first: Slot,
    /// The counts at the end of the last step.
    baseline: Sheet,
    /// [`Model::judgement`](crate::model::Model::judgement) that they were taken under.
    judged_by: Option<u64>,
}

/// What was heard since the last step ended, so that figures are of now and not of up to 5 s ago.
#[derive(Debug, Clone)]
pub struct Live {
    now: UnixMillis,
    rises: Sheet,
}

/// By how much a series rose in the last so many milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rise {
    /// By cell.
    pub cells: Vec<u64>,
    /// How long that took, in seconds: the window, less up to a step, and less what lies before the history.
    pub seconds: f64,
}

impl History {
    /// An empty history over these bucket edges.
    pub fn new(edges: Arc<[Nanos]>) -> Self {
        let [short, long] = BUDGETS;
        Self {
            edges,
            short: Tier::new(STEP, STEPS, short),
            long: Tier::new(MINUTE, MINUTES, long),
            first: 0,
            baseline: Sheet::new(),
            judged_by: None,
        }
    }

    /// Upper edges of all latency buckets, ascending.
    pub fn edges(&self) -> &Arc<[Nanos]> {
        &self.edges
    }

    /// Where the history begins.
    pub fn begin(&self) -> Option<UnixMillis> {
        let begins = [&self.long, &self.short].map(|tier| tier.begin().map(|slot| self.at(tier, slot)));
        begins.into_iter().flatten().min()
    }

    /// When a slot begins. The first minute is known from its first step on only.
    fn at(&self, tier: &Tier, slot: Slot) -> UnixMillis {
        (UnixMillis::from(slot) * tier.step).max(UnixMillis::from(self.first) * STEP)
    }

    /// Counts begin from zero after a restart.
    pub fn counts_from_zero(&mut self) {
        self.baseline.clear();
    }

    /// Ends a step: `counts` are those of now, judged as said. The first call only says what counts begin at.
    ///
    /// False if the clock was set back so far that the history had to begin anew.
    pub fn record(&mut self, counts: Sheet, judged_by: Option<u64>, now: UnixMillis) -> bool {
        let rejudged = self.is_rejudged(judged_by);
        self.judged_by = judged_by.or(self.judged_by);
        let slot = self.short.slot(now);
        let Some(end) = self.short.end() else {
            self.begin_at(slot, counts);
            return true;
        };
        if slot <= end {
            let set_back = UnixMillis::from(end - slot) * STEP;
            if set_back <= WAIT_FOR_CLOCK {
                return true;
            }
            let edges = Arc::clone(&self.edges);
            *self = Self::new(edges);
            self.judged_by = judged_by;
            self.begin_at(slot, counts);
            return false;
        }
        self.short.push(slot, &rises(&self.baseline, &counts, rejudged));
        self.baseline = counts;
        self.end_minutes(slot / STEPS_A_MINUTE);
        true
    }

    /// How often something was forgotten before its time, for want of room, since this was last asked.
    fn take_cut_short(&mut self) -> u64 {
        [&mut self.short, &mut self.long]
            .map(|tier| mem::take(&mut tier.cut_short))
            .iter()
            .sum()
    }

    /// What `counts` say over the last step.
    pub fn live(&self, counts: &Sheet, judged_by: Option<u64>, now: UnixMillis) -> Live {
        let known = self.short.end().is_some();
        let rises = if known {
            rises(&self.baseline, counts, self.is_rejudged(judged_by))
        } else {
            Sheet::new()
        };
        Live { now, rises }
    }

    /// Since the last step it was changed what is bad.
    fn is_rejudged(&self, judged_by: Option<u64>) -> bool {
        judged_by.is_some() && self.judged_by.is_some() && judged_by != self.judged_by
    }

    /// By how much a series rose in each of the last so many milliseconds, which ascend.
    pub fn rises(&self, live: &Live, key: &Key, width: usize, windows: &[UnixMillis]) -> Vec<Rise> {
        let short = windows.partition_point(|window| *window <= HOUR);
        let mut sums = self.newest(live, key, width, &self.short, &windows[..short]);
        sums.extend(self.newest(live, key, width, &self.long, &windows[short..]));
        sums
    }

    /// By how much a series rose in each stretch of `steps` short steps of the last hour, oldest first; the last one is
    /// not over yet. And when the first one begins. Those before the history are missing.
    pub fn points(&self, live: &Live, key: &Key, width: usize, steps: Slot) -> (UnixMillis, Bins) {
        let (first, bounds) = self.grid(live, steps);
        let mut bins = self.short.bins(key, &bounds, width);
        self.add_live(&mut bins, live, key);
        (UnixMillis::from(first) * STEP, bins)
    }

    fn grid(&self, live: &Live, steps: Slot) -> (Slot, Vec<Slot>) {
        let steps = steps.max(1);
        let last = self.short.slot(live.now) / steps * steps + steps;
        let oldest = last.saturating_sub(STEPS / steps * steps);
        let begin = self.short.begin().unwrap_or(last);
        let first = oldest.max(begin / steps * steps).min(last);
        (first, (first..=last).step_by(steps as usize).collect())
    }

    fn begin_at(&mut self, slot: Slot, counts: Sheet) {
        self.first = slot;
        self.short.ends.push_back(slot);
        self.long.ends.push_back(slot / STEPS_A_MINUTE);
        self.baseline = counts;
    }

    /// Sums up the minutes that are over.
    fn end_minutes(&mut self, minute: Slot) {
        let Some(end) = self.long.end().filter(|end| *end < minute) else {
            return;
        };
        let bounds = [end * STEPS_A_MINUTE, minute * STEPS_A_MINUTE];
        let mut sums = Sheet::new();
        for key in self.short.series.keys() {
            let sum = self.short.bins(key, &bounds, self.width(key)).pop();
            sums.insert(key.clone(), sum.unwrap_or_default());
        }
        self.long.push(minute, &sums);
    }

    fn width(&self, key: &Key) -> usize {
        match key {
            Key::Row(..) => sheet::row::width(self.edges.len()),
            Key::Cache(_) => sheet::cache::WIDTH,
            Key::Upstream(_) => sheet::upstream::WIDTH,
            Key::App(_) => sheet::app::WIDTH,
        }
    }

    fn newest(&self, live: &Live, key: &Key, width: usize, tier: &Tier, windows: &[UnixMillis]) -> Vec<Rise> {
        let (Some(begin), Some(end)) = (tier.begin(), tier.end()) else {
            return vec![
                Rise {
                    cells: vec![0; width],
                    seconds: 0.0
                };
                windows.len()
            ];
        };
        let now = tier.slot(live.now);
        let from = |window: UnixMillis| (now + 1).saturating_sub(tier.slot(window)).clamp(begin, end);
        // Oldest first, as bins are; then summed up from the newest.
        let mut bounds: Vec<Slot> = windows.iter().rev().map(|window| from(*window)).collect();
        bounds.push(end);
        let mut bins = tier.bins(key, &bounds, width);
        if tier.step != STEP {
            let rest = [end * STEPS_A_MINUTE, Slot::MAX];
            add(bins.last_mut(), self.short.bins(key, &rest, width).first());
        }
        self.add_live(&mut bins, live, key);
        let mut sum = vec![0; width];
        let mut newest_first: Vec<Rise> = vec![];
        for (bin, bound) in bins.iter().zip(&bounds).rev() {
            add(Some(&mut sum), Some(bin));
            let from = self.at(tier, *bound);
            newest_first.push(Rise {
                cells: sum.clone(),
                seconds: (live.now - from).max(0) as f64 / 1e3,
            });
        }
        newest_first
    }

    fn add_live(&self, bins: &mut Bins, live: &Live, key: &Key) {
        add(bins.last_mut(), live.rises.get(key));
    }
}

impl Live {
    /// When it was heard.
    pub fn now(&self) -> UnixMillis {
        self.now
    }
}

fn add(sum: Option<&mut Vec<u64>>, more: Option<&Vec<u64>>) {
    for (sum, more) in sum.into_iter().flatten().zip(more.into_iter().flatten()) {
        *sum += more;
    }
}

/// By how much counts rose. A series with a count that fell began anew from zero; of one that has other cells than
/// before, nothing can be said, nor of what is good or bad where that was `rejudged`.
fn rises(before: &Sheet, counts: &Sheet, rejudged: bool) -> Sheet {
    let rise = |(key, counts): (&Key, &Vec<u64>)| {
        let judged = key.judged();
        let fell = |before: &[u64]| {
            let mut cells = before.iter().zip(counts).enumerate();
            cells.any(|(cell, (before, count))| before > count && !judged.contains(&cell))
        };
        let cells = match before.get(key) {
            Some(before) if before.len() != counts.len() => vec![0; counts.len()],
            Some(before) if !fell(before) => {
                let cells = before.iter().zip(counts).enumerate();
                let rise = |(cell, (before, count)): (usize, (&u64, &u64))| match rejudged
                    && judged.contains(&cell)
                {
                    true => 0,
                    false => count.saturating_sub(*before),
                };
                cells.map(rise).collect()
            }
            _ => counts.clone(),
        };
        (key.clone(), cells)
    };
    counts.iter().map(rise).collect()
}

#[cfg(test)]
mod tests;
