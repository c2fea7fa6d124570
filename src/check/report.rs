//! What `check` found out, for both renderers. As JSON this is the document that machines read: sizes in bytes,
//! durations in seconds, absent what is not known.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::closed_set;

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Release that checked.
    pub version: String,
    /// Whose rights were tried.
    pub user: User,
    /// The file, or `built-in profile`.
    pub configuration: String,
    /// There is nothing an operator must fix.
    pub ok: bool,
    /// Findings that are a problem, of all sources.
    pub problems: usize,
    /// Findings that are a warning, of all sources.
    pub warnings: usize,
    /// The sources that are switched on.
    pub sources: Vec<SourceReport>,
}

/// Whose rights were tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Name, or the number where it has none.
    pub name: String,
    /// Effective user id.
    pub uid: u32,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// `access` or `app`.
    pub source: &'static str,
    /// What is wrong with its paths.
    pub findings: Vec<Finding>,
    /// Its files, by path.
    pub files: Vec<FileReport>,
    /// Shapes of paths that no endpoint matches, the most frequent first.
    pub unmatched: Vec<Unmatched>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileReport {
    /// Where it is.
    pub path: String,
    /// `readable`, `unreadable` or `discarded`.
    pub state: &'static str,
    /// Bytes on disk.
    pub size: u64,
    /// How its lines are read, and why so; of an access log with lines only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatReport>,
    /// What became of the lines that were looked at, the last ones of the file.
    pub lines: LinesReport,
    /// Of the lines that would be counted, how many carry what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldReport>,
    /// Lines of bingo's own log by event.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<&'static str, u64>,
    /// Rejected lines by reason.
    pub rejected: Vec<RejectReport>,
    /// The last lines, oldest first, and how each would be counted.
    pub last: Vec<LineReport>,
    /// What is to be said about it.
    pub findings: Vec<Finding>,
}

/// How lines are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormatReport {
    /// As it may stand in the configuration; absent while undecided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why this one.
    pub why: String,
}

/// What became of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LinesReport {
    /// Lines looked at.
    pub total: u64,
    /// Would be counted.
    pub counted: u64,
    /// Say nothing and need not.
    pub ignored: u64,
    /// Would be rejected.
    pub rejected: u64,
}

/// How many lines carry a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FieldReport {
    /// nginx's name of it.
    pub field: &'static str,
    /// Lines that have it.
    pub lines: u64,
}

/// Rejected lines of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectReport {
    /// The reason, as in `bingo_exporter_rejected_lines_total`.
    pub reason: &'static str,
    /// So many.
    pub lines: u64,
    /// What the last of them looks like: letters and digits are masked.
    pub sample: String,
}

/// How a line would be counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum LineReport {
    /// A request at the proxy.
    Counted {
        /// Label.
        method: &'static str,
        /// Label.
        route: String,
        /// Label.
        code: String,
        /// `ok` or `error`.
        outcome: &'static str,
        /// Absent where it is not measured.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<f64>,
        /// `good` or `bad`; absent where it is no event of that objective.
        #[serde(skip_serializing_if = "Option::is_none")]
        availability: Option<&'static str>,
        /// The same.
        #[serde(skip_serializing_if = "Option::is_none")]
        latency: Option<&'static str>,
    },
    /// An event in bingo's own log.
    Event {
        /// Label.
        event: &'static str,
        /// Label.
        level: &'static str,
    },
    /// A line that says nothing and need not.
    Ignored,
    /// A line that cannot be counted.
    Rejected {
        /// Why.
        reason: &'static str,
    },
}

/// A shape of paths that no endpoint matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Of the requests.
    pub method: &'static str,
    /// Segments that look like identifiers are `{id}`.
    pub path: String,
    /// So many requests.
    pub requests: u64,
    /// An entry for `endpoints:`; absent for a method that is no endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

closed_set! {
    /// How bad a finding is.
    Severity {
        /// An operator must fix it.
        Problem = "problem",
        /// It costs something; or it may be wanted.
        Warning = "warning",
        /// Good to know.
        Note = "note",
    }
}

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, for machines; never changes.
    pub code: &'static str,
    /// What it is.
    pub what: String,
    /// What to do, if anything: a command or text to paste, one line or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// Without anything to do about it.
    pub fn new(severity: Severity, code: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            what: what.into(),
            mend: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn mended_by(self, mend: impl Into<String>) -> Self {
        Self {
            mend: Some(mend.into()),
            ..self
        }
    }
}

impl FileReport {
    /// A file of which nothing is known yet.
    pub fn new(path: String, state: &'static str, size: u64) -> Self {
        Self {
            path,
            state,
            size,
            format: None,
            lines: LinesReport::default(),
            fields: vec![],
            events: BTreeMap::new(),
            rejected: vec![],
            last: vec![],
            findings: vec![],
        }
    }
}

impl Report {
    /// Adds up what the sources say.
    pub fn new(user: User, configuration: String, sources: Vec<SourceReport>) -> Self {
        let findings = || {
            sources.iter().flat_map(|source| {
                let files = source.files.iter().flat_map(|file| &file.findings);
                source.findings.iter().chain(files)
            })
        };
        let count = |severity| findings().filter(|finding| finding.severity == severity).count();
        let (problems, warnings) = (count(Severity::Problem), count(Severity::Warning));
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            user,
            configuration,
            ok: problems == 0,
            problems,
            warnings,
            sources,
        }
    }
}
