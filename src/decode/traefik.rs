//! Traefik's access log, JSON and its Common Log Format. Durations are nanoseconds in JSON, milliseconds in the other.
//! Source: Traefik's documentation of access logs (v2 and v3).

use std::collections::BTreeMap;

use super::Field;
use super::dialect::{Dialect, Template};
use super::keys::Slots;
use super::number::integer;
use super::request::{Units, at_end, without_scheme};
use crate::record::{DurationUnit, Request};

#[cfg(test)]
mod tests;

pub(super) fn dialect(fields: &BTreeMap<Field, String>) -> Dialect {
    let units = Units {
        request: DurationUnit::Nanoseconds,
        upstream: DurationUnit::Nanoseconds,
    };
    let signature = &[Field::Method, Field::Target, Field::Status, Field::RequestTime];
    Dialect::new(fields, names, units, signature).finish(finish)
}

/// Its beginning is the Common Log Format.
pub(super) const TEXT: Template = Template {
    format: "$word - $text [$local] \"$method $target $protocol\" $status $bytes \"$text\" \"$text\" $word \"$text\" \
             \"$upstream\" ${duration}ms",
    escaped: true,
    units: Units::MILLISECONDS,
    finish: finish_text,
};

fn names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Method => &["RequestMethod"],
        Field::Target => &["RequestPath"],
        Field::Protocol => &["RequestProtocol"],
        Field::Scheme => &["RequestScheme"],
        Field::Status => &["DownstreamStatus"],
        Field::RequestTime => &["Duration"],
        Field::BodyBytes => &["DownstreamContentSize"],
        Field::UpstreamAddr => &["ServiceAddr"],
        Field::UpstreamStatus => &["OriginStatus"],
        Field::UpstreamTime => &["OriginDuration"],
        Field::Retries => &["RetryAttempts"],
        Field::Time => &["time"],
        _ => &[],
    }
}

fn finish<'a>(slots: &Slots<'_, 'a>, mut request: Request<'a>) -> Request<'a> {
    let retries = slots.first(Field::Retries).and_then(|text| integer(text));
    request.attempts.untold = retries.map_or(0, |retries| u8::try_from(retries).unwrap_or(0));
    request
}

/// The time stamp is the request's beginning.
fn finish_text<'a>(slots: &Slots<'_, 'a>, mut request: Request<'a>) -> Request<'a> {
    request.time = at_end(request.time, request.duration);
    request.attempts.addresses = without_scheme(request.attempts.addresses);
    request.attempts.codes = slots.first(Field::Status).cloned().unwrap_or_default();
    request
}
