//! Following files: bytes only, never their meaning. [`Tail::poll`] is one pass; it neither loops nor waits.
//! What wakes it is only a hint: each sweep looks at what is on disk, and that is the truth.

pub mod decide;
pub mod discover;
pub mod follower;
pub mod identity;
pub mod lines;
mod archive;
mod open;
mod options;
mod rotated;
mod siblings;
pub mod wake;
mod writes;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use self::archive::Archive;
use self::decide::{AtHandle, AtPath, at_path};
use self::discover::{Found, Pattern};
use self::follower::{CHUNK_BYTES, Follower, News, Turn};
pub(crate) use self::identity::lossy;
use self::identity::{Bookmark, FileId, Position, Role, Stamp};
pub use self::lines::{Line, Lines};
use self::open::Blocked;
use self::rotated::{DirectoryStamp, remember};
use self::writes::Writes;
use crate::clock::Now;
use crate::record::{UnixMillis, closed_set};

/// How soon to look again at the files, when nothing calls for it before.
pub const LOOK: Duration = Duration::from_secs(1);

/// The longest time between two looks, at very many files or silent ones: what Prometheus mostly lets pass between two
/// scrapes, each of which asks for one.
pub const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// So many files are worth another [`LOOK`] between two looks.
const LOOK_FILES: usize = 64;

/// While the kernel tells of new names, the paths themselves are looked at with only one in so many looks.
const SWEEP_LOOKS: u32 = 8;

/// How long a renamed file must be quiet, while its successor grows, before it is let go.
const GRACE: Duration = Duration::from_secs(60);

/// How long a deleted file must be quiet before it is let go, where none came in its place and no other needs its: its writer
/// may still have it.
const GRACE_OF_DELETED: Duration = Duration::from_secs(3_600);

/// Bytes one pass reads, so that a scrape or a stop is heard while gigabytes are caught up, on a machine that leaves us
/// a twentieth of a core, too.
const PASS_BYTES: u64 = 4 * 1024 * 1024;

/// Files remembered after they were let go, so that one moved back is not counted again; besides those that are still there.
const KNOWN_FILES: usize = 1000;

closed_set! {
    /// How a file came to be another one.
    Rotation {
        /// Renamed, and a new one created.
        Renamed = "renamed",
        /// Cut to nothing or written anew in place.
        Truncated = "truncated",
        /// Deleted, and a new one created.
        Recreated = "recreated",
    }
}

closed_set! {
    /// Where to begin in files present at the first start.
    ReadFrom { End = "end", Beginning = "beginning" }
}

/// What to follow.
#[derive(Debug, Clone)]
pub struct Options {
    /// Absolute paths, wildcards allowed.
    pub paths: Vec<String>,
    /// Where to begin in files present at the first start; later ones are read from their beginning.
    pub read_from: ReadFrom,
    /// Lines longer than this many bytes are passed over.
    pub line_bytes: usize,
    /// At most so many files are followed at once; as many that were rotated may be read besides.
    pub files: usize,
    /// Further globs where rotated copies go; same directory and name prefix need not be named.
    pub rotated: Vec<String>,
}

