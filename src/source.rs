//! A log, from bytes to counts: the way of a line on one screen.
//!
//! ```text
//! files --tail--> lines --decode--> Request --route--> RowId --count--> Tally
//!                                   Event   ----------------- count--> AppTally
//! ```

mod app;
mod formats;
mod intake;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fearless_simd::{Simd, dispatch};
use serde::{Deserialize, Serialize};

pub use self::formats::Formats;
pub use self::intake::{Intake, LATE, LineCounts};
use crate::clock::Now;
use crate::decode::{Decided, Learned};
use crate::health::{Health, Sample, TOO_OLD};
use crate::model::Model;
use crate::record::{Reject, UnixMillis, Unmeasured, closed_set};
use crate::route::Lately;
use crate::tail::{
    FileState, FileStatus, LONGEST_LOOK, Line, Lines, Memory, Options, Polled, ReadFrom, Tail,
};
use crate::tally::{AppTally, Room, Tally};

closed_set! {
    /// Which log. The label of a source.
    SourceName { Access = "access", App = "app" }
}

/// A source: its files, and everything counted from them.
#[derive(Debug)]
pub struct Source {
    model: Arc<Model>,
    tail: Tail,
    formats: Formats,
    intake: Intake,
    counts: Counts,
    health: Health,
    learned: Learned,
    lately: Lately,
    /// What was on disk at the start is not yet counted.
    catching_up: bool,
    ever_matched: bool,
    watching: bool,
    /// The state as it was last taken, until something in it changes.
    state: OnceLock<Arc<State>>,
}

/// What the lines of a source came to.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each source, and nowhere are there many"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Counts {
    /// Requests, of the proxy's access log.
    Access(Tally),
    /// Events, of bingo's own log.
    App(AppTally),
}

/// The thread of a source publishes at each look; one that has not for this long is stuck in a read.
const STUCK: Duration = Duration::from_secs(LONGEST_LOOK.as_secs() + 5);

/// All that must survive together: where we are, and what was counted up to there, of one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where we are in all files held or remembered.
    pub files: Memory,
    /// How the files are written. Releases before this was kept had nothing to keep.
    #[serde(default)]
    pub formats: Formats,
    /// What came in.
    pub intake: Intake,
    /// What it said.
    pub counts: Counts,
}

/// A source as the world sees it, taken whole.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Which source.
    pub source: SourceName,
    /// The configuration it was counted under.
    pub model: Arc<Model>,
    /// Positions and counts; the very same as before where nothing in it has changed.
    pub state: Arc<State>,
    /// When it was taken.
    pub now: Now,
    /// Every file and what is wrong with it.
    pub files: Vec<FileStatus>,
    /// Bytes on disk that were not read.
    pub unread_bytes: u64,
    /// How long the oldest unread byte waited, maximum of the last minute.
    oldest_unread: Duration,
    /// Whether the numbers can be trusted; `None` for a source without a log.
    complete: Option<bool>,
    /// The kernel tells of new files; else they are found by looking once a second.
    pub watching: bool,
    /// Half counted: not to be shown.
    pub catching_up: bool,
    /// The last pass somebody asked for that this answers.
    pub answered: u64,
}

impl Source {
    /// The proxy's access log, counted from zero.
    pub fn access(model: Arc<Model>, read_from: ReadFrom) -> Self {
        Self::new(SourceName::Access, model, read_from)
    }

    /// bingo's own log, counted from zero.
    pub fn app(model: Arc<Model>, read_from: ReadFrom) -> Self {
        Self::new(SourceName::App, model, read_from)
    }

    /// A log, counted from zero. Without paths it is switched off, and nothing of it is shown or saved.
    pub fn new(name: SourceName, model: Arc<Model>, read_from: ReadFrom) -> Self {
        Self {
            tail: Tail::new(options(&model, name, read_from)),
            formats: Formats::default(),
            intake: Intake::default(),
            counts: match name {
                SourceName::Access => Counts::Access(Tally::new(&model)),
                SourceName::App => Counts::App(AppTally::new(&model)),
            },
            health: Health::default(),
            learned: Learned::default(),
            lately: Lately::default(),
            catching_up: true,
            ever_matched: false,
            watching: true,
            state: OnceLock::new(),
            model,
        }
    }

