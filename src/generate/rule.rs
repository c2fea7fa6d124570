//! What a rule is, before it is text.

use std::fmt::Write as _;

use super::{Options, dashboards};

/// A file of rules that are evaluated at one pace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Of the group, and of its file.
    pub name: &'static str,
    /// Seconds between evaluations.
    pub interval: u32,
    /// What it is about, for whoever opens the file.
    pub about: &'static str,
    /// In the order of evaluation: a rule sees the results of those before it.
    pub rules: Vec<Rule>,
}

impl Group {
    /// Its alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rules.iter().filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record(_) => None,
        })
    }

    /// A file for Prometheus.
    pub fn yaml(&self, options: &Options) -> String {
        super::yaml::rules(self, options)
    }

    /// The first alert of this name. Where others of this name have another severity, test cases say which they mean.
    pub fn alert(&self, name: &str) -> Option<&Alert> {
        self.alerts().find(|alert| alert.name == name)
    }
}

/// A series that is computed, or an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A recording rule.
    Record(Record),
    /// An alerting rule.
    Alert(Alert),
}

/// A recording rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `level:metric:operations`.
    pub name: String,
    /// PromQL.
    pub expr: String,
    /// Why it is as it is: lines of a comment.
    pub why: &'static str,
}

/// An alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `Bingo…`, the name of its runbook too.
    pub name: &'static str,
    /// Who has to know.
    pub severity: Severity,
    /// Labels besides the severity and those of the expression.
    pub labels: Vec<(&'static str, String)>,
    /// How long the expression must hold, in Prometheus' notation.
    pub pending: &'static str,
    /// How long it goes on after the expression has ceased to hold.
    pub keep_firing: Option<&'static str>,
    /// PromQL.
    pub expr: String,
    /// Why the numbers are what they are: lines of a comment.
    pub why: String,
    /// One line, a template.
    pub summary: String,
    /// What happens, in numbers and plain words, a template.
    pub description: String,
    /// Where to look first.
    pub panel: Panel,
}

/// Who has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody gets up.
    Page,
    /// Somebody looks at it by day.
    Ticket,
}

impl Alert {
    /// One that somebody gets up for.
    pub(super) fn page(name: &'static str, panel: Panel) -> Self {
        Self {
            name,
            severity: Severity::Page,
            labels: vec![],
            pending: "0s",
            keep_firing: None,
            expr: String::new(),
            why: String::new(),
            summary: String::new(),
            description: String::new(),
            panel,
        }
    }

    /// One that can wait for the day.
    pub(super) fn ticket(name: &'static str, panel: Panel) -> Self {
        Self {
            severity: Severity::Ticket,
            ..Self::page(name, panel)
        }
    }

    /// Adds a label.
    pub(super) fn label(mut self, name: &'static str, value: &str) -> Self {
        self.labels.push((name, value.to_owned()));
        self
    }

    /// The expression, for how long it must hold, and why its numbers are what they are.
    pub(super) fn when(mut self, expr: &str, pending: &'static str, why: &str) -> Self {
        self.expr = dedent(expr);
        self.pending = pending;
        why.clone_into(&mut self.why);
        self
    }

    /// Goes on for so long after the expression has ceased to hold.
    pub(super) fn keep(mut self, keep_firing: &'static str) -> Self {
        self.keep_firing = Some(keep_firing);
        self
    }

    /// What whoever is called reads.
    pub(super) fn says(mut self, summary: &str, description: &str) -> Rule {
        summary.clone_into(&mut self.summary);
        description.clone_into(&mut self.description);
        Rule::Alert(self)
    }
}

impl Rule {
    /// A recording rule.
    pub(super) fn record(name: &str, expr: &str, why: &'static str) -> Self {
        Self::Record(Record {
            name: name.to_owned(),
            expr: dedent(expr),
            why,
        })
    }
}

/// Takes off what indents all lines, so that an expression can stand where the code is.
fn dedent(text: &str) -> String {
    let lines = || text.trim_matches('\n').trim_end().lines();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = lines()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min()
        .unwrap_or(0);
    lines()
        .map(|line| line.get(common..).unwrap_or_default().to_owned() + "\n")
        .collect()
}

impl Severity {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// A dashboard; `uid` is what its address is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dashboard {
    /// Verdict, nodes, routes worst first, objectives.
    Overview,
    /// One route in detail.
    Routes,
    /// bingo's nodes and their logs.
    Nodes,
    /// The exporter itself.
    Exporter,
}

impl Dashboard {
    /// The panel of this title; `variables` are labels of the alert that the dashboard has a variable for.
    pub(super) const fn panel(self, title: &'static str, variables: &'static [&'static str]) -> Panel {
        Panel {
            dashboard: self,
            title,
            variables,
        }
    }

    /// Part of the dashboard's address; never changes.
    pub fn uid(self) -> &'static str {
        match self {
            Self::Overview => "bingo-overview",
            Self::Routes => "bingo-routes",
            Self::Nodes => "bingo-nodes",
            Self::Exporter => "bingo-exporter",
        }
    }
}

/// A panel of a dashboard, with what the alert knows put into its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panel {
    /// Where it is.
    pub dashboard: Dashboard,
    /// Its title.
    pub title: &'static str,
    /// Labels of the alert that are variables of the dashboard.
    pub variables: &'static [&'static str],
}

impl Panel {
    /// The panel's address, a template.
    pub fn url(&self, options: &Options) -> String {
        let base = options.grafana_url.trim_end_matches('/');
        let mut url = format!("{base}/d/{}?", self.dashboard.uid());
        // Writing to a String cannot fail.
        for name in self.variables {
            let _ = write!(url, "var-{name}={{{{ $labels.{name} | urlquery }}}}&");
        }
        // 0 is no panel's: a test finds it.
        let _ = write!(url, "viewPanel={}", dashboards::number(self).unwrap_or(0));
        url
    }
}
