//! From a listening socket to the router: connections, their limits, and an orderly end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::guard::{Guard, GuardedBody, GuardedStream};
use super::limits::{Limit, LimitHits, Limits};

/// Connections the kernel completes and keeps for us before we accept them.
const BACKLOG: i32 = 128;

/// hyper panics on a smaller read buffer.
const SMALLEST_BUFFER: usize = 8192;

/// The answer to a connection over the limit.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Listens on `port` of `host`: a name, an address, or an IPv6 address in brackets. Without a host, on all addresses
/// of both families, or of IPv4 alone where the kernel has no IPv6. The listener does not block and needs no runtime
/// yet; port 0 takes a free one.
///
/// # Errors
/// The name cannot be resolved, or none of its addresses can be listened on; says what to do about it.
pub fn bind(host: Option<&str>, port: u16) -> anyhow::Result<std::net::TcpListener> {
    let shown = format!("{}:{port}", host.unwrap_or_default());
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        let all = listen((Ipv6Addr::UNSPECIFIED, port).into());
        return match all {
            Err(error) if lacks_ipv6(&error) => listen((Ipv4Addr::UNSPECIFIED, port).into()),
            all => all,
        }
        .map_err(|error| refusal(&shown, &error));
    };
    let name = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let addresses = (name, port).to_socket_addrs().with_context(|| {
        format!("cannot listen on {shown}: cannot resolve {name}; check --web.listen-address")
    })?;
    let mut failure = io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address");
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(refusal(&shown, &failure))
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections' TIME_WAIT. On Linux this does not let two listen at once.
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether IPv6 is missing: not in the kernel (no such family), or switched off (no such address).
fn lacks_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn refusal(shown: &str, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "address already in use; stop what listens there or choose another --web.listen-address"
        }
        ErrorKind::PermissionDenied => {
            "permission denied; choose a --web.listen-address with a port from 1024 up, or grant CAP_NET_BIND_SERVICE"
        }
        ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; choose another --web.listen-address"
        }
        _ => return anyhow::anyhow!("cannot listen on {shown}: {error}"),
    };
    anyhow::anyhow!("cannot listen on {shown}: {advice}")
}

/// Serves `app` on all `listeners` until `shutdown` is ready, then stops accepting, closes idle connections, waits
/// up to [`Limits::shutdown`] for responses under way, and returns. Needs a tokio runtime with I/O and time.
pub async fn serve(
    listeners: Vec<TcpListener>,
    app: Router,
    limits: Limits,
    hits: Arc<LimitHits>,
    shutdown: impl Future<Output = ()>,
) {
    let server = Arc::new(Server { app, limits, hits });
    let graceful = GracefulShutdown::new();
    let mut connections = Connections::default();
    let mut shutdown = pin!(shutdown);
    let mut turn = 0;
    loop {
        // In this order, so that a flood of connections starves neither the end nor the count of those gone.
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = connections.gone() => {}
            accepted = accept(&listeners, &mut turn) => match accepted {
                Ok((stream, peer)) if connections.make_room(&server) => {
                    let guard = Guard::new();
                    let task = Arc::clone(&server).tcp(stream, peer, guard.clone(), graceful.watcher());
                    connections.spawn(task, guard);
                }
                Ok((stream, peer)) => server.refuse(stream, peer),
                Err(error) => server.accept_failed(&error).await,
            },
        }
    }
    drop(listeners);
    if tokio::time::timeout(server.limits.shutdown, graceful.shutdown())
        .await
        .is_err()
    {
        debug!(
            connections = connections.guards.len(),
            "closing connections whose responses took too long to finish"
        );
    }
    connections.tasks.shutdown().await;
}

/// Those that are open.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    guards: HashMap<Id, (Guard, AbortHandle)>,
}

impl Connections {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static, guard: Guard) {
        let task = self.tasks.spawn(task);
        self.guards.insert(task.id(), (guard, task));
    }

    /// One has ended; never, while there is none.
    async fn gone(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => pending().await,
        };
        self.guards.remove(&id);
    }

    /// Whether there is room for one more, if need be that of one that has only waited.
    fn make_room(&mut self, server: &Server) -> bool {
        if self.guards.len() < server.limits.connections {
            return true;
        }
        let waiting = self
            .guards
            .iter()
            .filter_map(|(id, (guard, _))| Some((guard.waiting_since()?, *id)));
        let longest = waiting.min_by_key(|(since, _)| *since);
        let yields = longest.filter(|(since, _)| since.elapsed() >= server.limits.yields_after);
        let Some((_, task)) = yields.and_then(|(_, id)| self.guards.remove(&id)) else {
            return false;
        };
        server.hits.count(Limit::Connections);
        warn!(
            limit = server.limits.connections,
            "too many connections, closing one that waits for its client"
        );
        task.abort();
        true
    }
}

