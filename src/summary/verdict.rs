//! One sentence: is it broken, where, since when.

use serde::{Deserialize, Serialize};

use super::{Endpoint, NOW, RECENT, Standing, ratio, text};
use crate::slo::{Objectives, Slo};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// Nothing can be said.
    Unknown,
    /// Look at it in the morning.
    Warning,
    /// Users notice.
    Failing,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad.
    pub level: Level,
    /// What, without a full stop.
    pub text: String,
    /// Since when, in Unix seconds, where that is known.
    pub since: Option<f64>,
    /// The share of requests it spoils: the more, the earlier it is said.
    #[serde(skip)]
    pub weight: f64,
}

/// The whole state in a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// As bad as the worst problem.
    pub level: Level,
    /// For a person.
    pub sentence: String,
    /// All that is wrong, worst first.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem of no particular weight.
    pub fn new(level: Level, text: String, since: Option<f64>) -> Self {
        Self {
            level,
            text,
            since,
            weight: 0.0,
        }
    }

    /// What an endpoint's objectives say about it, if it misses one or did a moment ago.
    pub fn of(endpoint: &Endpoint, objectives: &Objectives) -> Option<Self> {
        let standing = endpoint.standing(objectives);
        let slo = Slo::ALL
            .iter()
            .find(|slo| endpoint.standing_to(objectives, **slo) == standing)?;
        let (name, misses, level) = match standing {
            Standing::Misses => (NOW, "misses its objective in the last minute", Level::Failing),
            Standing::Recovering => (
                RECENT,
                "meets its objective again; in the last 5 min",
                Level::Warning,
            ),
            _ => return None,
        };
        let objective = objectives.ratio(*slo)?;
        let (bad, good) = endpoint.window(name)?.events(*slo);
        let share = ratio(bad, good)?;
        let figures = match (slo, objectives.latency) {
            (Slo::Latency, Some(latency)) => format!(
                "{} within {}, required {}",
                text::percent(1.0 - share),
                text::threshold(latency.under),
                text::percent(objective)
            ),
            _ => format!(
                "{} errors, allowed {}",
                text::percent(share),
                text::percent(1.0 - objective)
            ),
        };
        Some(Self {
            level,
            text: format!("{} {} {misses}: {figures}", endpoint.method, endpoint.route),
            since: endpoint.since,
            weight: share / (1.0 - objective),
        })
    }
}

impl Verdict {
    /// Of `state`, what is being done (`serving 118 req/s`), and what is wrong.
    pub fn new(state: &str, mut problems: Vec<Problem>, now: f64) -> Self {
        problems.sort_by(|a, b| b.level.cmp(&a.level).then(b.weight.total_cmp(&a.weight)));
        let level = problems.first().map_or(Level::Ok, |problem| problem.level);
        let worst = problems.iter().filter(|problem| problem.level == level).count();
        let rest = match problems.first() {
            None => "all objectives are met".to_owned(),
            Some(problem) => {
                let since = problem
                    .since
                    .map(|since| format!(", for {}", text::duration(now - since)));
                let more = match worst - 1 {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                format!("{}{}{more}", problem.text, since.unwrap_or_default())
            }
        };
        Self {
            level,
            sentence: format!("{state}; {rest}"),
            problems,
        }
    }

    /// Where there is nothing to judge, and why.
    pub fn unknown(why: String) -> Self {
        Self {
            level: Level::Unknown,
            sentence: why,
            problems: vec![],
        }
    }
}
