//! The loop of one source: wait, pass, publish. Its thread owns the source; the rest of the program sees only
//! what is published, taken whole.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use tokio::sync::watch;
use tracing::warn;

use crate::clock::Clock;
use crate::model::Model;
use crate::source::{Snapshot, Source};
use crate::tail::wake::{DirectoryWatch, Doorbell, Rings};

/// A source in which nothing was written for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(30);

/// Scrapes within this time share a pass.
const SHARED: Duration = Duration::from_millis(250);

/// A directory that changes all the time is looked at only so often.
const SETTLE: Duration = Duration::from_millis(50);

/// A source that is switched off waits for a configuration that switches it on.
const OFF: Duration = Duration::from_secs(3600);

/// How long the end of the logs may take to be read at a stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running source.
#[derive(Debug, Clone)]
pub struct Handle {
    doorbell: Arc<Doorbell>,
    /// The configuration it is to go by.
    model: watch::Sender<Arc<Model>>,
    published: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// The last published state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.borrow())
    }

    /// Returns once pass `pass` is done and nothing of the start is left to catch up.
    async fn answered(&self, pass: u64) {
        let mut published = self.published.clone();
        let done = published.wait_for(|snapshot| snapshot.answered >= pass && !snapshot.catching_up);
        // A source that is gone: what it published last says so itself.
        let _ = done.await;
    }

    /// Has the source go on under another configuration, between two passes. Whether it does so within `timeout`;
    /// else it will as soon as it can.
    pub async fn swap(&self, model: Arc<Model>, timeout: Duration) -> bool {
        self.model.send_replace(Arc::clone(&model));
        self.doorbell.pass();
        let mut published = self.published.clone();
        let swapped = published.wait_for(|snapshot| Arc::ptr_eq(&snapshot.model, &model));
        matches!(tokio::time::timeout(timeout, swapped).await, Ok(Ok(_)))
    }

    /// Asks for a pass, as a sign of life; nobody waits for it.
    pub fn nudge(&self) {
        self.doorbell.pass();
    }

    /// Asks the source to read to the current end and stop.
    pub fn stop(&self) {
        self.doorbell.stop();
    }
}

/// Asks all sources for a pass, which they do side by side, and waits until they are done and nothing of the start is
/// left to catch up, at most `timeout`; then gives what they have published. What was on disk before the call is in it,
/// unless the time was too short.
pub async fn fresh(sources: &[Handle], timeout: Duration) -> Vec<Arc<Snapshot>> {
    let passes: Vec<u64> = sources.iter().map(|source| source.doorbell.pass()).collect();
    let all = async {
        for (source, pass) in sources.iter().zip(passes) {
            source.answered(pass).await;
        }
    };
    // Too late: what is published says so itself.
    let _ = tokio::time::timeout(timeout, all).await;
    snapshots(sources)
}

/// What the sources that are switched on have published.
pub fn snapshots(sources: &[Handle]) -> Vec<Arc<Snapshot>> {
    let all = sources.iter().map(Handle::snapshot);
    all.filter(|snapshot| snapshot.is_on()).collect()
}

/// Starts the thread of a source.
///
/// # Errors
/// No thread can be made.
pub fn start(source: Source, clock: Clock) -> io::Result<(Handle, JoinHandle<()>)> {
    let doorbell = Arc::new(Doorbell::default());
    let (publish, published) = watch::channel(Arc::new(source.snapshot(clock.now(), 0)));
    let (model, wanted) = watch::channel(Arc::clone(source.model()));
    let rung = Arc::clone(&doorbell);
    // Moved as it is, it would lie on the stack of the thread twice.
    let mut source = Box::new(source);
    let thread = thread::Builder::new()
        .name("ingest".into())
        .spawn(move || run(&mut source, &rung, wanted, &publish, clock))?;
    let handle = Handle {
        doorbell,
        model,
        published,
    };
    Ok((handle, thread))
}

