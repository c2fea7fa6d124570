//! What the lines of bingo's own log would be counted as. Pure.

use super::report::{FileReport, Finding, LineReport, Severity};
use super::sample::Sample;
use super::{Judged, judged, rejected_finding};
use crate::model::Model;
use crate::record::Reject;
use crate::tail::Line;

/// The end of one file, judged.
pub(super) fn judge(path: String, sample: &Sample, model: &Model) -> FileReport {
    let (mut requests, mut events) = (0, std::collections::BTreeMap::new());
    let mut read = |line: &[u8]| -> Judged {
        let event = model.app_decoder.decode(line)?;
        requests += u64::from(event.request.is_some());
        *events.entry(event.kind.as_str()).or_default() += 1;
        Ok(LineReport::Event {
            event: event.kind.as_str(),
            level: event.level.as_str(),
        })
    };
    let mut file = FileReport::new(path, "readable", sample.size);
    sample.lines(model.config.limits.line_bytes, &mut |lines| {
        lines.each(|line| match line {
            Line::Complete(line) | Line::Unfinished(line) => judged(&mut file, line, read(line)),
            Line::TooLong => judged(&mut file, b"", Err(Reject::TooLong)),
        });
    });
    file.events = events;
    rejected_finding(&mut file, |reason| match reason {
        Reject::TooLong => "raise limits.line_bytes",
        _ => "this is no log of bingo's, or its disk was full: each line must be one JSON object",
    });
    if requests > 0 && model.config.app.duration_unit.is_none() {
        let what = "request lines are counted without a duration: nothing in them says what it is in";
        let mend = "sources.app.duration_unit: ms    # or ns, us, s";
        file.findings
            .push(Finding::new(Severity::Note, "no_duration_unit", what).mended_by(mend));
    }
    file
}
