//! The exporter's own log: one line per event on standard error, as logfmt or JSON, with the keys `ts`, `level` and
//! `msg` that Prometheus and its exporters use, then the event's fields.
//!
//! Written here, not by tracing-subscriber's formatters or tracing-logfmt, since names of files end up in these
//! lines: those leave DEL, C1 controls (a terminal's CSI among them) and bidirectional overrides as they are, name
//! the message otherwise, and quote `Debug` values twice. Spans are not shown; the program has none.
//!
//! Every place in the code may log [`BURST`] events per [`WINDOW`]; the rest is counted, and the first line of a
//! later window says how many are missing. A line that cannot be written is lost, without further harm; none is waited for.

mod writer;

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::Value;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

pub use writer::{flush, lost, write};

/// Events that one place in the code may log per [`WINDOW`]: enough to see what is going on, too few to fill a disk.
pub const BURST: u32 = 10;

/// How long a burst counts.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Longest text of a message or field, in bytes; twice the longest path. What is over is cut, and marked by `…`.
const LONGEST_TEXT: usize = 8192;

static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// `ts=… level=info msg="…" key=value`
    #[default]
    Logfmt,
    /// `{"ts":"…","level":"info","msg":"…","key":"value"}`
    Json,
}

/// Logs to standard error from here on, events of `level` and above.
///
/// # Errors
/// Logging had been set up before, which stays in force, or there is no thread to be had.
pub fn init(level: LevelFilter, format: LogFormat) -> anyhow::Result<()> {
    writer::start().context("failed to start the log's thread")?;
    let log = Log::new(format, now, write);
    Ok(tracing::subscriber::set_global_default(
        Registry::default().with(log).with(level),
    )?)
}

/// Events left out since the start because their place in the code had logged too many.
pub fn suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time stamp of a log line; nothing is decided by it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Events of one place in the code.
#[derive(Debug)]
struct Window {
    opened: SystemTime,
    /// At most [`BURST`].
    passed: u32,
    suppressed: u64,
}

impl Window {
    fn new(now: SystemTime) -> Self {
        Self {
            opened: now,
            passed: 0,
            suppressed: 0,
        }
    }

    /// Whether an event may pass now; if so, how many before it in the last window did not. A clock that was set
    /// back opens a new window, else it would close one for as long as it was off.
    fn admit(&mut self, now: SystemTime) -> Option<u64> {
        let mut missing = 0;
        if now.duration_since(self.opened).is_ok_and(|age| age < WINDOW) {
            if self.passed == BURST {
                self.suppressed += 1;
                return None;
            }
        } else {
            missing = self.suppressed;
            *self = Self::new(now);
        }
        self.passed += 1;
        Some(missing)
    }
}

/// The layer that does it all: limit, format, write.
struct Log<C, W> {
    format: LogFormat,
    clock: C,
    /// Takes one whole line at a time.
    write: W,
    /// Bounded by the number of places in the code that log.
    windows: Mutex<HashMap<Identifier, Window>>,
}

impl<C, W> Log<C, W>
where
    C: Fn() -> SystemTime,
    W: Fn(&[u8]),
{
    fn new(format: LogFormat, clock: C, write: W) -> Self {
        Self {
            format,
            clock,
            write,
            windows: Mutex::default(),
        }
    }

    fn admit(&self, place: Identifier, now: SystemTime) -> Option<u64> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows
            .entry(place)
            .or_insert_with(|| Window::new(now))
            .admit(now)
    }
}

impl<S, C, W> Layer<S> for Log<C, W>
where
    S: Subscriber,
    C: Fn() -> SystemTime + 'static,
    W: Fn(&[u8]) + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = (self.clock)();
        let Some(missing) = self.admit(event.metadata().callsite(), now) else {
            SUPPRESSED.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut record = Record::default();
        event.record(&mut record);
        if missing > 0 {
            record.fields.push(("suppressed", missing.into()));
        }
        let line = record.line(self.format, now, *event.metadata().level());
        (self.write)(line.as_bytes());
    }
}

/// What an event says.
#[derive(Default)]
struct Record {
    message: Option<Value>,
    fields: Vec<(&'static str, Value)>,
}

impl Record {
    fn add(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = Some(value),
            name => self.fields.push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }

