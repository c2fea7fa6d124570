//! How scrape jobs of exporters are told from others.

use std::fmt;
use std::str::FromStr;

/// A regular expression that Prometheus, which anchors it, matches `job` with: names with `.*` and `.+` in them, and
/// `|` between them. More could not be shown in the rules' own tests, which need a job that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRegex(String);

impl JobRegex {
    /// A job that matches.
    pub fn example(&self) -> String {
        let first = self.0.split('|').next().unwrap_or_default();
        first.replace(".*", "").replace(".+", "x").replace('\\', "")
    }

    /// As it stands between quotes in PromQL.
    pub(crate) fn quoted(&self) -> String {
        self.0.replace('\\', "\\\\")
    }
}

impl FromStr for JobRegex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |name: &str| {
            let rest = name.replace(".*", "").replace(".+", "").replace("\\.", "");
            // Without a plain character it would match every job, those of others too.
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-/:".contains(&byte))
        };
        if text.split('|').all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(r"expected names of scrape jobs, such as bingo-exporter, with .* and .+ in them, \. for a dot and | between them".to_owned())
    }
}

impl fmt::Display for JobRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_with_an_example_of_each() {
        for (text, example) in [
            (".*bingo-exporter.*", "bingo-exporter"),
            ("bingo", "bingo"),
            ("a|b.+", "a"),
            (r"team/.+bingo\.x", "team/xbingo.x"),
        ] {
            let job: JobRegex = text.parse().unwrap();
            assert_eq!(
                (job.example().as_str(), job.to_string().as_str()),
                (example, text)
            );
        }
        let job: JobRegex = r"a\.b".parse().unwrap();
        assert_eq!(job.quoted(), r"a\\.b");
        for text in [
            "", ".*", "a|", "a.b", "(a)", "a\"", "a\\", "a b", "[ab]", "a*", "ä",
        ] {
            assert!(text.parse::<JobRegex>().is_err(), "{text:?}");
        }
    }
}
