//! Which file is this, and is it still the file it was? Device and inode are hints (inodes are reused, device
//! numbers change over a reboot); hashes of the content decide.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

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
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
