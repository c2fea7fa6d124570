//! Whether a proxy holds its log lines back (nginx's `access_log … buffer=512k flush=1m`), judged by one look at a file.
//! Pure: what was seen is handed in.

use crate::record::UnixMillis;

/// Lines written at once are this much older than the write at most: nginx's time stamps have no fractions, and a write
/// takes its time.
const PROMPT: UnixMillis = 3_000;

/// The end of a log, as it stood at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The time stamp of the last whole line.
    pub last_line: UnixMillis,
    /// When the file was written last.
    pub modified: UnixMillis,
    /// The file ends inside a line.
    pub mid_line: bool,
}

/// How a proxy that holds its lines back shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How long the last whole line was held, milliseconds.
    pub for_millis: UnixMillis,
    /// The last burst ended inside a line, as full buffers do.
    pub mid_line: bool,
}

/// What a look tells; `now` is when it was taken. A line that is being written just now ends nowhere yet, so a file that
/// ends inside a line says something only once it has stood so for a while.
pub fn held(end: End, now: UnixMillis) -> Option<Held> {
    let for_millis = end.modified.saturating_sub(end.last_line).max(0);
    let mid_line = end.mid_line && now.saturating_sub(end.modified) > PROMPT;
    (for_millis > PROMPT || mid_line).then_some(Held { for_millis, mid_line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last_line: i64, modified: i64, mid_line: bool, now: i64, expect: Option<(i64, bool)>) {
        let end = End {
            last_line,
            modified,
            mid_line,
        };
        let expect = expect.map(|(for_millis, mid_line)| Held { for_millis, mid_line });
        assert_eq!(held(end, now), expect, "{end:?} at {now}");
    }

    #[test]
    fn bursts_and_prompt_lines() {
        check(100_000, 101_000, false, 102_000, None);
        check(100_000, 160_000, false, 161_000, Some((60_000, false)));
        // A full buffer was written, and nothing since.
        check(100_000, 100_500, true, 110_000, Some((500, true)));
        // A line is being written.
        check(100_000, 100_500, true, 100_600, None);
        // Nobody asked for anything since, or the proxy's clock runs ahead.
        check(100_000, 100_100, false, 900_000, None);
        check(200_000, 100_000, false, 100_000, None);
    }
}
