//! What most proxies' formats are: JSON with keys of their own, or a fixed text, and a last word of their own.

use std::collections::BTreeMap;

use super::keys::{Keys, Slots, Wanted};
use super::layout::{self, Layout};
use super::request::{self, Units};
use super::splitter::{Shape, Splitter};
use super::{Field, json, nginx};
use crate::record::{Reject, Request};

/// One JSON object a line: whose, and what it calls things.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    keys: Keys,
    units: Units,
    /// What a line must tell to be surely of this proxy; empty where any request will do.
    signature: &'static [Field],
    skip: fn(&Slots<'_, '_>) -> bool,
    finish: Finish,
    /// Nothing but the fields of a line counts, in seconds.
    plain: bool,
}

/// The last word on a request: what this proxy says in its own way.
pub(super) type Finish = for<'a> fn(&Slots<'_, 'a>, Request<'a>) -> Request<'a>;

impl Dialect {
    /// `fields` go before the proxy's own `names`.
    pub(super) fn new(
        fields: &BTreeMap<Field, String>,
        names: fn(Field) -> &'static [&'static str],
        units: Units,
        signature: &'static [Field],
    ) -> Self {
        Self {
            keys: Keys::named(fields, names),
            units,
            signature,
            skip: |_| false,
            finish: |_, request| request,
            plain: false,
        }
    }

    /// Which lines are about no request.
    pub(super) fn skip(self, skip: fn(&Slots<'_, '_>) -> bool) -> Self {
        Self { skip, ..self }
    }

    /// What is to be done to a request besides.
    pub(super) fn finish(self, finish: Finish) -> Self {
        Self { finish, ..self }
    }

    /// JSON of nobody in particular: nginx with keys the operator chose.
    pub(super) fn any(fields: &BTreeMap<Field, String>) -> Self {
        Self {
            plain: true,
            ..Self::new(fields, Field::aliases, Units::SECONDS, &[])
        }
    }

    /// Whether lines may be read by their layout.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// How a line like this one may be read without its being parsed.
    pub(super) fn layout(&self, line: &[u8]) -> Option<Layout> {
        self.plain.then(|| layout::json(line, &self.keys)).flatten()
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        let mut slots = Slots::new(&self.keys);
        json::read(line, &mut slots).ok_or(Reject::BrokenJson)?;
        if (self.skip)(&slots) {
            return Ok(None);
        }
        let request = request::build(&slots, self.units)?;
        Ok(Some((self.finish)(&slots, request)))
    }

    /// Whether a line is surely of this proxy.
    pub(super) fn claims(&self, line: &[u8]) -> bool {
        let mut slots = Slots::new(&self.keys);
        json::read(line, &mut slots).is_some()
            && self.signature.iter().all(|field| slots.first(*field).is_some())
            && request::build(&slots, self.units).is_ok()
    }
}

/// A fixed text, as it is written down.
pub(super) struct Template {
    /// With the names of [`meaning`] as variables.
    pub(super) format: &'static str,
    /// Quotes in quoted values are escaped.
    pub(super) escaped: bool,
    pub(super) units: Units,
    pub(super) finish: Finish,
}

/// A fixed text, compiled.
#[derive(Debug, Clone)]
pub(super) struct FixedText {
    splitter: Splitter,
    keys: Keys,
    units: Units,
    finish: Finish,
}

impl FixedText {
    /// `None` where the template is none, which a test rules out.
    pub(super) fn new(template: &Template) -> Option<Self> {
        Some(Self {
            splitter: nginx::compile(template.format, meaning, template.escaped)
                .ok()?
                .pop()?,
            keys: Keys::new(&BTreeMap::new()),
            units: template.units,
            finish: template.finish,
        })
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        let mut slots = Slots::new(&self.keys);
        self.splitter
            .split(line, &mut slots)
            .ok_or(Reject::UnknownFormat)?;
        let request = request::build(&slots, self.units)?;
        Ok(Some((self.finish)(&slots, request)))
    }
}

/// The variables of templates.
fn meaning(variable: &str) -> (Option<Field>, Shape) {
    match variable {
        "method" => (Some(Field::Method), Shape::Word),
        "target" => (Some(Field::Target), Shape::Word),
        "protocol" => (Some(Field::Protocol), Shape::Word),
        "status" => (Some(Field::Status), Shape::Number),
        "bytes" => (Some(Field::BodyBytes), Shape::Number),
        "duration" => (Some(Field::RequestTime), Shape::Number),
        "upstream" => (Some(Field::UpstreamAddr), Shape::Word),
        "upstream_time" => (Some(Field::UpstreamTime), Shape::Number),
        "time" => (Some(Field::Time), Shape::Word),
        "local" => (Some(Field::Time), Shape::Local),
        "word" => (None, Shape::Word),
        "number" => (None, Shape::Number),
        _ => (None, Shape::Text),
    }
}
