//! Every metric's name, help, labels and shape; nothing else names one. A published state goes in, text comes out.

mod app;
mod exemplars;
mod exporter;
mod http;
pub mod promql;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

pub use self::exporter::Own;
use crate::clock::Now;
use crate::record::{Nanos, UnixMillis};
use crate::source::Snapshot;
use crate::tally::Histogram;

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
    /// OpenMetrics 1.0 text. While a source is catching up, or could not be saved in time, only what is about
    /// the exporter: a count that is half done would show as a jump, one that is taken back as a reset.
    ///
    /// # Errors
    /// None but those of writing to memory.
    pub fn openmetrics(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// The same with exemplars, which classic text does not know.
    ///
    /// # Errors
    /// None but those of writing to memory.
    pub fn openmetrics_with_exemplars(self) -> Result<String, fmt::Error> {
        let exemplars: Vec<_> = self
            .sources
            .iter()
            .filter_map(|source| source.requests())
            .flat_map(http::exemplars)
            .map(|exemplar| exemplar.copied())
            .collect();
        let text = self.openmetrics()?;
        Ok(exemplars::attach(text, http::BUCKETS, &exemplars))
    }

    fn is_catching_up(&self) -> bool {
        self.sources.iter().any(|source| source.catching_up)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut families = Families(encoder);
        if self.saved && !self.is_catching_up() {
            for source in &self.sources {
                if let Some(tally) = source.requests() {
                    http::encode(&mut families, &source.model, tally)?;
                }
                if let Some(tally) = source.apps() {
                    app::encode(&mut families, tally)?;
                }
            }
        }
        exporter::encode(&mut families, self)
    }
}

/// The type of exemplar labels that are never there.
type NoLabels = [(&'static str, &'static str); 0];

/// Writes families: a descriptor, then a sample for each row. A family without rows is left out.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn counter<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, rows, |mut metric, value| {
            metric.encode_counter::<NoLabels, _, f64>(&value, None)
        })
    }

    fn gauge<L: EncodeLabelSet, V: EncodeGaugeValue>(
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
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// The same for a counter.
    fn single_counter<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        value: Option<V>,
    ) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabels, _, f64>(&value, None)
    }

    fn histogram<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        edges: &[Nanos],
        rows: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> fmt::Result {
        let edges: Vec<f64> = edges
            .iter()
            .map(|edge| seconds(*edge))
            .chain([f64::INFINITY])
            .collect();
        self.family(
            name,
            help,
            MetricType::Histogram,
            rows,
            |mut metric, histogram| {
                let buckets: Vec<(f64, u64)> = edges
                    .iter()
                    .copied()
                    .zip(histogram.counts().iter().copied())
                    .collect();
                let (sum, count) = (histogram.sum_seconds(), histogram.count());
                metric.encode_histogram::<NoLabels>(sum, count, &buckets, None)
            },
        )
    }

    fn family<L: EncodeLabelSet, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = (L, V)>,
        mut encode: impl FnMut(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            encode(metric.encode_family(&labels)?, value)?;
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
