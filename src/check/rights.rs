//! Whose rights these are, and what they lack.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

use super::report::{Finding, Severity, User};

/// Links followed in one path, as many as the kernel does.
const LINKS: usize = 40;

/// What keeps us from reading a file.
#[derive(Debug, PartialEq, Eq)]
struct Obstacle {
    path: PathBuf,
    is_directory: bool,
    mode: u32,
    gid: u32,
}

/// Who this process is.
pub(super) fn user() -> User {
    let uid = geteuid().as_raw();
    let name = name("/etc/passwd", uid).unwrap_or_else(|| uid.to_string());
    User { name, uid }
}

/// Why a path cannot be read, with the command that mends it.
pub(super) fn explain(path: &Path, error: &io::Error, user: &User) -> Finding {
    let problem = |what| Finding::new(Severity::Problem, "unreadable", what);
    if error.kind() != io::ErrorKind::PermissionDenied {
        let finding = problem(format!("cannot be read: {error}"));
        return match error.kind() {
            io::ErrorKind::InvalidInput => finding.mended_by(
                "let the proxy write a regular file; what goes to a pipe or a terminal, as the logs of most container \
                 images, can be read by one program only",
            ),
            _ => finding,
        };
    }
    match obstacle(path, &mut 0) {
        Some(obstacle) => problem(obstacle.what(user)).mended_by(obstacle.command(user)),
        None => problem(format!("user {} may not read it: {error}", user.name))
            .mended_by("look for what else refuses: AppArmor, SELinux, the file system's own rights"),
    }
}

/// Follows a path as the kernel does, to the first directory that may not be entered, or the file.
fn obstacle(path: &Path, links: &mut usize) -> Option<Obstacle> {
    let mut at = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => at = at.parent().unwrap_or(Path::new("/")).to_owned(),
            Component::Normal(name) => {
                let directory = fs::metadata(&at).ok()?;
                if directory.is_dir() && !may(&at, Access::EXEC_OK) {
                    return Some(Obstacle::new(at, &directory));
                }
                let next = at.join(name);
                match fs::read_link(&next) {
                    Ok(target) => {
                        *links += 1;
                        if *links > LINKS {
                            return None;
                        }
                        let target = at.join(target);
                        if let Some(obstacle) = obstacle(&target, links) {
                            return Some(obstacle);
                        }
                        at = fs::canonicalize(&target).ok()?;
                    }
                    Err(_) => at = next,
                }
            }
            _ => {}
        }
    }
    let metadata = fs::metadata(&at).ok()?;
    (!may(&at, Access::READ_OK)).then(|| Obstacle::new(at, &metadata))
}

/// By the effective user's rights, access control lists included.
fn may(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

impl Obstacle {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            path,
            is_directory: metadata.is_dir(),
            mode: metadata.mode() & 0o7777,
            gid: metadata.gid(),
        }
    }

    /// The rights needed, as `setfacl` and `ls` write them: a directory on the way is entered, one that a pattern looks
    /// into is read too.
    fn rights(&self) -> &'static str {
        if self.is_directory { "rx" } else { "r" }
    }

    fn group(&self) -> String {
        name("/etc/group", self.gid).unwrap_or_else(|| self.gid.to_string())
    }

    fn what(&self, user: &User) -> String {
        let (path, mode, group) = (self.path.display(), self.mode, self.group());
        let lacks = if self.is_directory {
            format!("may not look into the directory {path}")
        } else {
            format!("may not read {path}")
        };
        format!("user {} {lacks} (mode {mode:04o}, group {group})", user.name)
    }

    /// To be in the group is best: it outlives rotation. Root's group would give far more than a log.
    fn command(&self, user: &User) -> String {
        let (user, path, rights) = (&user.name, quoted(&self.path), self.rights());
        let by_group = if self.is_directory { 0o050 } else { 0o040 };
        if self.mode & by_group == by_group && self.gid != 0 {
            return format!(
                "usermod -aG {} {user}    # then restart the exporter",
                self.group()
            );
        }
        if self.is_directory {
            return format!("setfacl -m u:{user}:{rights} {path}");
        }
        let directory = quoted(self.path.parent().unwrap_or(Path::new("/")));
        format!(
            "setfacl -m u:{user}:r {path}\n\
             setfacl -d -m u:{user}:r {directory}    # files made later, by rotation too; or logrotate: create 0640 USER adm"
        )
    }
}

/// As a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,@%".contains(&byte);
    if text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The name of a number, in a file of the form of `passwd(5)` or `group(5)`.
fn name(file: &str, number: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(is_directory: bool, mode: u32, gid: u32, expect: &str) {
        let obstacle = Obstacle {
            path: "/var/log/it's".into(),
            is_directory,
            mode,
            gid,
        };
        let user = User {
            name: "bob".into(),
            uid: 1000,
        };
        assert_eq!(obstacle.command(&user), expect);
    }

    #[test]
    fn commands() {
        // Debian's base-passwd: adm is 4.
        check(
            false,
            0o640,
            4,
            "usermod -aG adm bob    # then restart the exporter",
        );
        check(
            true,
            0o750,
            4,
            "usermod -aG adm bob    # then restart the exporter",
        );
        check(true, 0o740, 4, r"setfacl -m u:bob:rx '/var/log/it'\''s'");
        check(true, 0o750, 0, r"setfacl -m u:bob:rx '/var/log/it'\''s'");
        check(
            false,
            0o640,
            0,
            "setfacl -m u:bob:r '/var/log/it'\\''s'\nsetfacl -d -m u:bob:r /var/log    # files made later, by rotation \
             too; or logrotate: create 0640 USER adm",
        );
    }

    #[test]
    fn names_of_numbers() {
        assert_eq!(name("/etc/passwd", 0).as_deref(), Some("root"));
        assert_eq!(name("/etc/passwd", 4_000_000_000), None);
    }
}
