//! The other nodes: each exporter is asked for its own status, and only for that, when somebody looks at the page. What a
//! peer's own peers say is never asked for, so that no request goes in circles.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, HOST};
use axum::http::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::record::Nanos;
use crate::summary::{Endpoint, Level, Problem, Verdict};

/// An answer is good for a little less than the page's interval.
const FRESH: Duration = Duration::from_secs(4);

/// An answer to what was asked before is none to what is asked now.
const STALE: Duration = Duration::from_secs(10);

/// How long the page waits for peers: what comes later is in the next answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a peer may take in all. A peer that reads its logs for the answer takes up to a second.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of an answer. One of twenty endpoints has 60,000.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Where a peer's page is: `http://HOST[:PORT][/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUrl {
    text: String,
    authority: String,
    host: String,
    port: u16,
    prefix: String,
}

impl FromStr for PeerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || "expected the address of another exporter's page, such as http://10.0.0.2:10352".to_owned();
        let rest = text.strip_prefix("http://").ok_or_else(expected)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| expected())?),
            _ => (authority, 80),
        };
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte))
        };
        if !crate::config::scalar::is_host(host) || !plain(path) {
            return Err(expected());
        }
        let path = path.trim_end_matches('/');
        Ok(Self {
            text: text.to_owned(),
            authority: authority.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            prefix: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
        })
    }
}

/// All peers, and what they said last.
#[derive(Debug, Clone)]
pub struct Peers {
    peers: Vec<Arc<Peer>>,
    clock: Clock,
}

#[derive(Debug)]
struct Peer {
    url: PeerUrl,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// When the peer was last asked.
    asked: Option<Duration>,
    /// When it was asked what it said.
    said_at: Duration,
    /// What it said, or why it did not.
    said: Result<Arc<Said>, String>,
}

/// What is used of a peer's status.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    node: String,
    verdict: Verdict,
    edges_seconds: Vec<f64>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// A peer in the status document.
#[derive(Debug, Serialize)]
pub(super) struct PeerStatus {
    url: String,
    node: Option<String>,
    verdict: Option<Verdict>,
    /// Why nothing is known of it.
    problem: Option<String>,
}

impl Peers {
    /// Nobody is asked yet.
    pub fn new(urls: Vec<PeerUrl>, clock: Clock) -> Self {
        let last = || {
            Mutex::new(Last {
                asked: None,
                said_at: Duration::ZERO,
                said: Err("not asked yet".to_owned()),
            })
        };
        let peers = urls.into_iter().map(|url| Arc::new(Peer { url, last: last() }));
        Self {
            peers: peers.collect(),
            clock,
        }
    }

    /// Asks those whose answer is old, and gives what is known when they have answered or patience is over.
    pub(super) async fn look(&self) -> Vec<(PeerStatus, Option<Arc<Said>>)> {
        let now = self.clock.now().elapsed;
        let mut asking = JoinSet::new();
        for peer in &self.peers {
            let old = peer
                .last()
                .asked
                .is_none_or(|asked| now.saturating_sub(asked) >= FRESH);
            if old {
                peer.last().asked = Some(now);
                let peer = Arc::clone(peer);
                // A task of its own: it goes on when patience is over.
                let task = tokio::spawn(async move { peer.ask(now).await });
                asking.spawn(task);
            }
        }
        // Those that take longer are in the next answer.
        let _ = tokio::time::timeout(PATIENCE, asking.join_all()).await;
        self.peers.iter().map(|peer| peer.status(now)).collect()
    }
}

impl Peer {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, now: Duration) {
        let said = match tokio::time::timeout(TIMEOUT, self.fetch()).await {
            Ok(said) => said.map(Arc::new),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        };
        let mut last = self.last();
        (last.said, last.said_at) = (said, now);
    }

    async fn fetch(&self) -> Result<Said, String> {
        let url = &self.url;
        let failed = |error: &dyn std::error::Error| format!("cannot be asked: {error}");
        let stream = TcpStream::connect((url.host.as_str(), url.port))
            .await
            .map_err(|error| failed(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        // Ends with this function.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let request = Request::get(format!("{}/api/v1/status", url.prefix))
            .header(HOST, &url.authority)
            .header(ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| failed(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("answers {}", response.status()));
        }
        let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES)
            .await
            .map_err(|error| format!("answers with what cannot be read: {error}"))?;
        serde_json::from_slice(&body)
            .map_err(|_| "answers something else than this release's status".to_owned())
    }

    fn status(&self, now: Duration) -> (PeerStatus, Option<Arc<Said>>) {
        let last = self.last();
        let late = "has not answered yet".to_owned();
        let said = match &last.said {
            Ok(_) if now.saturating_sub(last.said_at) > STALE => Err(&late),
            said => said.as_ref(),
        };
        let status = PeerStatus {
            url: self.url.text.clone(),
            node: said.map(|said| said.node.clone()).ok(),
            verdict: said.map(|said| said.verdict.clone()).ok(),
            problem: said.err().cloned(),
        };
        (status, said.ok().cloned())
    }
}

impl PeerStatus {
    /// What is wrong with it, where nothing is known of it.
    pub(super) fn unknown(&self) -> Option<Problem> {
        let problem = self.problem.as_ref()?;
        Some(Problem::new(
            Level::Warning,
            format!("the exporter at {} {problem}", self.url),
            None,
        ))
    }
}

impl Said {
    /// Upper edges of its buckets.
    pub(super) fn edges(&self) -> Vec<Nanos> {
        self.edges_seconds
            .iter()
            .map(|seconds| (seconds * 1e9).round() as Nanos)
            .collect()
    }
}

#[cfg(test)]
mod tests;
