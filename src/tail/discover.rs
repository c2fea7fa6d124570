//! What stands at the configured paths right now.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A configured path, with or without wildcards.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// Compiled, where there are wildcards in it.
    glob: Option<glob::Pattern>,
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
            glob: compiled(text),
            looked: false,
            said_missing: false,
        }
    }

    /// As configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, where there are no wildcards in it.
    pub fn literal(&self) -> Option<PathBuf> {
        (!has_wildcard(&self.text)).then(|| PathBuf::from(&self.text))
    }

    /// What matches, in order of names.
    pub fn find(&self) -> Vec<(PathBuf, Found)> {
        if !has_wildcard(&self.text) {
            return look(Path::new(&self.text)).into_iter().collect();
        }
        // A validated pattern parses; one that does not matches nothing.
        let Ok(paths) = glob::glob(&self.text) else {
            return vec![];
        };
        let entry = |entry: glob::GlobResult| match entry {
            Ok(path) => look(&path),
            Err(error) => Some((error.path().to_owned(), Found::Unreadable(error.into()))),
        };
        paths.filter_map(entry).collect()
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

    /// The deepest directory that is named without wildcards.
    pub fn base(&self) -> PathBuf {
        let fixed = Path::new(&self.text).components();
        let fixed: PathBuf = fixed
            .take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy()))
            .collect();
        if fixed.as_os_str().len() == self.text.len() {
            parent(&fixed)
        } else {
            fixed
        }
    }
}

/// The directory a file stands in.
pub fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

fn compiled(text: &str) -> Option<glob::Pattern> {
    // A validated pattern parses.
    glob::Pattern::new(text).ok().filter(|_| has_wildcard(text))
}

fn matches(text: &str, glob: Option<&glob::Pattern>, path: &Path) -> bool {
    // `glob::glob` goes by directories: no wildcard but ** stands for a slash.
    let by_directories = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::new()
    };
    match glob {
        Some(glob) => glob.matches_path_with(path, by_directories),
        None => Path::new(text) == path,
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn look(path: &Path) -> Option<(PathBuf, Found)> {
    let found = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Found::File(metadata),
        Ok(metadata) if is_null(&metadata) => Found::Discarded,
        Ok(_) => Found::Unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Found::Unreadable(error),
    };
    Some((path.to_owned(), found))
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
    use super::*;

    #[test]
    fn bases() {
        let base = |text| Pattern::new(text).base().display().to_string();
        assert_eq!(base("/var/log/nginx/access.log"), "/var/log/nginx");
        assert_eq!(base("/opt/bongo/logs/*/main.log"), "/opt/bongo/logs");
        assert_eq!(base("/*"), "/");
        assert_eq!(base("/access.log"), "/");
    }

    #[test]
    fn what_a_pattern_leads_to() {
        let leads = |text, path: &str| Pattern::new(text).leads_to(Path::new(path));
        assert!(leads("/logs/a.log", "/logs/a.log") && !leads("/logs/a.log", "/logs/a.log.1"));
        assert!(leads("/logs/*.log", "/logs/a.log") && !leads("/logs/*.log", "/logs/b/a.log"));
        assert!(leads("/logs/**/a.log", "/logs/b/c/a.log"));
        assert!(Pattern::new("/logs/*/main.log").looks_into(Path::new("/logs/a")));
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
