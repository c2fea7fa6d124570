//! Which path answers what.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Request, State};
use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;

use super::api::{About, Columns, Figures, Query, Scope, Status};
use super::limits::{Limit, LimitHits};
use super::negotiate::{self, Gzip};
use super::page;
use super::peers::Peers;
use crate::checkpoint::saver::{Checkpoint, Saver};
use crate::clock::Clock;
use crate::history::keeper::Keeper;
use crate::history::sheet::sheet;
use crate::ingest::{self, Handle};
use crate::metrics::{Own, Scrape};
use crate::reload::Reloader;
use crate::source::Snapshot;
use crate::{log, process};

/// How long an answer may wait for the logs to be read. Well under Prometheus' scrape timeout, so that `up` stays 1.
const FRESH_WITHIN: Duration = Duration::from_secs(1);

/// How long an answer may wait for what it shows to be saved.
const SAVED_WITHIN: Duration = Duration::from_secs(2);

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Site {
    /// The sources.
    pub sources: Vec<Handle>,
    /// The other nodes.
    pub peers: Peers,
    /// The machine's name.
    pub node: String,
    /// The clock of the sources.
    pub clock: Clock,
    /// Where the metrics are.
    pub telemetry_path: String,
    /// Saves what is shown before it is shown; `None` where no state is kept.
    pub saver: Option<Saver>,
    /// What was counted when.
    pub keeper: Keeper,
    /// Hits of the HTTP server's limits.
    pub hits: Arc<LimitHits>,
    /// Reads the configuration anew.
    pub reloader: Arc<Reloader>,
    /// POST `/-/reload` may ask for that.
    pub lifecycle: bool,
}

impl Site {
    /// All paths.
    pub fn router(self) -> Router {
        let telemetry_path = self.telemetry_path.clone();
        let mut router = Router::new();
        for (path, asset) in page::FILES {
            let file = async move |request: Request| page::response(asset, request.headers());
            router = router.route(path, only_get(get(file)));
        }
        router
            .route("/", only_get(get(page_or_status)))
            .route(&telemetry_path, only_get(get(telemetry)))
            .route("/api/v1/status", only_get(get(status)))
            .route("/api/v1/history", only_get(get(history)))
            .route("/-/healthy", only_get(get(async || "healthy\n")))
            .route("/-/ready", only_get(get(ready)))
            .route("/-/reload", post(reload).put(reload).fallback(only_post))
            .fallback(async || (StatusCode::NOT_FOUND, "not found; see / for what there is\n"))
            .with_state(Arc::new(self))
            .layer(from_fn_with_state(Gzip::default(), negotiate::gzip))
    }

    fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        ingest::snapshots(&self.sources)
    }

    /// States that hold what is on disk now. HEAD is not worth a pass.
    async fn fresh(&self, method: &Method) -> Vec<Arc<Snapshot>> {
        if method == Method::HEAD {
            return self.snapshots();
        }
        ingest::fresh(&self.sources, FRESH_WITHIN).await
    }

    /// Begins to save: a count is shown only when a restart cannot take it back. The future tells whether that is so.
    fn save(&self) -> impl Future<Output = bool> + use<> {
        let saving = self.saver.as_ref().map(|saver| saver.save(SAVED_WITHIN));
        async {
            match saving {
                Some(saving) => saving.await,
                None => true,
            }
        }
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        self.saver.as_ref().map(Saver::checkpoint)
    }

    fn own(&self) -> Own {
        let http = Limit::ALL
            .iter()
            .map(|limit| (limit.as_str(), self.hits.of(*limit)));
        Own {
            process: process::read(),
            limit_hits: http
                .chain([
                    ("log_messages", log::suppressed()),
                    ("log_queue", log::lost()),
                    ("history_bytes", self.keeper.limit_hits()),
                ])
                .collect(),
            reload: Some(self.reloader.outcome()),
        }
    }
}

/// 405 with `Allow` for anything but GET and HEAD.
fn only_get(router: MethodRouter<Arc<Site>, Infallible>) -> MethodRouter<Arc<Site>, Infallible> {
    router.fallback(async || {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            [(ALLOW, "GET, HEAD")],
            "only GET and HEAD\n",
        )
    })
}

async fn page_or_status(State(site): State<Arc<Site>>, request: Request) -> Response {
    if negotiate::prefers_json(accept(&request).as_deref()) {
        return status(State(site), request).await;
    }
    page::response(page::INDEX, request.headers())
}

