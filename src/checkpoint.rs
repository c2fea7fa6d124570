//! Positions and counts of one instant, in one file, so that counters go on over a restart and no line counts
//! twice. What a scrape shows is saved before it is sent; where a saved value may still be older than a shown one,
//! counts start from zero, an ordinary reset, and only the positions are kept: a count that came back smaller would
//! read as a reset too, but one after which Prometheus adds the whole value again.
//!
//! In the state directory:
//!
//! | file | |
//! |---|---|
//! | `checkpoint` | the newest, replaced by rename |
//! | `checkpoint.new` | the one before it, or half of the next one; never read |
//! | `checkpoint.previous` | the last one that is known to be on the disk |
//! | `history` | see [`crate::history`]; not needed to go on |
//! | `lock` | locked while in use; its first byte is `1` while saving fails |
//! | `checkpoint.corrupt-…`, `checkpoint.newer-…` | set aside: could not be read |

pub mod disk;
pub(crate) mod format;
pub mod saver;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracing::{error, info, warn};

use self::disk::Disk;
use self::format::{Document, Unreadable};
use crate::record::UnixMillis;
use crate::source::State;

const CHECKPOINT: &str = "checkpoint";
const PREVIOUS: &str = "checkpoint.previous";
const TEMPORARY: &str = "checkpoint.new";
const KEPT: &str = "checkpoint.synced";

/// What a state directory held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restored {
    /// The sources' states.
    pub states: Vec<State>,
    /// Whether the counts may go on; else only the positions may.
    pub with_counts: bool,
    /// Something was there and cannot be used: what was counted before is not known.
    pub damaged: bool,
}

/// A state directory in use.
#[derive(Debug)]
pub struct Store<D> {
    disk: D,
    boot_id: String,
    /// The flag in the lock file is set.
    flagged: bool,
    /// The last checkpoint; the next one is as large.
    bytes: Vec<u8>,
}

impl<D: Disk> Store<D> {
    /// Reads what is there. Never fails: what cannot be read is set aside, said, and not used.
    pub fn open(disk: D, boot_id: String, now: UnixMillis) -> (Self, Restored) {
        let flagged = disk.flag().unwrap_or(false);
        let mut store = Self {
            disk,
            boot_id,
            flagged,
            bytes: vec![],
        };
        let restored = store.load(now);
        (store, restored)
    }

    /// Replaces the checkpoint. Once this has returned, a killed process finds these states again. `clean` is said
    /// of the last one, when nothing will be shown any more that is not in it.
    ///
    /// # Errors
    /// Those of the disk. The old checkpoint is still there, and the next start knows not to trust its counts.
    pub fn save(&mut self, states: &[impl Serialize], clean: bool, now: UnixMillis) -> io::Result<()> {
        let document = Document {
            boot_id: &*self.boot_id,
            clean,
            saved: now,
            sources: states,
        };
        let saved = document.encode(&mut self.bytes).and_then(|()| {
            self.disk.write(TEMPORARY, &self.bytes)?;
            self.disk.replace(TEMPORARY, CHECKPOINT)
        });
        let failed = saved.is_err();
        if failed != self.flagged {
            match self.disk.set_flag(failed) {
                Ok(()) => self.flagged = failed,
                // One that stays set costs a reset that was not needed. One that cannot be set is worse.
                Err(error) => {
                    error!(%error, "failed to mark the state directory; do not trust the counters after a restart")
                }
            }
        }
        saved
    }

