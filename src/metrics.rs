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
use crate::checkpoint::saver::Checkpoint;
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
    /// The exporter itself.
    pub own: Own,
}

/// The text of a scrape, while what it shows is still being saved.
#[derive(Debug)]
pub struct Draft {
    text: Exposition,
    /// Where what the sources counted ends, and what is about the exporter begins.
    counted: usize,
}

impl Scrape {
    /// All but what is known once it is saved. While a source is catching up, only what is about the exporter: a count
    /// that is half done would show as a jump.
    pub fn draft(&self, form: Form) -> Draft {
        let mut text = Exposition::new(form);
        let shown = if self.is_catching_up() {
            &[]
        } else {
            &*self.sources
        };
        for source in shown {
            if let Some(tally) = source.requests() {
                http::write(&mut text, &source.model, tally);
            }
            if let Some(tally) = source.apps() {
                app::write(&mut text, tally);
            }
        }
        let counted = text.len();
        exporter::write(&mut text, self);
        Draft { text, counted }
    }

    fn is_catching_up(&self) -> bool {
        self.sources.iter().any(|source| source.catching_up)
    }
}

impl Draft {
    /// The whole text. Unless all of it was `saved`, without what was counted: a restart might take that back, which would
    /// show as a reset.
    pub fn finish(mut self, saved: bool, checkpoint: Option<Checkpoint>) -> String {
        if !saved {
            self.text.remove_first(self.counted);
        }
        exporter::write_checkpoint(&mut self.text, checkpoint);
        self.text.finish()
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
