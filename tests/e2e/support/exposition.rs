//! A small independent reader of Prometheus text, classic or OpenMetrics: names, labels, values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Label names and values, sorted by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// All samples of a scrape.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// # Panics
    /// On a line that is neither a comment nor a sample, and on a sample that comes twice.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut exposition = Self::default();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let line = line.split_once(" # {").map_or(line, |(sample, _exemplar)| sample);
            let (name, labels, value) = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
            exposition.insert(name, labels, value);
        }
        exposition
    }

    /// # Panics
    /// If the sample is there already.
    #[track_caller]
    pub(crate) fn insert(&mut self, name: String, labels: Labels, value: f64) {
        let key = (name, labels);
        assert!(!self.samples.contains_key(&key), "twice: {key:?}");
        self.samples.insert(key, value);
    }

    /// The sample with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// The sum of all samples that have at least these labels; 0 if there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has_all = |of: &Labels| {
            labels
                .iter()
                .all(|(name, value)| of.get(*name).is_some_and(|is| is == value))
        };
        self.series(name)
            .filter(|(of, _)| has_all(of))
            .map(|(_, value)| value)
            .sum()
    }

    /// The sum of all samples, whatever their names.
    pub(crate) fn total(&self) -> f64 {
        self.samples.values().sum()
    }

    /// The samples of one name.
    pub(crate) fn series(&self, name: &str) -> impl Iterator<Item = (&Labels, f64)> {
        let begin = (name.to_owned(), Labels::new());
        self.samples
            .range(begin..)
            .take_while(move |((of, _), _)| of == name)
            .map(|((_, labels), value)| (labels, *value))
    }

    /// The samples that are not zero, keyed by the values of these labels: what a ledger is compared with.
    ///
    /// # Panics
    /// If a label is missing or a value is no whole number.
    #[track_caller]
    pub(crate) fn counts<const N: usize>(&self, name: &str, by: [&str; N]) -> BTreeMap<[String; N], u64> {
        let mut counts = BTreeMap::new();
        for (labels, value) in self.series(name).filter(|(_, value)| *value != 0.0) {
            let key = by.map(|label| {
                labels
                    .get(label)
                    .unwrap_or_else(|| panic!("{name} without {label}"))
                    .clone()
            });
            *counts.entry(key).or_insert(0) += whole(value);
        }
        counts
    }

    /// Only the samples whose name passes.
    pub(crate) fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = self.samples.iter().filter(|((name, _), _)| keep(name));
        Self {
            samples: kept.map(|(key, value)| (key.clone(), *value)).collect(),
        }
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The name of each sample.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.samples.keys().map(|(name, _)| name.as_str())
    }

    /// One line for each sample that only one of the two has, or has with another value. Empty if they are equal.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let keys = self.samples.keys().chain(
            other
                .samples
                .keys()
                .filter(|key| !self.samples.contains_key(*key)),
        );
        for key in keys {
            let (here, there) = (self.samples.get(key), other.samples.get(key));
            if here != there {
                let _ = writeln!(text, "{} {:?}: {here:?}, {there:?}", key.0, key.1);
            }
        }
        text
    }
}

/// A count that must be one.
///
/// # Panics
/// If it is not.
#[track_caller]
pub(crate) fn whole(value: f64) -> u64 {
    let rounded = value.round();
    assert!(
        (value - rounded).abs() < f64::EPSILON && rounded >= 0.0,
        "{value} is no count"
    );
    format!("{rounded}").parse().unwrap()
}

/// `name{label="value",…} value`, then perhaps a time stamp or an exemplar, which are left out.
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}

/// Reads up to the closing brace and returns what follows.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Labels) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = read_value(after)?;
        labels.insert(name.to_owned(), value).is_none().then_some(())?;
        rest = after;
    }
}

/// Reads up to the closing quote and returns the text and what follows.
fn read_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[test]
fn reads_samples() {
    let text = "# HELP a b\na_total{x=\"1\",y=\"q\\\"\\\\\\n}\"} 3 # {id=\"7\"} 1\na_total{x=\"2\",y=\"\"} 0\nb 1.5e1\n# EOF\n";
    let read = Exposition::parse(text);
    assert_eq!(read.value("a_total", &[("y", "q\"\\\n}"), ("x", "1")]), Some(3.0));
    assert_eq!((read.value("b", &[]), read.len()), (Some(15.0), 3));
    assert_eq!(
        (read.sum("a_total", &[]), read.sum("a_total", &[("x", "2")])),
        (3.0, 0.0)
    );
    assert_eq!(
        read.counts("a_total", ["x"]),
        BTreeMap::from([(["1".to_owned()], 3)])
    );
    assert_eq!(read.difference(&read), "");
    assert!(
        read.difference(&read.only(|name| name == "b"))
            .contains("a_total")
    );
}
