//! `main.log`: opened once, appended to, never opened again.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::{env, thread};

use anyhow::{Context, Result};
use bingo_exporter::clock::Clock;
use bingo_exporter::simulate::main_log::{Identity, MainLog, Message, Said};

#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    lines: MainLog,
    clock: Clock,
}

impl Log {
    /// Opens the log in a directory that must exist.
    pub(crate) fn open(directory: &Path, offset_minutes: i32, clock: Clock) -> Result<Self> {
        let path = directory.join("main.log");
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .with_context(|| {
                format!(
                    "failed to open {}; its directory must exist and be writable",
                    path.display()
                )
            })?;
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        let lines = MainLog::new(&Identity {
            log_path: path.display().to_string(),
            env: env::vars_os()
                .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
                .collect(),
            hostname: hostname.trim().to_owned(),
            user: (uid.as_raw(), gid.as_raw()),
            process: (std::process::id(), std::os::unix::process::parent_id()),
            processors: thread::available_parallelism().map_or(1, usize::from),
            offset_minutes,
        });
        Ok(Self { file, lines, clock })
    }

    pub(crate) fn message(&self, message: Message) {
        self.say(&Said::Message(message));
    }

    /// Writes a line in one piece. A full disk stops nothing but the log.
    pub(crate) fn say(&self, said: &Said) {
        let line = self.lines.line(self.clock.now().unix, said);
        let _ = (&self.file).write_all(line.as_bytes());
    }
}
