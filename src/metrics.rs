//! Every metric's name, help, labels and shape; nothing else names one. A published state goes in, text comes out.

mod app;
mod exporter;
mod histograms;
mod http;
mod labels;
pub mod promql;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

pub use self::exporter::Own;
use self::histograms::Histograms;
use self::labels::{Labels, Text};
use crate::clock::Now;
use crate::record::{Nanos, UnixMillis};
use crate::source::Snapshot;

/// As much text as the built-in profile mostly comes to, so that it is written without being moved.
const TEXT_BYTES: usize = 128 * 1024;

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

impl Scrape {
    /// Classic text (0.0.4). While a source is catching up, or could not be saved in time, only what is about the
    /// exporter: a count that is half done would show as a jump, one that is taken back as a reset.
    ///
    /// # Errors
    /// None but those of writing to memory.
    pub fn classic(self) -> Result<String, fmt::Error> {
        self.text(Form::Classic)
    }

    /// The same as OpenMetrics 1.0 text, with exemplars, which classic text does not know.
    ///
    /// # Errors
    /// None but those of writing to memory.
    pub fn openmetrics(self) -> Result<String, fmt::Error> {
        let mut text = self.text(Form::OpenMetrics)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    fn text(self, form: Form) -> Result<String, fmt::Error> {
        let counted = self.counted().to_vec();
        let (mut registry, mut text) = (Registry::default(), String::with_capacity(TEXT_BYTES));
        registry.register_collector(Box::new(Written { scrape: self, form }));
        encode_registry(&mut text, &registry)?;
        let mut histograms = Histograms {
            text: &mut text,
            with_exemplars: form == Form::OpenMetrics,
        };
        for source in &counted {
            if let Some(tally) = source.requests() {
                http::histograms(&mut histograms, &source.model, tally)?;
            }
            if let Some(tally) = source.apps() {
                app::histograms(&mut histograms, tally)?;
            }
        }
        Ok(text)
    }

    /// The sources whose counts may be shown.
    fn counted(&self) -> &[Arc<Snapshot>] {
        if self.saved && !self.is_catching_up() {
            &self.sources
        } else {
            &[]
        }
    }

    fn is_catching_up(&self) -> bool {
        self.sources.iter().any(|source| source.catching_up)
    }
}

/// A form of text. They differ in that classic metadata know a counter by the name of its samples, and that only
/// OpenMetrics has exemplars and ends in `# EOF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Classic,
    OpenMetrics,
}

/// A scrape in one of the forms, all but its histograms.
#[derive(Debug)]
struct Written {
    scrape: Scrape,
    form: Form,
}

impl Collector for Written {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (scrape, form) = (&self.scrape, self.form);
        let mut families = Families { encoder, form };
        for source in scrape.counted() {
            if let Some(tally) = source.requests() {
                http::encode(&mut families, &source.model, tally)?;
            }
            if let Some(tally) = source.apps() {
                app::encode(&mut families, tally)?;
            }
        }
        exporter::encode(&mut families, scrape)
    }
}

/// The type of exemplar labels that are never there.
type NoLabels = [(&'static str, &'static str); 0];

/// Writes families of counters and gauges: a descriptor, then a sample for each row. A family without rows is left out.
struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
    form: Form,
}

impl Families<'_> {
    fn counter<L: Labels, V: EncodeCounterValue + EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        match self.form {
            // Samples of a counter get a name of their own from prometheus-client, those of a gauge do not.
            Form::Classic => {
                let name = format!("{name}_total");
                self.family(&name, help, MetricType::Counter, rows, |mut metric, value| {
                    metric.encode_gauge(&value)
                })
            }
            Form::OpenMetrics => self.family(name, help, MetricType::Counter, rows, |mut metric, value| {
                metric.encode_counter::<NoLabels, _, f64>(&value, None)
            }),
        }
    }

    fn gauge<L: Labels, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |mut metric, value| {
            metric.encode_gauge(&value)
        })
    }

    /// A family of one sample without labels; left out where there is no value.
    fn single<V: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: Option<V>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// The same for a counter.
    fn single_counter<V: EncodeCounterValue + EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        value: Option<V>,
    ) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let kind = MetricType::Counter;
        match self.form {
            Form::Classic => {
                let name = format!("{name}_total");
                let mut metric = self.encoder.encode_descriptor(&name, help, None, kind)?;
                metric.encode_gauge(&value)
            }
            Form::OpenMetrics => {
                let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
                metric.encode_counter::<NoLabels, _, f64>(&value, None)
            }
        }
    }

    fn family<L: Labels, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = (L, V)>,
        mut sample: impl FnMut(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        let mut text = String::new();
        for (labels, value) in rows {
            text.clear();
            labels.write(&mut text);
            sample(metric.encode_family(&Text(&text))?, value)?;
        }
        Ok(())
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
