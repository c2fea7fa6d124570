//! A log of many routes, codes and upstreams: many series.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bingo_exporter::clock::Now;
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::metrics::{Form, Own, Scrape};
use bingo_exporter::model::Model;
use bingo_exporter::source::{Snapshot, Source, SourceName};
use bingo_exporter::tail::ReadFrom;

/// How many there are of each. Each route answers with each code, and so does each upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Many {
    pub(crate) routes: usize,
    pub(crate) codes: usize,
    pub(crate) upstreams: usize,
}

/// Where the answers of the service begin.
const FIRST_CODE: usize = 200;

/// Noon of a day in 2023, UTC.
pub(crate) const NOW: Now = Now {
    unix: 1_701_518_400_000,
    elapsed: Duration::ZERO,
};

impl Many {
    /// Writes the log, and the configuration it is read under.
    pub(crate) fn write(self, dir: &Path, lines: usize) -> Log {
        let log = Log {
            path: dir.join("access.log"),
            config: dir.join("config.yaml"),
        };
        let endpoint = |index| {
            format!(
                "  - {{method: GET, path: '/service{index}/items/{{id}}', objectives: {{availability: 0.99}}}}\n"
            )
        };
        let endpoints: String = (0..self.routes).map(endpoint).collect();
        let config = format!("endpoints:\n{endpoints}limits: {{series: 1000000}}\n");
        fs::write(&log.config, config).unwrap();
        let text: String = (0..lines).map(|index| self.line(index)).collect();
        fs::write(&log.path, text).unwrap();
        log
    }

    fn line(self, index: usize) -> String {
        let route = index * 7 % self.routes;
        let code = FIRST_CODE + index / self.routes % self.codes;
        let upstream = index * 31 / 17 % self.upstreams;
        format!(
            "{{\"time_iso8601\":\"2023-12-02T12:00:02+00:00\",\"request\":\"GET /service{route}/items/{index} HTTP/1.1\",\
             \"status\":\"{code}\",\"request_time\":\"0.012\",\"body_bytes_sent\":\"120\",\
             \"upstream_addr\":\"10.0.0.{upstream}:80\",\"upstream_status\":\"{code}\",\"upstream_response_time\":\"0.012\"}}\n"
        )
    }
}

/// A log and its configuration.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    config: PathBuf,
}

impl Log {
    pub(crate) fn source(&self) -> Source {
        let overrides = Overrides {
            access: vec![self.path.to_str().unwrap().to_owned()],
            ..Overrides::default()
        };
        let config = Config::load(Some(&self.config), &overrides).unwrap();
        Source::new(
            SourceName::Access,
            Arc::new(Model::new(config).unwrap()),
            ReadFrom::Beginning,
        )
    }
}

/// What Prometheus is told.
pub(crate) fn exposition(snapshot: &Arc<Snapshot>) -> String {
    let scrape = Scrape {
        sources: vec![Arc::clone(snapshot)],
        now: NOW,
        own: Own::default(),
    };
    scrape.draft(Form::OpenMetrics).finish(true, None)
}

/// How many series that is.
pub(crate) fn series(exposition: &str) -> usize {
    exposition.lines().filter(|line| !line.starts_with('#')).count()
}
