//! A regular expression with named groups: the last resort. It runs in time linear in the line.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};

use super::Field;
use super::keys::Slots;
use super::request::Units;
use crate::record::DurationUnit;

#[cfg(test)]
mod tests;

/// Largest compiled expression. One for a usual line takes some 100 kB.
const COMPILED_BYTES: usize = 1 << 20;

/// A compiled expression. Its groups are named after the fields, the two durations with their unit behind them where it
/// is not the second: `request_time_ms`.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    /// The number of each group of interest.
    groups: Vec<(usize, Field)>,
    pub(super) units: Units,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(COMPILED_BYTES)
            .dfa_size_limit(COMPILED_BYTES)
            .build()
            .map_err(|error| {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                format!(
                    "expected a regular expression: {}",
                    last.trim_start_matches("error: ")
                )
            })?;
        let (mut groups, mut units) = (vec![], Units::SECONDS);
        for (number, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let (field, unit) = group(name).ok_or_else(|| {
                let names: Vec<_> = Field::CONFIGURABLE.iter().map(|field| field.as_str()).collect();
                format!(
                    "group {name:?}: expected one of {}; durations may end in _ms, _us or _ns",
                    names.join(", ")
                )
            })?;
            match field {
                Field::RequestTime => units.request = unit,
                Field::UpstreamTime => units.upstream = unit,
                _ => {}
            }
            groups.push((number, field));
        }
        let has = |field| groups.iter().any(|(_, group)| *group == field);
        let request = has(Field::Request) || has(Field::Method) && has(Field::Target);
        if !request && !has(Field::Status) {
            return Err("expected a group (?<status>…) or (?<request>…)".to_owned());
        }
        Ok(Self { regex, groups, units })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    /// Reads a line into `slots`; `None` where it does not match.
    pub(super) fn read<'a>(&self, line: &'a [u8], slots: &mut Slots<'_, 'a>) -> Option<()> {
        let found = self.regex.captures(line)?;
        for (number, field) in &self.groups {
            if let Some(text) = found.get(*number) {
                slots.place(*field, Cow::Borrowed(text.as_bytes()));
            }
        }
        Some(())
    }
}

/// The field a group is named after, and its unit.
fn group(name: &str) -> Option<(Field, DurationUnit)> {
    let field = |name: &str| {
        let all = Field::CONFIGURABLE.iter();
        all.copied().find(|field| field.as_str() == name)
    };
    let seconds = || field(name).map(|field| (field, DurationUnit::Seconds));
    seconds().or_else(|| {
        let (name, unit) = name.rsplit_once('_')?;
        let unit = DurationUnit::ALL.iter().find(|known| known.as_str() == unit)?;
        let field = field(name).filter(|field| matches!(field, Field::RequestTime | Field::UpstreamTime))?;
        Some((field, *unit))
    })
}
