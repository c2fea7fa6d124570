//! The landing page: what this is and where to go on. The status page proper comes with a later release.

use std::fmt::Write;
use std::sync::Arc;

use crate::source::Snapshot;

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>bingo-exporter</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
li { margin: .3rem 0 }
code { overflow-wrap: anywhere }
</style>
";

/// The page. Links are relative, so that it works behind a proxy's prefix.
pub(super) fn landing(telemetry_path: &str, sources: &[Arc<Snapshot>]) -> String {
    let mut page = String::from(HEAD);
    let version = env!("CARGO_PKG_VERSION");
    let metrics = escape(telemetry_path.trim_start_matches('/'));
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<h1>bingo-exporter {version}</h1>
<p>Turns the access log of bingo's reverse proxy into metrics per endpoint, and bingo's own log into its starts, crashes
and heartbeats.</p>
<ul>
<li><a href=\"{metrics}\">Metrics</a> for Prometheus
<li><a href=\"api/v1/status\">Status</a>: endpoints, sources and files, as JSON
<li><a href=\"-/ready\">Ready</a>: whether everything on disk at the start is counted
<li><a href=\"-/healthy\">Healthy</a>: whether the process answers
</ul>
<h2>Log files</h2>
<ul>
"
    );
    for file in sources.iter().flat_map(|source| &source.files) {
        let path = escape(&file.path.to_string_lossy());
        let _ = write!(page, "<li><code>{path}</code>: {}", file.state);
        if let Some(problem) = &file.problem {
            let _ = write!(page, ": {}", escape(problem));
        }
        page.push('\n');
    }
    page.push_str("</ul>\n");
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_path_says_stays_text() {
        assert_eq!(super::escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
