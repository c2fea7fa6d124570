//! The generated files on disk.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{DIRECTORIES, File, MARK};

/// How far into a file its mark is looked for; a dashboard's stands in its description.
const MARKED_WITHIN: usize = 4096;

/// Writes what differs, each file whole or not at all.
pub(super) fn write(dir: &Path, files: &[File]) -> Result<String> {
    let mut said = String::new();
    for file in files {
        let path = dir.join(&file.path);
        if is(&path, &file.text)? {
            continue;
        }
        replace(&path, &file.text).with_context(|| format!("failed to write {}", path.display()))?;
        // Writing to a String cannot fail.
        let _ = writeln!(said, "{}: written", path.display());
    }
    for path in stale(dir, files)? {
        let _ = writeln!(said, "{}: not generated any more, remove it", path.display());
    }
    Ok(said)
}

/// Names every file that differs.
pub(super) fn check(dir: &Path, files: &[File]) -> Result<String> {
    let mut differences = vec![];
    for file in files {
        let path = dir.join(&file.path);
        if !is(&path, &file.text)? {
            let verb = if path.exists() { "differs" } else { "is missing" };
            differences.push(format!("{} {verb}", path.display()));
        }
    }
    let stale = stale(dir, files)?;
    differences.extend(
        stale
            .iter()
            .map(|path| format!("{} is not generated any more", path.display())),
    );
    if differences.is_empty() {
        return Ok(String::new());
    }
    bail!(
        "{}; write them with: bingo-exporter generate {}",
        differences.join(", "),
        dir.display()
    )
}

fn is(path: &Path, text: &str) -> Result<bool> {
    match fs::read(path) {
        Ok(content) => Ok(content == text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

/// Prometheus may read the file at any moment.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut new = tempfile::Builder::new();
    // As any file that is not secret; a temporary one is its owner's only.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut new = new.permissions(permissions).tempfile_in(parent)?;
    new.write_all(text.as_bytes())?;
    new.persist(path)?;
    Ok(())
}

/// Files that bear our mark and that we do not write. They are named, not removed: somebody may have made a file of
/// his own from one of ours.
fn stale(dir: &Path, files: &[File]) -> Result<Vec<PathBuf>> {
    let mut stale = vec![];
    for directory in DIRECTORIES.map(|name| dir.join(name)) {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(error),
        };
        let entries = entries.with_context(|| format!("failed to list {}", directory.display()))?;
        let paths = entries
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| path.is_file());
        for path in paths.filter(|path| files.iter().all(|file| dir.join(&file.path) != *path)) {
            let content = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            let head = &content[..content.len().min(MARKED_WITHIN)];
            if memchr::memmem::find(head, MARK.as_bytes()).is_some() {
                stale.push(path);
            }
        }
    }
    stale.sort_unstable();
    Ok(stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_differs_is_named_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let shown = dir.path().display();
        let files = [
            file("alerts/rules/a.yml", "a\n"),
            file("alerts/tests/b.yml", "b\n"),
        ];
        let error = check(dir.path(), &files).unwrap_err().to_string();
        let missing = "is missing";
        assert_eq!(
            error,
            format!(
                "{shown}/alerts/rules/a.yml {missing}, {shown}/alerts/tests/b.yml {missing}; write them with: \
                 bingo-exporter generate {shown}"
            )
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        assert_eq!(write(dir.path(), &files).unwrap().lines().count(), 2);
        assert_eq!(write(dir.path(), &files).unwrap(), "");
        assert_eq!(check(dir.path(), &files).unwrap(), "");

        fs::write(dir.path().join("alerts/tests/b.yml"), "b").unwrap();
        let error = check(dir.path(), &files).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{shown}/alerts/tests/b.yml differs; ")),
            "{error}"
        );
        assert_eq!(
            write(dir.path(), &files).unwrap(),
            format!("{shown}/alerts/tests/b.yml: written\n")
        );
    }

    #[test]
    fn a_stale_file_of_ours_is_named_and_one_of_others_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = [file("alerts/rules/a.yml", "a\n")];
        write(dir.path(), &files).unwrap();
        let rules = dir.path().join("alerts/rules");
        fs::write(rules.join("old.yml"), format!("# {MARK}.\n")).unwrap();
        fs::write(rules.join("own.yml"), "groups: []\n").unwrap();
        let old = rules.join("old.yml").display().to_string();
        assert_eq!(
            write(dir.path(), &files).unwrap(),
            format!("{old}: not generated any more, remove it\n")
        );
        let error = check(dir.path(), &files).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{old} is not generated any more; ")),
            "{error}"
        );
        assert_eq!(fs::read_dir(&rules).unwrap().count(), 3);
    }
}
