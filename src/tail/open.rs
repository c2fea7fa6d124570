//! Taking up a file: where to begin, and what to tell the operator when it cannot be read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use tracing::{info, warn};

use super::discover::{Found, parent};
use super::follower::Follower;
use super::identity::{FileId, Position, Role, Stamp};
use super::rotated::Expected;
use super::siblings::{Siblings, is_rotated_from};
use super::{Polled, ReadFrom, Tail};

/// Unreadable files named in the log one by one, in one sweep. More are counted.
const COMPLAINTS: usize = 5;

/// A file that is there but cannot be read.
#[derive(Debug)]
pub(super) struct Blocked {
    /// What is wrong and what to do.
    pub(super) problem: String,
    /// Size at the last look.
    pub(super) size: u64,
    /// When there was first something unread in it, by the clock's `elapsed`.
    waiting_since: Option<Duration>,
    /// The file, and its size when it was first seen, where it was there at the first start.
    old: Option<(FileId, u64)>,
}

impl Blocked {
    pub(super) fn unread_bytes(&self) -> u64 {
        self.size.saturating_sub(self.old.map_or(0, |(_, size)| size))
    }

    /// How long the oldest unread byte waited.
    fn waited(&mut self, now: Duration) -> Duration {
        if self.unread_bytes() == 0 {
            return Duration::ZERO;
        }
        now.saturating_sub(*self.waiting_since.get_or_insert(now))
    }
}

impl Tail {
    /// Opens what was found and is not followed yet.
    pub(super) fn open_new(
        &mut self,
        found: &BTreeMap<PathBuf, Found>,
        old: &BTreeSet<PathBuf>,
        ids: &HashMap<FileId, (&Path, &Metadata)>,
        now: Duration,
        polled: &mut Polled,
    ) {
        let mut left_out = 0;
        let rotated = self.followers.iter().filter(|follower| follower.retired).count();
        let held: HashSet<FileId> = self
            .followers
            .iter()
            .map(|follower| follower.position.id)
            .collect();
        for (path, found) in found {
            let old = old.contains(path) || self.hidden.iter().any(|hidden| path.starts_with(hidden));
            match found {
                Found::Discarded => {}
                Found::Unreadable(error) => self.block(path, None, error, old),
                Found::File(metadata) => {
                    let id = FileId::from(metadata);
                    let second_name = ids.get(&id).is_some_and(|(first, _)| !ptr::eq(*first, &**path));
                    if second_name || held.contains(&id) {
                        self.blocked.remove(path);
                    } else if self.followers.len() - rotated >= self.options.files {
                        left_out += 1;
                    } else if let Err(error) = self.open(path, old, now, polled) {
                        self.block(path, Some(metadata), &error, old);
                    }
                }
            }
        }
        let waited = self.blocked.values_mut().map(|blocked| blocked.waited(now)).max();
        polled.oldest_unread = polled.oldest_unread.max(waited.unwrap_or_default());
        let unsaid = std::mem::take(&mut self.complained).saturating_sub(COMPLAINTS);
        if unsaid > 0 {
            warn!(
                files = unsaid,
                "more files cannot be read; the status page and /api/v1/status list them with the reasons"
            );
        }
        if left_out > self.over_limit {
            polled.over_limit += (left_out - self.over_limit) as u64;
            warn!(
                files = left_out,
                limit = self.options.files,
                "not followed: raise limits.files, or the number of file descriptors where that is the limit"
            );
        }
        self.over_limit = left_out;
    }