    /// Goes on from a saved state: from its positions, and from its counts where they can be trusted.
    #[must_use]
    pub fn restored(self, state: State, with_counts: bool) -> Self {
        let tail = Tail::restore(self.tail.options().clone(), state.files);
        let mut counts = state.counts;
        counts.carry_over(&self.model, &tail);
        let formats = state.formats;
        if !with_counts {
            counts.reset(&self.model);
            return Self {
                tail: tail.after_a_crash(),
                formats,
                counts,
                ..self
            };
        }
        Self {
            tail,
            formats,
            counts,
            intake: state.intake,
            ever_matched: true,
            state: OnceLock::new(),
            ..self
        }
    }

    /// Says whether the kernel tells of new files.
    pub fn set_watching(&mut self, watching: bool) {
        self.watching = watching;
        self.tail.set_names_are_told(watching);
    }

    /// Which log it reads.
    pub fn name(&self) -> SourceName {
        self.counts.source()
    }

    /// Something that was counted before is not known any more.
    pub fn note_gap(&mut self, now: Now) {
        self.health.note(
            now.elapsed,
            Sample {
                gap: true,
                ..Sample::default()
            },
        );
    }

    /// One pass over all files: every new line is decoded, routed and counted. Neither loops nor waits.
    pub fn pass(&mut self, now: Now, asked: bool) -> Polled {
        let before = (self.intake.lines.total(), self.intake.lines.rejected_total());
        let mut counter = Counter {
            model: &self.model,
            formats: &mut self.formats,
            learned: &mut self.learned,
            lately: &mut self.lately,
            lines: &mut self.intake.lines,
            counts: &mut self.counts,
            now,
        };
        let polled = self
            .tail
            .poll(now, asked, &mut |path, lines| counter.count(path, lines));

        self.formats.announce(&self.model.decoder);
        self.formats
            .forget(self.model.files, |path| self.tail.is_followed(path));
        let mut counted = self.intake.lines.total() > before.0;
        counted |= self.counts.forget(now);
        if let (Counts::App(tally), true) = (&mut self.counts, polled.swept) {
            counted |= app::sight(tally, &self.model, &self.tail.files());
        }
        self.intake.add(&polled);
        self.renew_state(counted);
        self.catching_up &= polled.more;
        self.health.note(
            now.elapsed,
            Sample {
                lines: self.intake.lines.total() - before.0,
                rejected: self.intake.lines.rejected_total() - before.1,
                gap: polled.gap,
                unreadable: self.tail.count(FileState::Unreadable) > 0 || self.tail.leaves_out(),
                oldest_unread: polled.oldest_unread,
            },
        );
        self.ever_matched |= self.tail.has_log();
        polled
    }

    /// Goes on under another configuration, from the next line on. Positions, and counts of series that still exist,
    /// go on as after a restart.
    pub fn swap(&mut self, model: Arc<Model>) {
        let options = options(&model, self.name(), self.tail.options().read_from);
        if options.paths.is_empty() {
            *self = Self::new(self.name(), model, options.read_from);
            return;
        }
        // What was followed elsewhere says nothing about whether there is a log now.
        self.ever_matched &= options.paths == self.tail.options().paths;
        self.tail.set_options(options);
        self.counts.carry_over(&model, &self.tail);
        (self.learned, self.lately) = (Learned::default(), Lately::default());
        self.model = model;
        self.state.take();
    }

    /// It has paths.
    pub fn is_on(&self) -> bool {
        !self.tail.options().paths.is_empty()
    }

    /// The configuration in force.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The files of this source.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Positions and counts of this instant.
    pub fn state(&self) -> State {
        State::clone(&self.shared_state())
    }

