//! Objectives over hours and days.

mod cases;

use super::{MONTH, Set};
use crate::generate::rule::{Alert, Dashboard, Group, Rule, Severity};

/// Seconds between evaluations. The guards count errors by it: a rate that is summed up once every so many seconds.
const INTERVAL: u32 = 30;

/// Windows of the error ratios, but for the five minutes of which the others are made.
const WINDOWS: [&str; 6] = ["30m", "1h", "2h", "6h", "1d", "3d"];

/// When the errors that 30 days allow are spent too fast: Google's SRE workbook, chapter 5.
pub(super) struct Tier {
    pub(super) severity: Severity,
    /// The window that says it matters.
    pub(super) long: &'static str,
    /// The window that says it goes on.
    pub(super) short: &'static str,
    /// So many times faster than 30 days would allow.
    pub(super) factor: f64,
    pub(super) pending: &'static str,
    /// 30 days by the factor.
    pub(super) gone_in: &'static str,
}

pub(super) const TIERS: [Tier; 4] = [
    tier(Severity::Page, ["1h", "5m", "2m"], 14.4, "two days"),
    tier(Severity::Page, ["6h", "30m", "5m"], 6.0, "five days"),
    tier(Severity::Ticket, ["1d", "2h", "15m"], 3.0, "ten days"),
    tier(Severity::Ticket, ["3d", "6h", "1h"], 1.0, "thirty days"),
];

