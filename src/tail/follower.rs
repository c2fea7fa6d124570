//! One file: where we are in it, whether it is still the file it was, and what is new.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::decide::{Content, is_same_content};
use super::identity::{
    BEFORE_BYTES, Bookmark, FileId, Fingerprint, HEAD_BYTES, Position, Role, Stamp, read_full, read_head,
    read_once,
};
use super::lines::{Line, Lines, split};
use super::writes::{Watch, Writes, Written};

/// Bytes asked for at once: large enough that a read costs nothing beside the decoding, small enough to stay in
/// the cache.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// What one rename changes has the same time, but for a tick of the clock that file systems use.
const AT_ONCE: Duration = Duration::from_millis(20);

/// A handle on one file and our position in it.
///
/// Invariant: `position.offset <= read_to`; between the two lies the held part of an unfinished line.
#[derive(Debug)]
pub struct Follower {
    /// Where the file was last seen.
    pub path: Arc<Path>,
    /// Where a symbolic link at `path` led when it was opened; its rotated copies are there.
    pub(super) target: Option<PathBuf>,
    /// Where we are.
    pub position: Position,
    /// Another file stands at `path` by now.
    pub retired: bool,
    /// What went wrong at the last turn.
    pub problem: Option<String>,
    /// When the file last had something new, by the clock's `elapsed`.
    pub last_news: Duration,
    file: File,
    /// What tells that it was written to.
    watch: Option<Watch>,
    /// What was told since its last turn.
    news: News,
    /// What its path showed in the sweep of this pass.
    swept: Option<Stamp>,
    /// Size and modification time at the last look.
    stamp: Stamp,
    /// It was read since without a look: the time is older.
    stamp_is_old: bool,
    read_to: u64,
    /// When nothing was unread.
    caught_up: Duration,
}

/// What is known of a file before it is looked at, the less the greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// All of it is read, and nothing was written since.
    #[default]
    Nothing,
    /// All of it was read, and it was written to since.
    Written,
    /// Only a look can tell.
    Unknown,
}

/// What one turn at a file came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// Bytes read that had not been read before.
    pub read_bytes: u64,
    /// Where we were when the file began anew under us, and the size it had had. A copy may hold the rest.
    pub cut: Option<(Position, Stamp)>,
    /// The turn ended before the file did.
    pub more: bool,
    /// How long the oldest byte of this turn may have waited.
    pub waited: Duration,
}

enum Chunk {
    /// The file is no longer the one our position belongs to.
    Rewritten,
    /// So many new bytes, and whether the file ended there.
    Read { new: u64, end: bool },
}

/// Where a line ends that is longer than what is held of it.
enum LineEnd {
    /// Behind its newline.
    At(u64),
    /// The file ends first.
    NotYet(u64),
    /// Too far.
    OverLimit,
}

impl Follower {
    /// Follows `file` from `position`.
    pub fn new(path: Arc<Path>, file: File, position: Position, now: Duration) -> Self {
        let stamp = Stamp {
            size: position.offset,
            modified: (0, 0),
        };
        let read_to = position.offset;
        Self {
            path,
            target: None,
            position,
            retired: false,
            problem: None,
            last_news: now,
            file,
            watch: None,
            news: News::Nothing,
            swept: None,
            stamp,
            stamp_is_old: false,
            read_to,
            caught_up: now,
        }
    }

