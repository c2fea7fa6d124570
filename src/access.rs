//! The access log, from bytes to counts: the way of a line on one screen.
//!
//! ```text
//! files --tail--> lines --decode--> Request --route--> RowId --count--> Tally
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Now;
use crate::health::{Health, Sample};
use crate::model::Model;
use crate::record::{Reject, closed_set};
use crate::tail::identity::Position;
use crate::tail::{FileState, FileStatus, Line, Options, Polled, ReadFrom, Rotation, Tail};
use crate::tally::Tally;

closed_set! {
    /// The label of a source.
    Source { Access = "access" }
}

/// A source: its files, and everything counted from them.
#[derive(Debug)]
pub struct Access {
    model: Arc<Model>,
    tail: Tail,
    tally: Tally,
    intake: Intake,
    health: Health,
    /// What was on disk at the start is not yet counted.
    catching_up: bool,
    ever_matched: bool,
}

/// What the tailer counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes known to be gone before they were read.
    pub lost_bytes: u64,
    /// By [`Rotation`].
    pub rotations: [u64; Rotation::COUNT],
    /// Files that `limits.files` kept from being followed.
    pub over_limit: u64,
}

/// All that must survive together: where we are, and what was counted up to there, of one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// In all files held or remembered.
    pub positions: Vec<Position>,
    /// The tailer's counts.
    pub intake: Intake,
    /// The requests.
    pub tally: Tally,
}

/// A source as the world sees it, taken whole.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Which source.
    pub source: Source,
    /// The configuration it was counted under.
    pub model: Arc<Model>,
    /// Positions and counts.
    pub state: State,
    /// When it was taken.
    pub now: Now,
    /// Every file and what is wrong with it.
    pub files: Vec<FileStatus>,
    /// Bytes on disk that were not read.
    pub unread_bytes: u64,
    /// How long the oldest unread byte waited, in seconds, maximum of the last minute.
    pub oldest_unread_seconds: f64,
    /// Whether the numbers can be trusted; `None` for a source without a log.
    pub complete: Option<bool>,
    /// Half counted: not to be shown.
    pub catching_up: bool,
    /// The last pass somebody asked for that this answers.
    pub answered: u64,
}

impl Access {
    /// A source that counts from zero.
    pub fn new(model: Arc<Model>, read_from: ReadFrom) -> Self {
        let options = Options {
            paths: model.config.access.paths.clone(),
            read_from,
            line_bytes: model.config.limits.line_bytes,
            files: model.config.limits.files,
        };
        Self {
            tail: Tail::new(options),
            tally: Tally::new(&model),
            intake: Intake::default(),
            health: Health::default(),
            catching_up: true,
            ever_matched: false,
            model,
        }
    }

    /// One pass over all files: every new line is decoded, routed and counted. Neither loops nor waits.
    pub fn pass(&mut self, now: Now, sweep: bool) -> Polled {
        let before = (self.tally.lines.total(), self.tally.lines.rejected_total());
        let (model, tally) = (&*self.model, &mut self.tally);
        let polled = self
            .tail
            .poll(now.elapsed, sweep, &mut |line| count(model, tally, line, now));

        self.tally.upstreams.forget(now.unix);
        self.intake.add(&polled);
        self.catching_up &= polled.more;
        self.health.note(
            now.elapsed,
            Sample {
                lines: self.tally.lines.total() - before.0,
                rejected: self.tally.lines.rejected_total() - before.1,
                lost_bytes: polled.lost_bytes,
                unreadable: self.tail.count(FileState::Unreadable) > 0,
                oldest_unread: polled.oldest_unread,
            },
        );
        self.ever_matched |= self.is_matched();
        polled
    }

    /// Goes on under another configuration, from the next line on. Counts of series that still exist go on.
    pub fn swap(&mut self, model: Arc<Model>) {
        let tally = std::mem::replace(&mut self.tally, Tally::new(&model));
        self.tally = tally.carried_over(&model);
        self.model = model;
    }

    /// The files of this source.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Positions and counts of this instant.
    pub fn state(&self) -> State {
        State {
            positions: self.tail.positions(),
            intake: self.intake.clone(),
            tally: self.tally.clone(),
        }
    }

    /// Everything there is to show; `answered` is the last pass asked for that is in it.
    pub fn snapshot(&self, now: Now, answered: u64) -> Snapshot {
        let files = self.tail.files();
        let only_discarded = !self.is_matched() && self.tail.count(FileState::Discarded) > 0;
        let known = self.ever_matched && !only_discarded;
        Snapshot {
            source: Source::Access,
            model: Arc::clone(&self.model),
            state: self.state(),
            now,
            unread_bytes: files.iter().map(|file| file.unread_bytes).sum(),
            files,
            oldest_unread_seconds: self.health.oldest_unread(now.elapsed).as_secs_f64(),
            complete: known.then(|| self.health.is_complete(now.elapsed)),
            catching_up: self.catching_up,
            answered,
        }
    }

    fn is_matched(&self) -> bool {
        self.tail.count(FileState::Following) + self.tail.count(FileState::Unreadable) > 0
    }
}

/// The way of a line. Each ends in exactly one of three counts.
fn count(model: &Model, tally: &mut Tally, line: Line<'_>, now: Now) {
    let (bytes, finished) = match line {
        Line::Complete(bytes) => (bytes, true),
        Line::Unfinished(bytes) => (bytes, false),
        Line::TooLong => return tally.reject(Reject::TooLong),
    };
    match model.decoder.decode(bytes) {
        Ok(Some(request)) => tally.count(model, model.routes.resolve(request.line.as_ref()), &request, now),
        Ok(None) => tally.ignore(),
        Err(reason) => tally.reject(if finished { reason } else { Reject::Truncated }),
    }
}

impl Intake {
    fn add(&mut self, polled: &Polled) {
        self.read_bytes += polled.read_bytes;
        self.lost_bytes += polled.lost_bytes;
        self.over_limit += polled.over_limit;
        for (sum, count) in self.rotations.iter_mut().zip(polled.rotations) {
            *sum += count;
        }
    }
}

#[cfg(test)]
mod tests;
