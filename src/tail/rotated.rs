//! Finding again what was rotated: while we were away, or more often than we looked. A rotated file is known by
//! what it holds, not by its name; one that nobody knows is new and is read from its beginning.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::archive::{Archive, Step};
use super::discover::Pattern;
use super::follower::Follower;
use super::identity::{Bookmark, FileId, Position, Role, Stamp};
use super::siblings::{Compression, Sibling, Siblings};
use super::{KNOWN_FILES, PASS_BYTES, Polled, Sink, Tail};
use crate::clock::Now;
use crate::record::UnixMillis;

/// File time stamps lag behind the clock by a tick, and on some file systems by two seconds.
const COARSE: UnixMillis = 2_000;

/// How long something undecided, a copy that is still being made, keeps a loss from being declared.
const UNDECIDED: Duration = Duration::from_secs(10);

/// A directory changed this recently may change again within the same tick of its time stamp.
const SETTLED: UnixMillis = 2_000;

/// A directory, and when it last changed: seconds and nanoseconds.
pub(super) type DirectoryStamp = (OsString, (i64, i64));

/// How often at once a directory is looked through in which names are passed on.
const SCANS: usize = 3;

impl Tail {
    /// Whether a directory with rotated files changed since the last scan, or something was left to look at. Unless somebody
    /// or something `hinted` at it, the directories are asked only where not all that comes is told of.
    pub(super) fn scan_is_due(&mut self, hinted: bool, now: Now) -> bool {
        self.look_at_lingering();
        let elsewhere = !self.options.rotated.is_empty();
        if !hinted && !elsewhere && self.is_told() {
            return false;
        }
        let stamps = self.directory_stamps();
        let is_fresh = |seconds: i64| now.unix.saturating_sub(seconds.saturating_mul(1_000)) < SETTLED;
        let fresh = stamps.iter().any(|(_, (seconds, _))| is_fresh(*seconds));
        let was_fresh = std::mem::replace(&mut self.scanned_fresh, fresh);
        let changed = std::mem::replace(&mut self.scanned, stamps) != self.scanned;
        std::mem::take(&mut self.rescan) || changed || was_fresh || elsewhere
    }

    /// Has files looked for where one was written to after it was let go.
    fn look_at_lingering(&mut self) {
        let rescan = &mut self.rescan;
        self.lingering.retain(|_, (place, id, stamp)| {
            let metadata = fs::metadata(place)
                .ok()
                .filter(|metadata| FileId::from(metadata) == *id);
            let now = metadata.as_ref().map(Stamp::from);
            *rescan |= now.is_some_and(|now| now != *stamp);
            now == Some(*stamp)
        });
    }

    /// Looks for rotated files that are new or hold what is still expected.
    pub(super) fn find_rotated(&mut self, now: Now, polled: &mut Polled) {
        polled.more |= self.scan(now);
        self.settle(now, polled);
        self.forget();
    }

    /// Forgets the oldest of too many files that are read. One that is still there would be taken for new.
    fn forget(&mut self) {
        let mut excess = self.known.len().saturating_sub(KNOWN_FILES);
        let present = &self.present;
        self.known.retain(|known| {
            let forgotten =
                excess > 0 && known.role == Role::Done && !present.contains_key(&known.position.id);
            excess -= usize::from(forgotten);
            !forgotten
        });
    }

    /// Looks through the rotated copies of every followed file. Whether there is something new to read. Where names
    /// were passed on meanwhile, a file may have been missed, and it looks again.
    fn scan(&mut self, now: Now) -> bool {
        let before = self.followers.len() + self.archives.len();
        for _ in 0..SCANS {
            let stamps = self.directory_stamps();
            self.rescan = false;
            self.look_through(now);
            if stamps == self.directory_stamps() {
                break;
            }
            self.rescan = true;
        }
        self.followers.len() + self.archives.len() > before
    }

    fn look_through(&mut self, now: Now) {
        let mut listing = Siblings::default();
        let rotated = &self.options.rotated;
        let origins: BTreeSet<(&Path, &Path)> = self.origins().collect();
        let siblings: Vec<(PathBuf, Sibling)> = origins
            .into_iter()
            .flat_map(|(path, place)| {
                let siblings = listing.of(place, rotated).into_iter();
                siblings.map(|sibling| (path.to_owned(), sibling))
            })
            .collect();
        let present = siblings.iter().map(|(_, sibling)| &sibling.metadata);
        self.present = present
            .map(|metadata| (FileId::from(metadata), Stamp::from(metadata)))
            .collect();
        let done = self.known.iter().filter(|known| known.role == Role::Done);
        let done: HashSet<_> = done.map(|known| (known.position.id, known.stamp)).collect();
        for (path, sibling) in siblings {
            if done.contains(&(FileId::from(&sibling.metadata), Stamp::from(&sibling.metadata))) {
                continue;
            }
            if let Err(error) = self.take_up(&path, &sibling, now) {
                debug!(path = %sibling.path.display(), %error, "rotated file not read yet; trying again");
                self.rescan = true;
            }
        }
    }

