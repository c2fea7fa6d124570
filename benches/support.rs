//! Logs to measure with, from the simulation: the same bytes every time.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing to say"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bingo_exporter::clock::Now;
use bingo_exporter::config::{Config, Overrides};
use bingo_exporter::model::Model;
use bingo_exporter::simulate::main_log::{Message, Said};
use bingo_exporter::simulate::story::Story;
use bingo_exporter::simulate::{Options, Simulation, What};
use bingo_exporter::source::{Source, SourceName};
use bingo_exporter::tail::ReadFrom;

/// Noon of a day in 2023, UTC.
const START: i64 = 1_701_518_400_000;

/// What kind of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// nginx, `escape=json`, every value a string.
    Json,
    /// `combined` and nothing else.
    Combined,
    /// `combined` with times at its end.
    CombinedTimed,
    /// The same from browsers, whose name is as long as the rest.
    CombinedBrowsers,
    /// bingo's own, `Quota updated.`
    Quota,
    /// bingo's own, all lines that are neither of the quota nor of a request.
    Others,
    /// bingo's own, requests.
    Requests,
    /// bingo's own, as an idle node writes it.
    Idle,
    /// bingo's own, at 60 requests a second.
    Busy,
}

impl Lines {
    /// All kinds with their names.
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("json", Self::Json),
        ("combined", Self::Combined),
        ("combined-timed", Self::CombinedTimed),
        ("browsers-timed", Self::CombinedBrowsers),
        ("app-quota", Self::Quota),
        ("app-others", Self::Others),
        ("app-requests", Self::Requests),
        ("app-idle", Self::Idle),
        ("app-60rps", Self::Busy),
    ];

    /// Of the proxy.
    pub(crate) fn is_access(self) -> bool {
        matches!(
            self,
            Self::Json | Self::Combined | Self::CombinedTimed | Self::CombinedBrowsers
        )
    }

    /// So many lines.
    pub(crate) fn text(self, lines: usize) -> Vec<u8> {
        let rps = match self {
            Self::Json | Self::Combined | Self::CombinedTimed | Self::CombinedBrowsers | Self::Requests => {
                2_000
            }
            Self::Busy => 60,
            Self::Quota | Self::Others | Self::Idle => 0,
        };
        let mut simulation = Simulation::new(&Options {
            seed: 1,
            start: START,
            story: Story::steady(rps),
            offset_minutes: 0,
            env: [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/home/bingo",
            ]
            .map(str::to_owned)
            .into(),
        });
        let (mut text, mut written, mut until) = (vec![], 0, START);
        while written < lines {
            until += 1_000;
            for entry in simulation.step(until) {
                let Some(line) = self.line(&entry.what) else {
                    continue;
                };
                text.extend_from_slice(&line);
                written += 1;
                if written == lines {
                    break;
                }
            }
        }
        text
    }

    fn line(self, what: &What) -> Option<Vec<u8>> {
        match (self, what) {
            (Self::Json, What::Access(exchange)) => Some(exchange.json(0)),
            (Self::Combined, What::Access(exchange)) => Some(exchange.combined(0)),
            (Self::CombinedTimed, What::Access(exchange)) => Some(exchange.combined_timed(0)),
            (Self::CombinedBrowsers, What::Access(exchange)) => {
                Some(by_a_browser(&exchange.combined_timed(0)))
            }
            (_, What::Main { node: 0, said, line }) if self.wants(said) => Some(line.clone().into_bytes()),
            _ => None,
        }
    }

    fn wants(self, said: &Said) -> bool {
        let quota = matches!(said, Said::Message(Message::QuotaUpdated));
        let request = matches!(said, Said::Request { .. });
        match self {
            Self::Quota => quota,
            Self::Others => !quota && !request,
            Self::Requests => request,
            Self::Idle | Self::Busy => true,
            Self::Json | Self::Combined | Self::CombinedTimed | Self::CombinedBrowsers => false,
        }
    }
}

/// A line with a browser's name in place of curl's.
fn by_a_browser(line: &[u8]) -> Vec<u8> {
    const BROWSER: &[u8] = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36";
    let (curl, at) = (b"curl/8.2.1", memchr::memmem::find(line, b"curl/8.2.1").unwrap());
    [&line[..at], BROWSER, &line[at + curl.len()..]].concat()
}

/// A source over one file, from its beginning.
pub(crate) fn source(path: &Path, access: bool) -> Source {
    let paths = vec![path.to_str().unwrap().to_owned()];
    let overrides = if access {
        Overrides {
            access: paths,
            ..Overrides::default()
        }
    } else {
        Overrides {
            app: paths,
            ..Overrides::default()
        }
    };
    let model = Arc::new(Model::new(Config::load(None, &overrides).unwrap()).unwrap());
    if access {
        Source::new(SourceName::Access, model, ReadFrom::Beginning)
    } else {
        Source::new(SourceName::App, model, ReadFrom::Beginning)
    }
}

/// Reads to the end of what is there, and returns how many lines were counted.
pub(crate) fn drain(source: &mut Source) -> u64 {
    let now = Now {
        unix: START,
        elapsed: Duration::ZERO,
    };
    while source.pass(now, false).more {}
    source.snapshot(now, 0).state.intake.lines.counted
}