/// Takes lines and the path of their file, the one it was followed under.
pub type Sink<'a> = &'a mut dyn FnMut(&Path, Lines<'_>);

/// The files of one source.
#[derive(Debug)]
pub struct Tail {
    options: Options,
    patterns: Vec<Pattern>,
    followers: Vec<Follower>,
    /// Files that are there but cannot be read.
    blocked: BTreeMap<PathBuf, Blocked>,
    discarded: BTreeSet<PathBuf>,
    /// Places that could not be looked into at the first sweep: what turns up there was there before us.
    hidden: BTreeSet<PathBuf>,
    /// Compressed rotated files that are being read, oldest first.
    archives: VecDeque<Archive>,
    /// Files that we no longer hold, or never held because they were old at the first start, or must find again.
    known: Vec<Bookmark>,
    /// Files at followed paths, at the last sweep.
    live: HashSet<FileId>,
    /// Rotated files, at the last scan.
    present: HashMap<FileId, Stamp>,
    /// Directories with rotated files, and when they had last changed.
    scanned: Vec<DirectoryStamp>,
    /// One of them may have changed since without our seeing it, in the same tick of its time stamp.
    scanned_fresh: bool,
    /// A scan left something undecided.
    rescan: bool,
    /// By path, the file that was let go last: where it was then, and what it was. Its writer may have it still.
    lingering: BTreeMap<Arc<Path>, (PathBuf, FileId, Stamp)>,
    /// Since when something expected was not found.
    unsettled: Option<Duration>,
    /// Before the first sweep after a restart.
    restored: bool,
    /// Where a file was followed before a restart and none was at the first sweep, on a disk that is mounted late, say.
    awaited: HashSet<Arc<Path>>,
    /// The machine went down since, so that a file may have lost its end. Before the first sweep, too.
    may_be_torn: bool,
    /// When we first looked, ever.
    since: Option<UnixMillis>,
    over_limit: usize,
    /// Unreadable files found in this sweep.
    complained: usize,
    swept: Option<Duration>,
    /// Whether somebody is told of new names, and asks for a sweep then.
    names_are_told: bool,
    writes: Writes,
    /// Which of the live files comes first in the next pass, where the last did not come to all.
    next: Option<usize>,
    buffer: Vec<u8>,
}

/// What one pass came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Polled {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes known to be gone.
    pub lost_bytes: u64,
    /// By [`Rotation`].
    pub rotations: [u64; Rotation::COUNT],
    /// How long the oldest byte read, or still unread, may have waited.
    pub oldest_unread: Duration,
    /// Files left out because of `limits.files`, newly in this pass.
    pub over_limit: u64,
    /// Something is gone, whether or not it is known how much.
    pub gap: bool,
    /// There is more to read at once.
    pub more: bool,
    /// The paths themselves were looked at.
    pub swept: bool,
}

/// What a tail must remember over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Positions in all files held or remembered.
    pub bookmarks: Vec<Bookmark>,
    /// Patterns that were looked at: what matches one of them later is new.
    pub patterns: Vec<String>,
    /// When we first looked, ever.
    pub since: Option<UnixMillis>,
}

/// One file as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileStatus {
    /// Where it is.
    #[serde(serialize_with = "identity::lossy")]
    pub path: Arc<Path>,
    /// What we do with it.
    pub state: FileState,
    /// Bytes done with.
    pub position: u64,
    /// Bytes on disk.
    pub size: u64,
    /// Bytes on disk that were not read.
    pub unread_bytes: u64,
    /// What keeps us from reading it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

closed_set! {
    /// What we do with a file.
    FileState {
        Following = "following", Unreadable = "unreadable", Discarded = "discarded", Missing = "missing",
    }
}

impl Tail {
    /// Follows what matches `options`, from the first [`poll`](Self::poll) on.
    pub fn new(options: Options) -> Self {
        let patterns = options.paths.iter().map(|path| Pattern::new(path)).collect();
        Self {
            options,
            patterns,
            followers: vec![],
            blocked: BTreeMap::new(),
            discarded: BTreeSet::new(),
            hidden: BTreeSet::new(),
            archives: VecDeque::new(),
            known: vec![],
            live: HashSet::new(),
            present: HashMap::new(),
            scanned: vec![],
            scanned_fresh: false,
            rescan: false,
            lingering: BTreeMap::new(),
            unsettled: None,
            restored: false,
            awaited: HashSet::new(),
            may_be_torn: false,
            since: None,
            over_limit: 0,
            complained: 0,
            swept: None,
            names_are_told: false,
            writes: Writes::default(),
            next: None,
            buffer: vec![],
        }
    }

