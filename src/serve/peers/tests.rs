use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

#[test]
fn addresses_of_peers() {
    let parsed = |text: &str| {
        let url: PeerUrl = text.parse().ok()?;
        Some((url.authority, url.host, url.port, url.prefix))
    };
    let some = |authority: &str, host: &str, port, prefix: &str| {
        Some((authority.to_owned(), host.to_owned(), port, prefix.to_owned()))
    };
    assert_eq!(
        parsed("http://10.0.0.2:10352"),
        some("10.0.0.2:10352", "10.0.0.2", 10352, "")
    );
    assert_eq!(
        parsed("http://bingo-2/exporter/"),
        some("bingo-2", "bingo-2", 80, "/exporter")
    );
    assert_eq!(parsed("http://[::1]:9/"), some("[::1]:9", "::1", 9, ""));
    for wrong in [
        "",
        "10.0.0.2:10352",
        "https://a:1",
        "http://",
        "http://a:x",
        "http://a/?b",
        "http://a b",
    ] {
        assert!(wrong.parse::<PeerUrl>().is_err(), "{wrong}");
    }
}

/// What is known of a peer that answers its first request so and says no more.
async fn said_by(answer: String) -> (PeerStatus, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peers = Peers::new(vec![url.parse().unwrap()], Clock::start());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        // Who has heard enough of a long answer closes.
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            let _ = stream.shutdown().await;
        }
        String::from_utf8(request[..read].to_vec()).unwrap()
    });
    let mut known = peers.look().await;
    let request = server.await.unwrap();
    // The answer may come after patience is over: it is kept all the same.
    while peers.peers[0]
        .last()
        .said
        .as_ref()
        .is_err_and(|problem| problem == "not asked yet")
    {
        tokio::task::yield_now().await;
        known = peers.look().await;
    }
    if known[0].0.problem.as_deref() == Some("not asked yet") {
        known = peers.look().await;
    }
    (known.remove(0).0, request)
}

#[tokio::test]
async fn a_peer_is_asked_for_its_own_status_and_heard() {
    let status = r#"{"node":"n2","verdict":{"level":"ok","sentence":"fine","problems":[]},"edges_seconds":[0.4],
        "endpoints":[{"route":"/","method":"GET","windows":{},"since":null,"more":1}],"more":2}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", status.len());
    let (known, request) = said_by(head + status).await;
    assert_eq!((known.node.as_deref(), known.problem), (Some("n2"), None));
    assert!(
        request.starts_with("GET /api/v1/status HTTP/1.1\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_peer_that_says_something_else_is_shown_as_such() {
    for (answer, problem) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "answers 404 Not Found",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "answers something else",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            "answers with what cannot be read",
        ),
        ("", "cannot be asked"),
    ] {
        let (known, _) = said_by(answer.to_owned()).await;
        let said = known.problem.clone().unwrap();
        assert!(said.starts_with(problem), "{answer}: {said}");
        assert!(known.unknown().is_some() && known.node.is_none());
    }
}

/// The whole answer is sent, and would be a status.
#[tokio::test]
async fn no_more_is_read_of_an_answer_than_its_limit() {
    let status = |bytes: usize| {
        let status = r#"{"node":"n2","verdict":{"level":"ok","sentence":"fine","problems":[]},"edges_seconds":[],"endpoints":[]}"#;
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{status}{}",
            " ".repeat(bytes - status.len())
        )
    };
    let (known, _) = said_by(status(ANSWER_BYTES)).await;
    assert_eq!(known.node.as_deref(), Some("n2"), "{:?}", known.problem);
    let (known, _) = said_by(status(ANSWER_BYTES + 1)).await;
    assert_eq!(
        known.problem.as_deref(),
        Some("answers with what cannot be read: length limit exceeded")
    );
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_is_shown_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peers = Peers::new(vec![url.parse().unwrap()], Clock::start());
    let known = loop {
        let known = peers.look().await.remove(0).0;
        if known.problem.as_deref() != Some("not asked yet") {
            break known;
        }
    };
    assert_eq!(known.problem.as_deref(), Some("no answer within 3 s"));
}

#[tokio::test]
async fn nobody_waits_for_a_peer_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let clock = Clock::start();
    let peers = Peers::new(vec![url.parse().unwrap()], clock);
    let known = peers.look().await;
    assert!(known[0].1.is_none());
    assert!(clock.now().elapsed < TIMEOUT, "patience ends before the timeout");
}

#[test]
fn what_a_peer_said_long_ago_is_not_what_it_says() {
    let peers = Peers::new(vec!["http://a:1".parse().unwrap()], Clock::start());
    let said = r#"{"node":"n2","verdict":{"level":"ok","sentence":"fine","problems":[]},"edges_seconds":[],"endpoints":[]}"#;
    let asked = Duration::from_secs(60);
    {
        let mut last = peers.peers[0].last();
        (last.said, last.said_at) = (Ok(Arc::new(serde_json::from_str(said).unwrap())), asked);
    }
    for (age, known) in [(Duration::ZERO, true), (STALE, true), (STALE * 2, false)] {
        let (status, said) = peers.peers[0].status(asked + age);
        assert_eq!((said.is_some(), status.node.is_some()), (known, known), "{age:?}");
        assert_eq!(status.unknown().is_none(), known, "{age:?}");
    }
}
