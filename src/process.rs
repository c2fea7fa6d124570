//! What the kernel says about this process: the standard `process_*` values.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use procfs::FromRead as _;
use procfs::process::{Stat, StatM};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// The values, each missing where `/proc` does not tell it: not mounted, hidden, or no Linux.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessStats {
    /// Processor time of all threads, in user and in kernel mode, in seconds.
    pub cpu_seconds_total: Option<f64>,
    /// Open file descriptors, the one used to count them included on kernels before 6.2.
    pub open_fds: Option<u64>,
    /// How many there may be: the soft limit; missing where there is none.
    pub max_fds: Option<u64>,
    /// Address space, in bytes.
    pub virtual_memory_bytes: Option<u64>,
    /// Memory actually held, in bytes.
    pub resident_memory_bytes: Option<u64>,
    /// When the process started, in seconds since the Unix epoch.
    pub start_time_seconds: Option<f64>,
}

/// Reads the values.
pub fn read() -> ProcessStats {
    let memory = memory();
    let bytes = |pages: u64| pages * procfs::page_size();
    ProcessStats {
        cpu_seconds_total: Some(cpu_seconds()),
        open_fds: open_fds(),
        max_fds: getrlimit(Resource::Nofile).current,
        virtual_memory_bytes: memory.as_ref().map(|memory| bytes(memory.size)),
        resident_memory_bytes: memory.as_ref().map(|memory| bytes(memory.resident)),
        start_time_seconds: start_time_seconds(),
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn start_time_seconds() -> Option<f64> {
    static START: OnceLock<f64> = OnceLock::new();
    let read = || {
        let stat = Stat::from_file("/proc/self/stat").ok()?;
        let boot = procfs::boot_time_secs().ok()?;
        Some(boot as f64 + stat.starttime as f64 / procfs::ticks_per_second() as f64)
    };
    kept(&START, read).copied()
}

fn memory() -> Option<StatM> {
    static STATM: OnceLock<File> = OnceLock::new();
    // Seven numbers.
    let mut text = [0; 256];
    let file = kept(&STATM, || File::open("/proc/self/statm").ok())?;
    let read = file.read_at(&mut text, 0).ok()?;
    StatM::from_read(&text[..read]).ok()
}

fn open_fds() -> Option<u64> {
    const FDS: &str = "/proc/self/fd";
    static DIRECTORY: OnceLock<File> = OnceLock::new();
    // Linux 6.2 and later tell it as the directory's size.
    match kept(&DIRECTORY, || File::open(FDS).ok())?.metadata().ok()?.len() {
        0 => Some(fs::read_dir(FDS).ok()?.count() as u64),
        count => Some(count),
    }
}

/// What is asked for at each scrape is made once, since to open a file of `/proc` costs more than to read it. What cannot
/// be had, for want of a descriptor say, is tried again the next time.
fn kept<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Option<T>) -> Option<&T> {
    if let Some(kept) = cell.get() {
        return Some(kept);
    }
    let made = make()?;
    Some(cell.get_or_init(|| made))
}

/// The machine's name; empty where the kernel does not tell it.
pub fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Descriptors besides the log files: connections, the checkpoint, the log, notify.
const OTHER_FILES: u64 = 128;

/// Fewest files a source may follow, however few descriptors there are.
const FEWEST_FILES: usize = 4;

/// How many files each source may hold open: as many as are asked for, unless descriptors for connections and the
/// checkpoint would be missing then, about which it warns. Raises the soft limit, which is there for programs that use
/// `select`, as far as it goes.
pub fn files_each(asked: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let allowed = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| raised.current);
    let files = allowed.map_or(asked, |allowed| asked.min(room(allowed)));
    if files < asked {
        warn!(
            descriptors = allowed,
            asked,
            files,
            "too few file descriptors for limits.files: raise LimitNOFILE= or ulimit -n, or lower it"
        );
    }
    files
}

/// What is left for each of the two sources, and for as many files of each that were just rotated.
fn room(descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(OTHER_FILES) / 4;
    usize::try_from(left).unwrap_or(usize::MAX).max(FEWEST_FILES)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn values_are_those_of_this_process() {
        let stats = read();
        let cpu = stats.cpu_seconds_total.unwrap();
        assert!((0.0..3600.0).contains(&cpu), "{cpu}");
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        assert_eq!(stats.max_fds, limit);
        assert!((3..10_000).contains(&stats.open_fds.unwrap()));
        let (resident, all) = (
            stats.resident_memory_bytes.unwrap(),
            stats.virtual_memory_bytes.unwrap(),
        );
        assert!(1 << 20 < resident && resident < all, "{resident} {all}");
    }

    #[test]
    fn what_could_not_be_had_is_tried_again() {
        let cell = OnceLock::new();
        let tries = [None, Some(1), Some(2)].map(|made| kept(&cell, || made).copied());
        assert_eq!(tries, [None, Some(1), Some(1)]);
    }

    #[test]
    fn the_start_is_a_little_ago() {
        // The file's time stamps come from the same clock as the start, give or take its boot time's whole seconds.
        let file = tempfile::NamedTempFile::new().unwrap();
        let now = file.as_file().metadata().unwrap().modified().unwrap();
        let start = UNIX_EPOCH + Duration::from_secs_f64(read().start_time_seconds.unwrap());
        assert!(start < now + Duration::from_secs(2), "{start:?} {now:?}");
        assert!(now < start + Duration::from_secs(3600), "{start:?} {now:?}");
    }

    #[test]
    fn open_files_are_counted() {
        let before = read().open_fds.unwrap();
        let files: Vec<_> = (0..200).map(|_| tempfile::tempfile().unwrap()).collect();
        let after = read().open_fds.unwrap();
        assert!(
            after > before + 100,
            "{before} {after}; other tests close theirs meanwhile"
        );
        drop(files);
    }
}
