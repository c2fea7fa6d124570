//! Every metric's name, help, labels and shape; nothing else names one. A published state goes in, text comes out.

mod app;
mod exporter;
mod exposition;
mod http;
mod labels;
pub mod promql;

use std::sync::Arc;

pub use self::exporter::Own;
use self::exposition::Exposition;
pub use self::exposition::Form;
use crate::clock::Now;
use crate::record::{Nanos, UnixMillis};
use crate::source::Snapshot;

/// Everything one scrape shows.
#[derive(Debug)]
pub struct Scrape {
    /// The sources, each of one instant.
    pub sources: Vec<Arc<Snapshot>>,
    /// When it is shown.
    pub now: Now,
    /// What the sources say was saved, so that no restart takes it back.
    pub saved: bool,
    /// The exporter itself.
    pub own: Own,
}

/// The text of what sources counted.
#[derive(Debug)]
pub struct Counted(Exposition);

/// Writes what `sources` counted: most of a scrape, ready while it is still being saved.
pub fn counted(sources: &[Arc<Snapshot>], form: Form) -> Counted {
    let mut text = Exposition::new(form);
    for source in sources {
        if let Some(tally) = source.requests() {
            http::write(&mut text, &source.model, tally);
        }
        if let Some(tally) = source.apps() {
            app::write(&mut text, tally);
        }
    }
    Counted(text)
}

impl Scrape {
    /// All of it, after what its sources counted. While a source is catching up, or could not be saved in time, only what
    /// is about the exporter: a count that is half done would show as a jump, one that is taken back as a reset.
    pub fn text(&self, Counted(mut text): Counted) -> String {
        if !self.saved || self.is_catching_up() {
            text.clear();
        }
        exporter::write(&mut text, self);
        text.finish()
    }

    fn is_catching_up(&self) -> bool {
        self.sources.iter().any(|source| source.catching_up)
    }
}

/// Nanoseconds as seconds.
fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

fn unix_seconds(millis: UnixMillis) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests;
