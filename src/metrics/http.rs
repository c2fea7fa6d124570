//! What the access log tells: `bingo_http_*`, `bingo_upstream_*`, `bingo_slo_*`.

use std::fmt;

use super::histograms::Histograms;
use super::labels::{Labels, Text};
use super::{Families, seconds};
use crate::model::Model;
use crate::record::{Cache, Protocol, Scheme};
use crate::route::Row;
use crate::slo::{Outcome, Slo};
use crate::tally::{RowTally, Tally};

pub(super) fn encode(families: &mut Families<'_>, model: &Model, tally: &Tally) -> fmt::Result {
    let rows = shown(model, tally);
    requests(families, &rows, tally)?;
    routes(families, &rows)?;
    upstreams(families, &rows, tally)?;
    objectives(families, &rows, tally)
}

pub(super) fn histograms(histograms: &mut Histograms<'_>, model: &Model, tally: &Tally) -> fmt::Result {
    let rows = shown(model, tally);
    histograms.family(
        "bingo_http_request_duration_seconds",
        "How long the proxy took from the first byte of a request to the last byte of its answer; outcome tells \
         requests that are good for availability (ok) from the rest (error).",
        &tally.edges,
        rows.iter().flat_map(|row| {
            Outcome::ALL.iter().map(|outcome| {
                let (labels, index) = ((row.labels(), ("outcome", outcome.as_str())), *outcome as usize);
                (labels, &row.tally.durations[index], Some(&row.tally.exemplars[index]))
            })
        }),
    )?;
    histograms.family(
        "bingo_upstream_duration_seconds",
        "How long each try at a node behind the proxy took.",
        &tally.edges,
        tally.upstreams.iter().map(|upstream| {
            let labels = ("upstream", upstream.name.as_str());
            (labels, &upstream.durations, None)
        }),
    )
}

/// A row that is shown.
struct Shown<'t> {
    /// Its endpoint and method, which each of its samples has.
    labels: String,
    row: &'t Row,
    tally: &'t RowTally,
}

fn shown<'t>(model: &'t Model, tally: &'t Tally) -> Vec<Shown<'t>> {
    let rows = model.routes.rows.iter().zip(&tally.rows);
    rows.filter(|(_, tally)| tally.shown)
        .map(|(row, tally)| Shown {
            labels: [("route", &*row.route), ("method", row.method.as_str())].to_text(),
            row,
            tally,
        })
        .collect()
}

impl Shown<'_> {
    fn labels(&self) -> Text<'_> {
        Text(&self.labels)
    }
}

fn requests(families: &mut Families<'_>, rows: &[Shown<'_>], tally: &Tally) -> fmt::Result {
    families.counter(
        "bingo_http_requests",
        "Requests the proxy answered, by endpoint, method and status code.",
        rows.iter().flat_map(|row| {
            let codes = row.tally.codes.iter();
            codes.map(|(code, count)| ((row.labels(), ("code", code)), count))
        }),
    )?;
    families.counter(
        "bingo_http_response_bytes",
        "Bytes sent to clients, bodies where the log tells them apart from headers.",
        rows.iter().map(|row| (row.labels(), row.tally.bytes)),
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

fn routes(families: &mut Families<'_>, rows: &[Shown<'_>]) -> fmt::Result {
    families.gauge(
        "bingo_http_route_info",
        "1 for each endpoint and method; probe is true for health checks, which are no part of any objective.",
        rows.iter().map(|row| {
            let probe = if row.row.probe { "true" } else { "false" };
            ((row.labels(), ("probe", probe)), 1u64)
        }),
    )
}

fn upstreams(families: &mut Families<'_>, rows: &[Shown<'_>], tally: &Tally) -> fmt::Result {
    families.counter(
        "bingo_upstream_attempts",
        "Tries at a node behind the proxy, by what the node answered; a request that was retried counts each try.",
        tally.upstreams.iter().flat_map(|upstream| {
            let codes = upstream.codes.iter();
            codes.map(|(code, count)| ((("upstream", upstream.name.as_str()), ("code", code)), count))
        }),
    )?;
    families.counter(
        "bingo_upstream_retried_requests",
        "Requests that needed more than one try: errors of a node that users did not see.",
        rows.iter().map(|row| (row.labels(), row.tally.retried)),
    )
}

fn objectives(families: &mut Families<'_>, rows: &[Shown<'_>], tally: &Tally) -> fmt::Result {
    let timed = tally.timed;
    families.counter(
        "bingo_slo_requests",
        "Requests that count for an objective, by result. Latency is there only once the log carries a time.",
        with_objectives(rows)
            .filter(move |(slo, ..)| timed || *slo != Slo::Latency)
            .flat_map(|(slo, _, row)| {
                [("bad", 0), ("good", 1)].map(|(result, index)| {
                    let labels = (row.labels(), [("slo", slo.as_str()), ("result", result)]);
                    (labels, row.tally.events[slo as usize][index])
                })
            }),
    )?;
    families.gauge(
        "bingo_slo_objective_ratio",
        "Share of an objective's requests that must be good. Stands also where the log has no times to judge latency by.",
        with_objectives(rows).map(|(slo, ratio, row)| ((row.labels(), ("slo", slo.as_str())), ratio)),
    )?;
    families.gauge(
        "bingo_slo_latency_threshold_seconds",
        "A request is fast, for its endpoint's latency objective, when it takes at most this long.",
        rows.iter().filter_map(|row| {
            let latency = row.row.objectives.latency?;
            Some((row.labels(), seconds(latency.under)))
        }),
    )
}

/// Each objective with the share it asks for and the row it is about.
fn with_objectives<'t>(rows: &'t [Shown<'t>]) -> impl Iterator<Item = (Slo, f64, &'t Shown<'t>)> {
    rows.iter().flat_map(move |row| {
        let ratio = move |slo: &Slo| Some((*slo, row.row.objectives.ratio(*slo)?, row));
        Slo::ALL.iter().filter_map(ratio)
    })
}
