//! Whole lines to standard error, by a thread of its own: who logs never waits for whoever should read.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait to be written. More are lost, and counted: a reader that stands still must not stop the exporter.
const WAITING: usize = 1000;

/// How long the last lines may take at the exit.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Job>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

enum Job {
    Line(Box<[u8]>),
    /// To be dropped once all before it is written.
    Flush(SyncSender<()>),
}

/// Starts the thread; before that, and where it cannot start, lines are written in place.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn start() -> io::Result<()> {
    let (queue, jobs) = sync_channel(WAITING);
    thread::Builder::new()
        .name("log".into())
        .spawn(move || run(&jobs))?;
    // Set twice, the second thread ends at once.
    let _ = QUEUE.set(queue);
    Ok(())
}

fn run(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            // There is nobody left to tell.
            Job::Line(line) => drop(io::stderr().lock().write_all(&line)),
            Job::Flush(done) => drop(done),
        }
    }
}

/// Writes one or more whole lines, or loses them.
pub fn write(lines: &[u8]) {
    match QUEUE.get() {
        Some(queue) if queue.try_send(Job::Line(lines.into())).is_err() => {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Some(_) => {}
        None => drop(io::stderr().lock().write_all(lines)),
    }
}

/// Returns when all is written, or after a second: before the process ends, and nowhere else.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        let (done, answer) = sync_channel(0);
        if queue.try_send(Job::Flush(done)).is_ok() {
            // Either it is dropped, or the time is up.
            let _ = answer.recv_timeout(FLUSH_WITHIN);
        }
    }
}

/// Messages lost since the start because standard error was not read.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}
