//! `bingo-exporter check`: what would be counted, and why a line would not be. It reads the ends of the logs and nothing
//! else: neither the state directory nor the running exporter notices.
//!
//! Looking (here, `sample`, `rights`) makes a [`Report`], which two renderers show: JSON, and `text`.

pub mod report;

mod access;
mod app;
mod buffered;
mod mask;
mod rights;
pub mod sample;
mod shapes;
pub mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use self::access::LOG_FORMAT;
use self::mask::mask;
use self::report::{FileReport, Finding, LineReport, RejectReport, Report, Severity, SourceReport, User};
use self::sample::Sample;
use self::shapes::Shapes;
use crate::config::Config;
use crate::model::Model;
use crate::record::{Reject, UnixMillis};
use crate::source::SourceName;
use crate::tail::discover::{Found, Pattern};

/// Lines shown of each file.
const LAST_LINES: usize = 5;

/// Files looked at of each source; more are a number.
pub const FILES: usize = 50;

/// More than one rejected line in so many make the figures incomplete (`bingo_exporter_complete`).
const REJECTED_ONE_IN: u64 = 100;

/// What became of one line.
type Judged = Result<LineReport, Reject>;

/// Looks at everything a configuration names.
pub fn check(model: &Model, configuration: String, now: UnixMillis) -> Report {
    let user = rights::user();
    let on = SourceName::ALL
        .iter()
        .filter(|name| !model.config.paths(**name).is_empty());
    let sources = on.map(|name| source(*name, model, &user, now)).collect();
    Report::new(user, configuration, sources)
}

/// The end of an access log or of bingo's own, judged as it would be counted. Pure.
pub fn judge(
    name: SourceName,
    path: String,
    sample: &Sample,
    model: &Model,
    now: UnixMillis,
) -> SourceReport {
    let mut shapes = Shapes::default();
    let file = judge_file(name, path, sample, model, now, &mut shapes);
    SourceReport {
        source: name.as_str(),
        findings: vec![],
        files: vec![file],
        unmatched: shapes.most_frequent(&model.config),
    }
}

fn judge_file(
    name: SourceName,
    path: String,
    sample: &Sample,
    model: &Model,
    now: UnixMillis,
    shapes: &mut Shapes,
) -> FileReport {
    let mut file = match name {
        SourceName::Access => access::judge(path, sample, model, now, shapes),
        SourceName::App => app::judge(path, sample, model),
    };
    if file.lines.total == 0 {
        let (code, what) = match sample.size {
            0 => ("empty", "empty: nothing was logged yet"),
            _ => ("no_whole_line", "no whole line in what was read of its end"),
        };
        file.findings.push(Finding::new(Severity::Note, code, what));
    }
    file
}

fn source(name: SourceName, model: &Model, user: &User, now: UnixMillis) -> SourceReport {
    let (found, mut findings) = find(name, &model.config);
    if found.len() > FILES {
        let what = format!("{} more files are not looked at", found.len() - FILES);
        findings.push(Finding::new(Severity::Note, "more_files", what));
    }
    if found.len() > model.config.limits.files {
        let what = format!(
            "{} files match, but limits.files is {}",
            found.len(),
            model.config.limits.files
        );
        findings
            .push(Finding::new(Severity::Problem, "too_many_files", what).mended_by("raise limits.files"));
    }
    let mut shapes = Shapes::default();
    let files = found.into_iter().take(FILES);
    let files = files.map(|(path, found)| {
        let shown = path.display().to_string();
        let unreadable = |error| {
            let finding = rights::explain(&path, &error, user);
            let file = FileReport::new(shown.clone(), "unreadable", 0);
            FileReport {
                findings: vec![finding],
                ..file
            }
        };
        match found {
            Found::Discarded => discarded(shown),
            Found::Unreadable(error) => unreadable(error),
            Found::File(_) => match Sample::read(&path) {
                Ok(sample) => judge_file(name, shown, &sample, model, now, &mut shapes),
                Err(error) => unreadable(error),
            },
        }
    });
    SourceReport {
        source: name.as_str(),
        files: files.collect(),
        unmatched: shapes.most_frequent(&model.config),
        findings,
    }
}

/// What stands at the paths of a source, and what is to be said of those where nothing does.
fn find(name: SourceName, config: &Config) -> (BTreeMap<PathBuf, Found>, Vec<Finding>) {
    let (mut found, mut findings) = (BTreeMap::new(), vec![]);
    for path in config.paths(name) {
        let mut pattern = Pattern::new(path);
        let matches = pattern.find();
        if matches.is_empty() {
            findings.push(missing(name, path, &pattern.base));
        }
        found.extend(matches);
    }
    (found, findings)
}

fn missing(name: SourceName, path: &str, base: &Path) -> Finding {
    let what = if base.is_dir() {
        format!("nothing matches {path}; it is followed as soon as it appears")
    } else {
        format!("nothing matches {path}: there is no directory {}", base.display())
    };
    let flag = name.as_str();
    Finding::new(Severity::Warning, "missing", what).mended_by(format!(
        "if the log is elsewhere: --source.{flag} PATH, or sources.{flag}.paths in the configuration; [] switches it off"
    ))
}

fn discarded(path: String) -> FileReport {
    let what = "leads to /dev/null: its lines are thrown away and cannot be counted";
    let finding = Finding::new(Severity::Problem, "discarded", what);
    FileReport {
        findings: vec![finding.mended_by("let it be written to a file, and remove the link")],
        ..FileReport::new(path, "discarded", 0)
    }
}

/// Adds one line to what is known of its file.
fn judged(file: &mut FileReport, line: &[u8], judged: Judged) {
    file.lines.total += 1;
    let report = match judged {
        Ok(LineReport::Ignored) => {
            file.lines.ignored += 1;
            LineReport::Ignored
        }
        Ok(report) => {
            file.lines.counted += 1;
            report
        }
        Err(reason) => {
            file.lines.rejected += 1;
            rejected(&mut file.rejected, reason.as_str(), line);
            LineReport::Rejected {
                reason: reason.as_str(),
            }
        }
    };
    if file.last.len() == LAST_LINES {
        file.last.remove(0);
    }
    file.last.push(report);
}

fn rejected(rejects: &mut Vec<RejectReport>, reason: &'static str, line: &[u8]) {
    let sample = mask(line);
    match rejects.iter_mut().find(|reject| reject.reason == reason) {
        Some(reject) => {
            reject.lines += 1;
            reject.sample = sample;
        }
        None => rejects.push(RejectReport {
            reason,
            lines: 1,
            sample,
        }),
    }
}

/// Says what rejected lines there are, most frequent reason first, and how to mend that one.
fn rejected_finding(file: &mut FileReport, mend: fn(Reject) -> &'static str) {
    file.rejected
        .sort_by_key(|reject| std::cmp::Reverse(reject.lines));
    let lines = file.lines;
    let reason = file
        .rejected
        .first()
        .and_then(|first| Reject::ALL.iter().find(|reason| reason.as_str() == first.reason));
    let Some(reason) = reason else { return };
    let severity = if lines.rejected * REJECTED_ONE_IN > lines.total {
        Severity::Problem
    } else {
        Severity::Warning
    };
    let what = format!(
        "{} of the last {} lines would be rejected, most often as {reason}",
        lines.rejected, lines.total
    );
    file.findings
        .push(Finding::new(severity, "rejected", what).mended_by(mend(*reason)));
}
