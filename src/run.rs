//! The run mode, put together: sources, checkpoint, HTTP; then waiting for a signal. The edge that spawns and waits.

use std::io::{self, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::checkpoint::disk::Directory;
use crate::checkpoint::saver::Saver;
use crate::checkpoint::{self, Restored, Store};
use crate::cli::Cli;
use crate::clock::Clock;
use crate::demo::{Show, Stage};
use crate::history::keeper::Keeper;
use crate::ingest::{self, Handle};
use crate::manager;
use crate::model::Model;
use crate::process;
use crate::reload::Reloader;
use crate::serve::limits::{LimitHits, Limits};
use crate::serve::peers::Peers;
use crate::serve::site::Site;
use crate::serve::transport;
use crate::source::{Source, SourceName};

/// Follows and serves until a signal. One thread for HTTP, one for each source and one of notify's that wakes it, one
/// for the checkpoint and at times one for its fsync, one for the history, one that writes
/// our own log; with a stage, one for the demo on it.
///
/// # Errors
/// What keeps the program from running, with what to do about it.
pub fn run(cli: &Cli, model: Arc<Model>, stage: Option<Stage>) -> Result<()> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = env!("BINGO_EXPORTER_REVISION"),
        "starting"
    );
    process::raise_file_limit(model.config.limits.files);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        // Before anybody hears that we listen: a stop that comes right then is one too.
        let signals = Signals::new().context("failed to take signals")?;
        let directory = state_directory(cli.state_dir.as_deref())?;
        let listeners = listen(cli)?;
        let clock = Clock::start();
        let running = Running::start(cli, &model, directory, clock)?;
        let reloader = Arc::new(Reloader::new(cli, model, running.sources.clone(), clock));
        let mut show = stage.map(|stage| begin(stage, &listeners)).transpose()?;

        let hits = Arc::new(LimitHits::default());
        let site = Site {
            sources: running.sources.clone(),
            node: process::hostname(),
            peers: Peers::new(cli.peers.clone(), clock),
            clock,
            telemetry_path: cli.telemetry_path.clone(),
            saver: running.saver.as_ref().map(|(saver, _)| saver.clone()),
            keeper: running.keeper.0.clone(),
            hits: Arc::clone(&hits),
            reloader: Arc::clone(&reloader),
            lifecycle: cli.enable_lifecycle,
        };
        let (close, closed) = oneshot::channel::<()>();
        let closed = async { drop(closed.await) };
        let mut server = tokio::spawn(transport::serve(
            listeners,
            site.router(),
            Limits::default(),
            hits,
            closed,
        ));
        manager::ready();

        let sources = running.sources.clone();
        tokio::select! {
            stopped = running.until_stopped(signals, &reloader, &mut show) => stopped?,
            ended = &mut server => {
                ended.context("the HTTP server failed")?;
                bail!("the HTTP server ended without being asked to");
            }
            never = manager::report(&sources) => match never {},
        }
        drop(close);
        server.await.context("the HTTP server failed")
    });
    // After a second signal threads may still read: nobody waits for those that wait for them.
    runtime.shutdown_background();
    outcome
}

/// The threads that read and save.
struct Running {
    sources: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    saver: Option<(Saver, JoinHandle<()>)>,
    keeper: (Keeper, JoinHandle<()>),
}

impl Running {
    fn start(cli: &Cli, model: &Arc<Model>, directory: Option<Directory>, clock: Clock) -> Result<Self> {
        let edges = Arc::clone(&model.edges);
        let opened = directory.clone().map(|directory| {
            let (store, restored) = Store::open(directory.clone(), checkpoint::boot_id(), clock.now().unix);
            (directory, store, restored)
        });
        let (disk, mut restored) = match opened {
            Some((directory, store, restored)) => (Some((directory, store)), restored),
            None => (None, Restored::default()),
        };
        let start = |name: &SourceName| {
            let source = Source::new(*name, Arc::clone(model), cli.read_from.into());
            let source = restore(source, &mut restored, clock);
            ingest::start(source, clock).context("failed to start an ingest thread")
        };
        // One that is switched off too: a reload may switch it on.
        let started = SourceName::ALL.iter().map(start);
        let (sources, threads): (Vec<_>, _) = started.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let saver = disk.map(|(directory, store)| Saver::start(store, directory, sources.clone(), clock));
        let saver = saver
            .transpose()
            .context("failed to start the checkpoint thread")?;
        let keeper = Keeper::start(edges, directory, restored.with_counts, sources.clone(), clock)
            .context("failed to start the history's thread")?;
        Ok(Self {
            sources,
            threads,
            saver,
            keeper,
        })
    }