    fn line(self, format: LogFormat, now: SystemTime, level: Level) -> String {
        // humantime panics on times before 1970.
        let time = humantime::format_rfc3339_millis(now.max(UNIX_EPOCH));
        let level = level.as_str().to_ascii_lowercase();
        let fields = self
            .message
            .map(|message| ("msg", message))
            .into_iter()
            .chain(self.fields);
        let mut line = String::new();
        // Writing to a string fails for no reason but a year after 9999, which is then missing.
        let _ = match format {
            LogFormat::Logfmt => write!(line, "ts={time} level={level}"),
            LogFormat::Json => write!(line, r#"{{"ts":"{time}","level":"{level}""#),
        };
        for (name, value) in fields {
            match format {
                LogFormat::Logfmt => push_logfmt(&mut line, name, &value),
                LogFormat::Json => push_json(&mut line, name, &value),
            }
        }
        line.push_str(match format {
            LogFormat::Logfmt => "\n",
            LogFormat::Json => "}\n",
        });
        line
    }
}

impl Visit for Record {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no numbers for NaN and the infinities.
        let number = serde_json::Number::from_f64(value);
        self.add(
            field,
            number.map_or_else(|| value.to_string().into(), Value::Number),
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, shortened(value.to_owned()).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A `Debug` that fails leaves what it had written; `format!` would panic.
        let _ = write!(text, "{value:?}");
        self.add(field, shortened(text).into());
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
    }
    text
}

fn push_logfmt(line: &mut String, name: &str, value: &Value) {
    line.push(' ');
    line.push_str(name);
    line.push('=');
    match value {
        Value::String(text) if needs_quotes(text) => push_quoted(line, text),
        Value::String(text) => line.push_str(text),
        value => line.push_str(&value.to_string()),
    }
}

fn push_json(line: &mut String, name: &str, value: &Value) {
    line.push(',');
    push_quoted(line, name);
    line.push(':');
    match value {
        Value::String(text) => push_quoted(line, text),
        value => line.push_str(&value.to_string()),
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text
            .chars()
            .any(|c| matches!(c, ' ' | '=' | '"') || !is_printable(c))
}

/// Writes a JSON string that holds nothing but what can be seen. Readers of logfmt take the same escapes.
fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_printable(c) => line.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

/// Neither a control nor invisible nor able to change what stands around it. Beyond ASCII the standard library's
/// table decides, by what it would escape.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        !c.is_ascii_control()
    } else {
        c.escape_debug().len() == 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tracing::{debug, error, info, warn};

    use super::*;

    /// 2025-11-23T12:00:00Z.
    const START: u64 = 1_763_899_200;

    /// A log into memory, and its clock in seconds.
    #[derive(Clone)]
    struct Sink {
        lines: Arc<Mutex<String>>,
        clock: Arc<AtomicU64>,
    }

    impl Sink {
        fn new() -> Self {
            Self {
                lines: Arc::default(),
                clock: Arc::new(AtomicU64::new(START)),
            }
        }

        fn record(&self, format: LogFormat, log: impl FnOnce()) -> String {
            let (clock, lines) = (Arc::clone(&self.clock), Arc::clone(&self.lines));
            let layer = Log::new(
                format,
                move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)),
                move |line: &[u8]| {
                    lines.lock().unwrap().push_str(str::from_utf8(line).unwrap());
                },
            );
            tracing::subscriber::with_default(Registry::default().with(layer), log);
            std::mem::take(&mut *self.lines.lock().unwrap())
        }

        fn set(&self, seconds: u64) {
            self.clock.store(START + seconds, Ordering::Relaxed);
        }
    }