    /// What was expected and is nowhere is gone. Said once. While something is undecided it may still turn up.
    fn settle(&mut self, now: Now, polled: &mut Polled) {
        let expected = self.known.iter().any(|bookmark| bookmark.role != Role::Done);
        let since = *self.unsettled.get_or_insert(now.elapsed);
        if !expected {
            self.unsettled = None;
        }
        if !expected || (self.rescan && now.elapsed.saturating_sub(since) < UNDECIDED) {
            return;
        }
        for bookmark in &mut self.known {
            let waits = bookmark.role == Role::Done || self.blocked.contains_key(&*bookmark.path);
            let lost = bookmark.stamp.size.saturating_sub(bookmark.position.offset);
            if waits {
                continue;
            }
            let was = std::mem::replace(&mut bookmark.role, Role::Done);
            if was == Role::Rotated && lost == 0 {
                continue;
            }
            polled.lost_bytes += lost;
            polled.gap = true;
            warn!(
                path = %bookmark.path.display(),
                lost_bytes = lost,
                "the file we were reading is gone or was cut, and no rotated copy holds the rest; at least so many bytes are lost"
            );
        }
    }

    /// One budget's worth of the compressed files, oldest first.
    pub(super) fn read_archives(&mut self, polled: &mut Polled, sink: Sink<'_>) {
        let enough = polled.read_bytes + PASS_BYTES;
        while let Some(mut archive) = self.archives.pop_front() {
            let path = archive.path.clone();
            match archive.step(self.options.line_bytes, &mut |lines| sink(&path, lines)) {
                Ok(Step::More(new)) => {
                    polled.read_bytes += new;
                    self.archives.push_front(archive);
                }
                Ok(Step::End(new)) => {
                    polled.read_bytes += new;
                    remember(&mut self.known, archive.bookmark(Role::Done));
                }
                // The same beginning, but not the file we know: all of it is new.
                Ok(Step::Another) => match archive.restart() {
                    Ok(()) => self.archives.push_front(archive),
                    Err(_) => self.rescan = true,
                },
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.rescan = true;
                    remember(&mut self.known, archive.bookmark(Role::Rotated));
                }
                Err(error) => {
                    warn!(path = %archive.file.display(), %error, "failed to decompress; what is left in it is lost");
                    polled.gap = true;
                    remember(&mut self.known, archive.bookmark(Role::Done));
                }
            }
            if polled.read_bytes >= enough {
                break;
            }
        }
        polled.more |= !self.archives.is_empty();
    }

    /// Paths that files were or are followed under, or will be, each with the place that has its rotated copies beside it.
    fn origins(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let configured = self.patterns.iter().filter_map(Pattern::literal);
        let followed = self.followers.iter().map(|follower| &*follower.path);
        let known = self.known.iter().map(|bookmark| &*bookmark.path);
        // What is followed is wanted.
        let paths = configured
            .chain(followed)
            .chain(known.filter(|path| self.is_wanted(path)));
        let targets = self
            .followers
            .iter()
            .filter_map(|follower| Some((&*follower.path, follower.target.as_deref()?)));
        paths.map(|path| (path, path)).chain(targets)
    }

    /// Directories with rotated files, and when they last changed.
    fn directory_stamps(&self) -> Vec<DirectoryStamp> {
        let parents = self.origins().filter_map(|(_, place)| place.parent());
        // By bytes: to take paths apart is slow, and thousands are compared.
        let mut directories: Vec<&OsStr> = parents.map(Path::as_os_str).collect();
        directories.sort_unstable();
        directories.dedup();
        let stamp = |directory: &OsStr| {
            let metadata = fs::metadata(directory).ok()?;
            Some((directory.to_owned(), (metadata.mtime(), metadata.mtime_nsec())))
        };
        directories.into_iter().filter_map(stamp).collect()
    }

    pub(super) fn take_up(&mut self, path: &Path, sibling: &Sibling, now: Now) -> io::Result<()> {
        let id = FileId::from(&sibling.metadata);
        let held = self.followers.iter().any(|follower| follower.position.id == id)
            || self.archives.iter().any(|archive| archive.position.id == id);
        if held || self.live.contains(&id) {
            return Ok(());
        }
        let retired = self.followers.iter().filter(|follower| follower.retired).count();
        if retired + self.archives.len() >= self.options.files {
            self.rescan = true;
            return Ok(());
        }
        match sibling.compression() {
            None => self.take_up_plain(path, sibling, now),
            Some(compression) => self.take_up_archive(path, sibling, compression),
        }
    }

    fn take_up_plain(&mut self, path: &Path, sibling: &Sibling, now: Now) -> io::Result<()> {
        let file = File::open(&sibling.path)?;
        let metadata = file.metadata()?;
        let (id, stamp) = (FileId::from(&metadata), Stamp::from(&metadata));
        sibling.must_be(id)?;
        let size = stamp.size;
        let mut known = self.find_known(&file, id, size, Expected::Only)?;
        if known.is_none() {
            if let Some(bookmark) = self.original_of(&file, size)? {
                self.wait_for_cut(path, sibling, done_with(bookmark, id, stamp), now);
                return Ok(());
            }
            known = self.find_known(&file, id, size, Expected::OrDone)?;
        }
        let position = match known {
            Some(bookmark) if bookmark.position.offset >= size => {
                self.still_expect(&bookmark, size);
                remember(&mut self.known, done_with(bookmark, id, stamp));
                return Ok(());
            }
            Some(bookmark) => Position {
                id,
                ..bookmark.position
            },
            None if self.is_old(sibling) => {
                let position = Position::at_end(&file, id, size, self.options.line_bytes)?;
                self.pass_over(path, position, stamp);
                return Ok(());
            }
            None => {
                let position = Position::beginning(&file, id)?;
                if sibling.may_be_backup(path) && self.holds(&position, size) {
                    self.pass_over(path, position, stamp);
                    return Ok(());
                }
                position
            }
        };
        info!(path = %sibling.path.display(), position = position.offset, "reading a rotated file");
        let mut follower = Follower::new(path.into(), file, position, now.elapsed);
        follower.retired = true;
        self.followers.push(follower);
        Ok(())
    }

    /// Reads no more of a file than `position` says.
    pub(super) fn pass_over(&mut self, path: &Path, position: Position, stamp: Stamp) {
        let bookmark = Bookmark {
            path: path.into(),
            position,
            stamp,
            role: Role::Done,
        };
        remember(&mut self.known, bookmark);
    }

    /// What we know of the followed file that `file` is a copy of, finished or still being made.
    fn original_of(&self, file: &File, size: u64) -> io::Result<Option<Bookmark>> {
        for follower in &self.followers {
            if follower.is_copied_in(file, size)? {
                return Ok(Some(follower.bookmark()));
            }
        }
        Ok(None)
    }

    /// A copy of what we follow counts once that is cut. One without a number or a date that nobody has touched for a while is a
    /// backup: to wait for a cut would be to look at it for ever.
    fn wait_for_cut(&mut self, path: &Path, sibling: &Sibling, copy: Bookmark, now: Now) {
        let is_left = now.unix.saturating_sub(sibling.changed()) > UNDECIDED.as_millis() as UnixMillis;
        if is_left && sibling.may_be_backup(path) {
            remember(&mut self.known, copy);
        } else {
            self.rescan = true;
        }
    }

    fn take_up_archive(
        &mut self,
        path: &Path,
        sibling: &Sibling,
        compression: Compression,
    ) -> io::Result<()> {
        let mut archive = Archive::open(path.into(), sibling.path.clone(), compression)?;
        sibling.must_be(archive.position.id)?;
        let mut known = self.find_archived(&archive, Expected::Only);
        if known.is_none() {
            for follower in &self.followers {
                if follower.begins(archive.beginning())? {
                    self.rescan = true;
                    return Ok(());
                }
            }
            known = self.find_archived(&archive, Expected::OrDone);
        }
        let backup_size = archive
            .stated_size
            .filter(|_| sibling.may_be_backup(path))
            .map(u64::from);
        match known {
            Some(bookmark)
                if archive.ends_at(bookmark.position.offset)
                    || backup_size.is_some_and(|size| size < bookmark.position.offset) =>
            {
                self.still_expect(&bookmark, backup_size.unwrap_or(bookmark.position.offset));
                remember(
                    &mut self.known,
                    done_with(bookmark, archive.position.id, archive.stamp),
                );
                return Ok(());
            }
            Some(bookmark) => archive.resume(&bookmark.position),
            None if self.is_old(sibling) => {
                remember(&mut self.known, archive.bookmark(Role::Done));
                return Ok(());
            }
            None if backup_size.is_some_and(|size| self.holds(&archive.position, size)) => {
                remember(&mut self.known, archive.bookmark(Role::Done));
                return Ok(());
            }
            None => {}
        }
        info!(path = %sibling.path.display(), position = archive.position.offset, "reading a compressed rotated file");
        self.archives.push_back(archive);
        Ok(())
    }

    /// A copy of this size ended before our position, as a backup does: the true copy, which ends there or behind it, may be
    /// still to come. Where none comes, no more is lost than what was seen and not read.
    fn still_expect(&mut self, bookmark: &Bookmark, size: u64) {
        if bookmark.role != Role::Done && size < bookmark.position.offset {
            let role = Role::Rotated;
            self.known.push(Bookmark {
                role,
                ..bookmark.clone()
            });
        }
    }

    /// Whether another file that is still there begins like this, and was read beyond `size`.
    fn holds(&self, position: &Position, size: u64) -> bool {
        let is_part = |known: &Bookmark| {
            known.position.head == position.head
                && known.position.offset >= size
                && self.present.contains_key(&known.position.id)
        };
        position.has_whole_head() && self.known.iter().any(is_part)
    }

    /// Takes the bookmark that belongs to this content, under whatever name.
    pub(super) fn find_known(
        &mut self,
        file: &File,
        id: FileId,
        size: u64,
        expected: Expected,
    ) -> io::Result<Option<Bookmark>> {
        let mut fitting = vec![];
        for (index, known) in self.known.iter().enumerate() {
            let same_file = known.position.id == id && known.position.says_something();
            let candidate = same_file || (known.position.has_head() && !self.has_its_file(known));
            if candidate && expected.admits(known) && known.position.fits(file, size)? {
                fitting.push(index);
            }
        }
        Ok(self.take_known(fitting, id))
    }

    fn find_archived(&mut self, archive: &Archive, expected: Expected) -> Option<Bookmark> {
        let fits = |known: &Bookmark| {
            let other = known.position.id != archive.position.id && self.has_its_file(known);
            expected.admits(known) && !other && archive.begins_with(&known.position.head)
        };
        let fitting = self
            .known
            .iter()
            .enumerate()
            .filter(|(_, known)| fits(known))
            .map(|(index, _)| index)
            .collect();
        self.take_known(fitting, archive.position.id)
    }

    /// The very file of this bookmark is there, so another with the same content is another.
    fn has_its_file(&self, known: &Bookmark) -> bool {
        self.present.get(&known.position.id) == Some(&known.stamp)
    }

    /// Takes the best of several bookmarks in one content: the file's own, what is still expected before what is
    /// done with, then the farthest.
    fn take_known(&mut self, fitting: Vec<usize>, id: FileId) -> Option<Bookmark> {
        let rank = |index: &usize| {
            let known = &self.known[*index];
            (
                known.position.id == id,
                known.role != Role::Done,
                known.position.offset,
            )
        };
        let best = fitting.into_iter().max_by_key(rank)?;
        Some(self.known.remove(best))
    }

    /// Written last before we first looked, so it was never ours.
    fn is_old(&self, sibling: &Sibling) -> bool {
        self.since.is_none_or(|since| sibling.modified() + COARSE < since)
    }
}

/// Which bookmarks are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Those of files we must find again.
    Only,
    /// Those of files we are done with, too.
    OrDone,
}

impl Expected {
    fn admits(self, known: &Bookmark) -> bool {
        self == Self::OrDone || known.role != Role::Done
    }
}

/// Remembers a file that is no longer held, in place of what was known of it.
pub(super) fn remember(known: &mut Vec<Bookmark>, bookmark: Bookmark) {
    let same = |other: &Bookmark| {
        other.position.id == bookmark.position.id && other.position.head == bookmark.position.head
    };
    known.retain(|other| !same(other) || other.role != Role::Done);
    known.push(bookmark);
}

fn done_with(bookmark: Bookmark, id: FileId, stamp: Stamp) -> Bookmark {
    Bookmark {
        position: Position {
            id,
            ..bookmark.position
        },
        stamp,
        role: Role::Done,
        ..bookmark
    }
}
