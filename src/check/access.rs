//! What the lines of an access log would be counted as, and what is missing in them. Pure.

use super::buffered::{self, Clues};
use super::report::{FieldReport, FileReport, Finding, FormatReport, LineReport, Severity};
use super::sample::Sample;
use super::shapes::Shapes;
use super::{Judged, judged, rejected_finding};
use crate::decode::{Detection, Field};
use crate::model::Model;
use crate::record::{Method, Protocol, Reject, Request, Scheme, UnixMillis};
use crate::route;
use crate::slo::Slo;
use crate::tail::Line;

/// A format of nginx that carries everything.
pub const LOG_FORMAT: &str = r#"log_format bingo escape=json '{"time":"$time_iso8601","request":"$request","status":"$status",'
  '"request_time":"$request_time","body_bytes_sent":"$body_bytes_sent","server_protocol":"$server_protocol",'
  '"scheme":"$scheme","upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",'
  '"upstream_response_time":"$upstream_response_time","upstream_cache_status":"$upstream_cache_status",'
  '"request_id":"$request_id"}';
access_log /var/log/nginx/access.log bingo;"#;

/// A line that would be counted this long ago is no news.
const OLD: UnixMillis = 3_600_000;

/// A clock this far ahead is wrong, or its time zone is.
const AHEAD: UnixMillis = 60_000;