    /// A turn: has later writes noted, then reads what is new. What keeps it from that is said once.
    pub(super) fn turn(
        &mut self,
        writes: &mut Writes,
        buffer: &mut Vec<u8>,
        limit: usize,
        budget: u64,
        now: Duration,
        sink: &mut dyn FnMut(Lines<'_>),
    ) -> Turn {
        let is_written = self.news == News::Written;
        if self.watch.is_none() {
            self.watch = writes.watch(&self.file);
        }
        let turn = self.read(buffer, limit, budget, is_written, now, sink);
        let problem = turn.as_ref().err().map(ToString::to_string);
        if problem.is_some() && problem != self.problem {
            warn!(path = %self.path.display(), problem, "failed to read; trying again every second");
        }
        self.problem = problem;
        turn.unwrap_or_default()
    }

    /// Notes what this file's path showed in the sweep of this pass.
    pub(super) fn note_stamp(&mut self, stamp: Stamp) {
        self.swept = Some(stamp);
    }

    /// By what was noted since its last turn and, in passes that swept, by what its path showed.
    pub(super) fn news(&mut self, written: &Written, swept: bool, now: Duration) -> News {
        let read = self.problem.is_none() && self.unread_bytes() == 0;
        let noted = self.watch.as_ref().and_then(|watch| written.has(watch));
        let shown = self.swept.take();
        if let (Some(stamp), Some(false), News::Nothing, true) = (shown, noted, self.news, self.stamp_is_old)
            && stamp.size == self.stamp.size
        {
            // Nothing was written since it was read, so this is the time it had then.
            self.stamp = stamp;
            self.stamp_is_old = false;
        }
        let seen = !swept || shown == Some(self.stamp);
        let news = match noted {
            Some(false) if seen && read => News::Nothing,
            Some(true) if read => News::Written,
            _ => News::Unknown,
        };
        self.news = self.news.max(news);
        if self.news == News::Nothing {
            self.caught_up = now;
        }
        self.news
    }

    /// Reads what is new, up to about `budget` bytes. `buffer` is scratch space shared by all files. Of a file that is known
    /// to be `written` to, neither size nor time is asked for first: its end is where a read ends early.
    ///
    /// # Errors
    /// Those of reading; the position stays where it was.
    pub fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        limit: usize,
        budget: u64,
        mut written: bool,
        now: Duration,
        sink: &mut dyn FnMut(Lines<'_>),
    ) -> io::Result<Turn> {
        let mut turn = Turn::default();
        self.news = News::Nothing;
        // What was seen of the old content; should it be gone, this is how much of it is known to be.
        let known_end = self.stamp.size.max(self.read_to);
        if !written && !self.look()? && self.unread_bytes() == 0 {
            self.caught_up = now;
            return Ok(turn);
        }
        loop {
            match self.chunk(buffer, limit, written, sink)? {
                Chunk::Rewritten => {
                    self.look()?;
                    written = false;
                    let stamp = Stamp {
                        size: known_end,
                        ..self.stamp
                    };
                    turn.cut = Some((self.position, stamp));
                    self.position = Position::start(self.position.id);
                    self.read_to = 0;
                    // A copy may hold lines that are older than those that are here by now.
                    turn.more = true;
                    break;
                }
                Chunk::Read { new, end } => {
                    turn.read_bytes += new;
                    if end {
                        break;
                    }
                }
            }
            if turn.read_bytes >= budget {
                turn.more = true;
                break;
            }
        }
        if written && turn.more {
            self.look()?;
        } else if written {
            self.stamp.size = self.read_to;
            self.stamp_is_old = true;
        }
        turn.waited = now.saturating_sub(self.caught_up);
        if !turn.more {
            self.caught_up = now;
        }
        if turn.read_bytes > 0 || turn.cut.is_some() {
            self.last_news = now;
        }
        Ok(turn)
    }

    /// Size and time as they are now, and whether they are others than at the last look.
    fn look(&mut self) -> io::Result<bool> {
        let stamp = Stamp::from(&self.file.metadata()?);
        self.stamp_is_old = false;
        Ok(std::mem::replace(&mut self.stamp, stamp) != stamp)
    }

    /// Gives the unfinished end of a file that will not grow any more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn finish(&mut self, limit: usize, sink: &mut dyn FnMut(Lines<'_>)) -> io::Result<()> {
        let mut rest = vec![
            0;
            usize::try_from(self.read_to - self.position.offset)
                .unwrap_or(0)
                .min(limit)
        ];
        let len = read_full(&self.file, &mut rest, self.position.offset)?;
        // Its time was not asked for when it was last known to be written to.
        let stamp = self.file.metadata().map(|metadata| Stamp::from(&metadata));
        self.stamp = stamp
            .ok()
            .filter(|stamp| stamp.size == self.read_to)
            .unwrap_or(self.stamp);
        if self.position.skipping {
            sink(Lines::one(Line::TooLong));
        } else if len > 0 {
            sink(Lines::one(Line::Unfinished(&rest[..len])));
        }
        self.position.skipping = false;
        self.position.before = Fingerprint::of_end(&rest[..len]);
        self.position.offset += len as u64;
        Ok(())
    }

    /// Bytes on disk at the last look that were not read.
    pub fn unread_bytes(&self) -> u64 {
        self.stamp.size.saturating_sub(self.read_to)
    }

    /// Size at the last look, bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// What to remember of it.
    pub fn bookmark(&self) -> Bookmark {
        let role = if self.retired { Role::Rotated } else { Role::Live };
        Bookmark {
            path: Arc::clone(&self.path),
            position: self.position,
            stamp: Stamp {
                size: self.stamp.size.max(self.read_to),
                ..self.stamp
            },
            role,
        }
    }

