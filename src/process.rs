//! What the kernel says about this process: the standard `process_*` values.

use std::{fs, io};

use procfs::FromRead as _;
use procfs::process::Stat;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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

/// Reads the values. Takes some tens of microseconds; the boot time, which costs more on large machines, is read
/// once per thread.
pub fn read() -> ProcessStats {
    let mut stats = ProcessStats {
        open_fds: open_fds().ok(),
        max_fds: getrlimit(Resource::Nofile).current,
        ..ProcessStats::default()
    };
    if let Ok(stat) = Stat::from_file("/proc/self/stat") {
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        stats.cpu_seconds_total = Some(seconds(stat.utime + stat.stime));
        stats.virtual_memory_bytes = Some(stat.vsize);
        stats.resident_memory_bytes = Some(stat.rss * procfs::page_size());
        stats.start_time_seconds = procfs::boot_time_secs()
            .ok()
            .map(|boot| boot as f64 + seconds(stat.starttime));
    }
    stats
}

fn open_fds() -> io::Result<u64> {
    // Linux 6.2 and later tell it as the directory's size.
    match fs::metadata("/proc/self/fd")?.len() {
        0 => Ok(fs::read_dir("/proc/self/fd")?.count() as u64),
        count => Ok(count),
    }
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

/// What is left for each of the two sources.
fn room(descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(OTHER_FILES) / 2;
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