type Has = fn(&Request<'_>) -> bool;

/// What is looked for in a line, and whether a request has it.
const FIELDS: [(Field, Has); 11] = [
    (Field::Request, |request| request.line.is_some()),
    (Field::Status, |request| request.code.number().is_some()),
    (Field::RequestTime, |request| request.duration.is_ok()),
    (Field::Time, |request| request.time.is_some()),
    (Field::BodyBytes, |request| request.bytes > 0),
    (Field::Protocol, |request| request.protocol != Protocol::Other),
    (Field::Scheme, |request| request.scheme != Scheme::Unknown),
    (Field::UpstreamAddr, |request| {
        request.attempts.iter().next().is_some()
    }),
    (Field::UpstreamStatus, |request| {
        !request.attempts.codes.is_empty()
    }),
    (Field::UpstreamTime, |request| {
        !request.attempts.durations.is_empty()
    }),
    (Field::CacheStatus, |request| request.cache.is_some()),
];

/// The end of one file, judged; what no endpoint matches goes to `shapes`.
pub(super) fn judge(
    path: String,
    sample: &Sample,
    model: &Model,
    now: UnixMillis,
    shapes: &mut Shapes,
) -> FileReport {
    let mut detection = Detection::default();
    let (mut carried, mut stamps) = ([0; FIELDS.len()], vec![]);
    let mut read = |line: &[u8]| -> Judged {
        let Some(request) = model.decoder.decode(line, &mut detection)? else {
            return Ok(LineReport::Ignored);
        };
        for (count, (_, has)) in carried.iter_mut().zip(FIELDS) {
            *count += u64::from(has(&request));
        }
        stamps.extend(request.time);
        Ok(counted(&request, model, shapes))
    };
    let mut file = FileReport::new(path, "readable", sample.size);
    let unfinished = sample.lines(model.config.limits.line_bytes, &mut |lines| {
        lines.each(|line| match line {
            Line::Complete(line) | Line::Unfinished(line) => judged(&mut file, line, read(line)),
            Line::TooLong => judged(&mut file, b"", Err(Reject::TooLong)),
        });
    });
    if file.lines.total > 0 {
        let decided = model.decoder.decided(&detection);
        file.format = Some(FormatReport {
            name: decided.format,
            why: decided.why,
        });
    }
    let clues = Clues {
        stamps: stamps.iter().min().copied().zip(stamps.iter().max().copied()),
        stamped: stamps.len(),
        unfinished,
        modified: sample.modified,
    };
    if file.lines.counted > 0 {
        file.fields = FIELDS
            .iter()
            .zip(carried)
            .map(|((field, _), lines)| FieldReport {
                field: field.as_str(),
                lines,
            })
            .collect();
    }
    rejected_finding(&mut file, mend);
    missing(&mut file, model);
    times(&mut file, &clues, now);
    file
}

fn counted(request: &Request<'_>, model: &Model, shapes: &mut Shapes) -> LineReport {
    let row = &model.routes.rows[model.routes.resolve(request.line.as_ref())];
    let is_unmatched = row.route_id + 1 == model.routes.labels.len();
    if let Some(line) = request.line.as_ref().filter(|_| is_unmatched) {
        shapes.count(line.method, &route::normalise(&line.target));
    }
    let duration = request.duration.ok();
    let verdict = row
        .objectives
        .judge(request.code, request.client_gave_up, duration);
    let event = |slo, good: Option<bool>| {
        let good = good.filter(|_| row.objectives.ratio(slo).is_some());
        good.map(|good| if good { "good" } else { "bad" })
    };
    LineReport::Counted {
        method: request
            .line
            .as_ref()
            .map_or(Method::Other, |_| row.method)
            .as_str(),
        route: row.route.to_string(),
        code: request.code.to_string(),
        outcome: verdict.outcome.as_str(),
        duration_seconds: duration.map(|nanos| nanos as f64 / 1e9),
        availability: event(Slo::Availability, verdict.availability),
        latency: event(Slo::Latency, verdict.latency),
    }
}

/// What no line carries, and what that costs.
fn missing(file: &mut FileReport, model: &Model) {
    let missing = |field: Field| {
        file.fields
            .iter()
            .any(|found| found.field == field.as_str() && found.lines == 0)
    };
    let latency = model
        .config
        .endpoints
        .iter()
        .any(|endpoint| endpoint.objectives.latency.is_some());
    // What other proxies write has names of its own.
    let name = file.format.as_ref().and_then(|format| format.name.as_deref());
    let is_nginx = name.is_some_and(|name| {
        ["json", "combined", "{nginx"]
            .iter()
            .any(|nginx| name.starts_with(nginx))
    });
    let mut findings: Vec<Finding> = vec![];
    let mut say = |field, severity, code, what: &str| {
        if !missing(field) {
            return;
        }
        let finding = Finding::new(severity, code, what);
        findings.push(match findings.is_empty() && is_nginx {
            true => finding.mended_by(format!("in nginx.conf, http {{ }}:\n{LOG_FORMAT}")),
            false => finding,
        });
    };
    say(
        Field::Request,
        Severity::Problem,
        "no_request",
        "no line tells method and path: every request is counted as unmatched",
    );
    say(
        Field::Status,
        Severity::Problem,
        "no_status",
        "no line tells the status: every request counts as an error",
    );
    let severity = if latency {
        Severity::Problem
    } else {
        Severity::Note
    };
    say(
        Field::RequestTime,
        severity,
        "no_request_time",
        "no line tells how long a request took: latency is not measured",
    );
    say(
        Field::Time,
        Severity::Warning,
        "no_time",
        "no line has a time stamp that can be read: late lines and a log that stands still go unnoticed",
    );
    say(
        Field::UpstreamAddr,
        Severity::Note,
        "no_upstream",
        "no line tells which node answered: there are no bingo_upstream_* metrics",
    );
    file.findings.extend(findings);
}

fn times(file: &mut FileReport, clues: &Clues, now: UnixMillis) {
    if let Some((_, newest)) = clues.stamps {
        let age = now - newest;
        if age > OLD {
            let what = format!(
                "the last line is {} minutes old: is this the log that is written now?",
                age / 60_000
            );
            file.findings.push(Finding::new(Severity::Note, "old", what));
        }
        if age < -AHEAD {
            let what = format!(
                "the last line's time is {} s in the future: a clock or a time zone is wrong",
                -age / 1_000
            );
            file.findings
                .push(Finding::new(Severity::Warning, "clock_ahead", what));
        }
    }
    file.findings.extend(buffered::finding(clues, now));
}

fn mend(reason: Reject) -> &'static str {
    match reason {
        Reject::UnknownFormat => {
            "say how the lines are written: sources.access.format: {nginx: '…'} with nginx's own log_format string"
        }
        Reject::NoRequest => {
            "say what the keys are called, e.g. sources.access.fields: {request: your.key, status: your.other_key}"
        }
        Reject::TooLong => "raise limits.line_bytes",
        Reject::BrokenJson => {
            "lines are cut or not escaped: in nginx, log_format … escape=json; look for a full disk"
        }
        Reject::Empty | Reject::Truncated => "look at who else writes into this file",
    }
}
