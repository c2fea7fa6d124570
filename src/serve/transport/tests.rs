use std::time::Duration;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;

/// Longer than any test takes: a limit that is not the one under test.
const NEVER: Duration = Duration::from_secs(3600);
/// Short enough to wait for, whatever the machine's load: nothing fails because it took longer.
const SOON: Duration = Duration::from_millis(30);

fn patient() -> Limits {
    Limits {
        header_time: NEVER,
        idle: NEVER,
        write_stall: NEVER,
        response_time: NEVER,
        shutdown: NEVER,
        yields_after: NEVER,
        ..Limits::default()
    }
}

struct Running {
    address: SocketAddr,
    hits: Arc<LimitHits>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn start(app: Router, limits: Limits) -> Running {
    let listener = bind(Some("127.0.0.1"), 0).unwrap();
    let address = listener.local_addr().unwrap();
    let hits = Arc::new(LimitHits::default());
    let (stop, stopped) = oneshot::channel();
    let listeners = vec![TcpListener::from_std(listener).unwrap()];
    let task = tokio::spawn(serve(listeners, app, limits, Arc::clone(&hits), async move {
        let _ = stopped.await;
    }));
    Running {
        address,
        hits,
        stop,
        task,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A body larger than what the kernel buffers for both ends together.
fn endless() -> Router {
    Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }))
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, request: &[u8]) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(request).await.unwrap();
        client
    }

    async fn hit(&self, limit: Limit) {
        until(|| self.hits.of(limit) == 1).await;
    }

    fn all_hits(&self) -> u64 {
        Limit::ALL.iter().map(|limit| self.hits.of(*limit)).sum()
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// All that comes until the server closes. A reset is one way to close.
async fn rest(mut client: TcpStream) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut chunk).await {
        text.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(text).unwrap()
}