    /// Goes on where another left off.
    pub fn restore(options: Options, memory: Memory) -> Self {
        let mut tail = Self::new(options);
        for pattern in &mut tail.patterns {
            pattern.looked = memory.patterns.iter().any(|looked| looked == pattern.as_str());
        }
        let mut tail = Self {
            known: memory.bookmarks,
            since: memory.since,
            restored: true,
            rescan: true,
            ..tail
        };
        tail.expect_only_wanted();
        tail
    }

    /// The machine went down since this was remembered: a file that ends before our position and begins as it did is the same,
    /// and has lost its end.
    #[must_use]
    pub fn after_a_crash(self) -> Self {
        Self {
            may_be_torn: true,
            ..self
        }
    }

    /// One pass: looks at the paths when it is time or `asked` for, reads what is new in every file, and gives the lines
    /// to `sink`.
    pub fn poll(&mut self, now: Now, asked: bool, sink: Sink<'_>) -> Polled {
        let mut polled = Polled::default();
        let is_due = |swept| now.elapsed.saturating_sub(swept) >= self.sweep_every();
        if asked || self.swept.is_none_or(is_due) {
            self.sweep(now, &mut polled);
            polled.swept = true;
        }
        // After a restart nothing is held yet, so what was rotated can be found and read first: bingo's log tells a
        // crash by what comes before a start.
        if self.restored {
            self.find_rotated(now, &mut polled);
        }
        self.read_archives(&mut polled, sink);
        let cut = self.read(now, &mut polled, sink);
        // While we run, what we hold comes first: only then is a file that was copied and cut known to be cut.
        let hinted = asked || polled.rotations != [0; Rotation::COUNT];
        if cut || (polled.swept && !self.restored && self.scan_is_due(hinted, now)) {
            self.find_rotated(now, &mut polled);
        }
        self.let_go(now, &mut polled, sink);
        (self.restored, self.may_be_torn) = (false, false);
        // A long line may have made it grow.
        self.buffer.truncate(CHUNK_BYTES);
        self.buffer.shrink_to(CHUNK_BYTES);
        polled
    }

    /// How soon to look again at the files, when nothing calls for it before; `silent` where nothing was written for long.
    pub fn look_every(&self, silent: bool) -> Duration {
        if !self.is_told() {
            return LOOK;
        }
        if silent {
            return LONGEST_LOOK;
        }
        let looks = u32::try_from(self.followers.len() / LOOK_FILES).unwrap_or(u32::MAX);
        (LOOK * looks).clamp(LOOK, LONGEST_LOOK)
    }

    /// How often the paths themselves are looked at.
    fn sweep_every(&self) -> Duration {
        let looks = if self.is_told() { SWEEP_LOOKS } else { 1 };
        self.look_every(false) * looks
    }

    /// Whether all that may happen is told of. That something can be read again, or turns up in the end, is not.
    fn is_told(&self) -> bool {
        let failing = self.followers.iter().any(|follower| follower.problem.is_some());
        let missed = self.rescan || self.unsettled.is_some();
        self.names_are_told && self.blocked.is_empty() && !failing && !missed
    }

    /// Says whether every new name is told, and answered by a pass that sweeps.
    pub fn set_names_are_told(&mut self, told: bool) {
        self.names_are_told = told;
    }

    /// What is followed.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What must be remembered over a restart.
    pub fn memory(&self) -> Memory {
        let followed = self.followers.iter().map(Follower::bookmark);
        let archives = self
            .archives
            .iter()
            .map(|archive| archive.bookmark(Role::Rotated));
        let held = followed
            .chain(archives)
            .filter(|bookmark| bookmark.position.says_something());
        let most = self.followers.len() + self.archives.len() + self.known.len();
        let mut bookmarks = Vec::with_capacity(most);
        bookmarks.extend(held);
        bookmarks.extend_from_slice(&self.known);
        let looked = self.patterns.iter().filter(|pattern| pattern.looked);
        Memory {
            bookmarks,
            patterns: looked.map(|pattern| pattern.as_str().to_owned()).collect(),
            since: self.since,
        }
    }