    fn shared_state(&self) -> Arc<State> {
        let taken = || State {
            files: self.tail.memory(),
            formats: self.formats.clone(),
            intake: self.intake.clone(),
            counts: self.counts.clone(),
        };
        Arc::clone(self.state.get_or_init(|| Arc::new(taken())))
    }

    /// A log that is silent is copied no more, and neither compared nor saved by anybody.
    fn renew_state(&mut self, counted: bool) {
        let same = |state: &Arc<State>| {
            state.intake == self.intake && state.formats == self.formats && state.files == self.tail.memory()
        };
        if counted || !self.state.get().is_some_and(same) {
            self.state.take();
        }
    }

    /// Everything there is to show; `answered` is the last pass asked for that is in it.
    pub fn snapshot(&self, now: Now, answered: u64) -> Snapshot {
        let files = self.tail.files();
        let only_discarded = !self.tail.has_log() && self.tail.count(FileState::Discarded) > 0;
        let known = self.ever_matched && !only_discarded;
        Snapshot {
            source: self.counts.source(),
            model: Arc::clone(&self.model),
            state: self.shared_state(),
            now,
            unread_bytes: files.iter().map(|file| file.unread_bytes).sum(),
            files,
            oldest_unread: self.health.oldest_unread(now.elapsed),
            complete: known.then(|| self.health.is_complete(now.elapsed)),
            watching: self.watching,
            catching_up: self.catching_up,
            answered,
        }
    }
}

fn options(model: &Model, name: SourceName, read_from: ReadFrom) -> Options {
    let config = &model.config;
    Options {
        paths: config.paths(name).to_vec(),
        read_from,
        line_bytes: config.limits.line_bytes,
        files: model.files,
        rotated: match name {
            SourceName::Access => config.access.rotated.clone(),
            SourceName::App => vec![],
        },
    }
}

/// All that lines may change, and what they are read by.
struct Counter<'s> {
    model: &'s Model,
    formats: &'s mut Formats,
    learned: &'s mut Learned,
    lately: &'s mut Lately,
    lines: &'s mut LineCounts,
    counts: &'s mut Counts,
    now: Now,
}

/// What becomes of lines: each ends in exactly one of three counts. `read` is told whether a line is a whole one, and gives
/// the time stamp of one that was counted.
#[inline(always)]
fn each<'a, S: Simd>(
    simd: S,
    lines: Lines<'a>,
    counts: &mut LineCounts,
    now: Now,
    mut read: impl FnMut(&'a [u8], bool) -> Result<Option<Option<UnixMillis>>, Reject>,
) {
    lines.each_with(
        simd,
        #[inline(always)]
        |line| {
            let (bytes, finished) = match line {
                Line::Complete(bytes) => (bytes, true),
                Line::Unfinished(bytes) => (bytes, false),
                Line::TooLong => return counts.reject(Reject::TooLong),
            };
            match read(bytes, finished) {
                Ok(Some(time)) => counts.count(time, now),
                Ok(None) => counts.ignore(),
                Err(reason) => counts.reject(if finished { reason } else { Reject::Truncated }),
            }
        },
    );
}

impl Counter<'_> {
    /// The way of lines.
    fn count(&mut self, path: &Path, lines: Lines<'_>) {
        let (model, now) = (self.model, self.now);
        let (learned, lately) = (&mut *self.learned, &mut *self.lately);
        match &mut *self.counts {
            Counts::Access(tally) => {
                let format = self.formats.of(path);
                dispatch!(learned.cpu(), simd => each(
                    simd,
                    lines,
                    self.lines,
                    now,
                    #[inline(always)]
                    |line, finished| {
                        // Half a line says nothing of its file's format.
                        let mut aside = *format;
                        let format = if finished { &mut *format } else { &mut aside };
                        model.decoder.decode_with(simd, line, format, learned, |request| {
                            let row = model.routes.resolve_like(request.line.as_ref(), lately);
                            tally.count(model, row, request, now);
                            request.time
                        })
                    },
                ));
            }
            Counts::App(tally) => {
                let mut log = None;
                dispatch!(learned.cpu(), simd => each(
                    simd,
                    lines,
                    self.lines,
                    now,
                    #[inline(always)]
                    |line, _| {
                        model.app_decoder.decode_with(simd, line, learned, |event| {
                            let log = *log.get_or_insert_with(|| app::log_of(tally, model, path));
                            tally.count(model, log, event, now);
                            Some(event.time)
                        })
                    },
                ));
            }
        }
    }
}

