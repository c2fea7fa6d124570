//! nginx, HAProxy, Caddy and Envoy serve the same requests. Whatever each of them writes, in every one of its formats,
//! the exporter counts the same, and needs to be told nothing.

mod programs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use self::programs::{Caddy, Envoy, Haproxy};
use crate::support::exporter::Exporter;
use crate::support::exposition::Exposition;
use crate::support::http::Connection;
use crate::support::nginx::Nginx;
use crate::support::upstream::{Board, Upstream};

/// Method, path, status, its milliseconds, and the route it is counted under.
type Planned = (&'static str, &'static str, u16, u32, &'static str);

const PLAN: [Planned; 14] = [
    ("GET", "/", 200, 0, "/"),
    ("GET", "/api/movie", 200, 0, "/api/movie"),
    ("GET", "/api/movie/5", 200, 0, "/api/movie/{id}"),
    ("GET", "/api/movie/6?lang=de&x=%20y", 404, 0, "/api/movie/{id}"),
    ("HEAD", "/api/movie/7", 200, 0, "/api/movie/{id}"),
    ("GET", "/api/customer/8", 500, 0, "/api/customer/{id}"),
    ("POST", "/operation", 200, 20, "/operation"),
    ("POST", "/operation", 429, 0, "/operation"),
    ("DELETE", "/api/session/9", 503, 0, "/api/session/{id}"),
    ("GET", "/db_dummy", 200, SLOW_MS, "/db_dummy"),
    ("GET", "/ping", 200, 0, "/ping"),
    ("GET", "/wp-admin", 301, 0, "other"),
    ("GET", "/config", 504, 0, "/config"),
    ("GET", "/api/session", 200, 0, "/api/session"),
];
const ROUNDS: usize = 3;
const SLOW_MS: u32 = 300;

/// The one the client gives up, each proxy with a code of its own.
const GIVEN_UP: (&str, &str) = ("/api/session/{id}", "GET");
const GIVEN_UP_PATH: &str = "/api/session/4";

/// Sends the plan through a proxy.
fn load(port: u16, board: &Board, id: u64) {
    let address = ([127, 0, 0, 1], port).into();
    for (method, path, status, millis, _) in PLAN.iter().cycle().take(ROUNDS * PLAN.len()) {
        let mut connection = Connection::open(address).unwrap();
        let length = if *method == "POST" {
            "Content-Length: 4\r\n\r\nbody"
        } else {
            "\r\n"
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: bingo.example\r\nX-Answer: {status} {millis} 5\r\nUser-Agent: a \"b\" c\r\n{length}"
        );
        connection.send(request.as_bytes()).unwrap();
        let response = connection.receive(*method == "HEAD").unwrap();
        assert_eq!(response.status, *status, "{method} {path}");
    }
    let mut connection = Connection::open(address).unwrap();
    let request = format!(
        "GET {GIVEN_UP_PATH} HTTP/1.1\r\nHost: bingo.example\r\nX-Answer: hang\r\nX-Id: {id}\r\n\r\n"
    );
    connection.send(request.as_bytes()).unwrap();
    board.wait_arrived(id);
    drop(connection);
    board.wait_dropped(id);
}

type Counts = BTreeMap<[String; 3], u64>;

/// By route, method and code, without the one that was given up.
fn expected() -> Counts {
    let mut counts = Counts::new();
    for (method, _, status, _, route) in PLAN {
        *counts
            .entry([route.to_owned(), method.to_owned(), status.to_string()])
            .or_insert(0) += ROUNDS as u64;
    }
    counts
}

/// A log, how it is decided to be written, and what it tells besides requests and codes.
struct Log {
    path: PathBuf,
    format: &'static str,
    timed: bool,
    /// All tries at the node, or none.
    tries: bool,
    config: Option<&'static str>,
}

impl Log {
    fn new(path: PathBuf, format: &'static str) -> Self {
        Self {
            path,
            format,
            timed: true,
            tries: true,
            config: None,
        }
    }

    #[track_caller]
    fn check(&self, dir: &Path) {
        let mut args = vec![
            "--source.read-from",
            "beginning",
            "--source.access",
            self.path.to_str().unwrap(),
        ];
        let file = dir.join("config.yaml");
        if let Some(config) = self.config {
            std::fs::write(&file, config).unwrap();
            args.extend(["--config.file", file.to_str().unwrap()]);
        }
        let exporter = Exporter::start(&args);
        println!("{}", self.path.display());
        let all = (ROUNDS * PLAN.len() + 1) as f64;
        let counted = [("source", "access"), ("result", "counted")];
        exporter.wait_value("bingo_exporter_lines_total", &counted, all);
        let status: Value = serde_json::from_slice(&exporter.get("/api/v1/status").body).unwrap();
        let source = &status["sources"][0];
        assert_eq!(source["rejected"], 0, "{source}");
        let format = source["files"][0]["format"]["format"].as_str().unwrap();
        assert!(
            format.starts_with(self.format),
            "{}: {format}",
            self.path.display()
        );
        self.check_metrics(&exporter.metrics());
    }

    #[track_caller]
    fn check_metrics(&self, metrics: &Exposition) {
        let name = self.path.display();
        let mut counts = metrics.counts("bingo_http_requests_total", ["route", "method", "code"]);
        counts.retain(|[route, method, _], count| *count > 0 && (&**route, &**method) != GIVEN_UP);
        assert_eq!(counts, expected(), "{name}");
        let given_up = [("route", GIVEN_UP.0), ("method", GIVEN_UP.1)];
        assert_eq!(metrics.sum("bingo_http_requests_total", &given_up), 1.0, "{name}");
        // It left within a second: no event of an objective.
        assert_eq!(metrics.sum("bingo_slo_requests_total", &given_up), 0.0, "{name}");

        let slow = |what: &str| {
            metrics.sum(
                &format!("bingo_http_request_duration_seconds_{what}"),
                &[("route", "/db_dummy")],
            )
        };
        if self.timed {
            let (count, sum) = (slow("count"), slow("sum"));
            let least = f64::from(SLOW_MS) / 1000.0 * count;
            assert_eq!(count, ROUNDS as f64, "{name}");
            // nginx and HAProxy cut what is below a millisecond off.
            assert!(
                (least - 0.01..least + 10.0).contains(&sum),
                "{name}: {sum} s for {count}"
            );
        } else {
            assert_eq!(slow("count"), 0.0, "{name}");
        }
        let tries = metrics.sum("bingo_upstream_attempts_total", &[]);
        let all = (ROUNDS * PLAN.len() + 1) as f64;
        assert_eq!(tries, if self.tries { all } else { 0.0 }, "{name}");
        let last = metrics.value(
            "bingo_exporter_last_line_timestamp_seconds",
            &[("source", "access")],
        );
        assert!(last.is_some(), "{name}");
    }
}

#[test]
fn all_proxies_count_the_same() {
    let board = Arc::new(Board::default());
    let node = Upstream::start(&board);
    let nginx = Nginx::start(|port, dir| nginx_formats(port, dir, &node));
    let (haproxy, caddy, envoy) = (
        Haproxy::start(node.address),
        Caddy::start(node.address),
        Envoy::start(node.address),
    );
    let ports = [
        nginx.address.port(),
        haproxy.text_port,
        haproxy.json_port,
        caddy.port,
        envoy.port,
    ];
    for (id, port) in (0..).zip(ports) {
        load(port, &board, id);
    }

    let mut logs: Vec<_> = NGINX_FORMATS
        .iter()
        .map(|(name, _, decided)| Log::new(nginx.file(name), decided))
        .collect();
    for log in &mut logs {
        let name = log.path.file_name().unwrap().to_str().unwrap();
        log.timed = !matches!(name, "plain" | "trailing");
        log.tries = matches!(name, "json" | "unquoted" | "status_first");
        log.config = (name == "three_lines").then_some(THREE_LINES);
    }
    logs.extend(["rfc3164", "rfc5424", "raw"].map(|name| Log::new(haproxy.file(name), "haproxy")));
    logs.push(Log::new(haproxy.file("json"), "haproxy"));
    logs.push(Log {
        tries: false,
        ..Log::new(caddy.file("access.log"), "caddy")
    });
    logs.extend(["text.log", "json.log"].map(|name| Log::new(envoy.file(name), "envoy")));
    let dir = tempfile::tempdir().unwrap();
    for log in &logs {
        log.check(dir.path());
    }
}

/// The formats seen in front of bingo: name, `log_format`, and what is decided.
const NGINX_FORMATS: [(&str, &str, &str); 8] = [
    (
        "plain",
        r#"'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "-"'"#,
        "combined",
    ),
    (
        "trailing",
        r#"'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$upstream_addr" $upstream_response_time'"#,
        "combined",
    ),
    (
        "named",
        r#"'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"'"#,
        "combined",
    ),
    (
        "unquoted",
        r"'[$time_local] $remote_addr - $remote_user - $server_name $host to: $upstream_addr: $request $status upstream_response_time $upstream_response_time msec $msec request_time $request_time'",
        "{nginx: '[$time_local]",
    ),
    (
        "status_first",
        r"'BINGO: [$time_local] $status, $request, to: $upstream_addr request_time: $request_time sec, from $remote_addr, $http_user_agent'",
        "{nginx: 'BINGO:",
    ),
    (
        "vhost",
        r#"'$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time'"#,
        "combined",
    ),
    (
        "json",
        r#"escape=json '{"time":"$time_iso8601","request":"$request","status":$status,"request_time":$request_time,"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status","agent":"$http_user_agent"}'"#,
        "json",
    ),
    (
        "three_lines",
        r#"'client $remote_addr\n[$time_local] "$request" $status $request_time\nagent "$http_user_agent"'"#,
        "{nginx: 'log_format three",
    ),
];

const THREE_LINES: &str = r#"
sources:
  access:
    format:
      nginx: |-
        log_format three 'client $remote_addr\n[$time_local] "$request" $status $request_time\nagent "$http_user_agent"';
"#;

fn nginx_formats(port: u16, dir: &Path, node: &Upstream) -> String {
    let dir = dir.display();
    let formats = NGINX_FORMATS
        .map(|(name, format, _)| format!("log_format {name} {format}; access_log {dir}/{name} {name};"));
    format!(
        "{} server {{ listen 127.0.0.1:{port}; server_name bingo; location / {{ proxy_pass http://{}; }} }}",
        formats.join("\n"),
        node.address
    )
}