    /// Directories whose changes are worth a look.
    pub fn directories(&self) -> BTreeSet<&Path> {
        let directories = self.patterns.iter().flat_map(|pattern| &pattern.directories);
        let targets = self
            .followers
            .iter()
            .filter_map(|follower| follower.target.as_deref()?.parent());
        directories.map(PathBuf::as_path).chain(targets).collect()
    }

    /// Every file, path or pattern there is something to say about.
    pub fn files(&self) -> Vec<FileStatus> {
        let state = |follower: &Follower| match follower.problem {
            None => FileState::Following,
            Some(_) => FileState::Unreadable,
        };
        let following = self.followers.iter().map(|follower| FileStatus {
            problem: follower.problem.clone(),
            position: follower.position.offset,
            size: follower.size(),
            unread_bytes: follower.unread_bytes(),
            ..FileStatus::new(Arc::clone(&follower.path), state(follower))
        });
        let blocked = self.blocked.iter().map(|(path, blocked)| FileStatus {
            unread_bytes: blocked.unread_bytes(),
            size: blocked.size,
            problem: Some(blocked.problem.clone()),
            ..FileStatus::new(path.as_path(), FileState::Unreadable)
        });
        let discarded = self
            .discarded
            .iter()
            .map(|path| FileStatus::new(path.as_path(), FileState::Discarded));
        let missing = self.patterns.iter().filter(|pattern| pattern.said_missing);
        let missing = missing.map(|pattern| FileStatus::new(Path::new(pattern.as_str()), FileState::Missing));
        following.chain(blocked).chain(discarded).chain(missing).collect()
    }

    /// Whether there is a log: a file at a followed path, readable or not. A rotated one that is still being read is
    /// none.
    pub fn has_log(&self) -> bool {
        !self.blocked.is_empty() || self.followers.iter().any(|follower| !follower.retired)
    }

    /// Whether the lines of a file at this path are being read.
    pub fn is_followed(&self, path: &Path) -> bool {
        self.followers.iter().any(|follower| *follower.path == *path)
            || self.archives.iter().any(|archive| *archive.path == *path)
    }

    /// How many files, paths or patterns are in `state`.
    pub fn count(&self, state: FileState) -> usize {
        let failing = self
            .followers
            .iter()
            .filter(|follower| follower.problem.is_some())
            .count();
        match state {
            FileState::Following => self.followers.len() - failing,
            FileState::Unreadable => self.blocked.len() + failing,
            FileState::Discarded => self.discarded.len(),
            FileState::Missing => self
                .patterns
                .iter()
                .filter(|pattern| pattern.said_missing)
                .count(),
        }
    }

    fn sweep(&mut self, now: Now, polled: &mut Polled) {
        let (found, old) = self.discover();
        let ids = by_id(&found);
        for follower in &mut self.followers {
            if let Some((path, metadata)) = ids.get(&follower.position.id) {
                // By bytes: to take paths apart is slow, and thousands are compared.
                if follower.path.as_os_str() != path.as_os_str() {
                    follower.path = (*path).into();
                }
                follower.retired = false;
                follower.note_stamp(Stamp::from(*metadata));
                continue;
            }
            let seen = match found.get(&*follower.path) {
                Some(Found::File(metadata)) => AtPath::File(FileId::from(metadata)),
                Some(Found::Discarded) => AtPath::Discarded,
                _ => AtPath::Nothing,
            };
            if at_path(follower.position.id, seen) == AtHandle::Retire && !follower.retired {
                let kind = if follower.is_deleted() {
                    Rotation::Recreated
                } else {
                    Rotation::Renamed
                };
                polled.rotations[kind as usize] += 1;
                info!(path = %follower.path.display(), %kind, "rotated; the old file is read to its end");
                follower.retired = true;
            }
        }
        self.discarded = self.discarded_in(&found);
        self.blocked.retain(|path, _| found.contains_key(path));
        self.live = ids.keys().copied().collect();
        if self.restored {
            let away = |known: &&Bookmark| known.role == Role::Live && !found.contains_key(&*known.path);
            let away = self
                .known
                .iter()
                .filter(away)
                .map(|known| Arc::clone(&known.path));
            self.awaited = away.collect();
        }
        let denied = found
            .iter()
            .filter(|(_, found)| found.is_denied())
            .map(|(path, _)| path.clone());
        let denied: BTreeSet<PathBuf> = denied.collect();
        self.open_new(&found, &old, &ids, now.elapsed, polled);
        self.hidden = denied
            .into_iter()
            .filter(|path| old.contains(path) || self.hidden.contains(path))
            .collect();
        self.since.get_or_insert(now.unix);
        self.swept = Some(now.elapsed);
    }

