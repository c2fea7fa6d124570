//! The demo: a simulated bingo and its proxy write real log files, and the exporter follows them as it would in
//! production.
//!
//! [`Stage`] is the empty directory, [`Player`] writes what the simulation says up to a given time, [`Show`] is the
//! thread that lets it do so in real time.

pub mod files;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;
use tokio::sync::oneshot;

use self::files::LogFile;
use crate::cli::{Cli, Demo, ReadFrom};
use crate::clock::Clock;
use crate::config::{Access, App, Config};
use crate::decode::Format;
use crate::record::{DurationUnit, UnixMillis};
use crate::simulate::main_log::{Message, Said};
use crate::simulate::story::{Scene, Story};
use crate::simulate::{Entry, LOG_IDS, NODES, Options, Simulation, UPSTREAMS, What};

/// How often lines are written: often enough to look like a stream.
const STEP: Duration = Duration::from_millis(20);

/// How often the access log is rotated.
const ROTATE_EVERY: UnixMillis = 90_000;

/// From the rename of the access log to when nginx opens the new one: until then it writes on into the old.
const REOPEN_AFTER: UnixMillis = 1_000;

/// Rotated files of each log, so that a demo that is forgotten does not fill the disk: about 100 MB in all at 60 RPS.
const GENERATIONS: usize = 2;

/// Where the logs are to be written, before anything is.
#[derive(Debug)]
pub struct Stage {
    directory: Directory,
    demo: Demo,
}

/// Goes with its content when dropped, unless it is to be kept.
#[derive(Debug)]
enum Directory {
    Temporary(TempDir),
    Kept(PathBuf),
}

/// The story being told. When dropped, it is over and its directory removed.
#[derive(Debug)]
pub struct Show {
    writer: Option<Writer>,
    failure: oneshot::Receiver<io::Error>,
    _directory: Directory,
}

/// The thread that writes.
#[derive(Debug)]
struct Writer {
    /// Closed to stop it.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// Writes what the simulation says, and rotates.
#[derive(Debug)]
pub struct Player {
    simulation: Simulation,
    access: LogFile,
    nodes: [LogFile; NODES],
    generations: Option<usize>,
    rotate_at: UnixMillis,
    reopen_at: Option<UnixMillis>,
}

impl Stage {
    /// Makes the directory.
    ///
    /// # Errors
    /// It cannot be made, or the one to keep holds something.
    pub fn new(demo: &Demo) -> Result<Self> {
        let directory = match &demo.keep {
            None => {
                let made = TempDir::with_prefix("bingo-exporter-demo-");
                Directory::Temporary(
                    made.context("failed to make a temporary directory; set TMPDIR, or --keep")?,
                )
            }
            Some(path) => Directory::keep(path)
                .with_context(|| format!("failed to use {} of --keep", path.display()))?,
        };
        for id in LOG_IDS {
            fs::create_dir(directory.path().join(id)).context("failed to make a log directory")?;
        }
        let demo = demo.clone();
        Ok(Self { directory, demo })
    }

    /// Has the exporter follow the logs here, whole, and keep its state here too.
    ///
    /// # Errors
    /// The directory's path is not UTF-8.
    pub fn take_over(&self, cli: &mut Cli, config: &mut Config) -> Result<()> {
        let directory = self.directory.path();
        cli.read_from = ReadFrom::Beginning;
        cli.state_dir = Some(directory.join("state"));
        let shown = directory.to_str();
        let shown = shown.context("the demo's directory must be UTF-8; set TMPDIR, or --keep")?;
        let logs = glob::Pattern::escape(shown);
        config.access = Access {
            rotated: vec![],
            paths: vec![format!("{logs}/access.log")],
            format: Format::Auto,
            fields: BTreeMap::new(),
            upstreams: UPSTREAMS.map(str::to_owned).into(),
        };
        config.app = App {
            paths: vec![format!("{logs}/*/main.log")],
            fields: BTreeMap::new(),
            duration_unit: Some(DurationUnit::Nanoseconds),
        };
        Ok(())
    }

    /// Writes from now on, in real time.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn begin(self, clock: Clock) -> Result<Show> {
        let (stop, stopped) = mpsc::channel();
        let (fail, failure) = oneshot::channel();
        let player = Player::new(self.directory.path(), &self.demo, clock.now().unix);
        let thread = thread::Builder::new().name("demo".into()).spawn(move || {
            if let Err(error) = play(player, clock, &stopped) {
                // Nobody listens once the program ends.
                let _ = fail.send(error);
            }
        });
        Ok(Show {
            writer: Some(Writer {
                stop,
                thread: thread.context("failed to start the demo's thread")?,
            }),
            failure,
            _directory: self.directory,
        })
    }