const fn tier(
    severity: Severity,
    [long, short, pending]: [&'static str; 3],
    factor: f64,
    gone_in: &'static str,
) -> Tier {
    Tier {
        severity,
        long,
        short,
        factor,
        pending,
        gone_in,
    }
}

pub(super) fn set() -> Set {
    let rules = records()
        .into_iter()
        .chain(TIERS.iter().map(burn))
        .chain([quiet(), slow(), unmeasured()]);
    Set {
        group: Group {
            name: "objectives",
            interval: INTERVAL,
            about: "Whether the objectives are met over hours and days. The windows are made of one rate over five minutes, \
                    so that they cost the same however many nodes there are.",
            rules: rules.collect(),
        },
        cases: cases::cases(),
    }
}

fn records() -> Vec<Rule> {
    let mut records = vec![
        Rule::record(
            "route_method_slo:bingo_slo_objective_ratio:max",
            "max by (route, method, slo) (bingo_slo_objective_ratio)",
            "One for all nodes: with one each, rules that join it would fail.",
        ),
        Rule::record(
            "route_method_slo_result:bingo_slo_requests:rate5m",
            "sum by (route, method, slo, result) (rate(bingo_slo_requests_total[5m]))",
            "",
        ),
        Rule::record(
            "route_method_slo:bingo_slo_errors:ratio_rate5m",
            r#"
            sum without (result) (route_method_slo_result:bingo_slo_requests:rate5m{result="bad"})
            /
            (sum without (result) (route_method_slo_result:bingo_slo_requests:rate5m) > 0)
            "#,
            "",
        ),
    ];
    records.extend(WINDOWS.map(|window| {
        let expr = r#"
            sum without (result) (sum_over_time(route_method_slo_result:bingo_slo_requests:rate5m{result="bad"}[$window]))
            /
            (sum without (result) (sum_over_time(route_method_slo_result:bingo_slo_requests:rate5m[$window])) > 0)
            "#;
        let name = format!("route_method_slo:bingo_slo_errors:ratio_rate{window}");
        Rule::record(&name, &expr.replace("$window", window), "")
    }));
    records
}

/// Errors of the last five minutes, more than allowed.
const NOW: &str = r#"
        and on (route, method)
          route_method_slo:bingo_slo_errors:ratio_rate5m{slo="availability"}
            > on (route, method, slo) 1 - route_method_slo:bingo_slo_objective_ratio:max
        "#;

fn burn(tier: &Tier) -> Rule {
    let panel = Dashboard::Overview.panel("Error budget left", &["route"]);
    let alert = match tier.severity {
        Severity::Page => Alert::page("BingoErrorBudgetBurn", panel),
        Severity::Ticket => Alert::ticket("BingoErrorBudgetBurn", panel),
    };
    let expr = r#"
        route_method_slo:bingo_slo_errors:ratio_rate$long{slo="availability"}
          > on (route, method, slo) $factor * (1 - route_method_slo:bingo_slo_objective_ratio:max)
        and on (route, method)
          route_method_slo:bingo_slo_errors:ratio_rate$short{slo="availability"}
            > on (route, method, slo) $factor * (1 - route_method_slo:bingo_slo_objective_ratio:max)
        and on (route, method)
          sum_over_time(route_method_slo_result:bingo_slo_requests:rate5m{slo="availability",result="bad"}[$long])
            * 30 >= 10
        "#;
    // Else a page would follow one that was for the same errors, once these are over.
    let expr = if tier.severity == Severity::Page && tier.short != "5m" {
        expr.to_owned() + NOW
    } else {
        expr.to_owned()
    };
    let Tier {
        long,
        short,
        factor,
        gone_in,
        pending,
        ..
    } = tier;
    let expr = expr.replace("$long", long).replace("$short", short);
    let why = format!(
        "{factor}: times faster than allowed; the errors of 30 days are gone in {gone_in}. {short}: it still goes on.\n\
         10: errors in {long}, so that a few on a quiet route call nobody; 30: seconds between evaluations."
    );
    let about = format!(
        "In the last {long} {{{{ $value | humanizePercentage }}}} of the {{{{ $labels.method }}}} {{{{ $labels.route }}}} \
         requests failed, and it goes on: so many that the errors that 30 days allow are used up in {gone_in} at most. "
    );
    alert
        .label("window", long)
        .when(&expr.replace("$factor", &factor.to_string()), pending, &why)
        .says(
            "{{ $labels.method }} {{ $labels.route }} fails too often to keep its objective",
            &(about + MONTH),
        )
}

fn quiet() -> Rule {
    Alert::ticket("BingoQuietRouteFailing", Dashboard::Routes.panel("Error ratio", &["route"]))
        .when(
            r#"
            route_method_slo:bingo_slo_errors:ratio_rate6h{slo="availability"}
              > on (route, method, slo) clamp_min(1 - route_method_slo:bingo_slo_objective_ratio:max, 0.05)
            and on (route, method)
              route_method_slo:bingo_slo_errors:ratio_rate2h{slo="availability"}
                > on (route, method, slo) clamp_min(1 - route_method_slo:bingo_slo_objective_ratio:max, 0.05)
            and on (route, method)
              sum_over_time(route_method_slo_result:bingo_slo_requests:rate5m{slo="availability",result="bad"}[6h])
                * 30 >= 10
            "#,
            "5m",
            "10: errors in 6 hours; 0.05: and more than 5 % of the route's requests, or than it allows. A route that is \
             asked for twice an hour and always fails is too quiet for the other alerts. ratio_rate2h: it still goes on.\n\
             30: seconds between evaluations.",
        )
        .says(
            "{{ $labels.method }} {{ $labels.route }} has failed for hours",
            &("In the last 6 hours {{ $value | humanizePercentage }} of the {{ $labels.method }} {{ $labels.route }} \
               requests failed, at least ten. "
                .to_owned()
                + MONTH),
        )
}

fn slow() -> Rule {
    Alert::ticket("BingoLatencyObjectiveMissed", Dashboard::Routes.panel("Latency", &["route"]))
        .when(
            r#"
            route_method_slo:bingo_slo_errors:ratio_rate1h{slo="latency"}
              > on (route, method, slo) 1 - route_method_slo:bingo_slo_objective_ratio:max
            and on (route, method)
              route_method_slo:bingo_slo_errors:ratio_rate5m{slo="latency"}
                > on (route, method, slo) 1 - route_method_slo:bingo_slo_objective_ratio:max
            and on (route, method)
              sum_over_time(route_method_slo_result:bingo_slo_requests:rate5m{slo="latency",result="bad"}[1h])
                * 30 >= 10
            "#,
            "5m",
            "10: slow requests in an hour; 5m: it still goes on. 30: seconds between evaluations.",
        )
        .says(
            "{{ $labels.method }} {{ $labels.route }} is too slow",
            "In the last hour {{ $value | humanizePercentage }} of the {{ $labels.method }} {{ $labels.route }} requests \
             took longer than they may, and it goes on. Allowed are {{ with printf \
             \"1 - max(bingo_slo_objective_ratio{slo='latency',route=%q,method=%q})\" $labels.route $labels.method | query \
             }}{{ . | first | value | humanizePercentage }}{{ end }}.",
        )
}

fn unmeasured() -> Rule {
    Alert::ticket("BingoLatencyUnmeasured", Dashboard::Exporter.panel("Requests without a time", &[]))
        .when(
            r#"
            route_method_slo_result:bingo_slo_requests:rate5m{slo="availability",result="good"} > 0.1
            and on (route, method) route_method_slo:bingo_slo_objective_ratio:max{slo="latency"}
            unless on (route, method)
              sum by (route, method) (route_method_slo_result:bingo_slo_requests:rate5m{slo="latency"})
                >= on (route, method)
                  0.5 * route_method_slo_result:bingo_slo_requests:rate5m{slo="availability",result="good"}
            "#,
            "10m",
            "0.1: requests a second; fewer say little. 0.5: half of the requests that could have been judged. Not measured \
             is not met.",
        )
        .says(
            "Nobody knows how fast {{ $labels.method }} {{ $labels.route }} is",
            "There is an objective for the latency of {{ $labels.method }} {{ $labels.route }}, but less than half of its \
             lines in the access log carry a time. Whether it is met cannot be told.",
        )
}
