//! Which file is this, and is it still the file it was? Device and inode are hints (inodes are reused, device
//! numbers change over a reboot); hashes of the content decide.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::is_default;

/// How much of a file's beginning identifies it.
pub const HEAD_BYTES: usize = 1024;

/// How much before a position is remembered.
pub const BEFORE_BYTES: usize = 256;

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

impl FileId {
    /// No file: of one that was deleted. Its inode may be given to another, its content may still be in a copy.
    pub const GONE: Self = Self { device: 0, inode: 0 };
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Length and hash of some bytes. A hash, not the bytes: log text holds secrets, positions are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes.
    pub len: usize,
    /// Their XXH3.
    pub hash: u64,
}

impl Fingerprint {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len(),
            hash: xxh3_64(bytes),
        }
    }

    /// Of the last [`BEFORE_BYTES`] of these bytes.
    pub fn of_end(bytes: &[u8]) -> Self {
        Self::of(&bytes[bytes.len().saturating_sub(BEFORE_BYTES)..])
    }

    /// Whether `bytes` begin with what this was made of.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes
            .get(..self.len)
            .is_some_and(|begin| xxh3_64(begin) == self.hash)
    }
}

/// Where we are in a file, and how to know it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Device and inode.
    pub id: FileId,
    /// The file's beginning, as far as there was one.
    pub head: Fingerprint,
    /// The bytes just before `offset`.
    pub before: Fingerprint,
    /// Start of the first line that is not done with; or, while `skipping`, a place inside it.
    pub offset: u64,
    /// Inside a line that is too long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skipping: bool,
}

impl Position {
    /// At the beginning of a file.
    pub fn start(id: FileId) -> Self {
        let nothing = Fingerprint::of(b"");
        Self {
            id,
            head: nothing,
            before: nothing,
            offset: 0,
            skipping: false,
        }
    }
}

/// What we remember of a file: enough to find it again under another name, in a copy or compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// The path it was followed under.
    #[serde(serialize_with = "lossy")]
    pub path: Arc<Path>,
    /// Where we were.
    pub position: Position,
    /// The file when it was noted; the compressed one, where it is one.
    pub stamp: Stamp,
    /// How much we still expect of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Role,
}

/// Size and time of the last change: where both and the inode are the same, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// How much we still expect of a file we have a bookmark in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It was the file at its path: whatever came after the position is ours to find.
    #[default]
    Live,
    /// It was rotated, and being read to its end.
    Rotated,
    /// Read, or old at the first start. It is remembered so that it is not taken for a new one.
    Done,
}

/// A path that is not UTF-8 is only less well remembered; it must not keep everything else from being saved.
pub(crate) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        // Nearly every path, and much sooner found out.
        Some(path) => serializer.serialize_str(path),
        None => serializer.serialize_str(&path.to_string_lossy()),
    }
}

impl Position {
    /// At the beginning of a file whose content is known again before any of it was read: a copy of it must not be
    /// taken for another.
    pub fn beginning(file: &File, id: FileId) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        let len = read_head(file, &mut head)?;
        Ok(Self {
            head: Fingerprint::of(&head[..len]),
            ..Self::start(id)
        })
    }

    /// Whether this position means something in a plain file of `size` bytes: the same content as far as we
    /// know it. A copy that ends before our position can only be told by a whole head.
    pub fn fits(&self, file: &File, size: u64) -> io::Result<bool> {
        let mut head = [0; HEAD_BYTES];
        let len = read_head(file, &mut head)?;
        if !self.head.begins(&head[..len]) {
            return Ok(false);
        }
        if size < self.offset {
            return Ok(self.has_whole_head());
        }
        let mut before = [0; BEFORE_BYTES];
        let before = &mut before[..self.before.len.min(BEFORE_BYTES)];
        let len = read_full(file, before, self.offset.saturating_sub(self.before.len as u64))?;
        Ok(self.before.begins(&before[..len]))
    }

    /// Whether this is more than the beginning of an empty file, of which nothing need be remembered: its inode may
    /// be another's by now.
    pub fn says_something(&self) -> bool {
        self.has_head() || self.offset > 0
    }

    /// Whether as much of the file's beginning is known as ever is.
    pub fn has_whole_head(&self) -> bool {
        self.head.len == HEAD_BYTES
    }

    /// Whether content alone may identify the file; an empty head would fit any.
    pub fn has_head(&self) -> bool {
        self.head.len > 0
    }
}

/// The first [`HEAD_BYTES`] of a file, as many as there are.
///
/// # Errors
/// Those of `pread`.
pub fn read_head(file: &File, buffer: &mut [u8; HEAD_BYTES]) -> io::Result<usize> {
    read_full(file, buffer, 0)
}

/// Reads until `buffer` is full or the file ends.
///
/// # Errors
/// Those of `pread`.
pub fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_once(file, &mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads from `offset` on what one call gives: of a file on a disk, as much as fits or is there.
///
/// # Errors
/// Those of reading.
pub fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