    fn event() {
        let path = std::path::Path::new("/var/log/nginx/access.log");
        info!(path = %path.display(), bytes = 12_u64, late = -1, ratio = 0.5, ok = true, "following a file");
        let error = std::io::Error::other("a \"quoted\" reason");
        warn!(%error, r#type = "", nan = f64::NAN, "cannot open");
        error!(what = ?Some("x"));
    }

    #[test]
    fn logfmt() {
        assert_eq!(
            Sink::new().record(LogFormat::Logfmt, event),
            r#"ts=2025-11-23T12:00:00.000Z level=info msg="following a file" path=/var/log/nginx/access.log bytes=12 late=-1 ratio=0.5 ok=true
ts=2025-11-23T12:00:00.000Z level=warn msg="cannot open" error="a \"quoted\" reason" type="" nan=NaN
ts=2025-11-23T12:00:00.000Z level=error what="Some(\"x\")"
"#
        );
    }

    #[test]
    fn json() {
        assert_eq!(
            Sink::new().record(LogFormat::Json, event),
            r#"{"ts":"2025-11-23T12:00:00.000Z","level":"info","msg":"following a file","path":"/var/log/nginx/access.log","bytes":12,"late":-1,"ratio":0.5,"ok":true}
{"ts":"2025-11-23T12:00:00.000Z","level":"warn","msg":"cannot open","error":"a \"quoted\" reason","type":"","nan":"NaN"}
{"ts":"2025-11-23T12:00:00.000Z","level":"error","what":"Some(\"x\")"}
"#
        );
    }

    #[test]
    fn hostile_text_stays_within_its_value() {
        for (hostile, written) in [
            ("a\nts=0 level=error", r#""a\nts=0 level=error""#),
            ("a\" b=\"c", r#""a\" b=\"c""#),
            ("a\\\" b", r#""a\\\" b""#),
            ("\x1b[2J\x1b]0;x\x07", r#""\u001b[2J\u001b]0;x\u0007""#),
            ("\u{9b}31m", r#""\u009b31m""#),
            ("a\x7f\x08\0", r#""a\u007f\u0008\u0000""#),
            ("a\r\tb", r#""a\r\tb""#),
            ("a\u{85}\u{2028}\u{2029}b", r#""a\u0085\u2028\u2029b""#),
            ("\u{202e}gol.ssecca\u{2066}", r#""\u202egol.ssecca\u2066""#),
            ("\u{200b}\u{feff}\u{e0001}", r#""\u200b\ufeff\udb40\udc01""#),
            ("журнал-日志-é", "журнал-日志-é"),
            ("C:\\log", "C:\\log"),
        ] {
            let line = Sink::new().record(LogFormat::Logfmt, || info!(path = hostile, "m"));
            assert_eq!(
                line,
                format!("ts=2025-11-23T12:00:00.000Z level=info msg=m path={written}\n")
            );
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let line = Sink::new().record(LogFormat::Logfmt, || info!("{}", "ё".repeat(10_000)));
        assert!(line.len() < LONGEST_TEXT + 100 && line.ends_with("ё…\n"));
    }

    proptest! {
        #[test]
        fn any_text_makes_one_visible_line_and_valid_json(text in any::<String>()) {
            let line = Sink::new().record(LogFormat::Json, || info!(path = text, "{text}"));
            let value: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["msg"].as_str(), Some(text.as_str()));
            prop_assert_eq!(value["path"].as_str(), Some(text.as_str()));
            for line in [line, Sink::new().record(LogFormat::Logfmt, || info!(path = text, "{text}"))] {
                let line = line.strip_suffix('\n').unwrap();
                prop_assert!(line.chars().all(|c| c == ' ' || is_printable(c)), "{:?}", line);
            }
        }
    }

    #[test]
    fn a_window_lets_a_burst_through_and_counts_the_rest() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(START + seconds);
        let mut window = Window::new(at(0));
        for second in 0..10 {
            assert_eq!(window.admit(at(second)), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(window.admit(at(59)), None);
        }
        assert_eq!(
            window.admit(at(60)),
            Some(5),
            "the first of the next window tells"
        );
        assert_eq!(window.admit(at(61)), Some(0), "once");
        assert_eq!(window.admit(at(10)), Some(0), "a clock set back opens a window");
        for _ in 0..9 {
            assert_eq!(window.admit(at(11)), Some(0));
        }
        assert_eq!(window.admit(at(69)), None);
        assert_eq!(window.admit(at(70)), Some(1));
    }

    #[test]
    fn each_place_has_its_own_burst() {
        let sink = Sink::new();
        let before = suppressed();
        let text = sink.record(LogFormat::Logfmt, || {
            for round in 0..30_u64 {
                sink.set(round * 3);
                debug!(round, "often");
                if round == 15 {
                    warn!("seldom");
                }
            }
        });
        assert_eq!(text.matches("msg=often").count(), 20);
        assert_eq!(text.matches("msg=seldom").count(), 1);
        assert!(
            text.contains("ts=2025-11-23T12:01:00.000Z level=debug msg=often round=20 suppressed=10\n"),
            "{text}"
        );
        assert_eq!(text.matches("suppressed=").count(), 1);
        assert!(suppressed() >= before + 10, "other tests may add to it");
    }

    #[test]
    fn a_clock_before_1970_does_no_harm() {
        let clock = || UNIX_EPOCH - Duration::from_secs(1);
        let log = Log::new(LogFormat::Json, clock, |line: &[u8]| {
            assert!(line.starts_with(br#"{"ts":"1970-01-01T00:00:00.000Z""#));
        });
        tracing::subscriber::with_default(Registry::default().with(log), || info!("early"));
    }
}
