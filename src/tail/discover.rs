//! What stands at the configured paths right now.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::siblings::Compression;

/// A configured path, with or without wildcards.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// The deepest directory that is named without wildcards.
    pub base: PathBuf,
    /// Compiled, where there are wildcards in it.
    glob: Option<glob::Pattern>,
    /// Where names may appear that lead to a file, as of the last look.
    pub directories: Vec<PathBuf>,
    /// Looked at before: what appears from now on is new.
    pub looked: bool,
    /// It was said that nothing matches.
    pub said_missing: bool,
}

/// What stands at one path.
#[derive(Debug)]
pub enum Found {
    /// A regular file, through symbolic links.
    File(Metadata),
    /// `/dev/null`: whoever writes there throws it away.
    Discarded,
    /// Something we cannot read, or may not look at.
    Unreadable(io::Error),
}

impl Found {
    /// Not even its kind may be seen.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl Pattern {
    /// A pattern as configured; absolute.
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            base: base(text),
            glob: compiled(text),
            directories: vec![],
            looked: false,
            said_missing: false,
        }
    }

    /// As configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, where there are no wildcards in it.
    pub fn literal(&self) -> Option<&Path> {
        (!has_wildcard(&self.text)).then(|| Path::new(&self.text))
    }

    /// What matches, in order of names.
    pub fn find(&mut self) -> Vec<(PathBuf, Found)> {
        self.directories.clear();
        let existing = self.base.ancestors().find(|directory| directory.is_dir());
        self.directories.extend(existing.map(Path::to_owned));
        if !has_wildcard(&self.text) {
            return look(PathBuf::from(&self.text)).into_iter().collect();
        }
        let entry = |entry: Entry| match entry {
            Ok(path) => look(path),
            Err((path, error)) => Some((path, Found::Unreadable(error))),
        };
        let entries = expand(&self.text, &mut self.directories);
        // What is compressed is a copy that nobody writes to.
        let entries = entries.into_iter().filter_map(entry);
        entries
            .filter(|(path, _)| Compression::of(path).is_none())
            .collect()
    }

    /// Whether a file at `path` would be found.
    pub fn leads_to(&self, path: &Path) -> bool {
        matches(&self.text, self.glob.as_ref(), path)
    }

    /// Whether a file in `directory` might be found.
    pub fn looks_into(&self, directory: &Path) -> bool {
        let parent = Path::new(&self.text).parent().and_then(Path::to_str);
        parent.is_some_and(|parent| matches(parent, compiled(parent).as_ref(), directory))
    }
}

fn base(text: &str) -> PathBuf {
    let fixed = Path::new(text).components();
    let fixed: PathBuf = fixed
        .take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy()))
        .collect();
    if fixed.as_os_str().len() == text.len() {
        parent(&fixed)
    } else {
        fixed
    }
}

/// The directory a file stands in.
pub fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

fn compiled(text: &str) -> Option<glob::Pattern> {
    // As for any path, several slashes are one. A validated pattern parses.
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let text = format!("/{}", parts.join("/"));
    glob::Pattern::new(&text).ok().filter(|_| has_wildcard(&text))
}

fn matches(text: &str, glob: Option<&glob::Pattern>, path: &Path) -> bool {
    // As `expand` does: no wildcard but ** stands for a slash.
    let by_directories = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    match glob {
        Some(glob) => glob.matches_with(&path.to_string_lossy(), by_directories),
        None => Path::new(text) == path,
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// A path, or a directory that could not be looked into.
type Entry = Result<PathBuf, (PathBuf, io::Error)>;

/// What an absolute pattern may stand for, in order of names; what has no wildcards after the last one with some need not
/// be there. Not by `glob::glob`, which passes over names that are not UTF-8 without a word. Where further names may
/// appear is added to `looked`.
pub(super) fn expand(pattern: &str, looked: &mut Vec<PathBuf>) -> Vec<Entry> {
    let mut entries = vec![Ok(PathBuf::from("/"))];
    let mut wild = false;
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        wild |= has_wildcard(part);
        if wild {
            looked.extend(entries.iter().flatten().cloned());
        }
        let step = |entry: Entry| match entry {
            Ok(directory) if part == "**" => subdirectories(directory),
            Ok(directory) if has_wildcard(part) => children(&directory, part),
            Ok(directory) => vec![Ok(directory.join(part))],
            failed => vec![failed],
        };
        entries = entries.into_iter().flat_map(step).collect();
    }
    entries
}

/// What stands in a directory under a name that matches.
fn children(directory: &Path, part: &str) -> Vec<Entry> {
    // A validated pattern parses; one that does not matches nothing.
    let Ok(pattern) = glob::Pattern::new(part) else {
        return vec![];
    };
    let names = match names(directory) {
        Ok(names) => names,
        Err(error) => return vec![Err((directory.to_owned(), error))],
    };
    let matching = names
        .into_iter()
        .filter(|name| pattern.matches(&name.to_string_lossy()));
    matching.map(|name| Ok(directory.join(name))).collect()
}

/// The directory and all below it, but through no symbolic link: it may lead back.
fn subdirectories(directory: PathBuf) -> Vec<Entry> {
    let below = match names(&directory) {
        Ok(names) => names,
        Err(error) => return vec![Err((directory, error))],
    };
    let below = below
        .into_iter()
        .map(|name| directory.join(name))
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()));
    let below: Vec<Entry> = below.flat_map(subdirectories).collect();
    [Ok(directory)].into_iter().chain(below).collect()
}

