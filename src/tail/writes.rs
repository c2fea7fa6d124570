//! Which files were written to, as the kernel noted it. It is asked at a look and wakes nobody, so that of a thousand
//! files only those with something new are looked at. A hint, like all that is told: a sweep looks at every file too.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// To look at fewer files costs less than to be told. Tests of rotation have few, and must hold either way.
const MANY: usize = if cfg!(test) { 2 } else { 64 };

/// Of events, in one call.
const EVENT_BYTES: usize = 16 * 1024;

/// What notes writes, for the files of one source.
#[derive(Debug, Default)]
pub(super) enum Writes {
    /// Not needed so far.
    #[default]
    Unasked,
    /// The kernel's queue.
    Noted(Arc<OwnedFd>),
    /// The kernel has no more: every file is looked at every time.
    Refused,
}

/// The kernel notes writes to a file for as long as this lives.
#[derive(Debug)]
pub(super) struct Watch {
    queue: Arc<OwnedFd>,
    number: i32,
}

/// The files written to since this was last asked.
#[derive(Debug)]
pub(super) enum Written {
    /// It may be any.
    Unknown,
    /// By their watches' numbers, ascending.
    These(Vec<i32>),
}

impl Writes {
    /// What was written to since the last call, with so many files.
    pub(super) fn take(&mut self, files: usize) -> Written {
        if matches!(self, Self::Unasked) && files >= MANY {
            *self = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
                Ok(queue) => Self::Noted(Arc::new(queue)),
                Err(_) => Self::Refused,
            };
        }
        match self {
            Self::Noted(queue) => drained(queue).map_or(Written::Unknown, Written::These),
            Self::Unasked | Self::Refused => Written::Unknown,
        }
    }

    /// Has writes to a file noted from now on. What was written before must be looked at after this.
    pub(super) fn watch(&mut self, file: &File) -> Option<Watch> {
        let Self::Noted(queue) = self else { return None };
        // The file itself, whatever its name leads to by now; and never one that is watched already.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match inotify::add_watch(&**queue, path, WatchFlags::MODIFY | WatchFlags::MASK_CREATE) {
            Ok(number) => Some(Watch {
                queue: Arc::clone(queue),
                number,
            }),
            Err(Errno::EXIST) => None,
            Err(_) => {
                *self = Self::Refused;
                None
            }
        }
    }
}

impl Written {
    /// Whether the file of this watch is among them; `None` where that is not known.
    pub(super) fn has(&self, watch: &Watch) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::These(numbers) => Some(numbers.binary_search(&watch.number).is_ok()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A file that is gone took its watch with it.
        let _ = inotify::remove_watch(&*self.queue, self.number);
    }
}

/// `None` where more happened than the kernel can note.
// Never a part of its caller, on whose stack the events would have their place at every pass.
#[inline(never)]
fn drained(queue: &OwnedFd) -> Option<Vec<i32>> {
    let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
    let mut reader = Reader::new(queue, &mut buffer);
    let (mut numbers, mut whole) = (vec![], true);
    loop {
        match reader.next() {
            Ok(event) => {
                whole &= !event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                numbers.push(event.wd());
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_) => return None,
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    whole.then_some(numbers)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_written_to_is_known_until_too_much_was() {
        let files = [(); MANY].map(|()| tempfile::tempfile().unwrap());
        let mut writes = Writes::default();
        assert!(
            matches!(writes.take(1), Written::Unknown),
            "one file needs no telling"
        );
        assert!(writes.watch(&files[0]).is_none());
        assert!(matches!(writes.take(MANY), Written::These(_)));

        let watches = files.each_ref().map(|file| writes.watch(file).unwrap());
        assert!(writes.watch(&files[0]).is_none(), "watched already");
        (&files[1]).write_all(b"x").unwrap();
        let written = writes.take(MANY);
        assert_eq!(
            watches.each_ref().map(|watch| written.has(watch)),
            [Some(false), Some(true)]
        );
        assert_eq!(writes.take(MANY).has(&watches[1]), Some(false), "asked anew");

        let most = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        for number in 0..=most.trim().parse::<usize>().unwrap() {
            // Two that are alike are noted as one.
            (&files[number % 2]).write_all(b"x").unwrap();
        }
        assert!(matches!(writes.take(MANY), Written::Unknown));
        assert_eq!(writes.take(MANY).has(&watches[0]), Some(false));

        let [first, _] = watches;
        drop(first);
        assert!(writes.watch(&files[0]).is_some(), "it is watched no more");
    }
}
