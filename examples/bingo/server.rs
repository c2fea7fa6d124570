//! The server: HTTP, limiter, heartbeats.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bingo_exporter::clock::Clock;
use bingo_exporter::record::Method;
use bingo_exporter::serve::transport;
use bingo_exporter::simulate::limiter::{Limiter, TICK};
use bingo_exporter::simulate::main_log::{Message, Said};
use bingo_exporter::simulate::random::Random;
use bingo_exporter::simulate::service::{ENDPOINTS, Endpoint, IDS};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::RunServer;
use crate::config::Config;
use crate::death::{Death, Fate};
use crate::log::Log;

/// Largest body read.
const BODY_BYTES: usize = 64 * 1024;

/// Items of a list.
const LIST: u32 = 1000;

/// Time between two of the same message: the heartbeats' is a guess.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
const FINE_EVERY: Duration = Duration::from_secs(15);
const NODES_UPDATE_EVERY: Duration = Duration::from_secs(5);

/// What requests and background tasks share.
#[derive(Debug)]
pub(crate) struct Server {
    config: Config,
    clock: Clock,
    log: Log,
    pub(crate) fate: Fate,
    /// Answers 500 to everything.
    pub(crate) bad: AtomicBool,
    random: Mutex<Random>,
    limiter: Mutex<Limiter<oneshot::Sender<bool>>>,
}

/// Status and body.
type Answer = (StatusCode, String);

/// Serves until a signal, or death.
pub(crate) fn run(config: Config, logs: &Path, options: &RunServer) -> Result<()> {
    let clock = Clock::start();
    let log = Log::open(&logs.join(config.log_id()), options.offset, clock)?;
    let mut random = options.fate.random(clock);
    let fate = options.fate.foretell(&mut random);
    let server = Arc::new(Server {
        config,
        clock,
        log,
        fate: options.fate.clone(),
        bad: AtomicBool::new(false),
        random: Mutex::new(random),
        limiter: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = server.start(options).await?;
        tokio::spawn(Arc::clone(&server).tick());
        for _ in 0..server.config.database_hosts {
            tokio::spawn(Arc::clone(&server).repeat(NODES_UPDATE_EVERY, &Message::NODES_UPDATE));
        }
        tokio::spawn(Arc::clone(&server).repeat(ALIVE_EVERY, &[Message::AmAlive]));
        tokio::spawn(Arc::clone(&server).repeat(FINE_EVERY, &[Message::AmFine]));
        if let Some((death, after)) = fate {
            tokio::spawn(Arc::clone(&server).die(death, after));
        }
        let app = Router::new().fallback(answer).with_state(Arc::clone(&server));
        tokio::select! {
            ended = axum::serve(listener, app).into_future() => ended.context("failed to serve"),
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    });
    if outcome.is_ok() {
        server.log.message(Message::ShutdownServer);
    }
    outcome
}

impl Server {
    /// From `Prepare app.` to `Run server.`; says on stdout where it listens.
    async fn start(&self, options: &RunServer) -> Result<TcpListener> {
        for message in Message::BEFORE_INITIALIZATION {
            self.log.message(message);
        }
        sleep(Duration::from_millis(options.init_takes)).await;
        if options.init_fails {
            self.log.message(Message::FailedInitializationRequest);
        }
        let listener = transport::bind(None, self.config.port)
            .map_err(|_| anyhow::anyhow!("failed to listen on port {}: is it in use?", self.config.port))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        for message in Message::AFTER_INITIALIZATION {
            self.log.message(message);
        }
        crate::say(&format!("listening on port {}\n", listener.local_addr()?.port()));
        Ok(listener)
    }

    async fn repeat(self: Arc<Self>, every: Duration, messages: &'static [Message]) {
        let mut timer = interval(every);
        loop {
            timer.tick().await;
            messages.iter().for_each(|message| self.log.message(*message));
        }
    }

    async fn tick(self: Arc<Self>) {
        let mut timer = interval(Duration::from_millis(TICK.unsigned_abs()));
        // As Go's ticker: what was missed is not made up for.
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            timer.tick().await;
            self.log.message(Message::QuotaUpdated);
            let ticked = lock(&self.limiter).tick();
            let admitted = ticked.admitted.into_iter().map(|waiting| (waiting, true));
            let refused = ticked.refused.into_iter().map(|waiting| (waiting, false));
            for (waiting, verdict) in admitted.chain(refused) {
                // The receiver lives as long as its request.
                let _ = waiting.send(verdict);
            }
        }
    }

    async fn die(self: Arc<Self>, death: Death, after: Duration) {
        sleep(after).await;
        death.happen(&self).await;
    }

    async fn admit(&self) -> bool {
        let (sender, receiver) = oneshot::channel();
        if lock(&self.limiter).ask(sender).is_some() {
            return true;
        }
        receiver.await.unwrap_or(false)
    }

    async fn work(self: &Arc<Self>, method: &str, path: &str, body: &Bytes) -> Answer {
        // Like HEAD everywhere, the answer to GET without its body.
        let method = if method == "HEAD" { "GET" } else { method };
        let Some(endpoint) = Endpoint::of(method, path) else {
            let known = ENDPOINTS.iter().any(|endpoint| endpoint.serves(path));
            return match known {
                true => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed".to_owned()),
                false => (StatusCode::NOT_FOUND, "not found".to_owned()),
            };
        };
        let millis = endpoint.millis(&mut lock(&self.random));
        sleep(Duration::from_millis(millis.into())).await;
        match (endpoint.method, endpoint.route) {
            (_, "/") => ok("Hi. This is a stand-in for bingo.\n"),
            (_, "/ping") => ok("pong"),
            (_, "/config") => ok(self.config.text.as_str()),
            (_, "/operation") => self.operate(body).await,
            (_, "/long_dummy" | "/db_dummy") => ok("dummy"),
            (Method::Post, "/api/session") => {
                let id = lock(&self.random).between(1, IDS);
                ok(json!({ "id": id }).to_string())
            }
            (Method::Delete, _) => ok("{}"),
            (_, route) => match (route.strip_suffix("/{id}"), path.rsplit('/').next()) {
                (Some(list), Some(id)) => one(list, id),
                _ => ok(Value::from_iter((1..=LIST).map(|id| item(route, id))).to_string()),
            },
        }
    }

    async fn operate(self: &Arc<Self>, body: &Bytes) -> Answer {
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let Some(number) = body.and_then(|body| body["operation"].as_i64()) else {
            return (
                StatusCode::BAD_REQUEST,
                json!({"error": "expected {\"operation\": N}"}).to_string(),
            );
        };
        match Death::of_operation(number) {
            // Answers on while it grows.
            Some(Death::Leak) => drop(tokio::spawn(Arc::clone(self).die(Death::Leak, Duration::ZERO))),
            Some(death) => death.happen(self).await,
            None => {}
        }
        ok(json!({ "operation": number }).to_string())
    }
}

