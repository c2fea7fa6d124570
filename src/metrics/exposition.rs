//! The text of a scrape: what each family is, then a line for each sample. Classic text (0.0.4) and OpenMetrics 1.0.
//!
//! Written by ourselves, as prometheus-client does it (a property compares them): that makes fourteen dynamic calls for
//! a sample, formats every edge anew for each series, and cannot be handed exemplars that it did not collect itself.

use std::fmt::Write as _;

use super::labels::{Labels, Value};
use super::seconds;
use crate::record::Nanos;
use crate::tally::{Exemplar, Exemplars, Histogram};

/// As much text as the built-in profile mostly comes to, so that it is written without being moved.
const TEXT_BYTES: usize = 128 * 1024;

/// A text form of the metrics. They differ in that classic metadata know a counter by the name of its samples, and that
/// only OpenMetrics has exemplars and ends in `# EOF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The Prometheus text format 0.0.4, which everything reads.
    Classic,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Form {
    /// The `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes families. One without rows is left out. A name of a counter is without `_total`; a help is one line without
/// backslashes.
#[derive(Debug)]
pub(super) struct Exposition {
    text: String,
    form: Form,
}

/// One series of a family of histograms.
pub(super) type Series<'r, L> = (L, &'r Histogram, Option<&'r Exemplars>);

/// What a sample can be.
pub(super) trait Number {
    /// Adds it to `text`.
    fn write(self, text: &mut String);
}

impl Number for u64 {
    #[inline(never)]
    fn write(self, text: &mut String) {
        text.push_str(itoa::Buffer::new().format(self));
    }
}

impl Number for f64 {
    #[inline(never)]
    fn write(self, text: &mut String) {
        text.push_str(dtoa::Buffer::new().format(self));
    }
}

/// A family being written. What it does stays out of the code of each family: that runs once a scrape, and takes longer to be
/// loaded than to run.
struct Family<'e> {
    text: &'e mut String,
    /// Name, kind and help, until the first sample.
    description: Option<[&'e str; 3]>,
    /// How a line begins: with a sample's name, and what the samples of a row share.
    begin: String,
    /// How much of it is the name.
    named: usize,
}

impl Family<'_> {
    /// A sample for each row.
    fn each<L: Labels, N: Number>(mut self, rows: impl IntoIterator<Item = (L, N)>) {
        // Not a loop from outside: rows are chains of chains.
        rows.into_iter()
            .for_each(|(labels, number)| self.alone(&labels, number));
    }

    /// Samples for each row, which differ in `label`.
    fn each_by<L: Labels, V: Value, N: Number>(
        mut self,
        label: &str,
        rows: impl IntoIterator<Item = (L, impl IntoIterator<Item = (V, N)>)>,
    ) {
        rows.into_iter().for_each(|(labels, samples)| {
            self.row(&labels, label);
            samples
                .into_iter()
                .for_each(|(value, number)| self.sample(&value, number));
        });
    }

    /// Begins samples that differ in `label` only.
    #[inline(never)]
    fn row(&mut self, labels: &dyn Labels, label: &str) {
        self.begin.truncate(self.named);
        labels.write(&mut self.begin);
        for piece in [",", label, "=\""] {
            self.begin.push_str(piece);
        }
    }

    /// One of them.
    #[inline(never)]
    fn sample(&mut self, value: &dyn Value, number: impl Number) {
        self.begin_line();
        value.write(self.text);
        self.text.push_str("\"} ");
        number.write(self.text);
        self.text.push('\n');
    }

    /// A sample by itself.
    #[inline(never)]
    fn alone(&mut self, labels: &dyn Labels, number: impl Number) {
        self.begin_line();
        labels.write(self.text);
        self.text.push_str("} ");
        number.write(self.text);
        self.text.push('\n');
    }

    fn begin_line(&mut self) {
        if let Some(description) = self.description.take() {
            describe(self.text, description);
        }
        self.text.push_str(&self.begin);
    }
}

#[inline(never)]
fn describe(text: &mut String, [name, kind, help]: [&str; 3]) {
    for piece in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
        text.push_str(piece);
    }
}

impl Exposition {
    pub(super) fn new(form: Form) -> Self {
        Self {
            text: String::with_capacity(TEXT_BYTES),
            form,
        }
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Takes back the first `bytes`, which are whole families.
    pub(super) fn remove_first(&mut self, bytes: usize) {
        self.text.drain(..bytes);
    }

    /// All that was written.
    pub(super) fn finish(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    pub(super) fn counter<L: Labels, N: Number>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, N)>,
    ) {
        let sample = [name, "_total"].concat();
        self.family(self.counter_name(name, &sample), "counter", help, &sample)
            .each(rows);
    }