    /// Whether `file` of `size` bytes is a copy of this one, finished or still being made. This one may have been
    /// cut since without our having noticed yet: then its position fits the copy.
    ///
    /// # Errors
    /// Those of reading.
    pub fn is_copied_in(&self, file: &File, size: u64) -> io::Result<bool> {
        let own_size = self.file.metadata()?.len();
        let is_cut = own_size < self.position.offset || !self.position.fits(&self.file, own_size)?;
        let by_position = size > HEAD_BYTES as u64 && self.position.has_head();
        if is_cut || by_position {
            let may_be = is_cut || size <= own_size;
            return Ok(may_be && self.position.has_head() && self.position.fits(file, size)?);
        }
        // It may have been empty when it was last read.
        let (mut own, mut other) = ([0; HEAD_BYTES], [0; HEAD_BYTES]);
        let (own_len, len) = (read_head(&self.file, &mut own)?, read_head(file, &mut other)?);
        Ok(size <= own_size && len <= own_len && other[..len] == own[..len])
    }

    /// How many bytes `file` has in common with this one, where it was put in the place of this one by a rename, as a program
    /// does that writes a new file with the old content, or with more. That changes both at once, after the last write; and a file
    /// that was created in place of a deleted one is younger.
    ///
    /// # Errors
    /// Those of reading.
    pub fn is_replaced_by(&self, file: &File, metadata: &Metadata) -> io::Result<Option<u64>> {
        let own = self.file.metadata()?;
        let changed = |metadata: &Metadata| {
            let nanos = Duration::from_nanos(metadata.ctime_nsec().try_into().unwrap_or(0));
            SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.ctime().try_into().unwrap_or(0)) + nanos
        };
        let (deleted, renamed) = (changed(&own), changed(metadata));
        let apart = renamed
            .duration_since(deleted)
            .unwrap_or_else(|error| error.duration());
        let older = metadata.created().is_ok_and(|created| created < deleted);
        let written = metadata.modified().is_ok_and(|written| written < renamed);
        let common = own.len().min(metadata.len());
        if own.nlink() > 0 || apart > AT_ONCE || !older || !written || common < HEAD_BYTES as u64 {
            return Ok(None);
        }
        let (mut bytes, mut other) = ([0; HEAD_BYTES], [0; HEAD_BYTES]);
        for begin in [0, common - HEAD_BYTES as u64] {
            read_full(&self.file, &mut bytes, begin)?;
            read_full(file, &mut other, begin)?;
            if bytes != other {
                return Ok(None);
            }
        }
        Ok(Some(common))
    }

    /// Whether other content, of which this is the beginning, begins as this file does; or did when it was last read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn begins(&self, content: &[u8]) -> io::Result<bool> {
        if self.position.has_head() {
            return Ok(self.position.head.begins(content));
        }
        let mut own = [0; HEAD_BYTES];
        let len = read_head(&self.file, &mut own)?;
        Ok(len > 0 && content.starts_with(&own[..len]))
    }

    /// Where the file is now, if anywhere.
    pub(super) fn place(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()
    }

    /// Whether no name leads to the file any more.
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// One read. The bytes before our position come in the same `pread` as those after it, and the head is
    /// compared after that and before anything is counted: a file that was cut and has grown past our position
    /// again is noticed even where its lines have the length of the old ones.
    fn chunk(
        &mut self,
        buffer: &mut Vec<u8>,
        limit: usize,
        written: bool,
        sink: &mut dyn FnMut(Lines<'_>),
    ) -> io::Result<Chunk> {
        let before = self.position.before;
        let begin = self.position.offset.saturating_sub(before.len as u64);
        if buffer.is_empty() {
            // Made of zeros, so that only what is read into becomes resident.
            *buffer = vec![0; CHUNK_BYTES];
        }
        let len = if written {
            read_once(&self.file, buffer, begin)?
        } else {
            // What is written from now on is for the next turn; so the end is known without a read that finds it.
            let rest = usize::try_from(self.stamp.size.saturating_sub(begin)).unwrap_or(usize::MAX);
            let wanted = rest.min(buffer.len());
            read_full(&self.file, &mut buffer[..wanted], begin)?
        };
        let full = len == buffer.len();
        let content = Content {
            shorter: len < before.len,
            before_same: before.begins(&buffer[..len]),
            head_same: self.check_head()?,
        };
        if !is_same_content(content) {
            return Ok(Chunk::Rewritten);
        }
        let text = &buffer[before.len..len];
        let mut done = before.len + split(text, limit, &mut self.position.skipping, sink);
        if !full && done == len {
            // Zeros at the end of a file may be a line whose bytes are still to come.
            done -= text.iter().rev().take_while(|byte| **byte == 0).count();
        }
        if done > before.len {
            self.position.before = Fingerprint::of_end(&buffer[..done]);
            self.position.offset = begin + done as u64;
        } else if full {
            return self.long_line(buffer, limit, begin, before.len);
        }
        Ok(self.came_to(begin + len as u64, !full))
    }

    /// Half a line fills the buffer, from `text` on. How long it is, is found out before more of it is held: only a line
    /// within the limit makes the buffer grow.
    fn long_line(
        &mut self,
        buffer: &mut Vec<u8>,
        limit: usize,
        begin: u64,
        text: usize,
    ) -> io::Result<Chunk> {
        let held_to = begin + buffer.len() as u64;
        self.look()?;
        let before = Fingerprint::of_end(buffer);
        match self.line_end(buffer, limit, begin + text as u64, held_to)? {
            LineEnd::At(end) => {
                buffer.resize(usize::try_from(end - begin).unwrap_or(usize::MAX), 0);
                Ok(self.came_to(held_to, false))
            }
            LineEnd::NotYet(size) => Ok(self.came_to(size, true)),
            LineEnd::OverLimit => {
                self.position.skipping = true;
                self.position.before = before;
                self.position.offset = held_to;
                Ok(self.came_to(held_to, false))
            }
        }
    }

    /// Where the line that begins at `start` ends, looked for from `at` on with `buffer` as scratch space.
    fn line_end(&self, buffer: &mut [u8], limit: usize, start: u64, mut at: u64) -> io::Result<LineEnd> {
        loop {
            let rest = usize::try_from(self.stamp.size.saturating_sub(at)).unwrap_or(usize::MAX);
            let wanted = rest.min(buffer.len());
            let len = read_full(&self.file, &mut buffer[..wanted], at)?;
            let newline = memchr::memchr(b'\n', &buffer[..len]);
            at += newline.unwrap_or(len) as u64;
            if at - start > limit as u64 {
                return Ok(LineEnd::OverLimit);
            }
            match newline {
                Some(_) => return Ok(LineEnd::At(at + 1)),
                None if len < buffer.len() => return Ok(LineEnd::NotYet(at)),
                None => {}
            }
        }
    }

    fn came_to(&mut self, read_to: u64, end: bool) -> Chunk {
        let new = read_to.saturating_sub(self.read_to);
        self.read_to = self.read_to.max(read_to);
        Chunk::Read { new, end }
    }

    fn check_head(&mut self) -> io::Result<bool> {
        let mut bytes = [0; HEAD_BYTES];
        let len = read_head(&self.file, &mut bytes)?;
        let same = self.position.head.begins(&bytes[..len]);
        if same && len > self.position.head.len {
            self.position.head = Fingerprint::of(&bytes[..len]);
        }
        Ok(same)
    }
}

