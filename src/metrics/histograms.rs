//! Histograms as text. They are most of what a scrape shows, and prometheus-client, which writes all else, makes fourteen
//! calls for the line of one bucket, formats its edge anew for each series, and cannot be handed exemplars that it did not
//! collect itself: with it a scrape of the built-in profile takes a third more instructions.

use std::fmt::{self, Write};

use super::labels::Labels;
use super::seconds;
use crate::record::Nanos;
use crate::tally::{Exemplar, Exemplars, Histogram};

/// Writes families of histograms: what they are, then the samples of each row. A family without rows is left out.
#[derive(Debug)]
pub(super) struct Histograms<'t> {
    pub(super) text: &'t mut String,
    pub(super) with_exemplars: bool,
}

/// One series.
pub(super) type Row<'r, L> = (L, &'r Histogram, Option<&'r Exemplars>);

impl Histograms<'_> {
    /// `help` is one line without backslashes; each row has a label.
    pub(super) fn family<'r, L: Labels>(
        &mut self,
        name: &str,
        help: &str,
        edges: &[Nanos],
        rows: impl IntoIterator<Item = Row<'r, L>>,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut float = dtoa::Buffer::new();
        let upper = edges
            .iter()
            .map(|edge| dtoa::Buffer::new().format(seconds(*edge)).to_owned());
        let buckets: Vec<String> = upper
            .chain(["+Inf".to_owned()])
            .map(|upper| format!("{name}_bucket{{le=\"{upper}\","))
            .collect();
        let mut labels = String::new();
        for (set, histogram, exemplars) in rows {
            labels.clear();
            set.write(&mut labels);
            labels.push_str("} ");
            let (sum, count) = (float.format(histogram.sum_seconds()), histogram.count());
            writeln!(
                self.text,
                "{name}_sum{{{labels}{sum}\n{name}_count{{{labels}{count}"
            )?;
            self.buckets(
                &buckets,
                &labels,
                histogram,
                exemplars.filter(|_| self.with_exemplars),
            )?;
        }
        Ok(())
    }

    fn buckets(
        &mut self,
        begins: &[String],
        labels: &str,
        histogram: &Histogram,
        exemplars: Option<&Exemplars>,
    ) -> fmt::Result {
        let (mut cumulative, mut digits) = (0, itoa::Buffer::new());
        for (bucket, (begin, count)) in begins.iter().zip(histogram.counts()).enumerate() {
            cumulative += count;
            self.text.push_str(begin);
            self.text.push_str(labels);
            self.text.push_str(digits.format(cumulative));
            if let Some(exemplar) = exemplars.and_then(|exemplars| exemplars.get(bucket)) {
                self.exemplar(exemplar)?;
            }
            self.text.push('\n');
        }
        Ok(())
    }

    /// Its label needs no escaping: what does is no id.
    fn exemplar(&mut self, exemplar: &Exemplar) -> fmt::Result {
        let (whole, millis) = (exemplar.time.div_euclid(1000), exemplar.time.rem_euclid(1000));
        let (id, took) = (exemplar.id(), seconds(exemplar.duration));
        write!(self.text, " # {{request_id=\"{id}\"}} {took} {whole}.{millis:03}")
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::encoding::text::encode_registry;
    use prometheus_client::metrics::MetricType;
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "bingo_test_duration_seconds";

    const HELP: &str = "How long it took.";

    /// A family of one histogram, as prometheus-client writes it.
    #[derive(Debug)]
    struct Reference {
        edges: Vec<Nanos>,
        histogram: Histogram,
        label: (&'static str, String),
    }

    impl Collector for Reference {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut metric = encoder.encode_descriptor(NAME, HELP, None, MetricType::Histogram)?;
            let upper = self
                .edges
                .iter()
                .map(|edge| seconds(*edge))
                .chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = upper.zip(self.histogram.counts().iter().copied()).collect();
            let labels = [(self.label.0, self.label.1.as_str())];
            metric
                .encode_family(&labels)?
                .encode_histogram::<[(&str, &str); 0]>(
                    self.histogram.sum_seconds(),
                    self.histogram.count(),
                    &buckets,
                    None,
                )
        }
    }

    proptest! {
        #[test]
        fn histograms_are_written_as_prometheus_client_does(
            edges in prop::collection::btree_set(1..100_000_000_000u64, 0..12),
            durations in prop::collection::vec(prop_oneof![0..100_000_000_000u64, any::<u64>()], 0..40),
            value in "\\PC*",
        ) {
            let edges: Vec<Nanos> = edges.into_iter().collect();
            let mut histogram = Histogram::new(edges.len());
            for duration in durations {
                histogram.observe(&edges, duration);
            }
            let label = ("route", value);
            let (mut ours, mut theirs) = (String::new(), String::new());
            let mut histograms = Histograms { text: &mut ours, with_exemplars: true };
            let row = ((label.0, &*label.1), &histogram, None);
            histograms.family(NAME, HELP, &edges, [row]).unwrap();

            let mut registry = Registry::default();
            registry.register_collector(Box::new(Reference { edges, histogram, label }));
            encode_registry(&mut theirs, &registry).unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }
}
