//! The program: a table of contents. Arguments, configuration, start, wait for a signal, exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use bingo_exporter::cli::{self, Cli, Exit};
use bingo_exporter::clock::Clock;
use bingo_exporter::config::Config;
use bingo_exporter::demo::{Show, Stage};
use bingo_exporter::ingest::{self, Handle};
use bingo_exporter::log;
use bingo_exporter::model::Model;
use bingo_exporter::serve::limits::{LimitHits, Limits};
use bingo_exporter::serve::site::Site;
use bingo_exporter::serve::transport;
use bingo_exporter::source::Source;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            let message = exit.message.as_bytes();
            // Nobody is left to tell that nobody listens.
            let _ = if exit.to_stdout {
                io::stdout().write_all(message)
            } else {
                io::stderr().write_all(message)
            };
            ExitCode::from(exit.code)
        }
    }
}

fn start() -> Result<(), Exit> {
    let cli = cli::parse(std::env::args_os(), |name| std::env::var_os(name))?;
    let mut config = Config::load(cli.config_file.as_deref(), &cli.overrides())?;
    if cli.config_print {
        return Err(Exit {
            code: 0,
            message: config.to_yaml(),
            to_stdout: true,
        });
    }
    let stage = cli.demo.as_ref().map(Stage::new).transpose();
    let stage = stage.map_err(|error| exit(1, &error))?;
    if let Some(stage) = &stage {
        stage.set_sources(&mut config).map_err(|error| exit(1, &error))?;
    }
    let model = Model::new(config).map_err(|error| exit(2, &error))?;
    log::init(cli.log_level.into(), cli.log_format).map_err(|error| exit(1, &error.into()))?;
    run(&cli, model, stage).map_err(|error| exit(1, &error))
}

fn exit(code: u8, error: &anyhow::Error) -> Exit {
    Exit {
        code,
        message: format!("bingo-exporter: {error:#}\n"),
        to_stdout: false,
    }
}

/// Follows and serves until a signal. One thread for HTTP, one for each source, and one that plays the demo.
fn run(cli: &Cli, model: Model, stage: Option<Stage>) -> Result<()> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = env!("BINGO_EXPORTER_REVISION"),
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        // Before anybody hears that we listen: a stop that comes right then is one too.
        let signals = Signals::new().context("failed to take signals")?;
        let listeners = listen(cli)?;
        let clock = Clock::start();
        let source = Source::access(Arc::new(model), cli.read_from.into());
        let (handle, ingest) = ingest::start(source, clock).context("failed to start the ingest thread")?;
        let mut show = stage.map(|stage| begin(stage, &listeners, clock)).transpose()?;

        let hits = Arc::new(LimitHits::default());
        let site = Site {
            sources: vec![handle.clone()],
            telemetry_path: cli.telemetry_path.clone(),
            hits: Arc::clone(&hits),
        };
        let (close, closed) = oneshot::channel::<()>();
        let server = transport::serve(listeners, site.router(), Limits::default(), hits, async {
            drop(closed.await)
        });
        let server = tokio::spawn(server);

        serve_until_stopped(&handle, ingest, signals, &mut show).await?;
        drop(close);
        server.await.context("the HTTP server ended")
    });
    // Nobody waits for the thread that joins the ingest thread: after a second signal that may still read.
    runtime.shutdown_background();
    outcome
}

/// Returns when the source has read to the current end after a signal, or at once at the second one. What the demo
/// writes ends first, so that the end is one.
async fn serve_until_stopped(
    source: &Handle,
    ingest: JoinHandle<()>,
    mut signals: Signals,
    show: &mut Option<Show>,
) -> Result<()> {
    let mut ended = tokio::task::spawn_blocking(move || ingest.join());
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut ended => {
                ended?.map_err(|_| anyhow::anyhow!("the ingest thread panicked; its message is above"))?;
                anyhow::ensure!(stopping, "the ingest thread ended without being asked to");
                return Ok(());
            }
            asked = signals.next() => match asked {
                Asked::Reload => warn!("SIGHUP changes nothing: this release reads its configuration at the start only"),
                Asked::Stop if stopping => anyhow::bail!("stopped by a second signal before the logs were read to their end"),
                Asked::Stop => {
                    info!("stopping: reading to the current end of the logs");
                    stopping = true;
                    show.as_mut().map(Show::stop);
                    source.stop();
                }
            },
            error = failure(show), if !stopping => return Err(error),
        }
    }
}

/// Announces the demo and begins it.
fn begin(stage: Stage, listeners: &[TcpListener], clock: Clock) -> Result<Show> {
    let addresses: Vec<_> = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<_>>()?;
    // Who closed stdout does not want to know.
    let _ = io::stdout().write_all(stage.announcement(&addresses).as_bytes());
    stage.begin(clock)
}

/// What ends the demo early; without a demo, nothing.
async fn failure(show: &mut Option<Show>) -> anyhow::Error {
    match show {
        Some(show) => show.failed().await,
        None => std::future::pending().await,
    }
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

fn listen(cli: &Cli) -> Result<Vec<TcpListener>> {
    let mut listeners = vec![];
    for address in &cli.listen_addresses {
        let listener = transport::bind(address.host.as_deref(), address.port)?;
        listener.set_nonblocking(true)?;
        info!(address = %listener.local_addr()?, "listening");
        listeners.push(TcpListener::from_std(listener)?);
    }
    Ok(listeners)
}
