//! Whether a proxy holds its lines back (nginx: `access_log … buffer=512k flush=1m`): then what the metrics show is
//! as late as that. A file tells by when it was written and when its lines say they were made.

use super::report::{Finding, Severity};
use crate::record::UnixMillis;

/// Lines are stamped to the second, and clocks are read twice.
const SLACK: UnixMillis = 2_000;

/// Written so much later than stamped, a file was copied, or its lines have another clock's time.
const COPIED: UnixMillis = 600_000;

/// Waiting so many times longer than usual between two lines is no accident.
const GAPS: i64 = 100;

/// Fewer lines say nothing about how often they come.
const LINES: usize = 20;

/// A file, as far as it tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clues {
    /// The oldest and the newest time stamp in its last lines.
    pub(super) stamps: Option<(UnixMillis, UnixMillis)>,
    /// How many lines have one.
    pub(super) stamped: usize,
    /// The file ends inside a line.
    pub(super) unfinished: bool,
    /// When it was last written to.
    pub(super) modified: UnixMillis,
}

/// What is to be said.
pub(super) fn finding(clues: &Clues, now: UnixMillis) -> Option<Finding> {
    let seconds = |millis: UnixMillis| millis as f64 / 1e3;
    let since = now - clues.modified;
    let what = if clues.unfinished && since > SLACK {
        "the file ends inside a line: the proxy writes whole buffers".to_owned()
    } else {
        let (oldest, newest) = clues.stamps?;
        let held = clues.modified - newest;
        let gap = (newest - oldest) / i64::try_from(clues.stamped.max(2) - 1).unwrap_or(1);
        if (SLACK + 1..COPIED).contains(&held) {
            format!(
                "the last line was written {:.0} s after its request: the proxy buffers its log",
                seconds(held)
            )
        } else if clues.stamped >= LINES
            && held < COPIED
            && (SLACK + 3_000..COPIED).contains(&since)
            && since > gap * GAPS
        {
            format!(
                "nothing was written for {:.0} s, though a line came every {:.2} s: no requests come any more, or the proxy \
                 buffers its log",
                seconds(since),
                seconds(gap)
            )
        } else {
            return None;
        }
    };
    let mend = "in nginx, access_log without buffer=, gzip= and flush=, or with flush=1s; until then all figures are late, \
                and bingo_exporter_late_lines_total counts what comes over 60 s late";
    Some(Finding::new(Severity::Warning, "buffered", what).mended_by(mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = 1_795_464_000_000;

    #[track_caller]
    fn check(
        stamps: Option<(i64, i64)>,
        stamped: usize,
        unfinished: bool,
        modified: i64,
        expect: Option<&str>,
    ) {
        let at = |before: i64| NOW - before * 1_000;
        let clues = Clues {
            stamps: stamps.map(|(oldest, newest)| (at(oldest), at(newest))),
            stamped,
            unfinished,
            modified: at(modified),
        };
        let what = finding(&clues, NOW).map(|finding| finding.what);
        match expect {
            None => assert_eq!(what, None),
            Some(part) => assert!(what.as_ref().is_some_and(|what| what.contains(part)), "{what:?}"),
        }
    }

    #[test]
    fn what_a_file_tells() {
        check(Some((10, 0)), 100, false, 0, None);
        check(Some((70, 30)), 5, false, 3, Some("27 s after its request"));
        check(
            Some((60, 30)),
            1000,
            false,
            30,
            Some("nothing was written for 30 s"),
        );
        check(None, 0, true, 30, Some("inside a line"));
        // A writer in the very act, a log that is seldom written, one that ended long ago, one that was copied.
        check(None, 0, true, 1, None);
        check(Some((6000, 30)), 100, false, 30, None);
        check(Some((9000, 8000)), 100, false, 8000, None);
        check(Some((9000, 8000)), 100, false, 10, None);
        check(None, 0, false, 10, None);
    }
}