/// One response whose body ends in `end`.
async fn one(client: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut chunk = [0; 4096];
        let count = client.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0, "closed after {text:?}");
        text.push_str(str::from_utf8(&chunk[..count]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_kept_connection_serves_request_after_request() {
    let server = start(hello(), patient());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(
            one(&mut client, "\r\n\r\nhello")
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let server = start(hello(), patient());
    let mut client = server
        .send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n")
        .await;
    client.write_all(b"Connection: close\r\n\r\n").await.unwrap();
    let text = rest(client).await;
    assert!(text.contains("\r\n\r\nhelloHTTP/1.1 404 Not Found\r\n"), "{text}");
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed_even_half_closed() {
    let server = start(hello(), patient());
    let mut client = server.send(b"GET / HTTP/1.0\r\n\r\n").await;
    client.shutdown().await.unwrap();
    let text = rest(client).await;
    assert!(
        text.starts_with("HTTP/1.0 200 OK\r\n") && text.ends_with("\r\n\r\nhello"),
        "{text}"
    );
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let server = start(hello(), patient());
    let text = rest(
        server
            .send(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await,
    )
    .await;
    assert!(
        text.contains("content-length: 5\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unfinished_head_is_cut() {
    let server = start(
        hello(),
        Limits {
            header_time: SOON,
            ..patient()
        },
    );
    assert_eq!(rest(server.send(b"GET / HTTP/1.1\r\nHost: ").await).await, "");
    server.hit(Limit::HeaderTime).await;
}

#[tokio::test]
async fn a_connection_that_never_says_anything_is_cut() {
    let server = start(
        hello(),
        Limits {
            header_time: SOON,
            ..patient()
        },
    );
    assert_eq!(rest(server.connect().await).await, "");
    server.hit(Limit::HeaderTime).await;
}

#[tokio::test]
async fn an_unfinished_second_head_is_cut() {
    // The first head may take its time here too: it is there at once.
    let server = start(
        hello(),
        Limits {
            header_time: SOON * 10,
            ..patient()
        },
    );
    let mut client = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    one(&mut client, "hello").await;
    client.write_all(b"GET / HT").await.unwrap();
    assert_eq!(rest(client).await, "");
    server.hit(Limit::HeaderTime).await;
}

#[tokio::test]
async fn an_idle_connection_is_cut_and_not_counted() {
    let server = start(
        hello(),
        Limits {
            idle: SOON,
            ..patient()
        },
    );
    assert!(
        rest(server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await)
            .await
            .ends_with("hello")
    );
    assert_eq!(server.all_hits(), 0, "that is ordinary");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut() {
    let server = start(
        endless(),
        Limits {
            write_stall: SOON,
            ..patient()
        },
    );
    let client = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.hit(Limit::WriteStall).await;
    assert!(rest(client).await.len() < 64 << 20);
}

#[tokio::test]
async fn a_response_that_takes_too_long_to_read_is_cut() {
    let server = start(
        endless(),
        Limits {
            response_time: SOON,
            ..patient()
        },
    );
    let client = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.hit(Limit::ResponseTime).await;
    assert!(rest(client).await.len() < 64 << 20);
}

#[tokio::test]
async fn a_handler_that_never_answers_is_cut() {
    let app = Router::new().route("/", get(std::future::pending::<&str>));
    let server = start(
        app,
        Limits {
            response_time: SOON,
            ..patient()
        },
    );
    assert_eq!(
        rest(server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await).await,
        ""
    );
    server.hit(Limit::ResponseTime).await;
}

#[tokio::test]
async fn too_large_a_head_is_431() {
    for header in [format!("A: {}\r\n", "x".repeat(20_000)), "A: x\r\n".repeat(65)] {
        let server = start(hello(), patient());
        let text = rest(
            server
                .send(format!("GET / HTTP/1.1\r\n{header}\r\n").as_bytes())
                .await,
        )
        .await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
        server.hit(Limit::HeaderBytes).await;
    }
}

#[tokio::test]
async fn a_large_head_within_the_limit_is_read() {
    let server = start(hello(), patient());
    let request = format!("GET / HTTP/1.0\r\nA: {}\r\n\r\n", "x".repeat(16_000));
    assert!(
        rest(server.send(request.as_bytes()).await)
            .await
            .ends_with("hello")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread() {
    for (header, status) in [
        ("Content-Length: 1025", "413 Payload Too Large"),
        ("Content-Length: 1000000000000", "413 Payload Too Large"),
        (
            "Content-Length: 1025\r\nExpect: 100-continue",
            "413 Payload Too Large",
        ),
        ("Transfer-Encoding: chunked", "411 Length Required"),
    ] {
        let server = start(hello(), patient());
        let client = server
            .send(format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n").as_bytes())
            .await;
        let text = rest(client).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}");
        server.hit(Limit::BodyBytes).await;
    }
}

#[tokio::test]
async fn a_flood_of_body_ends_with_the_connection() {
    let server = start(hello(), patient());
    let mut client = server
        .send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        .await;
    while client.write_all(&[0; 65536]).await.is_ok() {}
    server.hit(Limit::BodyBytes).await;
}

#[tokio::test]
async fn a_small_body_reaches_the_handler() {
    let app = Router::new().route("/", post(|body: String| async move { body }));
    let server = start(app, patient());
    let text = rest(
        server
            .send(b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
            .await,
    )
    .await;
    assert!(text.ends_with("\r\n\r\n{}"), "{text}");
}

#[tokio::test]
async fn the_connection_over_the_limit_is_refused_and_a_freed_place_taken() {
    let server = start(
        hello(),
        Limits {
            connections: 1,
            ..patient()
        },
    );
    let mut first = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    one(&mut first, "hello").await;
    assert!(rest(server.connect().await).await.starts_with("HTTP/1.1 503 "));
    server.hit(Limit::Connections).await;
    drop(first);
    while !rest(server.send(b"GET / HTTP/1.0\r\n\r\n").await)
        .await
        .ends_with("hello")
    {}
}

#[tokio::test]
async fn those_that_only_wait_give_way() {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (reached, go) = (Arc::clone(&reached), Arc::clone(&go));
        move || async move {
            reached.notify_one();
            go.notified().await;
            "done"
        }
    };
    let limits = Limits {
        connections: 3,
        yields_after: Duration::ZERO,
        ..patient()
    };
    let server = start(hello().route("/slow", get(handler)), limits);
    let slow = server
        .send(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    reached.notified().await;
    let mut idle = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    one(&mut idle, "hello").await;
    let unfinished = server.send(b"GET / HTTP/1.1\r\n").await;
    let mut silent = vec![];
    for _ in 0..10 {
        let text = rest(server.send(b"GET / HTTP/1.0\r\n\r\n").await).await;
        assert!(text.ends_with("hello"), "{text}");
        // It has left its place, which is taken before the next comes.
        silent.push(server.connect().await);
    }
    assert!(server.hits.of(Limit::Connections) >= 10);
    assert_eq!(rest(idle).await, "");
    assert_eq!(rest(unfinished).await, "");
    go.notify_one();
    assert!(
        rest(slow).await.ends_with("\r\n\r\ndone"),
        "who is answered stays"
    );
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_under_way() {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (reached, go) = (Arc::clone(&reached), Arc::clone(&go));
        move || async move {
            reached.notify_one();
            go.notified().await;
            "done"
        }
    };
    let server = start(hello().route("/slow", get(handler)), patient());
    let mut idle = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    one(&mut idle, "hello").await;
    let slow = server.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    reached.notified().await;

    server.stop.send(()).unwrap();
    assert_eq!(rest(idle).await, "", "an idle connection closes at once");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody listens any more"
    );
    assert!(!server.task.is_finished());
    go.notify_one();
    assert!(rest(slow).await.ends_with("\r\n\r\ndone"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let reached = Arc::new(Notify::new());
    let handler = {
        let reached = Arc::clone(&reached);
        move || async move {
            reached.notify_one();
            std::future::pending::<&str>().await
        }
    };
    let server = start(
        Router::new().route("/", get(handler)),
        Limits {
            shutdown: SOON,
            ..patient()
        },
    );
    let client = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    reached.notified().await;
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert_eq!(rest(client).await, "");
}

#[tokio::test]
async fn several_listeners_serve_the_same() {
    let listeners: Vec<_> = (0..3).map(|_| bind(Some("127.0.0.1"), 0).unwrap()).collect();
    let addresses: Vec<_> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    let listeners = listeners
        .into_iter()
        .map(|listener| TcpListener::from_std(listener).unwrap())
        .collect();
    tokio::spawn(serve(
        listeners,
        hello(),
        patient(),
        Arc::default(),
        std::future::pending(),
    ));
    for address in addresses {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(rest(client).await.ends_with("hello"));
    }
}

#[test]
fn the_client_address_of_either_family_is_shown_as_it_is() {
    for (peer, shown) in [
        ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("[2001:db8::1]:80", "[2001:db8::1]:80"),
    ] {
        assert_eq!(canonical(peer.parse().unwrap()).to_string(), shown);
    }
}

#[test]
fn no_host_means_both_families() {
    let listener = bind(None, 0).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // Where the machine has no IPv6 there is nothing to connect to.
    if listener.local_addr().unwrap().is_ipv6()
        && std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
    {
        std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let taken = bind(None, 0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let advice = "address already in use; stop what listens there or choose another --web.listen-address";
    assert_eq!(
        bind(None, port).unwrap_err().to_string(),
        format!("cannot listen on :{port}: {advice}")
    );
    assert_eq!(
        bind(Some("127.0.0.1"), port).unwrap_err().to_string(),
        format!("cannot listen on 127.0.0.1:{port}: {advice}")
    );
}

#[test]
fn a_strange_address_is_named_with_a_way_out() {
    assert_eq!(
        bind(Some("192.0.2.1"), 0).unwrap_err().to_string(),
        "cannot listen on 192.0.2.1:0: no interface of this machine has that address; choose another \
         --web.listen-address"
    );
    assert_eq!(
        bind(Some("no such host"), 1).unwrap_err().to_string(),
        "cannot listen on no such host:1: cannot resolve no such host; check --web.listen-address"
    );
}

#[test]
fn brackets_are_taken_off_an_address() {
    match bind(Some("[::1]"), 0) {
        Ok(listener) => assert_eq!(listener.local_addr().unwrap().ip(), Ipv6Addr::LOCALHOST),
        // No IPv6 here: then at least it was understood.
        Err(error) => assert!(!error.to_string().contains("resolve"), "{error}"),
    }
}

#[test]
fn only_a_lack_of_resources_is_worth_a_pause() {
    use rustix::io::Errno;
    let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        assert!(!gone_already(&error(errno)));
    }
    for errno in [Errno::CONNABORTED, Errno::CONNRESET, Errno::INTR] {
        assert!(gone_already(&error(errno)));
    }
}