impl Counts {
    /// Whose counts they are.
    pub fn source(&self) -> SourceName {
        match self {
            Self::Access(_) => SourceName::Access,
            Self::App(_) => SourceName::App,
        }
    }

    /// Whether there was something to forget.
    fn forget(&mut self, now: Now) -> bool {
        match self {
            Self::Access(tally) => {
                let before = tally.upstreams.iter().count();
                tally.forget(now);
                tally.upstreams.iter().count() < before
            }
            Self::App(_) => false,
        }
    }

    /// Counts from zero. What is known and is no count stays.
    fn reset(&mut self, model: &Model) {
        match self {
            Self::Access(tally) => *tally = Tally::new(model),
            Self::App(tally) => tally.reset(model),
        }
    }

    /// Into another configuration, whose files `tail` follows.
    fn carry_over(&mut self, model: &Model, tail: &Tail) {
        match self {
            Self::Access(tally) => *tally = std::mem::replace(tally, Tally::new(model)).carried_over(model),
            Self::App(tally) => {
                let old = std::mem::replace(tally, AppTally::new(model));
                let exists = |directory: &[u8]| tail.looks_into(Path::new(OsStr::from_bytes(directory)));
                *tally = old.carried_over(model, exists);
            }
        }
    }
}

impl Snapshot {
    /// How long the oldest unread byte waited, maximum of the last minute; `None` for a source without a log.
    /// A snapshot that nobody renews has been waiting since it was taken.
    pub fn oldest_unread(&self, now: Now) -> Option<Duration> {
        let age = now.elapsed.saturating_sub(self.now.elapsed);
        let stuck = if age > STUCK { age } else { Duration::ZERO };
        self.complete.map(|_| self.oldest_unread.max(stuck))
    }

    /// Whether the numbers can be trusted; `None` for a source without a log.
    pub fn is_complete(&self, now: Now) -> Option<bool> {
        let oldest = self.oldest_unread(now)?;
        self.complete.map(|complete| complete && oldest < TOO_OLD)
    }

    /// The source has paths; else nothing of it is shown or saved.
    pub fn is_on(&self) -> bool {
        !self.model.config.paths(self.source).is_empty()
    }

    /// How a file of the access log is read, and why so.
    pub fn format(&self, path: &Path) -> Option<Decided> {
        self.requests()?;
        Some(self.model.decoder.decided(&self.state.formats.get(path)))
    }

    /// The requests, where this is the access log.
    pub fn requests(&self) -> Option<&Tally> {
        match &self.state.counts {
            Counts::Access(tally) => Some(tally),
            Counts::App(_) => None,
        }
    }

    /// The events, where this is bingo's own log.
    pub fn apps(&self) -> Option<&AppTally> {
        match &self.state.counts {
            Counts::App(tally) => Some(tally),
            Counts::Access(_) => None,
        }
    }

    /// Requests without a duration, by [`Unmeasured`]; `None` where durations are not read.
    pub fn unmeasured(&self) -> Option<&[u64; Unmeasured::COUNT]> {
        match &self.state.counts {
            Counts::Access(tally) => Some(&tally.unmeasured),
            Counts::App(tally) => tally.unit.and(Some(&tally.unmeasured)),
        }
    }

    /// What is left of `limits.series`.
    pub fn room(&self) -> Room {
        match &self.state.counts {
            Counts::Access(tally) => tally.room,
            Counts::App(tally) => tally.room,
        }
    }
}

#[cfg(test)]
mod tests;
