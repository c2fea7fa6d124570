//! When to save: before a scrape's answer, every few seconds, and at the end. A thread of its own, so that a slow disk
//! holds up neither reading nor HTTP.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use tokio::sync::oneshot;
use tracing::{error, info};

use super::disk::Directory;
use super::{Store, sync};
use crate::clock::Clock;
use crate::ingest::{self, Handle};
use crate::record::UnixMillis;
use crate::source::State;

/// How often to save between scrapes: what a start after `kill -9` reads again.
const EVERY: Duration = Duration::from_secs(15);

/// The same at the start: gigabytes may be read in the time of [`EVERY`], and who is killed over and over must get ahead.
const EVERY_AT_START: Duration = Duration::from_secs(1);

/// How often the checkpoint is brought to the disk: what a loss of power may cost.
const SYNC_EVERY: Duration = Duration::from_secs(15);

/// Asks for a save and tells how saving goes.
#[derive(Debug, Clone)]
pub struct Saver {
    desk: Arc<Desk>,
    report: Arc<Report>,
}

/// How saving goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// When the newest one was written.
    pub saved: Option<UnixMillis>,
    /// How often that failed since the start.
    pub failures: u64,
}

/// What the thread says of it.
#[derive(Debug, Default)]
struct Report {
    saved: AtomicI64,
    failures: AtomicU64,
    message: Mutex<Option<String>>,
}

/// Where saves are asked for. No channel: the standard one is locked while it wakes, so that the woken waits in turn.
#[derive(Debug, Default)]
struct Desk {
    asked: Mutex<Asked>,
    rung: Condvar,
}

/// What was asked for and not begun.
#[derive(Debug, Default)]
struct Asked {
    /// All are answered by one save.
    waiting: Vec<oneshot::Sender<()>>,
    stop: bool,
    /// The last save is over.
    ended: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes once the lock is free again: who wakes needs it.
    fn ask(&self, what: impl FnOnce(&mut Asked)) {
        what(&mut self.lock());
        self.rung.notify_one();
    }

    /// Waits until something is asked for, at most `timeout`: who waits for a save, and whether it is the last one.
    fn wait(&self, timeout: Duration) -> (Vec<oneshot::Sender<()>>, bool) {
        let calm = |asked: &mut Asked| asked.waiting.is_empty() && !asked.stop;
        let waited = self.rung.wait_timeout_while(self.lock(), timeout, calm);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (mem::take(&mut asked.waiting), asked.stop)
    }

    /// The last save is over: who asked since has nothing to wait for.
    fn end(&self) {
        let mut asked = self.lock();
        asked.ended = true;
        asked.waiting.clear();
    }
}

impl Saver {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        store: Store<Directory>,
        disk: Directory,
        sources: Vec<Handle>,
        clock: Clock,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let desk = Arc::new(Desk::default());
        let report = Arc::new(Report::default());
        let worker = Worker {
            desk: Arc::clone(&desk),
            store,
            disk,
            sources,
            clock,
            report: Arc::clone(&report),
            saved: vec![],
            synced: None,
            unsynced: false,
            syncing: None,
        };
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || worker.run())?;
        Ok((Self { desk, report }, thread))
    }

    /// Begins to save what the sources have published, which is at least what the caller holds. The future tells whether
    /// that is over within `timeout`; a save that failed is over too, and the next start knows of it.
    pub fn save(&self, timeout: Duration) -> impl Future<Output = bool> + use<> {
        let (reply, done) = oneshot::channel();
        self.desk.ask(|asked| {
            // After the last save nothing changes any more, and nobody waits.
            if !asked.ended {
                asked.waiting.push(reply);
            }
        });
        async move { tokio::time::timeout(timeout, done).await.is_ok() }
    }

    /// Saves for the last time, once the sources have ended.
    pub fn stop(&self) {
        self.desk.ask(|asked| asked.stop = true);
    }

    /// How saving goes.
    pub fn checkpoint(&self) -> Checkpoint {
        let saved = self.report.saved.load(Ordering::Relaxed);
        Checkpoint {
            saved: Some(saved).filter(|saved| *saved > 0),
            failures: self.report.failures.load(Ordering::Relaxed),
        }
    }
}

impl Report {
    /// The failure that is going on. Said once when it begins and once when it ends.
    fn note(&self, result: &io::Result<()>) {
        let mut message = self.message.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if message.take().is_some() {
                    info!("the checkpoint is saved again");
                }
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let text = error.to_string();
                if message.as_ref() != Some(&text) {
                    error!(%error, "failed to save the checkpoint: counting goes on, but a restart now resets the counters");
                    *message = Some(text);
                }
            }
        }
    }
}

