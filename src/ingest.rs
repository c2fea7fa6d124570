//! The loop of one source: wait, pass, publish. Its thread owns the source; the rest of the program sees only
//! what is published, taken whole.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use tokio::sync::watch;

use crate::access::{Access, Snapshot};
use crate::clock::Clock;
use crate::tail::wake::{DirectoryWatch, Doorbell};
use crate::tail::{Polled, SWEEP};

/// How soon to look again while lines come: seldom enough to cost nothing, often enough for the status page.
const BUSY: Duration = Duration::from_millis(250);

/// Scrapes within this time share a pass.
const SHARED: Duration = Duration::from_millis(250);

/// How long the end of the logs may take to be read at a stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running source.
#[derive(Debug, Clone)]
pub struct Handle {
    doorbell: Arc<Doorbell>,
    published: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// The last published state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.borrow())
    }

    /// Asks for a pass and waits until it is done and nothing of the start is left to catch up, at most
    /// `timeout`; then gives the last published state. What was on disk before the call is in it, unless the
    /// time was too short.
    pub async fn fresh(&mut self, timeout: Duration) -> Arc<Snapshot> {
        let pass = self.doorbell.pass();
        let done = self
            .published
            .wait_for(|snapshot| snapshot.answered >= pass && !snapshot.catching_up);
        // Too late or gone: what is published says so itself.
        drop(tokio::time::timeout(timeout, done).await);
        self.snapshot()
    }

    /// Asks the source to read to the current end and stop.
    pub fn stop(&self) {
        self.doorbell.stop();
    }
}

/// Starts the thread of a source.
///
/// # Errors
/// No thread can be made.
pub fn start(source: Access, clock: Clock) -> io::Result<(Handle, JoinHandle<()>)> {
    let doorbell = Arc::new(Doorbell::default());
    let (publish, published) = watch::channel(Arc::new(source.snapshot(clock.now(), 0)));
    let rung = Arc::clone(&doorbell);
    let thread = thread::Builder::new()
        .name("ingest".into())
        .spawn(move || run(source, &rung, &publish, clock))?;
    Ok((Handle { doorbell, published }, thread))
}

fn run(mut source: Access, doorbell: &Arc<Doorbell>, publish: &watch::Sender<Arc<Snapshot>>, clock: Clock) {
    let mut directories = DirectoryWatch::new(Arc::clone(doorbell));
    let (mut timeout, mut shared_until) = (Duration::ZERO, Duration::ZERO);
    let (mut heard, mut answered) = (0, 0);
    loop {
        // Who catches up has no time to wait for company.
        let pass_after = shared_until.saturating_sub(clock.now().elapsed).min(timeout);
        let rings = doorbell.wait(timeout, pass_after, heard);
        let now = clock.now();
        let asked = rings.passes > heard;
        if asked {
            (heard, shared_until) = (rings.passes, now.elapsed + SHARED);
        }
        let polled = source.pass(now, rings.directory || asked);
        if !polled.more {
            answered = heard;
        }
        publish.send_replace(Arc::new(source.snapshot(now, answered)));
        if rings.stop {
            break;
        }
        directories.watch(&source.tail().directories());
        timeout = next_look(&polled);
    }
    read_to_the_end(&mut source, clock);
    publish.send_replace(Arc::new(source.snapshot(clock.now(), answered)));
}

fn next_look(polled: &Polled) -> Duration {
    match polled {
        Polled { more: true, .. } => Duration::ZERO,
        Polled { read_bytes: 1.., .. } => BUSY,
        _ => SWEEP,
    }
}

fn read_to_the_end(source: &mut Access, clock: Clock) {
    let begun = clock.now().elapsed;
    while source.pass(clock.now(), true).more && clock.now().elapsed - begun < STOP_WITHIN {}
}