impl Position {
    /// After the last complete line within the first `size` bytes of `file`, so that a line half written is
    /// counted when it is whole.
    ///
    /// # Errors
    /// Those of reading.
    pub fn at_end(file: &File, id: FileId, size: u64, limit: usize) -> io::Result<Self> {
        let mut position = Self::start(id);
        match last_line(file, size, limit)? {
            Some(offset) => position.offset = offset,
            None if size > limit as u64 => (position.offset, position.skipping) = (size, true),
            None => {}
        }
        let mut before = vec![
            0;
            usize::try_from(position.offset)
                .unwrap_or(BEFORE_BYTES)
                .min(BEFORE_BYTES)
        ];
        let begin = position.offset - before.len() as u64;
        let len = read_full(file, &mut before, begin)?;
        position.before = Fingerprint::of(&before[..len]);
        let mut head = [0; HEAD_BYTES];
        let len = read_head(file, &mut head)?;
        position.head = Fingerprint::of(&head[..len]);
        Ok(position)
    }
}

/// Where the last line of the first `size` bytes begins, if that is behind a newline and no more than `limit` bytes back.
/// Looked for piece by piece: a limit may be large, and most lines are short.
fn last_line(file: &File, size: u64, limit: usize) -> io::Result<Option<u64>> {
    const PIECE: u64 = 4096;
    let (begin, mut end) = (size.saturating_sub(limit as u64 + 1), size);
    while end > begin {
        let (mut piece, from) = ([0; PIECE as usize], begin.max(end.saturating_sub(PIECE)));
        let wanted = usize::try_from(end - from).unwrap_or_default();
        let len = read_full(file, &mut piece[..wanted], from)?;
        if let Some(newline) = memchr::memrchr(b'\n', &piece[..len]) {
            return Ok(Some(from + newline as u64 + 1));
        }
        end = from;
    }
    Ok(None)
}
