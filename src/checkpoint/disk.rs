//! The few things a checkpoint needs of a directory; apart, so that tests can make each of them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

const LOCK: &str = "lock";

/// A directory with a flag. Names are relative to it.
pub trait Disk {
    /// The whole file, `None` where there is none.
    ///
    /// # Errors
    /// Those of reading.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Creates or replaces a file. It may be cut short by an error.
    ///
    /// # Errors
    /// Those of writing.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Puts `from` in the place of `to`, at once or not at all. What was there may stay, as `from`.
    ///
    /// # Errors
    /// Those of renaming.
    fn replace(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Renames, replacing what was there, at once or not at all.
    ///
    /// # Errors
    /// Those of renaming.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file a second name.
    ///
    /// # Errors
    /// Those of linking; one is that `to` is there.
    fn link(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    ///
    /// # Errors
    /// Those of removing; one is that there is none.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Waits until a file's content is on the disk.
    ///
    /// # Errors
    /// Those of fsync.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Waits until the directory's names are on the disk.
    ///
    /// # Errors
    /// Those of fsync.
    fn sync_directory(&mut self) -> io::Result<()>;
    /// Whether the flag is set.
    ///
    /// # Errors
    /// Those of reading.
    fn flag(&self) -> io::Result<bool>;
    /// Sets or clears the flag, in place: that needs no space.
    ///
    /// # Errors
    /// Those of writing.
    fn set_flag(&mut self, on: bool) -> io::Result<()>;
}

/// Another process holds the lock.
#[derive(Debug)]
struct InUse(PathBuf);

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.display();
        write!(
            f,
            "another exporter uses the state directory {path}: stop it, or choose another --state.dir"
        )
    }
}

impl std::error::Error for InUse {}

/// Whether opening failed because another exporter uses the directory.
pub fn is_in_use(error: &anyhow::Error) -> bool {
    error.is::<InUse>()
}

/// A directory of the file system, locked.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
    /// Held for the lock on it; absent where the file system is read-only.
    lock: Option<Arc<File>>,
}

impl Directory {
    /// Creates the directory where it is missing, and locks it.
    ///
    /// # Errors
    /// Another process holds the lock, or the directory cannot be made or written to. A full or read-only file
    /// system is no error: the exporter goes on without saving.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("failed to create the state directory {shown}"))?;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK));
        let lock = match opened {
            Ok(lock) => lock,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull
                ) =>
            {
                return Ok(Self {
                    path: path.to_owned(),
                    lock: None,
                });
            }
            Err(error) => {
                return Err(error).with_context(|| format!("failed to write to the state directory {shown}"));
            }
        };
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(InUse(path.to_owned()).into()),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to lock the state directory {shown}"));
            }
        }
        let mut directory = Self {
            path: path.to_owned(),
            lock: Some(Arc::new(lock)),
        };
        // The flag's place is made now, while there is space.
        if directory.flag().is_err() {
            let _ = directory.set_flag(false);
        }
        Ok(directory)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lock_file(&self) -> io::Result<&File> {
        self.lock
            .as_deref()
            .ok_or_else(|| ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl Disk for Directory {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.at(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Over what was there: a new file and the end of an old one cost far more than the bytes.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.at(name);
        let create = || {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        };
        let mut file = create()?;
        let mut metadata = file.metadata()?;
        if metadata.nlink() > 1 {
            // Under its other name it must stay as it is.
            fs::remove_file(&path)?;
            file = create()?;
            metadata = file.metadata()?;
        }
        file.write_all(bytes)?;
        if metadata.len() > bytes.len() as u64 {
            file.set_len(bytes.len() as u64)?;
        }
        Ok(())
    }

    /// The two change places, so that [`write`](Self::write) finds a file to write over the next time.
    fn replace(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.at(from), self.at(to));
        match renameat_with(CWD, &from, CWD, &to, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            // There is nothing to change places with yet, or the file system cannot.
            Err(_) => fs::rename(from, to),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::hard_link(self.at(from), self.at(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at(name))
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.at(name))?.sync_all()
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn flag(&self) -> io::Result<bool> {
        let (mut lock, mut byte) = (self.lock_file()?, [0]);
        lock.seek(SeekFrom::Start(0))?;
        lock.read_exact(&mut byte)?;
        Ok(byte == *b"1")
    }

    fn set_flag(&mut self, on: bool) -> io::Result<()> {
        let mut lock = self.lock_file()?;
        lock.seek(SeekFrom::Start(0))?;
        lock.write_all(if on { b"1" } else { b"0" })?;
        lock.sync_data()
    }
}
