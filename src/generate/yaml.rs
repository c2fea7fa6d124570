//! Rules as text: what an operator reads at night, so expressions keep their lines and texts are folded.

use std::fmt::Write as _;

use super::rule::{Alert, Group, Record, Rule};
use super::{MARK, Options};

/// Longest line of folded text and comments.
const WIDTH: usize = 110;

/// A group as a file of rules. `job` stands for [`Options::job_regex`] wherever an expression or a text says `$job`.
pub(super) fn rules(group: &Group, options: &Options) -> String {
    let mut text = header(group.about);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "groups:\n  - name: bingo-{}\n    interval: {}s\n    rules:\n",
        group.name, group.interval
    );
    for rule in &group.rules {
        match rule {
            Rule::Record(rule) => record(&mut text, rule),
            Rule::Alert(rule) => alert(&mut text, rule, options),
        }
    }
    text.replace("$job", &options.job_regex.quoted())
}

/// The first lines of every generated file.
pub(super) fn header(about: &str) -> String {
    let mut text = format!("# {MARK} from the configuration in force: change that, not this file.\n");
    comment(&mut text, "", about);
    text
}

fn record(text: &mut String, rule: &Record) {
    comment(text, "      ", rule.why);
    let _ = writeln!(text, "      - record: {}", rule.name);
    literal(text, "expr", &rule.expr);
}

fn alert(text: &mut String, rule: &Alert, options: &Options) {
    comment(text, "      ", &rule.why);
    let _ = writeln!(text, "      - alert: {}", rule.name);
    literal(text, "expr", &rule.expr);
    let _ = writeln!(text, "        for: {}", rule.pending);
    if let Some(keep) = rule.keep_firing {
        let _ = writeln!(text, "        keep_firing_for: {keep}");
    }
    let _ = writeln!(
        text,
        "        labels:\n          severity: {}",
        rule.severity.as_str()
    );
    for (name, value) in &rule.labels {
        let _ = writeln!(text, "          {name}: {value}");
    }
    text.push_str("        annotations:\n");
    folded(text, "summary", &rule.summary);
    folded(text, "description", &rule.description);
    let runbook = format!("{}/{}.md", options.runbook_url.trim_end_matches('/'), rule.name);
    quoted(text, "runbook_url", &runbook);
    quoted(text, "dashboard", &rule.panel.url(options));
}

fn comment(text: &mut String, indent: &str, about: &str) {
    for paragraph in about.lines() {
        for line in wrap(paragraph, WIDTH - indent.len()) {
            let _ = writeln!(text, "{indent}# {line}");
        }
    }
}

/// Lines are kept.
fn literal(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "        {key}: |");
    for line in value.lines() {
        let _ = writeln!(text, "          {line}");
    }
}

/// Lines are broken between words, which YAML undoes.
fn folded(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "          {key}: >-");
    for line in wrap(value, WIDTH) {
        let _ = writeln!(text, "            {line}");
    }
}

/// A JSON string is a YAML string.
fn quoted(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "          {key}: {}", serde_json::Value::from(value));
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
