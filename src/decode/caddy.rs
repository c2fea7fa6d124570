//! Caddy 2's access log, JSON. Durations are seconds, as a float; a status of 0 is a client that was gone.
//! Source: Caddy's documentation of the `log` directive, and what version 2.6 writes.

use std::collections::BTreeMap;

use super::Field;
use super::dialect::Dialect;
use super::keys::Slots;
use super::request::Units;
use crate::record::{Request, Scheme};

#[cfg(test)]
mod tests;

/// Of all of Caddy's loggers, those that tell of answered requests.
const ACCESS: &[u8] = b"http.log.access";

pub(super) fn dialect(fields: &BTreeMap<Field, String>) -> Dialect {
    let signature = &[Field::Method, Field::Target, Field::Status, Field::RequestTime];
    Dialect::new(fields, names, Units::SECONDS, signature)
        .skip(is_other_logger)
        .finish(finish)
}

fn names(field: Field) -> &'static [&'static str] {
    match field {
        Field::Method => &["request.method"],
        Field::Target => &["request.uri"],
        Field::Protocol => &["request.proto"],
        Field::Status => &["status"],
        Field::RequestTime => &["duration"],
        Field::BodyBytes => &["size"],
        Field::Time => &["ts"],
        // There only where the client spoke TLS.
        Field::Scheme => &["request.tls.version"],
        Field::Logger => &["logger"],
        _ => &[],
    }
}

/// An error of a request is told by `http.log.error` besides, with the same status and duration.
fn is_other_logger(slots: &Slots<'_, '_>) -> bool {
    slots
        .first(Field::Logger)
        .is_some_and(|logger| !logger.starts_with(ACCESS))
}

fn finish<'a>(slots: &Slots<'_, 'a>, mut request: Request<'a>) -> Request<'a> {
    request.scheme = match slots.first(Field::Scheme) {
        Some(_) => Scheme::Https,
        None => Scheme::Http,
    };
    request
}
