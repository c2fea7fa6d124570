//! Unit tests of alerts, as promtool runs them: series in, alerts out.

use std::fmt::Write as _;

use super::Options;

/// A test of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The alert's name.
    pub alert: &'static str,
    /// What happens.
    what: &'static str,
    /// Between two samples, in Prometheus' notation.
    interval: Option<&'static str>,
    /// Selector and values, both in promtool's notation.
    series: Vec<(String, String)>,
    /// When, and with which labels besides name and severity it fires then; none is silence.
    expected: Vec<(&'static str, Vec<&'static str>)>,
}

/// The tests of a file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// Of the file.
    pub name: &'static str,
    /// The name of the group that is tested.
    pub group: &'static str,
    /// Between evaluations and, where a case does not say, between samples.
    pub interval: &'static str,
    /// In order.
    pub cases: Vec<Case>,
}

impl Case {
    pub(super) fn new(alert: &'static str, what: &'static str) -> Self {
        Self {
            alert,
            what,
            interval: None,
            series: vec![],
            expected: vec![],
        }
    }

    /// Between two samples of the series.
    pub(super) fn every(mut self, interval: &'static str) -> Self {
        self.interval = Some(interval);
        self
    }

    /// A series that the exporter on a node exposes.
    pub(super) fn on(self, node: &str, series: &str, values: &str) -> Self {
        let target = format!(r#"job="$job",instance="{node}:10352",node="{node}""#);
        self.series(&with(series, &target), values)
    }

    /// What `up` is of the exporter on a node.
    pub(super) fn exporter(self, node: &str, values: &str) -> Self {
        self.on(node, "up", values)
    }

    /// What `up` is of something else on that node.
    pub(super) fn beside(self, node: &str, values: &str) -> Self {
        let series = format!(r#"up{{job="node",instance="{node}:9100",node="{node}"}}"#);
        self.series(&series, values)
    }

    /// A series as it is.
    pub(super) fn series(mut self, series: &str, values: &str) -> Self {
        self.series.push((series.to_owned(), values.to_owned()));
        self
    }

    /// So long after the first sample, one alert fires, with these labels.
    pub(super) fn fires(mut self, at: &'static str, labels: &'static str) -> Self {
        match self.expected.last_mut() {
            Some((last, alerts)) if *last == at => alerts.push(labels),
            _ => self.expected.push((at, vec![labels])),
        }
        self
    }

    /// So long after the first sample, none does.
    pub(super) fn silent(mut self, at: &'static str) -> Self {
        self.expected.push((at, vec![]));
        self
    }

    /// Whether it shows that the alert can fire, or that it can keep silent, or both.
    pub fn shows(&self) -> (bool, bool) {
        let fires = |(_, alerts): &(_, Vec<_>)| !alerts.is_empty();
        (
            self.expected.iter().any(fires),
            self.expected.iter().any(|at| !fires(at)),
        )
    }

    /// Selectors of the series that go in.
    pub fn selectors(&self) -> impl Iterator<Item = &str> {
        self.series.iter().map(|(series, _)| series.as_str())
    }
}

impl Cases {
    /// A file for `promtool test rules`, beside a directory `rules`, with the cases that pass.
    pub fn yaml(
        &self,
        options: &Options,
        severity: impl Fn(&str) -> &'static str,
        pass: impl Fn(&Case) -> bool,
    ) -> String {
        let mut text = format!(
            "rule_files:\n  - ../rules/{}.yml\n\nevaluation_interval: {}\n\ntests:\n",
            self.group, self.interval
        );
        for case in self.cases.iter().filter(|case| pass(case)) {
            let interval = case.interval.unwrap_or(self.interval);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "  - name: {:?}\n    interval: {interval}\n    input_series:\n",
                format!("{}: {}", case.alert, case.what)
            );
            for (series, values) in &case.series {
                let _ = writeln!(text, "      - series: '{series}'\n        values: '{values}'");
            }
            text.push_str("    promql_expr_test:\n");
            for (at, alerts) in &case.expected {
                expectation(&mut text, case.alert, severity(case.alert), at, alerts);
            }
        }
        text.replace("$job", &options.job_regex.example())
    }
}

fn expectation(text: &mut String, alert: &str, severity: &str, at: &str, alerts: &[&str]) {
    let _ = writeln!(
        text,
        "      - expr: ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}\n        eval_time: {at}"
    );
    if alerts.is_empty() {
        text.push_str("        exp_samples: []\n");
        return;
    }
    text.push_str("        exp_samples:\n");
    for labels in alerts {
        let mut own = format!(r#"alertname="{alert}",alertstate="firing""#);
        // Where one name has two severities, the case says which.
        if !labels.contains("severity=") {
            let _ = write!(own, r#",severity="{severity}""#);
        }
        let labels = with(&format!("ALERTS{{{labels}}}"), &own);
        let _ = writeln!(text, "          - labels: '{labels}'\n            value: 1");
    }
}

/// A selector with further labels before its own.
fn with(series: &str, labels: &str) -> String {
    match series.split_once('{') {
        None => format!("{series}{{{labels}}}"),
        Some((name, "}")) => format!("{name}{{{labels}}}"),
        Some((name, own)) => format!("{name}{{{labels},{own}"),
    }
}
