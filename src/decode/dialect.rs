//! One JSON object a line, in the words of one proxy.

use std::collections::BTreeMap;

use super::keys::{Keys, Said, Slots, Wanted};
use super::layout::{self, Layout};
use super::request::{self, Units};
use super::{Field, json};
use crate::record::{Reject, Request};

/// Whose JSON, and what it calls things.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    keys: Keys,
    units: Units,
    /// What a line must tell to be surely of this proxy; empty where any request will do.
    signature: &'static [Field],
    finish: Finish,
    /// Nothing but the fields of a line counts, in seconds.
    plain: bool,
}

/// The last word on a request: what this proxy says in its own way. `None` for a line that is about no request.
pub(super) type Finish = for<'a> fn(&Slots<'_, 'a>, Request<'a>) -> Option<Request<'a>>;

impl Dialect {
    /// `fields` go before the proxy's own `names`.
    pub(super) fn new(
        fields: &BTreeMap<Field, String>,
        names: fn(Field) -> &'static [&'static str],
        units: Units,
        signature: &'static [Field],
        finish: Finish,
    ) -> Self {
        Self {
            keys: Keys::named(fields, names),
            units,
            signature,
            finish,
            plain: false,
        }
    }

    /// JSON of nobody in particular: nginx with keys the operator chose.
    pub(super) fn any(fields: &BTreeMap<Field, String>) -> Self {
        let dialect = Self::new(fields, Field::aliases, Units::SECONDS, &[], |_, request| {
            Some(request)
        });
        Self {
            plain: true,
            ..dialect
        }
    }

    /// How a line like this one may be read without its being parsed.
    pub(super) fn layout(&self, line: &[u8]) -> Option<Layout> {
        self.plain.then(|| layout::json(line, &self.keys)).flatten()
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Reject> {
        let mut slots = Slots::new(&self.keys);
        json::read(line, &mut slots).ok_or(Reject::BrokenJson)?;
        let request = request::build(&slots, self.units);
        request.map(|request| (self.finish)(&slots, request))
    }

    /// Whether a line is surely of this proxy.
    pub(super) fn claims(&self, line: &[u8]) -> bool {
        let mut slots = Slots::new(&self.keys);
        json::read(line, &mut slots).is_some()
            && self.signature.iter().all(|field| slots.first(*field).is_some())
            && request::build(&slots, self.units).is_ok()
    }
}