/// The next connection on any listener. They take turns at being asked first, so that a busy one does not starve
/// the others.
async fn accept(listeners: &[TcpListener], turn: &mut usize) -> io::Result<(TcpStream, SocketAddr)> {
    *turn = turn.wrapping_add(1);
    let first = *turn % listeners.len().max(1);
    let (last, rest) = listeners.split_at(first);
    poll_fn(|cx| {
        for listener in rest.iter().chain(last) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                // An IPv4 client of a listener for both families comes as `::ffff:192.0.2.1`.
                return Poll::Ready(accepted.map(|(stream, peer)| (stream, canonical(peer))));
            }
        }
        Poll::Pending
    })
    .await
}

fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// What all connections share.
struct Server {
    app: Router,
    limits: Limits,
    hits: Arc<LimitHits>,
}

impl Server {
    /// A client that left before it was accepted costs nothing. Anything else is a lack that the next accept would
    /// meet again at once.
    async fn accept_failed(&self, error: &io::Error) {
        if !gone_already(error) {
            self.hits.count(Limit::Accept);
            warn!(%error, "cannot accept a connection, pausing");
            tokio::time::sleep(self.limits.accept_pause).await;
        }
    }

    /// Tells a client over the limit so without waiting for it: one write into an empty socket buffer. Whatever has
    /// arrived is read first, since closing over unread bytes would reset the connection and lose the answer.
    fn refuse(&self, stream: TcpStream, peer: SocketAddr) {
        self.hits.count(Limit::Connections);
        warn!(%peer, limit = self.limits.connections, "too many connections, refusing one");
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write(BUSY);
        }
    }

    async fn tcp(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, guard: Guard, watcher: Watcher) {
        // A response is written whole; waiting for more to send would only delay its last packet.
        let _ = stream.set_nodelay(true);
        self.connection(stream, peer, guard, watcher).await;
    }

    /// Serves one connection to its end, or to its first broken limit.
    async fn connection<S>(&self, stream: S, peer: SocketAddr, guard: Guard, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = service_fn(|request| self.answer(request, guard.clone()));
        let stream = GuardedStream {
            stream,
            guard: guard.clone(),
        };
        let http = http1::Builder::new()
            .header_read_timeout(None) // the guard's work
            .max_header_size(self.limits.header_bytes)
            .max_headers(self.limits.header_count)
            .max_buf_size(self.limits.header_bytes.max(SMALLEST_BUFFER))
            .half_close(true) // `printf 'GET …' | nc` closes its side before it reads
            .serve_connection(TokioIo::new(stream), service);
        let mut http = pin!(watcher.watch(http));
        let mut alarm = pin!(tokio::time::sleep_until(guard.deadline(&self.limits).0));
        let end = poll_fn(|cx| {
            if let Poll::Ready(end) = http.as_mut().poll(cx) {
                return Poll::Ready(Ok(end));
            }
            let (due, limit) = guard.deadline(&self.limits);
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            ready!(alarm.as_mut().poll(cx));
            Poll::Ready(Err(limit))
        })
        .await;
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                if error.is_parse_too_large() {
                    self.hits.count(Limit::HeaderBytes);
                }
                debug!(%peer, %error, "connection failed");
            }
            Err(Some(limit)) => {
                self.hits.count(limit);
                debug!(%peer, %limit, "closing a connection over its limit");
            }
            Err(None) => debug!(%peer, "closing an idle connection"),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        guard: Guard,
    ) -> Result<Response<GuardedBody>, Infallible> {
        guard.requested();
        let refused = match request.body().size_hint().upper() {
            Some(length) if length <= self.limits.body_bytes => None,
            Some(_) => Some(StatusCode::PAYLOAD_TOO_LARGE),
            None => Some(StatusCode::LENGTH_REQUIRED),
        };
        let response = if let Some(status) = refused {
            self.hits.count(Limit::BodyBytes);
            closing(status)
        } else {
            self.app.clone().oneshot(request.map(Body::new)).await?
        };
        Ok(response.map(|body| GuardedBody { body, guard }))
    }
}

/// An empty response after which the connection closes: what follows on it is a body nobody reads.
fn closing(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn gone_already(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
