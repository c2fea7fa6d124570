//! What the access log tells: `bingo_http_*`, `bingo_upstream_*`, `bingo_slo_*`.

use std::borrow::Cow;
use std::fmt;

use super::histograms::Histograms;
use super::{Families, seconds};
use crate::model::Model;
use crate::record::{Cache, Protocol, Scheme};
use crate::route::Row;
use crate::slo::{Outcome, Slo};
use crate::tally::{RowTally, Tally};

pub(super) fn encode(families: &mut Families<'_>, model: &Model, tally: &Tally) -> fmt::Result {
    requests(families, tally)?;
    routes(families, model, tally)?;
    upstreams(families, tally)?;
    objectives(families, model, tally)
}

pub(super) fn histograms(histograms: &mut Histograms<'_>, tally: &Tally) -> fmt::Result {
    histograms.family(
        "bingo_http_request_duration_seconds",
        "How long the proxy took from the first byte of a request to the last byte of its answer; outcome tells \
         requests that are good for availability (ok) from the rest (error).",
        &tally.edges,
        tally.rows.iter().filter(|row| row.shown).flat_map(|row| {
            Outcome::ALL.iter().map(|outcome| {
                let [route, method] = labels(row);
                let index = *outcome as usize;
                let labels = [route, method, ("outcome", outcome.as_str())];
                (labels, &row.durations[index], Some(&row.exemplars[index]))
            })
        }),
    )?;
    histograms.family(
        "bingo_upstream_duration_seconds",
        "How long each try at a node behind the proxy took.",
        &tally.edges,
        tally.upstreams.iter().map(|upstream| {
            let labels = [("upstream", upstream.name.as_str())];
            (labels, &upstream.durations, None)
        }),
    )
}

fn requests(families: &mut Families<'_>, tally: &Tally) -> fmt::Result {
    let rows = || tally.rows.iter().filter(|row| row.shown);
    families.counter(
        "bingo_http_requests",
        "Requests the proxy answered, by endpoint, method and status code.",
        rows().flat_map(|row| {
            row.codes.iter().map(|(code, count)| {
                (
                    [
                        ("route", Cow::Borrowed(&*row.route)),
                        ("method", row.method.as_str().into()),
                        ("code", code.to_string().into()),
                    ],
                    count,
                )
            })
        }),
    )?;
    families.counter(
        "bingo_http_response_bytes",
        "Bytes sent to clients, bodies where the log tells them apart from headers.",
        rows().map(|row| (labels(row), row.bytes)),
    )?;
    families.counter(
        "bingo_http_cache_requests",
        "Requests by what the proxy's cache did with them; requests that no cache was asked for are in none.",
        tally.routes.iter().flat_map(|route| {
            Cache::ALL.iter().map(|cache| {
                (
                    [("route", &*route.route), ("cache", cache.as_str())],
                    route.cache[*cache as usize],
                )
            })
        }),
    )?;
    families.counter(
        "bingo_http_protocol_requests",
        "Requests by HTTP version and scheme, as the client spoke them.",
        Protocol::ALL.iter().flat_map(|protocol| {
            Scheme::ALL.iter().map(|scheme| {
                let labels = [("protocol", protocol.as_str()), ("scheme", scheme.as_str())];
                (labels, tally.protocols[*protocol as usize][*scheme as usize])
            })
        }),
    )
}

fn routes(families: &mut Families<'_>, model: &Model, tally: &Tally) -> fmt::Result {
    families.gauge(
        "bingo_http_route_info",
        "1 for each endpoint and method; probe is true for health checks, which are no part of any objective.",
        shown(model, tally).map(|(row, _)| {
            ([("route", &*row.route), ("method", row.method.as_str()), ("probe", if row.probe { "true" } else { "false" })], 1u64)
        }),
    )
}

fn upstreams(families: &mut Families<'_>, tally: &Tally) -> fmt::Result {
    families.counter(
        "bingo_upstream_attempts",
        "Tries at a node behind the proxy, by what the node answered; a request that was retried counts each try.",
        tally.upstreams.iter().flat_map(|upstream| {
            let labels = |code: String| [("upstream", Cow::Borrowed(&*upstream.name)), ("code", code.into())];
            upstream.codes.iter().map(move |(code, count)| (labels(code.to_string()), count))
        }),
    )?;
    families.counter(
        "bingo_upstream_retried_requests",
        "Requests that needed more than one try: errors of a node that users did not see.",
        tally
            .rows
            .iter()
            .filter(|row| row.shown)
            .map(|row| (labels(row), row.retried)),
    )
}

fn objectives(families: &mut Families<'_>, model: &Model, tally: &Tally) -> fmt::Result {
    let timed = tally.timed;
    families.counter(
        "bingo_slo_requests",
        "Requests that count for an objective, by result. Latency is there only once the log carries a time.",
        with_objectives(model, tally)
            .filter(move |(slo, ..)| timed || *slo != Slo::Latency)
            .flat_map(|(slo, _, tally)| {
                [("bad", 0), ("good", 1)].map(|(result, index)| {
                    let [route, method] = labels(tally);
                    (
                        [route, method, ("slo", slo.as_str()), ("result", result)],
                        tally.events[slo as usize][index],
                    )
                })
            }),
    )?;
    families.gauge(
        "bingo_slo_objective_ratio",
        "Share of an objective's requests that must be good. Stands also where the log has no times to judge latency by.",
        with_objectives(model, tally).map(|(slo, ratio, tally)| {
            let [route, method] = labels(tally);
            ([route, method, ("slo", slo.as_str())], ratio)
        }),
    )?;
    families.gauge(
        "bingo_slo_latency_threshold_seconds",
        "A request is fast, for its endpoint's latency objective, when it takes at most this long.",
        shown(model, tally).filter_map(|(row, tally)| {
            row.objectives
                .latency
                .map(|latency| (labels(tally), seconds(latency.under)))
        }),
    )
}

/// Each objective with the share it asks for and the row it is about.
fn with_objectives<'a>(model: &'a Model, tally: &'a Tally) -> impl Iterator<Item = (Slo, f64, &'a RowTally)> {
    shown(model, tally).flat_map(move |(row, tally)| {
        Slo::ALL
            .iter()
            .filter_map(move |slo| row.objectives.ratio(*slo).map(|ratio| (*slo, ratio, tally)))
    })
}

fn shown<'a>(model: &'a Model, tally: &'a Tally) -> impl Iterator<Item = (&'a Row, &'a RowTally)> {
    model
        .routes
        .rows
        .iter()
        .zip(&tally.rows)
        .filter(|(_, tally)| tally.shown)
}

fn labels(row: &RowTally) -> [(&'static str, &str); 2] {
    [("route", &row.route), ("method", row.method.as_str())]
}