    fn open(&mut self, path: &Path, old: bool, now: Duration, polled: &mut Polled) -> io::Result<()> {
        let file = opened(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let id = FileId::from(&metadata);
        if self.followers.iter().any(|follower| follower.position.id == id) {
            return Ok(());
        }
        if self.is_copied(path, &file, metadata.len())? {
            self.live.remove(&id);
            self.rescan = true;
            return Ok(());
        }
        let blocked = self.blocked.get(path).and_then(|blocked| blocked.old);
        let position = match blocked {
            Some((blocked, size)) if blocked == id => {
                self.first_position(&file, id, size.min(metadata.len()))?
            }
            // Known even where its path is new: the path was another then, or was away for a while.
            _ => match self.resumed(path, &file, &metadata, polled)? {
                Some(position) => position,
                None if old => {
                    self.remember_siblings(path);
                    self.first_position(&file, id, metadata.len())?
                }
                None => Position::beginning(&file, id)?,
            },
        };
        self.blocked.remove(path);
        info!(path = %path.display(), position = position.offset, "following");
        self.awaited.remove(path);
        let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
        let mut follower = Follower::new(path.into(), file, position, now);
        follower.target = is_link.then(|| fs::canonicalize(path).ok()).flatten();
        self.followers.push(follower);
        Ok(())
    }

    fn first_position(&self, file: &File, id: FileId, size: u64) -> io::Result<Position> {
        match self.options.read_from {
            ReadFrom::Beginning => Position::beginning(file, id),
            ReadFrom::End => Position::at_end(file, id, size, self.options.line_bytes),
        }
    }

    /// Our position in a file that we held before, that was old when we first saw it, or that took the place of one we hold.
    /// After a restart the content alone may tell, since device numbers change over a reboot; otherwise a file that only
    /// looks like one we had is another, but for the rest of one that was cut.
    fn resumed(
        &mut self,
        path: &Path,
        file: &File,
        metadata: &Metadata,
        polled: &mut Polled,
    ) -> io::Result<Option<Position>> {
        let (id, size) = (FileId::from(metadata), metadata.len());
        if let Some(bookmark) = self.find_known(file, id, size, Expected::OrDone)? {
            let position = bookmark.position;
            let same = position.id == id || self.restored || self.awaited.contains(path);
            let rest = bookmark.role != Role::Done && position.has_whole_head();
            if (same || rest) && position.offset <= size {
                return Ok(Some(Position { id, ..position }));
            }
            if self.may_be_torn {
                warn!(
                    path = %path.display(),
                    "has lost its end with the machine; what was written to it before this start is not counted, rather \
                     than all of it twice"
                );
                polled.gap = true;
                return Position::at_end(file, id, size, self.options.line_bytes).map(Some);
            }
            self.known.push(bookmark);
        }
        // By bytes: to take paths apart is slow, and of a thousand files each is compared with each.
        let same = |follower: &&Follower| follower.path.as_os_str() == path.as_os_str();
        for follower in self.followers.iter().filter(same) {
            if let Some(common) = follower.is_replaced_by(file, metadata)? {
                return Position::at_end(file, id, common, self.options.line_bytes).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a file is a copy of one that is followed, by its name and its content: a scan takes it up when that is cut.
    fn is_copied(&self, path: &Path, file: &File, size: u64) -> io::Result<bool> {
        for follower in &self.followers {
            if is_rotated_from(&follower.path, path) && follower.is_copied_in(file, size)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rotated copies that were there before us are old: one that is moved to a followed path later is not news.
    pub(super) fn remember_siblings(&mut self, path: &Path) {
        let limit = self.options.line_bytes;
        for sibling in Siblings::default().of(path, &self.options.rotated) {
            let (id, size) = (FileId::from(&sibling.metadata), sibling.metadata.len());
            let position =
                File::open(&sibling.path).and_then(|file| Position::at_end(&file, id, size, limit));
            let unknown = Position {
                offset: size,
                ..Position::start(id)
            };
            let position = position.unwrap_or(unknown);
            self.pass_over(path, position, Stamp::from(&sibling.metadata));
        }
    }

    fn block(&mut self, path: &Path, metadata: Option<&Metadata>, error: &io::Error, old: bool) {
        let problem = explain(path, error);
        let size = metadata.map_or(0, Metadata::len);
        let before = self.blocked.get(path);
        if before.is_none_or(|before| before.problem != problem) {
            self.complained += 1;
            if self.complained <= COMPLAINTS {
                warn!(path = %path.display(), problem, "cannot be read; trying again every second");
            }
        }
        let first_seen = metadata
            .filter(|_| old)
            .map(|metadata| (FileId::from(metadata), size));
        let old = before.map_or(first_seen, |before| before.old);
        let waiting_since = before.and_then(|before| before.waiting_since);
        self.blocked.insert(
            path.to_owned(),
            Blocked {
                problem,
                size,
                waiting_since,
                old,
            },
        );
    }
}

/// What is wrong with a path, and what mends it.
fn explain(path: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    let Ok(metadata) = fs::metadata(path) else {
        // The outermost directory that may not be entered is the one to open.
        let hidden = path
            .ancestors()
            .skip(1)
            .filter(|directory| fs::metadata(directory).is_err())
            .last();
        let closed = parent(hidden.unwrap_or(path));
        return format!(
            "{error}: give the exporter's user the right to enter {}",
            closed.display()
        );
    };
    let (mode, group) = (metadata.mode() & 0o7777, metadata.gid());
    let name = group_name(group);
    let needed = if metadata.is_dir() { 0o050 } else { 0o040 };
    if mode & needed == needed && group != 0 {
        return format!("{error}: mode {mode:04o}, group {name}: add the exporter's user to group {name}");
    }
    // Joining root's group would give far more than a log; a chmod would last until the next rotation.
    format!(
        "{error}: mode {mode:04o}, group {name}: let the writer create it readable for a group the exporter's user is \
         in, such as adm (logrotate: create 0640 USER adm), or use setfacl"
    )
}

fn group_name(gid: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| gid.to_string())
}

/// A file, or what became of it: what was a file a moment ago may be a pipe by now, and opening that would wait.
fn opened(path: &Path) -> io::Result<File> {
    let open = |flags: OFlags| {
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    // Else every look at a log that is written to has its inode written to the disk. Only its owner and root may ask for it.
    match open(OFlags::NONBLOCK | OFlags::NOATIME) {
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => open(OFlags::NONBLOCK),
        opened => opened,
    }
}
