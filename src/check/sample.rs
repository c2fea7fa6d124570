//! The last lines of a file. Only so many bytes are read, whatever its size.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::record::UnixMillis;
use crate::tail::identity::read_full;
use crate::tail::lines::{Lines, split};

/// Bytes read from a file's end: some hundred lines, and of bingo's own log, with the environment in every line, some
/// dozens.
pub const TAIL_BYTES: u64 = 256 * 1024;

/// The end of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Whole lines, but for the end of the last one; at most [`TAIL_BYTES`].
    pub bytes: Vec<u8>,
    /// Size of the file.
    pub size: u64,
    /// When it was last written to.
    pub modified: UnixMillis,
}

impl Sample {
    /// Reads the end of a file.
    ///
    /// # Errors
    /// It is no regular file, or cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        // O_NONBLOCK: what was a file a moment ago may be a pipe by now, and opening that would wait.
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let bytes = tail(&file, metadata.len())?;
        let modified = metadata.mtime().saturating_mul(1_000) + metadata.mtime_nsec() / 1_000_000;
        Ok(Self {
            bytes,
            size: metadata.len(),
            modified,
        })
    }

    /// Gives the lines as the exporter would read them; whether the file ends inside one.
    pub fn lines(&self, limit: usize, sink: &mut dyn FnMut(Lines<'_>)) -> bool {
        let mut skipping = false;
        let done = split(&self.bytes, limit, &mut skipping, sink);
        skipping || done < self.bytes.len()
    }
}

fn tail(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let length = size.min(TAIL_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = read_full(file, &mut bytes, size - length)?;
    bytes.truncate(read);
    if size > length {
        // It begins inside a line.
        let begin = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |newline| newline + 1);
        bytes.drain(..begin);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::Line;

    #[test]
    fn only_the_end_and_only_whole_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345678\n".repeat(100_000) + "half").unwrap();
        let sample = Sample::read(file.path()).unwrap();
        assert_eq!(sample.size, 900_004);
        assert!(sample.bytes.len() as u64 <= TAIL_BYTES && sample.bytes.starts_with(b"12345678\n"));
        let mut lines = 0;
        let unfinished = sample.lines(64, &mut |given| {
            given.each(|line| {
                assert_eq!(line, Line::Complete(b"12345678"));
                lines += 1;
            });
        });
        assert!(unfinished && lines > 29_000, "{lines}");

        std::fs::write(file.path(), "x".repeat(1 << 20)).unwrap();
        assert!(
            Sample::read(file.path()).unwrap().bytes.is_empty(),
            "one line longer than all that is read"
        );
        assert!(Sample::read(Path::new("/")).is_err());
    }
}