/// Answers in a task of its own: like a handler of Go, it works on where the client has left.
async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let answer = tokio::spawn(serve(server, request)).await;
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The way of a request: limiter, work, log.
async fn serve(server: Arc<Server>, request: Request) -> Response {
    let began = server.clock.now().elapsed;
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), head.uri.path());
    let body = to_bytes(body, BODY_BYTES).await.unwrap_or_default();
    let (status, text) = if !server.admit().await {
        server.log.message(Message::TooManyRequests);
        (StatusCode::TOO_MANY_REQUESTS, "Too many requests".to_owned())
    } else if server.bad.load(Ordering::Relaxed) {
        (StatusCode::INTERNAL_SERVER_ERROR, "I feel bad".to_owned())
    } else {
        server.work(method, path, &body).await
    };
    let took = server.clock.now().elapsed.saturating_sub(began);
    server.log.say(&Said::Request {
        method: Method::parse(method.as_bytes()),
        path: path.to_owned(),
        code: status.as_u16(),
        nanos: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
    });
    let kind = match text.as_bytes().first() {
        Some(b'{' | b'[') => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

fn ok(text: impl Into<String>) -> Answer {
    (StatusCode::OK, text.into())
}

fn one(list: &str, id: &str) -> Answer {
    match id.parse() {
        Ok(id) if (1..=IDS).contains(&id) => ok(item(list, id).to_string()),
        _ => (StatusCode::NOT_FOUND, "not found".to_owned()),
    }
}

fn item(list: &str, id: u32) -> Value {
    match list {
        "/api/movie" => {
            json!({"id": id, "name": format!("Movie {id}"), "year": 1950 + id % 70, "duration": 60 + id % 120})
        }
        "/api/customer" => {
            json!({"id": id, "name": format!("Name {id}"), "surname": format!("Surname {id}")})
        }
        _ => json!({"id": id, "customer_id": id, "movie_id": id}),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
