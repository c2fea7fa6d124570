//! Objectives: what is good, what is bad, what is neither. The rules of the field (SRE workbook, chapter 2):
//! availability and latency are ratios of good events, and a fast error is no good latency event.

use std::fmt;

use crate::record::{Code, Nanos, closed_set};

/// After this long a client that gave up is the service's fault, where the endpoint has no latency objective.
pub const PATIENCE: Nanos = 1_000_000_000;

closed_set! {
    /// The two kinds of objective.
    Slo { Availability = "availability", Latency = "latency" }
}

closed_set! {
    /// The two results of an event of an objective.
    Outcome {
        /// Good for availability.
        Ok = "ok",
        /// All else, clients that gave up early included.
        Error = "error",
    }
}

/// Codes that spend the error budget.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorCodes(Vec<Pattern>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Code(u16),
    /// `5xx` is `Class(5)`.
    Class(u16),
}

impl ErrorCodes {
    /// Reads patterns: a code (`429`) or a class (`5xx`).
    ///
    /// # Errors
    /// The first pattern that is neither.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        patterns
            .iter()
            .map(|p| Pattern::parse(p.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a request with this code is bad for availability. No code at all is bad.
    pub fn contains(&self, code: Code) -> bool {
        code.number().is_none_or(|number| {
            self.0.iter().any(|pattern| match *pattern {
                Pattern::Code(code) => code == number,
                Pattern::Class(class) => class == number / 100,
            })
        })
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Pattern::to_string)
    }

    /// The codes named one by one: their series exist from the start.
    pub fn literals(&self) -> impl Iterator<Item = Code> {
        self.0.iter().filter_map(|pattern| match *pattern {
            Pattern::Code(code) => Some(Code::new(i64::from(code))),
            Pattern::Class(_) => None,
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a status code: expected 100 to 599, or a class such as 5xx");
        match text.as_bytes() {
            [class @ b'1'..=b'5', b'x', b'x'] => Ok(Self::Class(u16::from(class - b'0'))),
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().map(Self::Code).map_err(|_| refuse()),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// An endpoint's objectives and what spends them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objectives {
    /// Share of requests that must be good, e.g. 0.99.
    pub availability: Option<f64>,
    /// Share of good requests that must be fast.
    pub latency: Option<LatencyObjective>,
    /// Codes that are bad for availability.
    pub error_codes: ErrorCodes,
}

/// `ratio` of the requests that are good for availability take at most `under`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyObjective {
    /// Threshold, inclusive, so that it equals the histogram's `le` bucket.
    pub under: Nanos,
    /// Share, e.g. 0.9.
    pub ratio: f64,
}

/// What one request means for its endpoint's objectives. `None` is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// For the histogram's label; every request has one.
    pub outcome: Outcome,
    /// Good or bad for availability.
    pub availability: Option<bool>,
    /// Good or bad for latency.
    pub latency: Option<bool>,
}

impl Objectives {
    /// Judges one request.
    pub fn judge(&self, code: Code, client_gave_up: bool, duration: Option<Nanos>) -> Verdict {
        if client_gave_up {
            return self.judge_given_up(duration);
        }
        if self.error_codes.contains(code) {
            return Verdict {
                outcome: Outcome::Error,
                availability: Some(false),
                latency: None,
            };
        }
        let latency = self
            .latency
            .zip(duration)
            .map(|(objective, duration)| duration <= objective.under);
        Verdict {
            outcome: Outcome::Ok,
            availability: Some(true),
            latency,
        }
    }

    /// The share of an objective's requests that must be good, where there is such an objective.
    pub fn ratio(&self, slo: Slo) -> Option<f64> {
        match slo {
            Slo::Availability => self.availability,
            Slo::Latency => self.latency.map(|latency| latency.ratio),
        }
    }

    /// A client that waited longer than it should have had to was failed, whatever was logged; one that left
    /// earlier says nothing about the service.
    fn judge_given_up(&self, duration: Option<Nanos>) -> Verdict {
        let patience = self.latency.map_or(PATIENCE, |latency| latency.under);
        let failed = duration.is_some_and(|duration| duration > patience);
        Verdict {
            outcome: Outcome::Error,
            availability: failed.then_some(false),
            latency: (failed && self.latency.is_some()).then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[track_caller]
    fn check(status: i64, gave_up: bool, millis: Option<u64>, expect: (Outcome, Option<bool>, Option<bool>)) {
        let objectives = Objectives {
            availability: Some(0.99),
            latency: Some(LatencyObjective {
                under: 400 * MS,
                ratio: 0.9,
            }),
            error_codes: ErrorCodes::parse(&["5xx", "429"]).unwrap(),
        };
        let verdict = objectives.judge(Code::new(status), gave_up, millis.map(|ms| ms * MS));
        assert_eq!((verdict.outcome, verdict.availability, verdict.latency), expect);
    }

    #[test]
    fn what_counts_as_what() {
        use Outcome::{Error, Ok};
        check(200, false, Some(0), (Ok, Some(true), Some(true)));
        check(200, false, Some(400), (Ok, Some(true), Some(true)));
        check(200, false, Some(401), (Ok, Some(true), Some(false)));
        check(200, false, None, (Ok, Some(true), None));
        check(404, false, Some(1), (Ok, Some(true), Some(true)));
        // A fast error must not pass for speed, and a slow one is no second fault.
        check(500, false, Some(1), (Error, Some(false), None));
        check(599, false, Some(900), (Error, Some(false), None));
        check(429, false, Some(1), (Error, Some(false), None));
        check(0, false, Some(1), (Error, Some(false), None));
        check(600, false, None, (Error, Some(false), None));
        // A client that gave up.
        check(499, true, Some(400), (Error, None, None));
        check(499, true, Some(401), (Error, Some(false), Some(false)));
        check(499, true, None, (Error, None, None));
        check(200, true, Some(401), (Error, Some(false), Some(false)));
        check(0, true, Some(10), (Error, None, None));
        // 499 by itself is a code like another: the decoder says who gave up.
        check(499, false, Some(10), (Ok, Some(true), Some(true)));
    }

    #[test]
    fn without_a_latency_objective_patience_is_a_second() {
        let objectives = Objectives {
            availability: Some(0.95),
            ..Objectives::default()
        };
        let judge = |millis: u64| objectives.judge(Code::new(499), true, Some(millis * MS));
        assert_eq!(
            judge(1000),
            Verdict {
                outcome: Outcome::Error,
                availability: None,
                latency: None
            }
        );
        assert_eq!(
            judge(1001),
            Verdict {
                outcome: Outcome::Error,
                availability: Some(false),
                latency: None
            }
        );
    }

    #[test]
    fn patterns() {
        let codes = ErrorCodes::parse(&["5xx", "429"]).unwrap();
        let bad = |status| codes.contains(Code::new(status));
        assert!(bad(500) && bad(599) && bad(429) && bad(99) && bad(600) && bad(-1));
        assert!(!bad(200) && !bad(428) && !bad(499));
        assert_eq!(codes.literals().collect::<Vec<_>>(), [Code::new(429)]);
        for wrong in ["", "6xx", "0xx", "99", "600", "5XX", "5x", "4 9", "+99"] {
            assert!(ErrorCodes::parse(&[wrong]).is_err(), "{wrong:?}");
        }
    }
}
