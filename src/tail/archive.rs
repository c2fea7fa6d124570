//! A rotated file that is compressed by now: read once, from our position to its end.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::identity::{BEFORE_BYTES, Bookmark, FileId, Fingerprint, HEAD_BYTES, Position, Role, Stamp};
use super::lines::{Line, Lines, split};
use super::siblings::Compression;

/// Bytes decompressed at once.
const STEP_BYTES: usize = 256 * 1024;

/// A compressed file and our position in what it holds.
pub(super) struct Archive {
    /// The path its content was followed under.
    pub(super) path: Arc<Path>,
    /// Where it is itself.
    pub(super) file: PathBuf,
    /// Offsets are those of the decompressed content.
    pub(super) position: Position,
    /// Of the compressed file.
    pub(super) stamp: Stamp,
    /// What `reader` reads.
    handle: Arc<File>,
    compression: Compression,
    /// Decompressed bytes modulo 2^32, as gzip's last member states them (RFC 1952, 2.3.1).
    pub(super) stated_size: Option<u32>,
    reader: Box<dyn Read + Send>,
    /// Decompressed bytes from `pending_start` on.
    pending: Vec<u8>,
    pending_start: u64,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes after our position; there is more.
    More(u64),
    /// So many bytes after our position, and that was all.
    End(u64),
    /// The bytes before our position are not those we read: this is another file with the same beginning.
    Another,
}

impl Archive {
    /// Opens a compressed file and reads the beginning of its content.
    ///
    /// # Errors
    /// Those of reading; [`ErrorKind::UnexpectedEof`] where it is still being written.
    pub(super) fn open(path: Arc<Path>, file: PathBuf, compression: Compression) -> io::Result<Self> {
        let handle = Arc::new(File::open(&file)?);
        Self::begin(path, file, handle, compression)
    }

    fn begin(
        path: Arc<Path>,
        file: PathBuf,
        handle: Arc<File>,
        compression: Compression,
    ) -> io::Result<Self> {
        let metadata = handle.metadata()?;
        let stated_size = (compression == Compression::Gzip)
            .then(|| stated_size(&handle, metadata.len()))
            .transpose()?;
        let buffered = BufReader::with_capacity(64 * 1024, Arc::clone(&handle));
        let reader: Box<dyn Read + Send> = match compression {
            Compression::Gzip => Box::new(MultiGzDecoder::new(buffered)),
            Compression::Zstd => Box::new(ZstdFrames {
                source: Some(buffered),
                frame: None,
            }),
        };
        let position = Position::start(FileId::from(&metadata));
        let stamp = Stamp::from(&metadata);
        let mut archive = Self {
            path,
            file,
            position,
            stamp,
            handle,
            compression,
            stated_size,
            reader,
            pending: vec![],
            pending_start: 0,
        };
        while archive.pending.len() < HEAD_BYTES && archive.fill(HEAD_BYTES)? > 0 {}
        let head = &archive.pending[..archive.pending.len().min(HEAD_BYTES)];
        archive.position.head = Fingerprint::of(head);
        Ok(archive)
    }

    /// Whether its content begins with `head`.
    pub(super) fn begins_with(&self, head: &Fingerprint) -> bool {
        head.len > 0 && head.begins(&self.pending)
    }

    /// The first [`HEAD_BYTES`] of its content, or all there is; until the first step.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.pending
    }

    /// Whether it is known to hold nothing after `offset`, without decompressing it all.
    pub(super) fn ends_at(&self, offset: u64) -> bool {
        self.stated_size
            .is_some_and(|size| size == (offset & u64::from(u32::MAX)) as u32)
    }

    /// Goes on from a position in the content.
    pub(super) fn resume(&mut self, position: &Position) {
        self.position = Position {
            id: self.position.id,
            head: self.position.head,
            ..*position
        };
    }

    /// Goes back to the beginning of the content.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        // Not by its name: another file may have it by now.
        let handle = Arc::clone(&self.handle);
        (&*handle).rewind()?;
        *self = Self::begin(
            Arc::clone(&self.path),
            std::mem::take(&mut self.file),
            handle,
            self.compression,
        )?;
        Ok(())
    }

    /// Decompresses a piece and gives the lines in it.
    ///
    /// # Errors
    /// Those of reading; the position stays at the last complete line.
    pub(super) fn step(&mut self, limit: usize, sink: &mut dyn FnMut(Lines<'_>)) -> io::Result<Step> {
        let end = self.fill(STEP_BYTES)? == 0;
        let filled = self.pending_start + self.pending.len() as u64;
        let before = self.position.before;
        if filled < self.position.offset {
            // A copy made before we last read the original, which a writer still had. The head that it was found
            // by is a whole one: a shorter head reaches as far as the position.
            if end {
                return Ok(Step::End(0));
            }
            self.forget(self.pending.len().saturating_sub(BEFORE_BYTES));
            return Ok(Step::More(0));
        }
        let text = usize::try_from(self.position.offset - self.pending_start).unwrap_or(self.pending.len());
        if !before.begins(&self.pending[text.saturating_sub(before.len)..]) {
            return Ok(Step::Another);
        }
        let skipping = &mut self.position.skipping;
        let mut done = text + split(&self.pending[text..], limit, skipping, sink);
        if end {
            if std::mem::take(skipping) {
                sink(Lines::one(Line::TooLong));
            } else if done < self.pending.len() {
                sink(Lines::one(Line::Unfinished(&self.pending[done..])));
            }
            done = self.pending.len();
        }
        self.position.before = Fingerprint::of_end(&self.pending[..done]);
        self.position.offset = self.pending_start + done as u64;
        self.forget(done.saturating_sub(BEFORE_BYTES));
        let new = (done - text) as u64;
        Ok(if end { Step::End(new) } else { Step::More(new) })
    }

    /// What to remember of it.
    pub(super) fn bookmark(&self, role: Role) -> Bookmark {
        Bookmark {
            path: Arc::clone(&self.path),
            position: self.position,
            stamp: self.stamp,
            role,
        }
    }

    fn fill(&mut self, bytes: usize) -> io::Result<usize> {
        let start = self.pending.len();
        self.pending.resize(start + bytes, 0);
        let mut filled = start;
        let result = loop {
            match self.reader.read(&mut self.pending[filled..]) {
                Ok(0) => break Ok(filled - start),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if filled == self.pending.len() {
                break Ok(filled - start);
            }
        };
        self.pending.truncate(filled);
        result
    }

    fn forget(&mut self, bytes: usize) {
        self.pending.drain(..bytes);
        self.pending_start += bytes as u64;
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("file", &self.file)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn stated_size(file: &File, len: u64) -> io::Result<u32> {
    let mut trailer = [0; 4];
    let begin = len.checked_sub(4).ok_or(ErrorKind::UnexpectedEof)?;
    file.read_exact_at(&mut trailer, begin)?;
    Ok(u32::from_le_bytes(trailer))
}

/// ruzstd reads one frame; a file may hold several.
struct ZstdFrames<R: BufRead> {
    source: Option<R>,
    frame: Option<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
            }
            if let Some(frame) = self.frame.take() {
                self.source = Some(frame.into_inner());
            }
            let Some(mut source) = self.source.take() else {
                return Ok(0);
            };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame =
                StreamingDecoder::new(source).map_err(|_| io::Error::from(ErrorKind::UnexpectedEof))?;
            self.frame = Some(frame);
        }
    }
}