    /// What matches, and which of it was there before its pattern was first looked at.
    fn discover(&mut self) -> (BTreeMap<PathBuf, Found>, BTreeSet<PathBuf>) {
        let (mut found, mut old) = (BTreeMap::new(), BTreeSet::new());
        // Those looked at before come first: what only the others lead to is old.
        let (mut looked, mut others): (Vec<_>, Vec<_>) =
            self.patterns.iter_mut().partition(|pattern| pattern.looked);
        for pattern in looked.iter_mut().chain(&mut others) {
            let mut matches = BTreeMap::from_iter(pattern.find());
            let missing = matches.is_empty();
            if missing && !pattern.said_missing {
                info!(
                    path = pattern.as_str(),
                    "nothing matches yet; it is followed as soon as it appears"
                );
            }
            pattern.said_missing = missing;
            if !pattern.looked {
                old.extend(matches.keys().filter(|path| !found.contains_key(*path)).cloned());
            }
            pattern.looked = true;
            found.append(&mut matches);
        }
        (found, old)
    }

    fn discarded_in(&self, found: &BTreeMap<PathBuf, Found>) -> BTreeSet<PathBuf> {
        let discarded = found
            .iter()
            .filter(|(_, found)| matches!(found, Found::Discarded));
        let discarded: BTreeSet<PathBuf> = discarded.map(|(path, _)| path.clone()).collect();
        for path in discarded.difference(&self.discarded) {
            warn!(path = %path.display(), "leads to /dev/null: its lines are thrown away and cannot be counted");
        }
        discarded
    }

    /// Reads what is new in the files, in turn where it is more than a pass may read. Whether one was cut.
    fn read(&mut self, now: Now, polled: &mut Polled, sink: Sink<'_>) -> bool {
        let all = self.followers.len();
        let (limit, budget) = (self.options.line_bytes, PASS_BYTES / all.max(1) as u64);
        let (written, swept) = (self.writes.take(all), polled.swept);
        // Retired files first: their lines are older.
        self.followers.sort_by_key(|follower| !follower.retired);
        let live = self.followers.partition_point(|follower| follower.retired);
        let first = self.next.take().unwrap_or(live).clamp(live, all);
        let (mut cut, mut older_are_left) = (vec![], polled.more);
        for index in (0..live).chain(first..all).chain(live..first) {
            let follower = &mut self.followers[index];
            if follower.news(&written, swept, now.elapsed) == News::Nothing {
                continue;
            }
            // What is live waits until what is older is read, and for its turn.
            if !follower.retired && (older_are_left || polled.read_bytes >= PASS_BYTES) {
                self.next.get_or_insert(index);
                polled.more = true;
                continue;
            }
            let path = Arc::clone(&follower.path);
            let sink = &mut |lines: Lines<'_>| sink(&path, lines);
            let turn = follower.turn(
                &mut self.writes,
                &mut self.buffer,
                limit,
                budget,
                now.elapsed,
                sink,
            );
            older_are_left |= follower.retired && turn.more;
            polled.add(&turn);
            cut.extend(turn.cut.into_iter().map(|(position, stamp)| Bookmark {
                path: Arc::clone(&follower.path),
                position: Position {
                    id: FileId::GONE,
                    ..position
                },
                stamp,
                role: Role::Live,
            }));
        }
        for bookmark in &cut {
            info!(path = %bookmark.path.display(), position = bookmark.position.offset, "truncated or rewritten in place");
        }
        let any = !cut.is_empty();
        // What was empty has no rest to look for.
        self.known
            .extend(cut.into_iter().filter(|bookmark| bookmark.position.has_head()));
        any
    }

