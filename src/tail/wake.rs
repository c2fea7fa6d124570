//! What ends the ingest thread's wait. Rings are hints and coalesce: however many come, one pass answers them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::EventKindMask;
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::warn;

use super::identity::FileId;

/// Why the wait ended. Nothing set: the time was over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rings {
    /// Something changed in a followed directory.
    pub directory: bool,
    /// Passes asked for so far; one pass answers all that were asked for before it began.
    pub passes: u64,
    /// Read to the current end and stop.
    pub stop: bool,
}

/// Rung from anywhere, heard by one thread.
#[derive(Debug, Default)]
pub struct Doorbell {
    rings: Mutex<Rings>,
    rung: Condvar,
}

impl Doorbell {
    /// Something changed in a directory.
    pub fn directory(&self) {
        self.ring(|rings| rings.directory = true);
    }

    /// Asks for a pass and returns its number: it is done once a state that answers it is published.
    pub fn pass(&self) -> u64 {
        self.ring(|rings| {
            rings.passes += 1;
            rings.passes
        })
    }

    /// Asks for the end.
    pub fn stop(&self) {
        self.ring(|rings| rings.stop = true);
    }

    /// Wakes once the lock is free again: who wakes needs it.
    fn ring<T>(&self, change: impl FnOnce(&mut Rings) -> T) -> T {
        let changed = change(&mut self.lock());
        self.rung.notify_one();
        changed
    }

    /// Waits until something rings, at most `timeout`. What rang is then held back for as long as `hold` says, so
    /// that more of it is answered by the same pass; a stop is not. `heard` is the last pass that was heard.
    pub fn wait(&self, timeout: Duration, heard: u64, hold: impl Fn(&Rings) -> Duration) -> Rings {
        let mut rings = self.lock();
        let calm = |rings: &mut Rings| !(rings.directory || rings.stop || rings.passes > heard);
        rings = self.wait_while(rings, timeout, calm);
        let rest = hold(&rings);
        if !rings.stop && !rest.is_zero() {
            rings = self.wait_while(rings, rest, |rings| !rings.stop);
        }
        let answered = *rings;
        rings.directory = false;
        answered
    }

    fn wait_while<'a>(
        &self,
        guard: MutexGuard<'a, Rings>,
        timeout: Duration,
        calm: impl FnMut(&mut Rings) -> bool,
    ) -> MutexGuard<'a, Rings> {
        self.rung
            .wait_timeout_while(guard, timeout, calm)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches directories, never files: a watched file wakes us for every line, and lines are read by the clock.
#[derive(Debug)]
pub struct DirectoryWatch {
    watcher: Option<RecommendedWatcher>,
    /// And which directory each was then.
    watched: BTreeMap<PathBuf, FileId>,
    refused: BTreeSet<PathBuf>,
}

impl DirectoryWatch {
    /// Rings `doorbell` when a name comes, goes or changes in a watched directory. Where the kernel has no
    /// watches left, nothing rings and the sweep alone finds out.
    pub fn new(doorbell: Arc<Doorbell>) -> Self {
        let names = EventKindMask::CREATE | EventKindMask::REMOVE | EventKindMask::MODIFY_NAME;
        let config = Config::default()
            .with_event_kinds(names)
            .with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(move |_| doorbell.directory(), config);
        if let Err(error) = &watcher {
            warn!(%error, "no directory watches: new files are found by looking once a second");
        }
        Self {
            watcher: watcher.ok(),
            watched: BTreeMap::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Whether every directory that exists is watched.
    pub fn is_complete(&self) -> bool {
        self.watcher.is_some() && self.refused.is_empty()
    }

    /// Watches exactly these directories, as far as they exist. A watched one that goes rings, and only after a ring are
    /// they looked at again. Whether there are new ones, where what came before is not told of.
    pub fn watch(&mut self, directories: &BTreeSet<&Path>, rung: bool) -> bool {
        if !rung && self.watched.keys().eq(directories.iter()) {
            return false;
        }
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let stays = |path: &Path, id| directories.contains(path) && (!rung || directory_at(path) == Some(id));
        for (gone, _) in self.watched.extract_if(.., |path, id| !stays(path, *id)) {
            // It may have been removed, and its watch with it.
            let _ = watcher.unwatch(&gone);
        }
        let mut any_new = false;
        for directory in directories {
            if self.watched.contains_key(*directory) {
                continue;
            }
            let Some(id) = directory_at(directory) else {
                continue;
            };
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.refused.remove(*directory);
                    self.watched.insert((*directory).to_owned(), id);
                    any_new = true;
                }
                Err(error) => complain(&mut self.refused, directory, &error),
            }
        }
        any_new
    }
}

fn directory_at(path: &Path) -> Option<FileId> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    Some(FileId::from(&metadata))
}

fn complain(refused: &mut BTreeSet<PathBuf>, directory: &Path, error: &notify::Error) {
    if refused.insert(directory.to_owned()) {
        warn!(path = %directory.display(), %error, "not watched: new files there are found by looking once a second");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_directory_is_watched_whatever_stood_at_its_path_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs");
        let directories = BTreeSet::from([&*path]);
        let doorbell = Arc::new(Doorbell::default());
        let mut watch = DirectoryWatch::new(Arc::clone(&doorbell));
        let rings = || doorbell.wait(PATIENCE, 0, |_| Duration::ZERO).directory;

        assert!(!watch.watch(&directories, false), "there is none yet");
        fs::create_dir(&path).unwrap();
        assert!(watch.watch(&directories, true));
        assert!(!watch.watch(&directories, true));
        fs::write(path.join("a.log"), "").unwrap();
        assert!(rings());

        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(
            watch.watch(&directories, true),
            "another directory by the same name"
        );
        assert_eq!(watch.watched.get(&path).copied(), directory_at(&path));
    }
}