/// What is accepted, in however many lines (RFC 9110, 5.3).
fn accept(request: &Request) -> Option<String> {
    let lines = request.headers().get_all(ACCEPT).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

async fn telemetry(State(site): State<Arc<Site>>, request: Request) -> Response {
    let form = negotiate::form(accept(&request).as_deref());
    let sources = site.fresh(request.method()).await;
    let saving = site.save();
    let scrape = Scrape {
        sources,
        now: site.clock.now(),
        own: site.own(),
    };
    // Written while it is being saved.
    let draft = scrape.draft(form);
    let text = draft.finish(saving.await, site.checkpoint());
    let vary = HeaderValue::from_static(negotiate::VARY);
    (
        [
            (CONTENT_TYPE, HeaderValue::from_static(form.content_type())),
            (VARY, vary),
        ],
        text,
    )
        .into_response()
}

async fn status(State(site): State<Arc<Site>>, request: Request) -> Response {
    let scope = match extract::Query::<Asked>::try_from_uri(request.uri()) {
        Ok(extract::Query(asked)) => asked.scope,
        Err(rejection) => return (StatusCode::BAD_REQUEST, format!("{rejection}\n")).into_response(),
    };
    let sources = site.fresh(request.method()).await;
    // Only a page asks for a scope. A peer does not, so that nobody asks in circles.
    let peers = match scope {
        Some(_) => Some(site.peers.look().await),
        None => None,
    };
    let now = site.clock.now();
    let mut figures = Figures::new(&sources, &site.keeper.history(), now);
    for (peer, said) in peers.iter().flatten() {
        figures.more.extend(peer.unknown());
        if let (Some(said), Some(Scope::Pair)) = (said, scope) {
            figures.add(&said.endpoints, &said.edges(), &sources);
        }
    }
    let about = About {
        node: &site.node,
        telemetry_path: &site.telemetry_path,
        peers: peers.map(|peers| peers.into_iter().map(|(peer, _)| peer).collect()),
        now,
        checkpoint: site.checkpoint(),
    };
    let status = Json(Status::new(&sources, &figures, &about, &site.own()));
    ([(CACHE_CONTROL, "no-store"), (VARY, "accept")], status).into_response()
}

/// What may be asked of the status.
#[derive(Debug, Deserialize)]
struct Asked {
    scope: Option<Scope>,
}

async fn history(
    State(site): State<Arc<Site>>,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(extract::Query(query)) => query,
        Err(rejection) => return (StatusCode::BAD_REQUEST, format!("{rejection}\n")).into_response(),
    };
    let sources = site.snapshots();
    let model = sources
        .iter()
        .find(|source| source.requests().is_some())
        .map(|source| &*source.model);
    let kept = site.keeper.history();
    let counts = sheet(&sources).unwrap_or_default();
    let judged_by = model.map(|model| model.judgement);
    let live = kept.live(&counts, judged_by, site.clock.now().unix);
    match Columns::new(query, &kept, &live, model) {
        Ok(columns) => ([(CACHE_CONTROL, "no-store")], Json(columns)).into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    }
}

async fn ready(State(site): State<Arc<Site>>) -> impl IntoResponse {
    if site.snapshots().iter().any(|source| source.catching_up) {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "catching up with what was on disk at the start\n",
        )
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// As Prometheus answers: 403 unless enabled, 500 with what is wrong.
async fn reload(State(site): State<Arc<Site>>) -> Response {
    if !site.lifecycle {
        let message =
            "reloading over HTTP is not enabled: start with --web.enable-lifecycle, or send SIGHUP\n";
        return (StatusCode::FORBIDDEN, message).into_response();
    }
    match site.reloader.reload().await {
        Ok(()) => (StatusCode::OK, "reloaded\n").into_response(),
        Err(problem) => {
            let problem = without_quotations(&format!("{problem:#}"));
            let message = format!("failed to reload the configuration: {problem}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

/// What stands in the file is for the log, not for whoever may ask: it may have become a file with secrets.
fn without_quotations(message: &str) -> String {
    let (mut text, mut quoted, mut escaped) = (String::new(), false, false);
    for character in message.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted => {
                quoted = false;
                text.push_str("…\"");
            }
            '"' => {
                quoted = true;
                text.push('"');
            }
            _ if quoted => {}
            other => text.push(other),
        }
    }
    text
}

async fn only_post() -> impl IntoResponse {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        [(ALLOW, "POST, PUT")],
        "only POST and PUT\n",
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotations_stay_here() {
        let said = super::without_quotations(r#"a.yaml:1:2: "PASSWORD=\"x\\": expected "a" or b"#);
        assert_eq!(said, r#"a.yaml:1:2: "…": expected "…" or b"#);
    }
}