    /// What the operator is told: where to look, and what there will be to see.
    pub fn announcement(&self, addresses: &[SocketAddr]) -> String {
        let pages: Vec<_> = addresses.iter().map(page).collect();
        let directory = self.directory.path().display();
        let afterwards = match self.directory {
            Directory::Temporary(_) => "removed at the end",
            Directory::Kept(_) => "kept",
        };
        let mut text = format!(
            "Demo: {} (a simulated bingo at {} requests/s, Ctrl-C ends it)\nLogs: {directory} ({afterwards})\n",
            pages.join(" "),
            self.demo.rps,
        );
        let (timeline, again) = Story::demo(self.demo.rps).timeline();
        // Writing to a String cannot fail.
        for (at, phase) in &timeline {
            let _ = write!(text, "  {}  {}", minutes(*at), phase.scene);
            let _ = match phase.scene {
                Scene::Peak => writeln!(text, ": {} requests/s", phase.rps),
                _ => writeln!(text),
            };
        }
        let second = timeline.get(1).map_or(0, |(at, _)| *at);
        let rotation = ROTATE_EVERY / 1000;
        let _ = writeln!(
            text,
            "  {}  again from {}; access.log is rotated every {rotation} s, a node's main.log before each of its starts",
            minutes(again),
            minutes(second)
        );
        text
    }
}

/// An address for a browser on this machine.
fn page(address: &SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}/", address.port())
    } else {
        format!("http://{address}/")
    }
}

fn minutes(seconds: u32) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

impl Directory {
    fn keep(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)?;
        let path = fs::canonicalize(path)?;
        ensure!(
            fs::read_dir(&path)?.next().is_none(),
            "it is not empty; name a new directory"
        );
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept(path) => path,
        }
    }
}

impl Show {
    /// Ends the story. All that was written is on disk when this returns.
    pub fn stop(&mut self) {
        if let Some(Writer { stop, thread }) = self.writer.take() {
            drop(stop);
            // If it panicked, its message is on stderr.
            let _ = thread.join();
        }
    }

    /// Returns when the logs cannot be written any more; never while all is well.
    pub async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.failure).await {
            Ok(error) => anyhow!(error).context("failed to write the demo's logs"),
            Err(_) if self.writer.is_none() => std::future::pending().await,
            Err(_) => anyhow!("the demo's thread panicked; its message is above"),
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes until it is told to stop. What is due follows from the clock alone, so that a late step is made up for by
/// the next one.
fn play(mut player: Player, clock: Clock, stopped: &mpsc::Receiver<()>) -> io::Result<()> {
    let begun = clock.now();
    for step in 1.. {
        let deadline = begun.elapsed + STEP * step;
        let wait = deadline.saturating_sub(clock.now().elapsed);
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        let millis = (clock.now().elapsed - begun.elapsed).as_millis();
        player.advance(begun.unix + UnixMillis::try_from(millis).unwrap_or(0))?;
    }
    Ok(())
}

impl Player {
    /// The story begins at `start`; nothing is written yet.
    pub fn new(directory: &Path, demo: &Demo, start: UnixMillis) -> Self {
        let simulation = Simulation::new(&Options {
            seed: demo.seed,
            start,
            story: Story::demo(demo.rps),
            offset_minutes: 0,
            env: vec!["PATH=/usr/bin:/bin".to_owned(), "HOME=/home/bingo".to_owned()],
        });
        Self {
            simulation,
            access: LogFile::new(directory.join("access.log")),
            nodes: LOG_IDS.map(|id| LogFile::new(directory.join(id).join("main.log"))),
            generations: demo.keep.is_none().then_some(GENERATIONS),
            rotate_at: start + ROTATE_EVERY,
            reopen_at: None,
        }
    }

    /// What is written so far.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Writes everything up to `until`.
    ///
    /// # Errors
    /// A file can be neither written nor rotated.
    pub fn advance(&mut self, until: UnixMillis) -> io::Result<()> {
        for Entry { time, what } in self.simulation.step(until) {
            self.rotate(time)?;
            match what {
                What::Access(exchange) => self.access.write(&exchange.json(0))?,
                What::Main { node, said, line } => {
                    let log = &mut self.nodes[node];
                    // As operators do: what an earlier life wrote is put aside before a start.
                    if said == Said::Message(Message::PrepareApp) && log.is_open() {
                        log.rename(self.generations)?;
                        log.reopen();
                    }
                    log.write(line.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    fn rotate(&mut self, now: UnixMillis) -> io::Result<()> {
        if now >= self.rotate_at {
            self.access.rename(self.generations)?;
            self.reopen_at = Some(self.rotate_at + REOPEN_AFTER);
            self.rotate_at += ROTATE_EVERY;
        }
        if self.reopen_at.is_some_and(|at| now >= at) {
            self.access.reopen();
            self.reopen_at = None;
        }
        Ok(())
    }
}