    /// Brings the newest checkpoint to the disk, so that it survives a loss of power, and keeps it as the previous.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.keep()?;
        sync(&mut self.disk)
    }

    /// Takes hold of the newest checkpoint for [`sync`]: no save writes over it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn keep(&mut self) -> io::Result<()> {
        // A leftover of a crash; that there is none is the ordinary case.
        let _ = self.disk.remove(KEPT);
        self.disk.link(CHECKPOINT, KEPT)
    }

    fn load(&mut self, now: UnixMillis) -> Restored {
        let newest = self.read(CHECKPOINT, now);
        if let Ok(Some(mut document)) = newest {
            let same_boot = document.boot_id == self.boot_id;
            let with_counts = !self.flagged && (same_boot || document.clean);
            if with_counts {
                info!("going on from the checkpoint");
            } else {
                let why = if self.flagged {
                    "saving had failed"
                } else {
                    "the machine went down"
                };
                warn!(
                    why,
                    "the checkpoint may be older than what was shown: positions go on, counts start from 0"
                );
            }
            if !same_boot && !document.clean {
                warn!("lines of the last seconds before the machine went down may be counted twice");
                // What reached the disk of a checkpoint that is written over may be older than what was synced.
                document = match self.read(PREVIOUS, now) {
                    Ok(Some(previous)) if previous.saved > document.saved => previous,
                    _ => document,
                };
            }
            return Restored {
                states: document.sources,
                with_counts,
                damaged: false,
            };
        }
        match self.read(PREVIOUS, now) {
            Ok(Some(document)) => {
                warn!("going on from the positions of the previous checkpoint; counts start from 0");
                Restored {
                    states: document.sources,
                    with_counts: false,
                    damaged: false,
                }
            }
            previous => {
                let damaged = newest.is_err() || previous.is_err();
                if damaged {
                    error!(
                        "no checkpoint can be read: this is a first start, what was counted before is not known"
                    );
                }
                Restored {
                    damaged,
                    ..Restored::default()
                }
            }
        }
    }

    /// Two may be set aside within a second, and neither may replace the other.
    fn free_name(&self, kind: &str, now: UnixMillis) -> String {
        let name = |seconds| format!("{CHECKPOINT}.{kind}-{seconds}");
        let seconds = (now / 1_000..).find(|seconds| !matches!(self.disk.read(&name(*seconds)), Ok(Some(_))));
        name(seconds.unwrap_or(now / 1_000))
    }

    /// `None` where there is no file. What cannot be used is set aside.
    fn read(&mut self, name: &str, now: UnixMillis) -> Result<Option<Document>, ()> {
        let bytes = match self.disk.read(name) {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => bytes,
            Err(error) => {
                error!(name, %error, "failed to read a checkpoint");
                return Err(());
            }
        };
        Document::decode(&bytes).map(Some).map_err(|problem| {
            let kind = if matches!(problem, Unreadable::Newer(_)) {
                "newer"
            } else {
                "corrupt"
            };
            let aside = self.free_name(kind, now);
            error!(name, %problem, aside, "a checkpoint cannot be used and is set aside");
            if let Err(error) = self.disk.rename(name, &aside) {
                error!(name, %error, "failed to set it aside");
            }
        })
    }
}

/// See [`Store::sync`]; apart from it, so that a slow disk holds up nobody. After [`Store::keep`].
///
/// # Errors
/// Those of the disk.
pub fn sync(disk: &mut impl Disk) -> io::Result<()> {
    disk.sync(KEPT)?;
    disk.rename(KEPT, PREVIOUS)?;
    disk.sync_directory()
}

/// Which run of the machine this is (Linux, `random(4)`); empty where it cannot be told, which equals nothing.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Where state is kept unless told otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/bingo-exporter";

/// The directory to use: as told, else systemd's `$STATE_DIRECTORY` (its first entry), else the default.
/// And whether it was asked for: then it must be usable.
pub fn directory(told: Option<&Path>, state_directory: Option<&str>) -> (PathBuf, bool) {
    let systemd = state_directory
        .and_then(|list| list.split(':').find(|entry| !entry.is_empty()))
        .map(PathBuf::from);
    match told.map(Path::to_owned).or(systemd) {
        Some(directory) => (directory, true),
        None => (PathBuf::from(DEFAULT_DIRECTORY), false),
    }
}

#[cfg(test)]
mod tests;