struct Worker {
    desk: Arc<Desk>,
    store: Store<Directory>,
    /// For syncing beside saving.
    disk: Directory,
    sources: Vec<Handle>,
    clock: Clock,
    report: Arc<Report>,
    /// What was saved last.
    saved: Vec<Arc<State>>,
    /// When last, if ever. The first time is at once after the first save: until then the disk may hold the checkpoint of a clean
    /// end, whose counts are trusted whatever happens to the machine.
    synced: Option<Duration>,
    /// Something was saved since the last sync.
    unsynced: bool,
    syncing: Option<JoinHandle<()>>,
}

impl Worker {
    fn run(mut self) {
        let mut every = EVERY_AT_START;
        loop {
            let (waiting, stop) = self.desk.wait(every);
            every = self.save(stop);
            for reply in waiting {
                // Who asked may have given up.
                let _ = reply.send(());
            }
            if stop {
                return self.finish();
            }
            self.sync_when_due();
        }
    }

    /// How long nothing need be saved now, unless asked for.
    fn save(&mut self, clean: bool) -> Duration {
        let snapshots = ingest::snapshots(&self.sources);
        let states: Vec<_> = snapshots
            .iter()
            .map(|snapshot| Arc::clone(&snapshot.state))
            .collect();
        let same = |(state, saved)| Arc::ptr_eq(state, saved);
        let unchanged = states.len() == self.saved.len() && states.iter().zip(&self.saved).all(same);
        if unchanged && !clean {
            return EVERY;
        }
        let now = self.clock.now().unix;
        let result = self.store.save(&states, clean, now);
        if result.is_ok() {
            self.saved = states;
            self.unsynced = true;
            self.report.saved.store(now, Ordering::Relaxed);
        }
        self.report.note(&result);
        if snapshots.iter().any(|snapshot| snapshot.catching_up) {
            EVERY_AT_START
        } else {
            EVERY
        }
    }

    /// In a thread of its own: fsync may take seconds, and a scrape waits for the next save.
    fn sync_when_due(&mut self) {
        let now = self.clock.now().elapsed;
        let busy = self.syncing.as_ref().is_some_and(|thread| !thread.is_finished());
        let recent = |synced| now.saturating_sub(synced) < SYNC_EVERY;
        if busy || !self.unsynced || self.synced.is_some_and(recent) {
            return;
        }
        (self.synced, self.unsynced) = (Some(now), false);
        if let Err(error) = self.store.keep() {
            return self.report.note(&Err(error));
        }
        let (mut disk, report) = (self.disk.clone(), Arc::clone(&self.report));
        let work = move || {
            if let Err(error) = sync(&mut disk) {
                report.note(&Err(error));
            }
        };
        self.syncing = thread::Builder::new().name("sync".into()).spawn(work).ok();
    }

    fn finish(mut self) {
        self.desk.end();
        if let Some(thread) = mem::take(&mut self.syncing) {
            // Its failure was noted by itself.
            let _ = thread.join();
        }
        if let Err(error) = self.store.sync() {
            self.report.note(&Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::config::{Config, Overrides};
    use crate::model::Model;
    use crate::source::Source;
    use crate::tail::ReadFrom;

    const PATIENCE: Duration = Duration::from_secs(20);

    const LINE: &[u8] = b"{\"request\":\"GET /config HTTP/1.1\",\"status\":200}\n";

    #[tokio::test]
    async fn what_has_not_changed_is_not_saved_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.log");
        fs::write(&log, LINE).unwrap();
        let overrides = Overrides {
            access: vec![log.to_str().unwrap().to_owned()],
            ..Overrides::default()
        };
        let model = Model::new(Config::load(None, &overrides).unwrap()).unwrap();
        let clock = Clock::start();
        let source = Source::access(Arc::new(model), ReadFrom::Beginning);
        let (handle, reading) = ingest::start(source, clock).unwrap();
        let disk = Directory::open(&dir.path().join("state")).unwrap();
        let (store, _) = Store::open(disk.clone(), "boot".into(), 0);
        let (saver, saving) = Saver::start(store, disk, vec![handle.clone()], clock).unwrap();

        // A save makes another file.
        let saved = async || {
            ingest::fresh(std::slice::from_ref(&handle), PATIENCE).await;
            assert!(saver.save(PATIENCE).await);
            fs::metadata(dir.path().join("state/checkpoint")).unwrap().ino()
        };
        let first = saved().await;
        assert_eq!(saved().await, first);
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(LINE).unwrap();
        assert_ne!(saved().await, first);

        handle.stop();
        saver.stop();
        let ended = tokio::task::spawn_blocking(|| (reading.join(), saving.join()));
        assert!(matches!(ended.await, Ok((Ok(()), Ok(())))));
        assert!(saver.save(PATIENCE).await, "nothing is left to wait for");
    }
}
