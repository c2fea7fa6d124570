//! Envoy's access log: its default text, and the JSON of Envoy Gateway and Istio, whose keys are the names of Envoy's
//! operators. Durations are milliseconds; a status of 0 is a client that was gone.
//! Source: Envoy's documentation, Access logging, "Default format string".

use std::collections::BTreeMap;

use super::Field;
use super::dialect::{Dialect, Template};
use super::keys::Slots;
use super::request::{Units, at_end, without_scheme};
use crate::record::Request;

#[cfg(test)]
mod tests;

pub(super) fn dialect(fields: &BTreeMap<Field, String>) -> Dialect {
    let signature = &[Field::Status, Field::RequestTime, Field::Time];
    Dialect::new(fields, names, Units::MILLISECONDS, signature).finish(finish)
}

/// Header values are written as they came: what stands between their quotes may hold quotes.
pub(super) const TEXT: Template = Template {
    format: "[$time] \"$method $target $protocol\" $status $word $number $bytes $duration $upstream_time \"$text\" \
             \"$text\" \"$text\" \"$text\" \"$upstream\"",
    escaped: false,
    units: Units::MILLISECONDS,
    finish,
};

fn names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Method => &["method", ":method"],
        Field::Target => &["path", "x-envoy-origin-path", "x-envoy-original-path", ":path"],
        Field::Protocol => &["protocol"],
        Field::Scheme => &["scheme", ":scheme"],
        Field::Status => &["response_code"],
        Field::RequestTime => &["duration"],
        Field::BodyBytes => &["bytes_sent"],
        Field::UpstreamAddr => &["upstream_host"],
        Field::UpstreamTime => &["upstream_service_time", "x-envoy-upstream-service-time"],
        Field::Time => &["start_time"],
        _ => &[],
    }
}

fn finish<'a>(slots: &Slots<'_, 'a>, mut request: Request<'a>) -> Request<'a> {
    request.time = at_end(request.time, request.duration);
    request.attempts.addresses = without_scheme(request.attempts.addresses);
    // The node answered where its time is told.
    if !request.attempts.durations.is_empty() {
        request.attempts.codes = slots.first(Field::Status).cloned().unwrap_or_default();
    }
    request
}
