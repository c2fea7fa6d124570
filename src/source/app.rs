//! Which log a line of bingo's own is from: the directory its file stands in.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tracing::{info, warn};

use crate::model::Model;
use crate::tail::{FileState, FileStatus};
use crate::tally::{AppTally, Sighting};

/// Makes the series of every directory with a file we follow, so that they are there before they are counted up. Whether
/// one is new.
pub(super) fn sight(tally: &mut AppTally, model: &Model, files: &[FileStatus]) -> bool {
    let before = tally.logs().len();
    for file in files.iter().filter(|file| file.state == FileState::Following) {
        log_of(tally, model, &file.path);
    }
    tally.logs().len() > before
}

/// The index of a file's log, valid until the next call. A directory that is new is spoken of once.
pub(super) fn log_of(tally: &mut AppTally, model: &Model, path: &Path) -> usize {
    let directory = path.parent().unwrap_or(path);
    let name = directory.file_name().map(OsStrExt::as_bytes);
    let (log, sighting) = tally.sight(model, directory.as_os_str().as_bytes(), name);
    let log_id = &tally.logs()[log].id;
    match sighting {
        Sighting::Known => {}
        Sighting::Named => info!(directory = %directory.display(), log_id, "found a log directory"),
        Sighting::Renamed => warn!(
            directory = %directory.display(),
            log_id,
            "the name of this log directory is also another one's, or cannot be a label; it is counted under another log_id"
        ),
        Sighting::Overflow => warn!(
            directory = %directory.display(),
            log_id,
            "limits.series leaves no room for this log directory; it and later ones are counted together"
        ),
    }
    log
}

#[cfg(test)]
mod tests;
