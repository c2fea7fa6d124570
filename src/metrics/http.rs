//! What the access log tells: `bingo_http_*`, `bingo_upstream_*`, `bingo_slo_*`.

use super::exposition::Exposition;
use super::labels::Text;
use super::seconds;
use crate::model::Model;
use crate::record::{Cache, Protocol, Scheme};
use crate::route::Row;
use crate::slo::{Outcome, Slo};
use crate::tally::{RowTally, Tally};

pub(super) fn write(text: &mut Exposition, model: &Model, tally: &Tally) {
    let rows = shown(model, tally);
    requests(text, &rows, tally);
    durations(text, &rows, tally);
    routes(text, &rows);
    upstreams(text, &rows, tally);
    objectives(text, &rows, tally);
}

/// A row that is shown.
struct Shown<'t> {
    /// Its endpoint and method, which each of its samples has.
    labels: Text,
    row: &'t Row,
    tally: &'t RowTally,
}

fn shown<'t>(model: &'t Model, tally: &'t Tally) -> Vec<Shown<'t>> {
    let rows = model.routes.rows.iter().zip(&tally.rows);
    rows.filter(|(_, tally)| tally.shown)
        .map(|(row, tally)| Shown {
            labels: Text::of(&(("route", &*row.route), ("method", row.method))),
            row,
            tally,
        })
        .collect()
}

fn requests(text: &mut Exposition, rows: &[Shown<'_>], tally: &Tally) {
    text.counter_by(
        "code",
        "bingo_http_requests",
        "Requests the proxy answered, by endpoint, method and status code.",
        rows.iter().map(|row| (&row.labels, row.tally.codes.iter())),
    );
    text.counter(
        "bingo_http_response_bytes",
        "Bytes sent to clients, bodies where the log tells them apart from headers.",
        rows.iter().map(|row| (&row.labels, row.tally.bytes)),
    );
    text.counter_by(
        "cache",
        "bingo_http_cache_requests",
        "Requests by what the proxy's cache did with them; requests that no cache was asked for are in none.",
        tally.routes.iter().map(|route| {
            let caches = Cache::ALL.iter().copied().zip(route.cache);
            (("route", &*route.route), caches)
        }),
    );
    text.counter_by(
        "scheme",
        "bingo_http_protocol_requests",
        "Requests by HTTP version and scheme, as the client spoke them.",
        Protocol::ALL
            .iter()
            .zip(tally.protocols)
            .map(|(protocol, counts)| (("protocol", *protocol), Scheme::ALL.iter().copied().zip(counts))),
    );
}

fn durations(text: &mut Exposition, rows: &[Shown<'_>], tally: &Tally) {
    text.histogram(
        "bingo_http_request_duration_seconds",
        "How long the proxy took from the first byte of a request to the last byte of its answer; outcome tells \
         requests that are good for availability (ok) from the rest (error).",
        &tally.edges,
        rows.iter().flat_map(|row| {
            Outcome::ALL.iter().map(|outcome| {
                let index = *outcome as usize;
                let labels = (&row.labels, ("outcome", *outcome));
                (labels, &row.tally.durations[index], Some(&row.tally.exemplars[index]))
            })
        }),
    );
    text.histogram(
        "bingo_upstream_duration_seconds",
        "How long each try at a node behind the proxy took.",
        &tally.edges,
        tally.upstreams.iter().map(|upstream| {
            let labels = ("upstream", upstream.name.as_str());
            (labels, &upstream.durations, None)
        }),
    );
}

fn routes(text: &mut Exposition, rows: &[Shown<'_>]) {
    text.gauge(
        "bingo_http_route_info",
        "1 for each endpoint and method; probe is true for health checks, which are no part of any objective.",
        rows.iter().map(|row| {
            let probe = if row.row.probe { "true" } else { "false" };
            ((&row.labels, ("probe", probe)), 1u64)
        }),
    );
}

fn upstreams(text: &mut Exposition, rows: &[Shown<'_>], tally: &Tally) {
    text.counter_by(
        "code",
        "bingo_upstream_attempts",
        "Tries at a node behind the proxy, by what the node answered; a request that was retried counts each try.",
        tally
            .upstreams
            .iter()
            .map(|upstream| (("upstream", upstream.name.as_str()), upstream.codes.iter())),
    );
    text.counter(
        "bingo_upstream_retried_requests",
        "Requests that needed more than one try: errors of a node that users did not see.",
        rows.iter().map(|row| (&row.labels, row.tally.retried)),
    );
}

fn objectives(text: &mut Exposition, rows: &[Shown<'_>], tally: &Tally) {
    let timed = tally.timed;
    text.counter_by(
        "result",
        "bingo_slo_requests",
        "Requests that count for an objective, by result. Latency is there only once the log carries a time.",
        with_objectives(rows)
            .filter(move |(slo, ..)| timed || *slo != Slo::Latency)
            .map(|(slo, _, row)| {
                let results = ["bad", "good"].into_iter().zip(row.tally.events[slo as usize]);
                ((&row.labels, ("slo", slo)), results)
            }),
    );
    text.gauge(
        "bingo_slo_objective_ratio",
        "Share of an objective's requests that must be good. Stands also where the log has no times to judge latency by.",
        with_objectives(rows).map(|(slo, ratio, row)| ((&row.labels, ("slo", slo)), ratio)),
    );
    text.gauge(
        "bingo_slo_latency_threshold_seconds",
        "A request is fast, for its endpoint's latency objective, when it takes at most this long.",
        rows.iter().filter_map(|row| {
            let latency = row.row.objectives.latency?;
            Some((&row.labels, seconds(latency.under)))
        }),
    );
}

/// Each objective with the share it asks for and the row it is about.
fn with_objectives<'t>(rows: &'t [Shown<'t>]) -> impl Iterator<Item = (Slo, f64, &'t Shown<'t>)> {
    rows.iter().flat_map(move |row| {
        let ratio = move |slo: &Slo| Some((*slo, row.row.objectives.ratio(*slo)?, row));
        Slo::ALL.iter().filter_map(ratio)
    })
}
