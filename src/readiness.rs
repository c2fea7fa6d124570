//! `bingo-exporter health`: asks the exporter that runs on this machine whether it is ready. For health checks of
//! containers, whose images have no HTTP client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::cli::ListenAddress;
use crate::clock::Clock;

/// How long all of it may take. The answer needs no reading of logs; one that takes longer is none.
const WITHIN: Duration = Duration::from_secs(2);

/// Bytes of the answer that are read: its head and a line.
const ANSWER_BYTES: u64 = 4096;

/// What the exporter answers that listens at the first of these addresses where somebody does.
///
/// # Errors
/// It is not ready, or does not run; says which.
pub fn ask(addresses: &[ListenAddress]) -> Result<String> {
    let clock = Clock::start();
    let mut failure = anyhow!("no --web.listen-address");
    for address in addresses {
        match connect(address, &clock) {
            Ok(stream) => return answer(stream, &clock).with_context(|| format!("asked at {address}")),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn connect(address: &ListenAddress, clock: &Clock) -> Result<TcpStream> {
    ensure!(
        address.port != 0,
        "the port of --web.listen-address {address} is chosen at the start: name a fixed one"
    );
    let targets = targets(address).with_context(|| format!("cannot resolve {address}"))?;
    let mut failure = io::Error::new(ErrorKind::AddrNotAvailable, "the name has no address");
    for target in targets {
        match left(clock).and_then(|left| TcpStream::connect_timeout(&target, left)) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    let hint = "is the exporter running, with this --web.listen-address?";
    Err(failure).with_context(|| format!("cannot connect to {address}: {hint}"))
}

/// Where to reach who listens at an address. Every address is this machine's own.
fn targets(address: &ListenAddress) -> io::Result<Vec<SocketAddr>> {
    let own = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let own = own.map(|ip| SocketAddr::new(ip, address.port));
    let Some(host) = &address.host else {
        return Ok(own.into());
    };
    let named = (host.as_str(), address.port).to_socket_addrs()?;
    Ok(named
        .flat_map(|target| match target.ip().is_unspecified() {
            true => own.into(),
            false => vec![target],
        })
        .collect())
}

fn answer(mut stream: TcpStream, clock: &Clock) -> Result<String> {
    let ask = "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.set_write_timeout(Some(left(clock)?))?;
    stream.write_all(ask.as_bytes())?;
    let (mut bytes, mut chunk) = (vec![], [0; 1024]);
    loop {
        stream.set_read_timeout(Some(left(clock)?))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("no answer within {WITHIN:?}"),
            Err(error) => return Err(error.into()),
        }
        if bytes.len() as u64 >= ANSWER_BYTES {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let said = shown(body.lines().next().unwrap_or_default());
    match head.split(' ').nth(1) {
        Some("200") if head.starts_with("HTTP/1.") => Ok(said),
        Some("503") => bail!("not ready: {said}"),
        _ => {
            let first = shown(head.lines().next().unwrap_or_default());
            bail!("expected 200 from /-/ready, got {first:?}: is it the exporter that listens there?")
        }
    }
}

/// What is left of the time; none is an error.
fn left(clock: &Clock) -> io::Result<Duration> {
    let left = WITHIN.saturating_sub(clock.now().elapsed);
    if left.is_zero() {
        return Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("no answer within {WITHIN:?}"),
        ));
    }
    Ok(left)
}

/// Who listens there may be anyone.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn address(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_is_the_machines_own() {
        let targets = |text| -> Vec<_> {
            let targets = targets(&address(text)).unwrap();
            targets.iter().map(ToString::to_string).collect()
        };
        for text in [":7", "0.0.0.0:7", "[::]:7"] {
            assert_eq!(targets(text), ["127.0.0.1:7", "[::1]:7"], "{text}");
        }
        assert_eq!(targets("127.0.0.2:7"), ["127.0.0.2:7"]);
    }

    /// Somebody who answers this, then waits for the other end to close.
    #[track_caller]
    fn check(answer: &'static str, expect: Result<&str, &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // Where it closes with unread bytes, the other end may see a reset before the answer.
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        // The first address is nobody's.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asked = ask(&[address(&free.to_string()), address(&format!(":{port}"))]);
        server.join().unwrap();
        let asked = asked.map_err(|error| format!("{error:#}").replace(&port.to_string(), "PORT"));
        assert_eq!(asked.as_deref().map_err(|error| &**error), expect);
    }

    #[test]
    fn ready_or_not_or_somebody_else() {
        check("HTTP/1.1 200 OK\r\na: b\r\n\r\nready\n", Ok("ready"));
        check(
            "HTTP/1.1 503 Service Unavailable\r\n\r\ncatching\x1b up\nmore",
            Err("asked at :PORT: not ready: catching up"),
        );
        for (answer, shown) in [
            ("HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 404 Not Found"),
            ("SSH-2.0-OpenSSH 200\r\n", "SSH-2.0-OpenSSH 200"),
            ("", ""),
        ] {
            let expect = format!(
                "asked at :PORT: expected 200 from /-/ready, got {shown:?}: is it the exporter that listens there?"
            );
            check(answer, Err(&expect));
        }
    }

    #[test]
    fn who_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let clock = Clock::start();
        let asked = ask(&[address(&silent.local_addr().unwrap().to_string())]);
        assert!(format!("{:#}", asked.unwrap_err()).contains("no answer within 2s"));
        assert!(clock.now().elapsed >= WITHIN);
    }

    #[test]
    fn nobody_there() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = format!("{:#}", ask(&[address(&free.to_string())]).unwrap_err());
        assert!(
            error.starts_with(&format!("cannot connect to {free}: is the exporter running")),
            "{error}"
        );
        let error = format!("{:#}", ask(&[address(":0")]).unwrap_err());
        assert!(error.contains("name a fixed one"), "{error}");
    }
}
