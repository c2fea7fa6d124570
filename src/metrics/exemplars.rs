//! Exemplars written behind the samples of a histogram's buckets: prometheus-client cannot be handed any that it did not
//! collect itself.

use std::fmt::{self, Write};

use super::{TEXT_BYTES, seconds};
use crate::tally::Exemplar;

/// Takes text as prometheus-client writes it, in pieces none of which goes past the end of a line, and puts exemplars behind
/// the lines that begin with `samples`, one for each, in their order.
#[derive(Debug)]
pub(super) struct WithExemplars<E> {
    text: String,
    /// Where the line begins that is being written.
    line: usize,
    samples: &'static str,
    exemplars: E,
}

impl<'e, E: Iterator<Item = Option<&'e Exemplar>>> WithExemplars<E> {
    pub(super) fn new(samples: &'static str, exemplars: E) -> Self {
        Self {
            text: String::with_capacity(TEXT_BYTES),
            line: 0,
            samples,
            exemplars,
        }
    }

    /// What was written, with its exemplars.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn attach(&mut self) -> fmt::Result {
        let Some(Some(exemplar)) = self.exemplars.next() else {
            return Ok(());
        };
        let (whole, millis) = (exemplar.time.div_euclid(1000), exemplar.time.rem_euclid(1000));
        let (id, took) = (exemplar.id(), seconds(exemplar.duration));
        write!(self.text, " # {{request_id=\"{id}\"}} {took} {whole}.{millis:03}")
    }
}

impl<'e, E: Iterator<Item = Option<&'e Exemplar>>> Write for WithExemplars<E> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let Some(rest) = piece.strip_suffix('\n') else {
            self.text.push_str(piece);
            return Ok(());
        };
        self.text.push_str(rest);
        if self.text[self.line..].starts_with(self.samples) {
            self.attach()?;
        }
        self.text.push('\n');
        self.line = self.text.len();
        Ok(())
    }
}