    pub(super) fn gauge<L: Labels, N: Number>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, N)>,
    ) {
        self.family(name, "gauge", help, name).each(rows);
    }

    /// A family whose samples differ in `label` within each row: what they share is written once.
    pub(super) fn counter_by<L: Labels, V: Value, N: Number>(
        &mut self,
        label: &str,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, impl IntoIterator<Item = (V, N)>)>,
    ) {
        let sample = [name, "_total"].concat();
        self.family(self.counter_name(name, &sample), "counter", help, &sample)
            .each_by(label, rows);
    }

    /// The same for a gauge.
    pub(super) fn gauge_by<L: Labels, V: Value, N: Number>(
        &mut self,
        label: &str,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, impl IntoIterator<Item = (V, N)>)>,
    ) {
        self.family(name, "gauge", help, name).each_by(label, rows);
    }

    /// A family of one sample without labels; left out where there is no value.
    #[inline(never)]
    pub(super) fn single(&mut self, name: &str, help: &str, value: Option<impl Number>) {
        if let Some(value) = value {
            describe(&mut self.text, [name, "gauge", help]);
            self.sample(name, " ", value);
        }
    }

    /// The same for a counter.
    #[inline(never)]
    pub(super) fn single_counter(&mut self, name: &str, help: &str, value: Option<impl Number>) {
        if let Some(value) = value {
            let sample = [name, "_total"].concat();
            let name = self.counter_name(name, &sample);
            describe(&mut self.text, [name, "counter", help]);
            self.sample(&sample, " ", value);
        }
    }

    pub(super) fn histogram<'r, L: Labels>(
        &mut self,
        name: &str,
        help: &str,
        edges: &[Nanos],
        rows: impl IntoIterator<Item = Series<'r, L>>,
    ) {
        let begin = |upper: &str| [name, "_bucket{le=\"", upper, "\","].concat();
        let below = |edge: &Nanos| begin(dtoa::Buffer::new().format(seconds(*edge)));
        let buckets: Vec<String> = edges.iter().map(below).chain([begin("+Inf")]).collect();
        let (sum, count) = ([name, "_sum{"].concat(), [name, "_count{"].concat());
        let (mut labels, mut is_described) = (String::new(), false);
        rows.into_iter().for_each(|(set, histogram, exemplars)| {
            if !std::mem::replace(&mut is_described, true) {
                describe(&mut self.text, [name, "histogram", help]);
            }
            labels.clear();
            set.write(&mut labels);
            labels.push_str("} ");
            self.sample(&sum, &labels, histogram.sum_seconds());
            self.sample(&count, &labels, histogram.count());
            let exemplars = exemplars.filter(|_| self.form == Form::OpenMetrics);
            self.buckets(&buckets, &mut labels, histogram, exemplars);
        });
    }

    /// What a counter is described as.
    fn counter_name<'n>(&self, name: &'n str, sample: &'n str) -> &'n str {
        match self.form {
            Form::Classic => sample,
            Form::OpenMetrics => name,
        }
    }

    #[inline(never)]
    fn family<'e>(&'e mut self, name: &'e str, kind: &'e str, help: &'e str, sample: &str) -> Family<'e> {
        Family {
            text: &mut self.text,
            description: Some([name, kind, help]),
            begin: [sample, "{"].concat(),
            named: sample.len() + 1,
        }
    }

    /// `labels` is the rest of the line up to the value.
    #[inline(never)]
    fn sample(&mut self, begin: &str, labels: &str, value: impl Number) {
        self.text.push_str(begin);
        self.text.push_str(labels);
        value.write(&mut self.text);
        self.text.push('\n');
    }

    /// `labels` is lent to write the end of a line in.
    fn buckets(
        &mut self,
        begins: &[String],
        labels: &mut String,
        histogram: &Histogram,
        exemplars: Option<&Exemplars>,
    ) {
        let (counts, mut cumulative) = (histogram.counts(), 0);
        let (seen, rest) = begins.split_at(counts.len().min(begins.len()));
        for (bucket, (begin, count)) in seen.iter().zip(counts).enumerate() {
            cumulative += count;
            self.text.push_str(begin);
            self.text.push_str(labels);
            cumulative.write(&mut self.text);
            if let Some(exemplar) = exemplars.and_then(|exemplars| exemplars.get(bucket)) {
                self.exemplar(exemplar);
            }
            self.text.push('\n');
        }
        // After the last one with an observation, of which most histograms have none, lines end all the same.
        let end = labels.len();
        cumulative.write(labels);
        labels.push('\n');
        for begin in rest {
            self.text.push_str(begin);
            self.text.push_str(labels);
        }
        labels.truncate(end);
    }

    /// Its label needs no escaping: what does is no id.
    fn exemplar(&mut self, exemplar: &Exemplar) {
        let (whole, millis) = (exemplar.time.div_euclid(1000), exemplar.time.rem_euclid(1000));
        let (id, took) = (exemplar.id(), seconds(exemplar.duration));
        // Writing to a string cannot fail.
        let _ = write!(self.text, " # {{request_id=\"{id}\"}} {took} {whole}.{millis:03}");
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, iter};

    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::MetricType;
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::*;

    const HELP: &str = "How long it took.";

    type Exemplarless = [(&'static str, &'static str); 0];

    /// Families of each kind, with one series each.
    #[derive(Debug, Clone)]
    struct Families {
        edges: Vec<Nanos>,
        histogram: Histogram,
        count: u64,
        ratio: f64,
        labels: (String, String),
    }

    impl Families {
        fn labels(&self) -> ((&'static str, &str), (&'static str, &str)) {
            (("first", &self.labels.0), ("second", &self.labels.1))
        }

        fn written(&self) -> String {
            let mut ours = Exposition::new(Form::OpenMetrics);
            ours.counter("bingo_requests", HELP, [(self.labels(), self.count)]);
            let (first, (second, value)) = self.labels();
            ours.gauge_by(second, "bingo_ratio", HELP, [(first, [(value, self.ratio)])]);
            ours.gauge::<(&'static str, &str), u64>("bingo_nothing", HELP, []);
            ours.histogram(
                "bingo_seconds",
                HELP,
                &self.edges,
                [(self.labels(), &self.histogram, None)],
            );
            ours.single("process_ratio", HELP, Some(self.ratio));
            ours.single("process_nothing", HELP, None::<u64>);
            ours.single_counter("process_seconds", HELP, Some(self.count));
            ours.finish()
        }
    }

    /// As prometheus-client writes them.
    impl Collector for Families {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let labels = <[_; 2]>::from(self.labels());
            encoder
                .encode_descriptor("bingo_requests", HELP, None, MetricType::Counter)?
                .encode_family(&labels)?
                .encode_counter::<Exemplarless, _, f64>(&self.count, None)?;
            encoder
                .encode_descriptor("bingo_ratio", HELP, None, MetricType::Gauge)?
                .encode_family(&labels)?
                .encode_gauge(&self.ratio)?;
            let upper = self
                .edges
                .iter()
                .map(|edge| seconds(*edge))
                .chain([f64::INFINITY]);
            let counts = self.histogram.counts().iter().copied().chain(iter::repeat(0));
            let buckets: Vec<(f64, u64)> = upper.zip(counts).collect();
            encoder
                .encode_descriptor("bingo_seconds", HELP, None, MetricType::Histogram)?
                .encode_family(&labels)?
                .encode_histogram::<Exemplarless>(
                    self.histogram.sum_seconds(),
                    self.histogram.count(),
                    &buckets,
                    None,
                )?;
            encoder
                .encode_descriptor("process_ratio", HELP, None, MetricType::Gauge)?
                .encode_gauge(&self.ratio)?;
            encoder
                .encode_descriptor("process_seconds", HELP, None, MetricType::Counter)?
                .encode_counter::<Exemplarless, _, f64>(&self.count, None)
        }
    }

    proptest! {
        #[test]
        fn families_are_written_as_prometheus_client_does(
            edges in prop::collection::btree_set(1..100_000_000_000u64, 0..12),
            durations in prop::collection::vec(prop_oneof![0..100_000_000_000u64, any::<u64>()], 0..40),
            (count, ratio) in (any::<u64>(), -1e12..1e12),
            (first, second) in ("([a-zё]|[\\\\\"\n,{}=])*", "\\PC*"),
        ) {
            let edges: Vec<Nanos> = edges.into_iter().collect();
            let mut histogram = Histogram::default();
            for duration in durations {
                histogram.observe(&edges, duration);
            }
            let families = Families { edges, histogram, count, ratio, labels: (first, second) };
            let (mut registry, mut theirs) = (Registry::default(), String::new());
            registry.register_collector(Box::new(families.clone()));
            encode(&mut theirs, &registry).unwrap();
            prop_assert_eq!(families.written(), theirs);
        }
    }
}