    /// Whether files are left out because of `limits.files`.
    pub fn leaves_out(&self) -> bool {
        self.over_limit > 0
    }

    /// Parts with retired files that stayed quiet while their successors grew, and with deleted ones that nothing succeeds.
    fn let_go(&mut self, now: Now, polled: &mut Polled, sink: Sink<'_>) {
        let any_retired = self.followers.iter().any(|follower| follower.retired);
        if !any_retired && !polled.swept {
            return;
        }
        let growing: BTreeSet<Arc<Path>> = self
            .followers
            .iter()
            .filter(|f| !f.retired && f.size() > 0)
            .map(|f| Arc::clone(&f.path))
            .collect();
        let grace = if self.leaves_out() {
            GRACE
        } else {
            GRACE_OF_DELETED
        };
        let (discarded, live, swept) = (&self.discarded, &self.live, polled.swept);
        let done = |f: &Follower| {
            let quiet = now.elapsed.saturating_sub(f.last_news);
            let succeeded = || f.retired && (growing.contains(&f.path) || discarded.contains(&*f.path));
            let deleted = || swept && quiet >= grace && !live.contains(&f.position.id) && f.is_deleted();
            quiet >= GRACE && f.unread_bytes() == 0 && (succeeded() || deleted())
        };
        let limit = self.options.line_bytes;
        for mut follower in self.followers.extract_if(.., |follower| done(follower)) {
            let path = Arc::clone(&follower.path);
            if let Err(error) = follower.finish(limit, &mut |lines| sink(&path, lines)) {
                warn!(path = %path.display(), %error, "failed to read the end of a rotated file");
                polled.lost_bytes += follower.size().saturating_sub(follower.position.offset);
                polled.gap = true;
            }
            // A deleted file cannot come back; its inode can, in another file. Its content may be in an archive.
            let id = if follower.is_deleted() {
                FileId::GONE
            } else {
                follower.position.id
            };
            if let Some(place) = follower.place() {
                let linger = (place, id, follower.bookmark().stamp);
                self.lingering.insert(Arc::clone(&path), linger);
            }
            let bookmark = Bookmark {
                path,
                role: Role::Done,
                ..follower.bookmark()
            };
            remember(
                &mut self.known,
                Bookmark {
                    position: Position {
                        id,
                        ..bookmark.position
                    },
                    ..bookmark
                },
            );
        }
    }
}

impl Polled {
    fn add(&mut self, turn: &Turn) {
        self.read_bytes += turn.read_bytes;
        self.rotations[Rotation::Truncated as usize] += u64::from(turn.cut.is_some());
        self.oldest_unread = self.oldest_unread.max(turn.waited);
        self.more |= turn.more;
    }
}

impl FileStatus {
    fn new(path: impl Into<Arc<Path>>, state: FileState) -> Self {
        Self {
            path: path.into(),
            state,
            position: 0,
            size: 0,
            unread_bytes: 0,
            problem: None,
        }
    }
}

/// The first path of each file, so that a file with two names is read once.
fn by_id(found: &BTreeMap<PathBuf, Found>) -> HashMap<FileId, (&Path, &Metadata)> {
    let mut ids = HashMap::with_capacity(found.len());
    for (path, found) in found {
        if let Found::File(metadata) = found {
            ids.entry(FileId::from(metadata)).or_insert((&**path, metadata));
        }
    }
    ids
}

#[cfg(test)]
mod tests;
