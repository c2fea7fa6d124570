//! Feeds the history and saves it: a thread of its own, since a disk may be slow.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{info, warn};

use super::sheet::sheet;
use super::{History, STEP};
use crate::checkpoint::disk::Directory;
use crate::clock::Clock;
use crate::ingest::Handle;
use crate::record::Nanos;

/// How often the history is saved: what a `kill -9` costs, as an average over that time.
const SAVE_EVERY: Duration = Duration::from_secs(180);

/// The history as it grows.
#[derive(Debug, Clone)]
pub struct Keeper {
    history: Arc<Mutex<History>>,
    limit_hits: Arc<AtomicU64>,
    stop: Sender<()>,
}

impl Keeper {
    /// Takes up what was saved, and starts the thread. `with_counts` where counts go on from before the start; without
    /// a directory nothing is saved.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        edges: Arc<[Nanos]>,
        directory: Option<Directory>,
        with_counts: bool,
        sources: Vec<Handle>,
        clock: Clock,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let history = restored(edges, directory.as_ref(), with_counts);
        let (stop, stopped) = mpsc::channel();
        let keeper = Self {
            history: Arc::new(Mutex::new(history)),
            limit_hits: Arc::default(),
            stop,
        };
        let worker = Worker {
            keeper: keeper.clone(),
            directory,
            sources,
            clock,
            saved: clock.now().elapsed,
            looked: vec![],
            failing: false,
        };
        let thread = thread::Builder::new()
            .name("history".into())
            .spawn(move || worker.run(&stopped))?;
        Ok((keeper, thread))
    }

    /// The history, held still for as long as the guard lives.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the history had to become shorter than it should be, to stay within its bytes.
    pub fn limit_hits(&self) -> u64 {
        self.limit_hits.load(Ordering::Relaxed)
    }

    /// Records and saves for the last time, once the sources have ended.
    pub fn stop(&self) {
        // A thread that is gone has nothing left to save.
        let _ = self.stop.send(());
    }
}

fn restored(edges: Arc<[Nanos]>, directory: Option<&Directory>, with_counts: bool) -> History {
    let mut history = History::new(Arc::clone(&edges));
    match directory.map_or(Ok(None), |directory| history.load(directory)) {
        Ok(_) => {}
        Err(problem) => {
            warn!(
                problem,
                "the status page's history cannot be used and begins anew; counters are not touched"
            );
            history = History::new(edges);
        }
    }
    if !with_counts {
        history.counts_from_zero();
    }
    history
}

struct Worker {
    keeper: Keeper,
    directory: Option<Directory>,
    sources: Vec<Handle>,
    clock: Clock,
    saved: Duration,
    /// When each source was looked at that was last recorded.
    looked: Vec<Duration>,
    failing: bool,
}

impl Worker {
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(self.to_next_step()) == Err(RecvTimeoutError::Timeout) {
            self.record();
            let now = self.clock.now().elapsed;
            if now.saturating_sub(self.saved) >= SAVE_EVERY {
                self.saved = now;
                self.save();
            }
        }
        self.record();
        self.save();
    }

    fn to_next_step(&self) -> Duration {
        let now = self.clock.now().unix;
        Duration::from_millis((STEP - now.rem_euclid(STEP)).unsigned_abs())
    }

    /// Ends a step, but not where nobody looked since the last one: what comes next is then of both.
    fn record(&mut self) {
        let snapshots: Vec<_> = self.sources.iter().map(Handle::snapshot).collect();
        let looked: Vec<_> = snapshots.iter().map(|source| source.now.elapsed).collect();
        if looked == self.looked {
            return;
        }
        self.looked = looked;
        let Some(counts) = sheet(&snapshots) else { return };
        let mut history = self.keeper.history();
        let access = snapshots.iter().find(|source| source.requests().is_some());
        if let Some(model) = access
            .map(|source| &source.model)
            .filter(|model| model.edges != *history.edges())
        {
            warn!("the thresholds of the objectives have changed: the status page's history begins anew");
            *history = History::new(Arc::clone(&model.edges));
        }
        let judgement = access.map(|source| source.model.judgement);
        if !history.record(counts, judgement, self.clock.now().unix) {
            warn!("the clock was set back: the status page's history begins anew");
        }
        self.keeper
            .limit_hits
            .fetch_add(history.take_cut_short(), Ordering::Relaxed);
    }

    fn save(&mut self) {
        let Some(directory) = &mut self.directory else {
            return;
        };
        // Written while nobody has to wait for the history.
        let encoded = self.keeper.history().encode();
        let saved = encoded.and_then(|encoded| encoded.save(directory));
        match &saved {
            Ok(()) if self.failing => info!("the status page's history is saved again"),
            Err(error) if !self.failing => warn!(%error, "failed to save the status page's history"),
            _ => {}
        }
        self.failing = saved.is_err();
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::fs::File;

    use super::super::{Key, Sheet, file};
    use super::*;

    /// A pipe in place of the file is a disk that hangs: it takes some 64 kB, until somebody reads.
    #[test]
    fn a_disk_that_hangs_holds_up_nobody_who_asks_for_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join(file::TEMPORARY);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let (keeper, thread) =
            Keeper::start([].into(), Some(directory), false, vec![], Clock::start()).unwrap();
        let long = |index| (Key::App(format!("{index:01000}")), vec![1]);
        let counts: Sheet = (0..200).map(long).collect();
        keeper.history().record(counts, None, 0);
        keeper.stop();
        // Opened once the other end is.
        let mut reader = File::open(&pipe).unwrap();
        let free = keeper.history.try_lock().is_ok();
        io::copy(&mut reader, &mut io::sink()).unwrap();
        thread.join().unwrap();
        assert!(free);
    }
}
