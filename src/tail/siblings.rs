//! Where the rotated copies of a file are: beside it under a longer name, or where the configuration says.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::discover::{expand, parent};
use super::identity::FileId;
use crate::record::UnixMillis;

/// Parts of a rotated file's name that are no numbers.
const WORDS: [&str; 8] = ["gz", "zst", "old", "bak", "prev", "orig", "save", "log"];

/// A file that by its name may be a rotated copy.
#[derive(Debug)]
pub(super) struct Sibling {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is; a regular file.
    pub(super) metadata: Metadata,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
}

impl Compression {
    /// By a file's name, as logrotate writes it.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl Sibling {
    /// How it is compressed.
    pub(super) fn compression(&self) -> Option<Compression> {
        Compression::of(&self.path)
    }

    /// Refuses what was opened if it is another file: names are passed on while they are looked through.
    pub(super) fn must_be(&self, opened: FileId) -> io::Result<()> {
        if opened == FileId::from(&self.metadata) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "renamed meanwhile"))
        }
    }

    /// Whether it has neither number nor date, in distinction from `path`: a person may have made it.
    pub(super) fn may_be_backup(&self, path: &Path) -> bool {
        let digits = |path: &Path| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            name.iter().filter(|byte| byte.is_ascii_digit()).count()
        };
        digits(&self.path) == digits(path)
    }

    /// When it was last changed in any way, since a copy may be given the time of what it is a copy of.
    pub(super) fn changed(&self) -> UnixMillis {
        self.metadata.ctime().saturating_mul(1_000)
    }

    /// When it was last written to.
    pub(super) fn modified(&self) -> UnixMillis {
        let modified = self.metadata.modified().ok();
        let age = modified
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        UnixMillis::try_from(age.as_millis()).unwrap_or(UnixMillis::MAX)
    }
}

/// Looks directories up once, however many followed files are in them.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    names: HashMap<PathBuf, Vec<OsString>>,
}

impl Siblings {
    /// The rotated copies of `path`, oldest first: in its own directory and at the paths that match `rotated`.
    pub(super) fn of(&mut self, path: &Path, rotated: &[String]) -> Vec<Sibling> {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return vec![];
        };
        let directory = parent(path);
        let names = self
            .names
            .entry(directory.clone())
            .or_insert_with(|| list(&directory));
        let beside = names.iter().map(|other| directory.join(other));
        let elsewhere = rotated
            .iter()
            .flat_map(|pattern| expand(pattern, &mut vec![]))
            .flatten();
        let mut siblings: Vec<Sibling> = beside
            .chain(elsewhere)
            .filter(|other| {
                other
                    .file_name()
                    .is_some_and(|other| is_rotated(&name, &other.to_string_lossy()))
            })
            .filter_map(|path| {
                fs::metadata(&path)
                    .ok()
                    .map(|metadata| Sibling { path, metadata })
            })
            .filter(|sibling| sibling.metadata.is_file())
            .collect();
        // While both are there, one is made of the other, and the original is the one to read.
        let plain: HashSet<PathBuf> = siblings.iter().map(|sibling| sibling.path.clone()).collect();
        siblings.retain(|sibling| {
            sibling.compression().is_none() || !plain.contains(&sibling.path.with_extension(""))
        });
        // Of two of the same time the one with the larger number is older.
        siblings.sort_by_key(|sibling| {
            let metadata = &sibling.metadata;
            (
                metadata.mtime(),
                metadata.mtime_nsec(),
                Reverse(sibling.path.clone()),
            )
        });
        siblings
    }
}

fn list(directory: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .collect()
}

/// Whether `other` is by its name a rotated copy of `path`, beside it.
pub(super) fn is_rotated_from(path: &Path, other: &Path) -> bool {
    // By bytes: to take paths apart is slow, and thousands are compared.
    let [path, other] = [path, other].map(|path| path.as_os_str().as_bytes());
    let (directory, name) = path.split_at(memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1));
    let other = other.strip_prefix(directory);
    other.is_some_and(|other| is_rotated(&String::from_utf8_lossy(name), &String::from_utf8_lossy(other)))
}

/// Whether `other` is what rotation makes of `name`: `access.log.1`, `access.log-20231202.gz`,
/// `access-20231202.log` (logrotate's `extension`), `access.log.old`.
fn is_rotated(name: &str, other: &str) -> bool {
    if let Some(suffix) = other.strip_prefix(name) {
        return is_suffix(suffix);
    }
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let plain = other
        .strip_suffix(".gz")
        .or(other.strip_suffix(".zst"))
        .unwrap_or(other);
    let middle = plain
        .strip_suffix(extension)
        .and_then(|rest| rest.strip_suffix('.')?.strip_prefix(stem));
    middle.is_some_and(is_suffix)
}

/// Without a separator only a date is one: `node10.log` is no copy of `node1.log`.
fn is_suffix(suffix: &str) -> bool {
    const DATE: usize = "20231202".len();
    let digits = suffix.bytes().take_while(u8::is_ascii_digit).count();
    if (1..DATE).contains(&digits) {
        return false;
    }
    let mut parts = suffix
        .split(['.', '-', '_', ':', '+'])
        .filter(|part| !part.is_empty())
        .peekable();
    let is_date = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'))
    };
    parts.peek().is_some() && parts.all(|part| is_date(part) || WORDS.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for other in [
            "access.log.1",
            "access.log.1.gz",
            "access.log-20231202",
            "access.log-20231202.zst",
            "access.log-20231202-1701500000.gz",
            "access.log.2023-12-02T10:11:12Z.gz",
            "access.log.old",
            "access.log.gz",
            "access-20231202.log",
            "access-20231202.log.gz",
            "access.1.log",
        ] {
            assert!(is_rotated("access.log", other), "{other}");
        }
        for other in [
            "access.log",
            "error.log.1",
            "access.log.offset",
            "access.logstats",
            "access.log.lock",
            "access.log.1.bz2",
        ] {
            assert!(!is_rotated("access.log", other), "{other}");
        }
        assert!(is_rotated("log", "log.1") && !is_rotated("log", "log"));
        assert!(!is_rotated("node1.log", "node10.log") && !is_rotated("log1", "log10"));
        assert!(is_rotated("access.log", "access20231202.log"));
    }

    #[test]
    fn oldest_first_beside_and_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("old")).unwrap();
        for (age, name) in [
            (0, "a.log.1"),
            (2, "a.log.2.gz"),
            (1, "old/a.log.3"),
            (3, "b.log.1"),
            (0, "a.log"),
        ] {
            let file = fs::File::create(at(name)).unwrap();
            file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1_000 - age))
                .unwrap();
        }
        let rotated = [at("old/*").to_str().unwrap().to_owned()];
        let siblings = Siblings::default().of(&at("a.log"), &rotated);
        let paths: Vec<_> = siblings
            .iter()
            .map(|sibling| sibling.path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(paths, ["a.log.2.gz", "old/a.log.3", "a.log.1"]);
        assert_eq!(siblings[0].compression(), Some(Compression::Gzip));
        assert_eq!(siblings[2].modified(), 1_000_000);
    }
}
