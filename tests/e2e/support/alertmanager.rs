//! A real Alertmanager, what it calls, and a target that is nothing but up.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::clock::{DEADLINE, now, wait_for};
use super::http::{self, Connection};
use super::ports::free_port;
use super::process::{Process, program};

/// The program from Debian's package.
pub(crate) struct Alertmanager {
    pub(crate) address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Alertmanager {
    /// Starts it with this configuration.
    #[track_caller]
    pub(crate) fn start(configuration: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("alertmanager.yml"), configuration).unwrap();
        let (address, process) = (0..5)
            .find_map(|_| try_start(dir.path()))
            .expect("an Alertmanager that finds a free port");
        Self {
            address,
            _process: process,
            _dir: dir,
        }
    }

    /// Tells it of alerts, as Prometheus does.
    #[track_caller]
    pub(crate) fn tell(&self, alerts: &Value) {
        let body = alerts.to_string();
        let request = format!(
            "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = Connection::open(self.address).unwrap();
        connection.send(request.as_bytes()).unwrap();
        assert_eq!(connection.receive(false).unwrap().status, 200);
    }

    /// Whether an alert with this name and label is there, and inhibited by another.
    #[track_caller]
    pub(crate) fn inhibits(&self, name: &str, (label, value): (&str, &str)) -> bool {
        let response = http::ask(self.address, "GET", "/api/v2/alerts", &[]);
        let alerts: Vec<Value> = serde_json::from_slice(&response.body).unwrap();
        alerts.iter().any(|alert| {
            let labels = &alert["labels"];
            let by = alert["status"]["inhibitedBy"].as_array();
            labels["alertname"] == name && labels[label] == value && by.is_some_and(|by| !by.is_empty())
        })
    }
}

fn try_start(dir: &Path) -> Option<(SocketAddr, Process)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut command = program("prometheus-alertmanager");
    command.arg("--config.file").arg(dir.join("alertmanager.yml"));
    command.arg("--storage.path").arg(dir.join("data"));
    command.arg("--web.listen-address").arg(address.to_string());
    command.arg("--cluster.listen-address=");
    let mut process = Process::start(&mut command, "prometheus-alertmanager");
    let ready = wait_for("Alertmanager to be ready", DEADLINE, || {
        let ended = process.ended().is_some();
        let answers =
            || http::try_ask(address, "GET", "/-/ready", &[]).is_ok_and(|answer| answer.status == 200);
        (ended || answers()).then_some(!ended)
    });
    ready.then_some((address, process))
}

/// An alert as it reached somebody.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    /// `page` or `ticket`.
    pub(crate) to: String,
    pub(crate) firing: bool,
    pub(crate) name: String,
    pub(crate) alert: Value,
}

impl Call {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.alert["labels"][name].as_str().unwrap_or_default()
    }
}

/// Answers HTTP on a thread, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(address: SocketAddr, handle: impl Fn(&str, &[u8]) + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that breaks off is its own affair.
                let _ = stream.and_then(|stream| answer(&stream, &handle));
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// A target with no metrics, which is up as long as this lives.
    pub(crate) fn target(address: SocketAddr) -> Self {
        Self::start(address, |_, _| {})
    }

    /// Somebody to be called, and what he has heard.
    pub(crate) fn somebody() -> (Self, Arc<Mutex<Vec<Call>>>) {
        let calls = Arc::new(Mutex::new(vec![]));
        let heard = Arc::clone(&calls);
        let server = Self::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |path, body| {
            let message: Value = serde_json::from_slice(body).unwrap();
            for alert in message["alerts"].as_array().unwrap() {
                heard.lock().unwrap().push(Call {
                    at: now(),
                    to: path.trim_start_matches('/').to_owned(),
                    firing: alert["status"] == "firing",
                    name: alert["labels"]["alertname"].as_str().unwrap().to_owned(),
                    alert: alert.clone(),
                });
            }
        });
        (server, calls)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(stream: &TcpStream, handle: &impl Fn(&str, &[u8])) -> io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap_or(0)
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if let Some(path) = first.split(' ').nth(1) {
        handle(path, &body);
    }
    let mut stream = stream;
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
}