fn run(
    source: &mut Source,
    doorbell: &Arc<Doorbell>,
    mut wanted: watch::Receiver<Arc<Model>>,
    publish: &watch::Sender<Arc<Snapshot>>,
    clock: Clock,
) {
    let mut directories = DirectoryWatch::new(Arc::clone(doorbell));
    let (mut timeout, mut shared_until, mut settled) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut heard, mut answered) = (0, 0);
    let mut busy_at = clock.now().elapsed;
    loop {
        let rings = doorbell.wait(timeout, heard, |rings| {
            let until = match rings {
                // Who catches up has no time to wait for company.
                _ if timeout.is_zero() => Duration::ZERO,
                Rings { passes, .. } if *passes > heard => shared_until,
                Rings { directory: true, .. } => settled,
                _ => Duration::ZERO,
            };
            until.saturating_sub(clock.now().elapsed)
        });
        let now = clock.now();
        let asked = rings.passes > heard;
        if asked {
            (heard, shared_until) = (rings.passes, now.elapsed + SHARED);
        }
        let mut polled = source.pass(now, rings.directory || asked);
        if wanted.has_changed().unwrap_or(false) {
            // What is on disk by now was written under the old configuration, and is counted under it.
            source.swap(Arc::clone(&wanted.borrow_and_update()));
            polled = source.pass(now, true);
        }
        if polled.swept && directories.watch(&source.tail().directories(), rings.directory) {
            // What came there between the look and the watch is told of by nobody.
            polled = source.pass(now, true);
        }
        source.set_watching(directories.is_complete());
        settled = now.elapsed + SETTLE;
        if !polled.more {
            answered = heard;
        }
        publish.send_replace(Arc::new(source.snapshot(now, answered)));
        if rings.stop {
            break;
        }
        if polled.read_bytes > 0 {
            busy_at = now.elapsed;
        }
        let silent = now.elapsed - busy_at > SILENT_AFTER;
        timeout = if !source.is_on() {
            OFF
        } else if polled.more {
            Duration::ZERO
        } else {
            source.tail().look_every(silent)
        };
    }
    read_to_the_end(source, clock);
    publish.send_replace(Arc::new(source.snapshot(clock.now(), answered)));
}

fn read_to_the_end(source: &mut Source, clock: Clock) {
    let begun = clock.now().elapsed;
    while source.pass(clock.now(), true).more {
        if clock.now().elapsed - begun >= STOP_WITHIN {
            let unread_bytes = source.snapshot(clock.now(), 0).unread_bytes;
            warn!(
                unread_bytes,
                "stopped before the end of the logs; the rest is read after the next start"
            );
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Config, Overrides};
    use crate::tail::ReadFrom;

    const LINE: &str = "{\"request\":\"GET /config HTTP/1.1\",\"status\":200}\n";

    struct Running {
        handle: Handle,
        thread: JoinHandle<()>,
        path: PathBuf,
        _dir: tempfile::TempDir,
    }

    fn running(content: &str) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        fs::write(&path, content).unwrap();
        let overrides = Overrides {
            access: vec![path.to_str().unwrap().to_owned()],
            ..Overrides::default()
        };
        let model = Model::new(Config::load(None, &overrides).unwrap()).unwrap();
        let source = Source::access(Arc::new(model), ReadFrom::Beginning);
        let (handle, thread) = start(source, Clock::start()).unwrap();
        Running {
            handle,
            thread,
            path,
            _dir: dir,
        }
    }

    fn append(path: &Path, lines: usize) {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(LINE.repeat(lines).as_bytes()).unwrap();
    }

    async fn fresh(handle: &Handle) -> Arc<Snapshot> {
        super::fresh(std::slice::from_ref(handle), PATIENCE)
            .await
            .remove(0)
    }

    fn counted(snapshot: &Snapshot) -> u64 {
        snapshot.state.intake.lines.counted
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_was_on_disk_before_the_call_is_in_the_answer() {
        let running = running(LINE);
        for lines in 1..10 {
            assert_eq!(counted(&*fresh(&running.handle).await), lines);
            append(&running.path, 1);
        }
        running.handle.stop();
        let (handle, thread) = (running.handle, running.thread);
        tokio::task::spawn_blocking(move || thread.join())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(counted(&handle.snapshot()), 10, "a stop reads to the current end");
    }

    #[tokio::test]
    async fn a_scrape_alone_waits_for_nobody() {
        let running = running("");
        let first = fresh(&running.handle).await;
        // The idle sweep comes a second after; by then nobody is left to share with.
        while running.handle.snapshot().now.elapsed < first.now.elapsed + 2 * SHARED {
            tokio::task::yield_now().await;
        }
        let asked = running.handle.snapshot().now.elapsed;
        let second = fresh(&running.handle).await;
        assert!(
            second.now.elapsed - asked < SHARED,
            "{:?}",
            second.now.elapsed - asked
        );
        running.handle.stop();
    }

    #[tokio::test]
    async fn scrapes_at_one_time_share_a_pass() {
        let running = running("");
        let first = fresh(&running.handle).await;
        // All ask at once, within the time that is shared after the first.
        let mut scrapes = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let handle = running.handle.clone();
            scrapes.spawn(async move { fresh(&handle).await.now });
        }
        let mut passes = scrapes.join_all().await;
        passes.sort_by_key(|now| now.elapsed);
        passes.dedup();
        assert_eq!(passes.len(), 1, "{passes:?}");
        assert!(passes[0].elapsed - first.now.elapsed >= SHARED);
        running.handle.stop();
    }

    #[tokio::test]
    async fn a_gone_source_answers_with_what_it_last_published() {
        let running = running(LINE);
        fresh(&running.handle).await;
        running.handle.stop();
        let thread = running.thread;
        tokio::task::spawn_blocking(move || thread.join())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(counted(&*fresh(&running.handle).await), 1);
    }
}
