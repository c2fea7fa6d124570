//! The program: a table of contents. Arguments, configuration, start, wait for a signal, exit code.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use bingo_exporter::cli::{self, Cli, Exit};
use bingo_exporter::clock::Clock;
use bingo_exporter::config::Config;
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
use tokio::task::JoinSet;
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
    let config = Config::load(cli.config_file.as_deref(), &cli.overrides())?;
    if cli.config_print {
        return Err(Exit {
            code: 0,
            message: config.to_yaml(),
            to_stdout: true,
        });
    }
    let model = Model::new(config).map_err(|error| exit(2, &error))?;
    log::init(cli.log_level.into(), cli.log_format).map_err(|error| exit(1, &error.into()))?;
    run(&cli, model).map_err(|error| exit(1, &error))
}

fn exit(code: u8, error: &anyhow::Error) -> Exit {
    Exit {
        code,
        message: format!("bingo-exporter: {error:#}\n"),
        to_stdout: false,
    }
}

/// Follows and serves until a signal. One thread for HTTP, one for each source.
fn run(cli: &Cli, model: Model) -> Result<()> {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = env!("BINGO_EXPORTER_REVISION"),
        "starting"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listeners = listen(cli)?;
        let (sources, threads) = start_sources(cli, model)?;
        let hits = Arc::new(LimitHits::default());
        let site = Site {
            sources: sources.clone(),
            telemetry_path: cli.telemetry_path.clone(),
            hits: Arc::clone(&hits),
        };
        let (close, closed) = oneshot::channel::<()>();
        let server = transport::serve(listeners, site.router(), Limits::default(), hits, async {
            drop(closed.await)
        });
        let server = tokio::spawn(server);

        serve_until_stopped(&sources, threads).await?;
        drop(close);
        server.await.context("the HTTP server ended")
    })
}

/// Starts a thread for each source that has paths.
fn start_sources(cli: &Cli, model: Model) -> Result<(Vec<Handle>, Vec<JoinHandle<()>>)> {
    let (model, clock, read_from) = (Arc::new(model), Clock::start(), cli.read_from.into());
    let mut sources = vec![];
    if !model.config.access.paths.is_empty() {
        sources.push(Source::access(Arc::clone(&model), read_from));
    }
    if !model.config.app.paths.is_empty() {
        sources.push(Source::app(Arc::clone(&model), read_from));
    }
    let start = |source| ingest::start(source, clock).context("failed to start an ingest thread");
    let started: Vec<_> = sources.into_iter().map(start).collect::<Result<_>>()?;
    Ok(started.into_iter().unzip())
}

/// Returns when every source has read to the current end, after a signal or the failure of one. A second signal ends
/// the process at once.
async fn serve_until_stopped(sources: &[Handle], threads: Vec<JoinHandle<()>>) -> Result<()> {
    let mut signals = Signals::new()?;
    let mut running = JoinSet::new();
    for thread in threads {
        running.spawn_blocking(move || thread.join());
    }
    let (mut stopping, mut outcome) = (false, Ok(()));
    loop {
        tokio::select! {
            ended = running.join_next() => {
                let problem = match ended {
                    None => return outcome,
                    Some(Ok(Ok(()))) if stopping => continue,
                    Some(Ok(Ok(()))) => "an ingest thread ended without being asked to",
                    Some(_) => "an ingest thread panicked; its message is above",
                };
                outcome = outcome.and(Err(anyhow::anyhow!(problem)));
                // The others must end too, or the process would wait for them.
                stopping = true;
                sources.iter().for_each(Handle::stop);
            }
            asked = signals.next() => match asked {
                Asked::Reload => warn!("SIGHUP changes nothing: this release reads its configuration at the start only"),
                Asked::Stop if stopping => std::process::exit(1),
                Asked::Stop => {
                    info!("stopping: reading to the current end of the logs");
                    stopping = true;
                    sources.iter().for_each(Handle::stop);
                }
            }
        }
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