    /// Returns when the sources have read to the current end, after a signal or the failure of one, and all is saved.
    /// Nothing is waited for after a second signal. The demo ends first, so that the logs have an end.
    async fn until_stopped(
        mut self,
        mut signals: Signals,
        reloader: &Arc<Reloader>,
        show: &mut Option<Show>,
    ) -> Result<()> {
        let mut running = JoinSet::new();
        for thread in mem::take(&mut self.threads) {
            running.spawn_blocking(move || thread.join());
        }
        let (mut stopping, mut outcome) = (false, Ok(()));
        loop {
            tokio::select! {
                ended = running.join_next() => {
                    let problem = match ended {
                        None => break,
                        Some(Ok(Ok(()))) if stopping => continue,
                        Some(Ok(Ok(()))) => "an ingest thread ended without being asked to",
                        Some(_) => "an ingest thread panicked; its message is above",
                    };
                    outcome = outcome.and(Err(anyhow!(problem)));
                    // The others must end too, or the process would wait for them.
                    stopping = true;
                    self.sources.iter().for_each(Handle::stop);
                }
                asked = signals.next() => match asked {
                    Asked::Reload => {
                        let reloader = Arc::clone(reloader);
                        // It says itself how it went.
                        tokio::spawn(async move { drop(reloader.reload().await) });
                    }
                    Asked::Stop if stopping => bail!("stopped by a second signal before all was read and saved"),
                    Asked::Stop => {
                        stopping = true;
                        manager::stopping();
                        show.as_mut().map(Show::stop);
                        self.sources.iter().for_each(Handle::stop);
                        info!("stopping: reading to the current end of the logs");
                    }
                },
                error = failure(show), if !stopping => return Err(error),
            }
        }
        outcome?;
        let counted: u64 = self
            .sources
            .iter()
            .map(|source| source.snapshot().state.intake.lines.counted)
            .sum();
        let (keeper, thread) = self.keeper;
        keeper.stop();
        let kept = tokio::task::spawn_blocking(move || thread.join()).await?;
        kept.map_err(|_| anyhow!("the history's thread panicked; its message is above"))?;
        if let Some((saver, thread)) = self.saver {
            saver.stop();
            let saved = tokio::task::spawn_blocking(move || thread.join()).await?;
            saved.map_err(|_| anyhow!("the checkpoint thread panicked; its message is above"))?;
        }
        info!(counted, "stopped");
        Ok(())
    }
}

/// The state directory, locked; `None` where none was asked for and the default cannot be used.
fn state_directory(told: Option<&Path>) -> Result<Option<Directory>> {
    let systemd = std::env::var("STATE_DIRECTORY").ok();
    let (path, asked) = checkpoint::directory(told, systemd.as_deref());
    match Directory::open(&path) {
        Ok(directory) => {
            info!(path = %path.display(), "keeping state");
            Ok(Some(directory))
        }
        Err(error) if asked || checkpoint::disk::is_in_use(&error) => Err(error),
        Err(error) => {
            let problem = format!("{error:#}");
            warn!(
                problem,
                "no state is kept: counts start from 0 at each start; choose a --state.dir"
            );
            Ok(None)
        }
    }
}

fn restore(source: Source, restored: &mut Restored, clock: Clock) -> Source {
    let saved = restored
        .states
        .extract_if(.., |state| {
            source.is_on() && state.counts.source() == source.name()
        })
        .next();
    let mut source = match saved {
        Some(state) => source.restored(state, restored.with_counts),
        None => source,
    };
    if restored.damaged {
        source.note_gap(clock.now());
    }
    source
}

/// Announces the demo and begins it.
fn begin(stage: Stage, listeners: &[TcpListener]) -> Result<Show> {
    let addresses: Vec<_> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<_>>()?;
    // Who closed stdout does not want to know.
    let _ = io::stdout().write_all(stage.announcement(&addresses).as_bytes());
    stage.begin(Clock::start())
}

/// What ends the demo early; without a demo, nothing.
async fn failure(show: &mut Option<Show>) -> anyhow::Error {
    match show {
        Some(show) => show.failed().await,
        None => std::future::pending().await,
    }
}

/// The sockets we were handed, else those of the flags: who hands us one means us to take no other.
fn listen(cli: &Cli) -> Result<Vec<TcpListener>> {
    let mut listeners = manager::listeners()?;
    if listeners.is_empty() {
        for address in &cli.listen_addresses {
            listeners.push(transport::bind(address.host.as_deref(), address.port)?);
        }
    } else {
        info!("using the service manager's sockets instead of --web.listen-address");
    }
    let register = |listener: std::net::TcpListener| {
        listener.set_nonblocking(true)?;
        info!(address = %listener.local_addr()?, "listening");
        Ok(TcpListener::from_std(listener)?)
    };
    listeners.into_iter().map(register).collect()
}

enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
