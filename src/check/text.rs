//! The report for people: on a terminal in colours, elsewhere plain.

use std::fmt::{self, Write};

use super::report::{FileReport, Finding, LineReport, Report, Severity, SourceReport, Unmatched};

/// Select Graphic Rendition, ECMA-48 8.3.117.
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// The report as text.
pub fn render(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = Page {
        text: &mut text,
        colours,
    }
    .report(report);
    text
}

struct Page<'a> {
    text: &'a mut String,
    colours: bool,
}

impl Page<'_> {
    fn report(&mut self, report: &Report) -> fmt::Result {
        let (user, uid) = (plain(&report.user.name), report.user.uid);
        let configuration = plain(&report.configuration);
        writeln!(
            self.text,
            "bingo-exporter {} as user {user} (uid {uid}), configuration: {configuration}",
            report.version
        )?;
        if uid == 0 {
            let hint =
                "root may read everything; where the exporter runs as another user, check as that one:";
            self.painted(DIM, &format!("{hint} sudo -u USER bingo-exporter check"))?;
            self.text.push('\n');
        }
        for source in &report.sources {
            self.source(source)?;
        }
        self.text.push('\n');
        let (colour, verdict) = match (report.problems, report.warnings) {
            (0, 0) => (GREEN, "all well".to_owned()),
            (0, _) => (
                GREEN,
                format!("nothing must be fixed; {}", many(report.warnings, "warning")),
            ),
            (problems, warnings) => (
                RED,
                format!("{}, {}", many(problems, "problem"), many(warnings, "warning")),
            ),
        };
        self.painted(colour, &verdict)?;
        self.text.push('\n');
        Ok(())
    }

    fn source(&mut self, source: &SourceReport) -> fmt::Result {
        for finding in &source.findings {
            self.text.push('\n');
            self.painted(BOLD, source.source)?;
            self.text.push('\n');
            self.finding(finding)?;
        }
        for file in &source.files {
            self.text.push('\n');
            self.painted(BOLD, &format!("{}: {}", source.source, plain(&file.path)))?;
            self.text.push('\n');
            self.file(file)?;
        }
        self.unmatched(&source.unmatched)
    }

    fn file(&mut self, file: &FileReport) -> fmt::Result {
        if file.state == "readable" {
            self.row(GREEN, "readable", &format!("{} bytes", file.size))?;
        }
        if let Some(format) = &file.format {
            let name = format.name.as_deref().unwrap_or("undecided");
            self.row(DIM, "format", &format!("{name}: {}", format.why))?;
        }
        let lines = file.lines;
        if lines.total > 0 {
            let said = format!(
                "the last {}: {} counted, {} ignored, {} rejected",
                lines.total, lines.counted, lines.ignored, lines.rejected
            );
            self.row(DIM, "lines", &said)?;
        }
        if !file.fields.is_empty() {
            let fields = file.fields.iter().map(|field| (field.field, field.lines));
            self.row(DIM, "carry", &shares(fields, lines.counted))?;
        }
        if !file.events.is_empty() {
            let events: Vec<_> = file
                .events
                .iter()
                .map(|(event, count)| format!("{event} {count}"))
                .collect();
            self.row(DIM, "events", &events.join(", "))?;
        }
        for line in &file.last {
            self.row(DIM, "last", &shown(line))?;
        }
        for reject in &file.rejected {
            let mut said = format!("{} {}", reject.lines, reject.reason);
            if !reject.sample.is_empty() {
                said.push_str(&format!(", like {}", reject.sample));
            }
            self.row(YELLOW, "rejected", &said)?;
        }
        for finding in &file.findings {
            self.finding(finding)?;
        }
        Ok(())
    }

    fn unmatched(&mut self, unmatched: &[Unmatched]) -> fmt::Result {
        if unmatched.is_empty() {
            return Ok(());
        }
        writeln!(self.text, "\nMost frequent paths that no endpoint matches:")?;
        for shape in unmatched {
            writeln!(
                self.text,
                "  {:>7}  {} {}",
                shape.requests,
                shape.method,
                plain(&shape.path)
            )?;
        }
        writeln!(
            self.text,
            "To count them apart, add those you know to endpoints: in the configuration:"
        )?;
        for endpoint in unmatched.iter().filter_map(|shape| shape.endpoint.as_ref()) {
            writeln!(self.text, "  {}", plain(endpoint))?;
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> fmt::Result {
        let colour = match finding.severity {
            Severity::Problem => RED,
            Severity::Warning => YELLOW,
            Severity::Note => DIM,
        };
        self.row(colour, finding.severity.as_str(), &finding.what)?;
        for line in finding.mend.iter().flat_map(|mend| mend.lines()) {
            writeln!(self.text, "            {}", plain(line))?;
        }
        Ok(())
    }

    fn row(&mut self, colour: &str, name: &str, said: &str) -> fmt::Result {
        self.text.push_str("  ");
        self.painted(colour, &format!("{name:<8}"))?;
        writeln!(self.text, "  {}", plain(said))
    }

    fn painted(&mut self, colour: &str, said: &str) -> fmt::Result {
        if self.colours {
            write!(self.text, "\x1b[{colour}m{said}\x1b[0m")
        } else {
            self.text.write_str(said)
        }
    }
}

fn shown(line: &LineReport) -> String {
    match line {
        LineReport::Counted {
            method,
            route,
            code,
            outcome,
            duration_seconds,
            availability,
            latency,
        } => {
            let mut text = format!("{method} {route} {code} {outcome}");
            if let Some(seconds) = duration_seconds {
                text.push_str(&format!(" {seconds:.3} s"));
            }
            for (name, result) in [("availability", availability), ("latency", latency)] {
                if let Some(result) = result {
                    text.push_str(&format!(", {name} {result}"));
                }
            }
            text
        }
        LineReport::Event { event, level } => format!("{event} ({level})"),
        LineReport::Ignored => "ignored".to_owned(),
        LineReport::Rejected { reason } => format!("rejected: {reason}"),
    }
}

/// All, none, or how many of the lines.
fn shares(fields: impl Iterator<Item = (&'static str, u64)>, all: u64) -> String {
    let share = |(field, lines): (&str, u64)| match lines {
        0 => format!("no {field}"),
        _ if lines == all => field.to_owned(),
        _ => format!("{field} in {lines}"),
    };
    fields.map(share).collect::<Vec<_>>().join(", ")
}

fn many(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Nothing a file's name or a line holds may move the cursor or turn the text around.
fn plain(text: &str) -> String {
    let harmless =
        |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if harmless(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_stay_text() {
        assert_eq!(
            super::plain("a\u{1b}[2J\n\u{202e}é"),
            "a\\u{1b}[2J\\u{a}\\u{202e}é"
        );
    }
}