/// In order; none where there is no directory.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if is_absent(&error) => return Ok(vec![]),
        entries => entries?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn look(path: PathBuf) -> Option<(PathBuf, Found)> {
    let found = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Found::File(metadata),
        Ok(metadata) if is_null(&metadata) => Found::Discarded,
        Ok(_) => Found::Unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if is_absent(&error) => return None,
        Err(error) => Found::Unreadable(error),
    };
    Some((path, found))
}

fn is_null(metadata: &Metadata) -> bool {
    // Linux, Documentation/admin-guide/devices.txt: character device 1:3.
    metadata.file_type().is_char_device()
        && (
            rustix::fs::major(metadata.rdev()),
            rustix::fs::minor(metadata.rdev()),
        ) == (1, 3)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn bases() {
        let base = |text| base(text).display().to_string();
        assert_eq!(base("/var/log/nginx/access.log"), "/var/log/nginx");
        assert_eq!(base("/opt/bongo/logs/*/main.log"), "/opt/bongo/logs");
        assert_eq!(base("/*"), "/");
        assert_eq!(base("/access.log"), "/");
    }

    #[test]
    fn directories_where_files_may_appear() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/deep")).unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("c"), "").unwrap();
        let check = |pattern: &str, expect: &[&str]| {
            let mut pattern = Pattern::new(dir.path().join(pattern).to_str().unwrap());
            assert!(pattern.find().is_empty());
            let found = pattern.directories.iter().filter(|directory| directory.is_dir());
            let expect = expect.iter().map(|name| dir.path().join(name));
            assert_eq!(
                BTreeSet::from_iter(found.cloned()),
                expect.collect(),
                "{pattern:?}"
            );
        };
        check("main.log", &[""]);
        check("b/main.log", &["b"]);
        check("b/not/yet/main.log", &["b"]);
        check("not/yet/*.log", &[""]);
        check("*/main.log", &["", "a", "b"]);
        check("*/deep/*/main.log", &["", "a", "a/deep", "b"]);
        check("**/main.log", &["", "a", "a/deep", "b"]);
    }

    #[test]
    fn expansion() {
        let dir = tempfile::tempdir().unwrap();
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"n\xff"));
        for path in ["b/main.log", "a/main.log", "a/deep/er/x.log", ".h/main.log"].map(Path::new) {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), "").unwrap();
        }
        fs::create_dir(dir.path().join(odd)).unwrap();
        fs::write(dir.path().join(odd).join("main.log"), "").unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        let check = |pattern: &str, expect: &[&str]| {
            let pattern = format!("{}/{pattern}", dir.path().display());
            let found = Pattern::new(&pattern).find();
            let found = found.iter().filter(|(_, found)| matches!(found, Found::File(_)));
            let names = found.map(|(path, _)| {
                path.strip_prefix(dir.path())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            });
            assert_eq!(names.collect::<Vec<_>>(), expect, "{pattern}");
        };
        check(
            "*/main.log",
            &[".h/main.log", "a/main.log", "b/main.log", "n\u{fffd}/main.log"],
        );
        check("n*/*.log", &["n\u{fffd}/main.log"]);
        check("[ab]/m?in.log", &["a/main.log", "b/main.log"]);
        check("a/**/*.log", &["a/main.log", "a/deep/er/x.log"]);
        check("nowhere/*", &[]);
        check("file/*", &[]);
        check("f*/x", &[]);
    }

    #[test]
    fn what_a_pattern_leads_to() {
        let leads = |text, path: &str| Pattern::new(text).leads_to(Path::new(path));
        assert!(leads("/logs/a.log", "/logs/a.log") && !leads("/logs/a.log", "/logs/a.log.1"));
        assert!(leads("/logs/*.log", "/logs/a.log") && !leads("/logs/*.log", "/logs/b/a.log"));
        assert!(leads("/logs/**/a.log", "/logs/b/c/a.log"));
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/logs/n\xff.log"));
        assert!(Pattern::new("/logs/*.log").leads_to(odd));
        assert!(leads("/logs//*/main.log", "/logs/a/main.log"));
        assert!(Pattern::new("/logs/*/main.log").looks_into(Path::new("/logs/a")));
        assert!(Pattern::new("//logs//*//main.log").looks_into(Path::new("/logs/a")));
        assert!(!Pattern::new("/logs/a/main.log").looks_into(Path::new("/logs/b")));
    }

    #[test]
    fn found_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.log"), "").unwrap();
        fs::write(at("a.log.1"), "").unwrap();
        fs::create_dir(at("c.log")).unwrap();
        std::os::unix::fs::symlink("/dev/null", at("b.log")).unwrap();
        let found = Pattern::new(at("*.log").to_str().unwrap()).find();
        let kinds: Vec<_> = found
            .iter()
            .map(|(path, found)| (path.file_name().unwrap().to_str().unwrap(), found))
            .collect();
        assert!(matches!(
            kinds[..],
            [
                ("a.log", Found::File(_)),
                ("b.log", Found::Discarded),
                ("c.log", Found::Unreadable(_))
            ]
        ));
        assert!(
            Pattern::new(at("nothing.log").to_str().unwrap())
                .find()
                .is_empty()
        );
    }
}
