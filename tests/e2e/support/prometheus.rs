//! A real Prometheus and its tools.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::clock::{DEADLINE, wait_for};
use super::exposition::{Exposition, Labels};
use super::http;
use super::ports::free_port;
use super::process::{Process, program, run};

pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts it, scraping one target every second.
    #[track_caller]
    pub(crate) fn start(target: SocketAddr) -> Self {
        Self::start_every(1, target)
    }

    /// Starts it, scraping one target every so many seconds, with as much patience.
    #[track_caller]
    pub(crate) fn start_every(seconds: u64, target: SocketAddr) -> Self {
        let configuration = format!(
            "global: {{scrape_interval: {seconds}s, scrape_timeout: {seconds}s}}\n\
             scrape_configs: [{{job_name: bingo-exporter, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        Self::configured(&configuration)
    }

    /// Starts it with this configuration.
    #[track_caller]
    pub(crate) fn configured(configuration: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("prometheus.yml"), configuration).unwrap();
        let (process, address) = (0..5)
            .find_map(|_| try_start(dir.path()))
            .expect("a Prometheus that finds a free port");
        Self {
            address,
            _process: process,
            _dir: dir,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// An instant query; names as they are, without what Prometheus adds to identify the target.
    #[track_caller]
    pub(crate) fn query(&self, query: &str) -> Exposition {
        ask(self.address, query)
    }

    /// What it says about itself.
    #[track_caller]
    pub(crate) fn own(&self) -> Exposition {
        let response = http::ask(self.address, "GET", "/metrics", &[]);
        Exposition::parse(&String::from_utf8(response.body).unwrap())
    }

    /// The same at another time, in Unix seconds.
    #[track_caller]
    pub(crate) fn query_at(&self, time: f64, query: &str) -> Exposition {
        vector(results(
            self.address,
            &format!("time={time}&query={}", percent_encoded(query)),
        ))
    }

    /// The label sets of all exemplars that a selector's series have.
    #[track_caller]
    pub(crate) fn exemplars(&self, selector: &str) -> Vec<Labels> {
        let path = format!(
            "/api/v1/query_exemplars?start=0&end=9999999999&query={}",
            percent_encoded(selector)
        );
        let response = http::ask(self.address, "GET", &path, &[]);
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        let series = answer["data"].as_array().into_iter().flatten();
        let exemplars = series.flat_map(|series| series["exemplars"].as_array().unwrap());
        exemplars
            .map(|exemplar| serde_json::from_value(exemplar["labels"].clone()).unwrap())
            .collect()
    }

    /// All samples of the only series that matches, each with its time in Unix seconds.
    ///
    /// # Panics
    /// If there is another number of series.
    #[track_caller]
    pub(crate) fn samples(&self, selector: &str) -> Vec<(f64, f64)> {
        let results = results(
            self.address,
            &format!("query={}", percent_encoded(&format!("{selector}[1h]"))),
        );
        assert_eq!(results.len(), 1, "{selector}: {results:?}");
        let values = results[0]["values"].as_array().unwrap();
        values.iter().map(sample).collect()
    }
}

/// An instant query to whatever answers as Prometheus does.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, query: &str) -> Exposition {
    vector(results(address, &format!("query={}", percent_encoded(query))))
}

fn vector(results: Vec<Value>) -> Exposition {
    let mut exposition = Exposition::default();
    for series in results {
        let mut labels: Labels = serde_json::from_value(series["metric"].clone()).unwrap();
        let name = labels.remove("__name__").unwrap_or_default();
        labels.retain(|label, _| label != "job" && label != "instance");
        exposition.insert(name, labels, sample(&series["value"]).1);
    }
    exposition
}

#[track_caller]
fn results(address: SocketAddr, parameters: &str) -> Vec<Value> {
    let response = http::ask(address, "GET", &format!("/api/v1/query?{parameters}"), &[]);
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    let results = answer["data"]["result"].as_array();
    results
        .unwrap_or_else(|| panic!("{parameters}: {answer}"))
        .clone()
}

/// Time and value.
fn sample(pair: &Value) -> (f64, f64) {
    let value = pair[1].as_str().and_then(|value| value.parse().ok());
    (pair[0].as_f64().unwrap(), value.unwrap())
}

fn try_start(dir: &Path) -> Option<(Process, SocketAddr)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let mut command = program("prometheus");
    command.arg("--config.file").arg(dir.join("prometheus.yml"));
    command.arg("--storage.tsdb.path").arg(dir.join("data"));
    command.arg("--web.listen-address").arg(address.to_string());
    command.arg("--enable-feature=exemplar-storage");
    let mut process = Process::start(&mut command, "prometheus");
    let ready = wait_for("Prometheus to be ready", DEADLINE, || {
        let ended = process.ended().is_some();
        let answers =
            || http::try_ask(address, "GET", "/-/ready", &[]).is_ok_and(|answer| answer.status == 200);
        (ended || answers()).then_some(!ended)
    });
    ready.then_some((process, address))
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Gives a program some text and returns what it says about it: whether it was content, and its words.
#[track_caller]
pub(crate) fn judge(command: &mut Command, text: &str, package: &str) -> (bool, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("stdin");
    fs::write(&file, text).unwrap();
    command.stdin(Stdio::from(fs::File::open(&file).unwrap()));
    let output = run(command, package);
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&words).into_owned(),
    )
}
