//! Log files as their writers and operators treat them: appended to, renamed, re-created, cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log file that is written to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// Opened by the first write; goes on with its file after a rename, as nginx and bingo do.
    file: Option<File>,
}

impl LogFile {
    /// Not opened yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Whether anything was written since it was opened.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Where it is, or was before a rename.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends in one write.
    ///
    /// # Errors
    /// The file can be neither opened nor written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
                self.file.insert(file)
            }
        };
        file.write_all(bytes)
    }

    /// Lets go of the file; the next write opens what is at the path then.
    pub fn reopen(&mut self) {
        self.file = None;
    }

    /// logrotate with `nocreate`: the file becomes `.1`, `.1` becomes `.2`, and so on; what would come after `keep`
    /// is removed. The writer goes on in the renamed file.
    ///
    /// # Errors
    /// A file cannot be renamed or removed.
    pub fn rename(&self, keep: Option<usize>) -> io::Result<()> {
        let (mut from, mut steps) = (self.path.clone(), Vec::new());
        for number in 1.. {
            if !from.try_exists()? {
                break;
            }
            let to = self.rotated(number);
            steps.push((number, from));
            from = to;
        }
        for (number, from) in steps.into_iter().rev() {
            match keep {
                Some(keep) if number > keep => fs::remove_file(from)?,
                _ => fs::rename(from, self.rotated(number))?,
            }
        }
        Ok(())
    }

    /// logrotate with `copytruncate`: the content is copied to `.1`, and the file cut to nothing under the writer.
    ///
    /// # Errors
    /// The file can be neither copied nor cut.
    pub fn copy_and_truncate(&self) -> io::Result<()> {
        fs::copy(&self.path, self.rotated(1))?;
        OpenOptions::new().write(true).truncate(true).open(&self.path)?;
        Ok(())
    }

    fn rotated(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
        let mut contents: Vec<_> = files
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, fs::read_to_string(file.path()).unwrap())
            })
            .collect();
        contents.sort();
        contents
    }

    #[track_caller]
    fn check(directory: &Path, expect: &[(&str, &str)]) {
        let expect: Vec<_> = expect
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        assert_eq!(contents(directory), expect);
    }

    #[test]
    fn renames_shift_and_the_writer_goes_on_until_it_opens_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(dir.path().join("a.log"));
        log.rename(None).unwrap();
        for text in ["1", "2", "3", "4"] {
            log.write(text.as_bytes()).unwrap();
            log.rename(Some(2)).unwrap();
            log.write(b"+").unwrap();
            log.reopen();
        }
        check(dir.path(), &[("a.log.1", "4+"), ("a.log.2", "3+")]);
        log.write(b"5").unwrap();
        log.rename(None).unwrap();
        check(
            dir.path(),
            &[("a.log.1", "5"), ("a.log.2", "4+"), ("a.log.3", "3+")],
        );
    }

    #[test]
    fn copies_keep_what_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(dir.path().join("a.log"));
        log.write(b"1\n").unwrap();
        log.copy_and_truncate().unwrap();
        log.write(b"2\n").unwrap();
        check(dir.path(), &[("a.log", "2\n"), ("a.log.1", "1\n")]);
    }
}
