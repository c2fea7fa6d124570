//! What a panel asks Prometheus.

use serde_json::{Value, json};

use super::board::datasource;

/// The variables that all dashboards have, as matchers; expressions say `$of`.
const OF: &str = r#"job=~"$job",instance=~"$instance",node=~"$node""#;

/// What the answer is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Over the time range that is shown.
    Lines,
    /// Buckets over the time range.
    Heatmap,
    /// One value each, now.
    Now,
    /// Now, a row each.
    Rows,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// PromQL with Grafana's variables.
    pub expr: String,
    /// What a series is called.
    pub legend: &'static str,
    /// What the answer is made into.
    pub shape: Shape,
}

impl Query {
    pub(super) fn new(shape: Shape, expr: &str, legend: &'static str) -> Self {
        let expr = expr.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            expr: expr.replace("$of", OF),
            legend,
            shape,
        }
    }

    pub(super) fn json(&self, index: usize) -> Value {
        let instant = matches!(self.shape, Shape::Now | Shape::Rows);
        let format = match self.shape {
            Shape::Lines | Shape::Now => "time_series",
            Shape::Heatmap => "heatmap",
            Shape::Rows => "table",
        };
        // Only these buckets carry requests' ids.
        let exemplar = !instant && self.expr.contains("bingo_http_request_duration_seconds_bucket");
        json!({
            "refId": letter(index), "datasource": datasource(), "editorMode": "code", "expr": self.expr,
            "legendFormat": if self.legend.is_empty() { "__auto" } else { self.legend },
            "format": format, "instant": instant, "range": !instant, "exemplar": exemplar,
        })
    }
}

/// `A` for the first.
pub(super) fn letter(index: usize) -> String {
    char::from(b'A' + u8::try_from(index).unwrap_or_default()).to_string()
}

/// Bad events by all; `more` are matchers of both, `window` is a range.
pub(super) fn bad_ratio(by: &str, more: &str, window: &str) -> String {
    let rate = |result: &str| {
        format!("sum by ({by}) (rate(bingo_slo_requests_total{{$of,{more}{result}}}[{window}]))")
    };
    format!("{} / ({} > 0)", rate(",result=\"bad\""), rate(""))
}

/// What objectives allow, as a share.
pub(super) fn allowed(by: &str, more: &str) -> String {
    format!("(1 - max by ({by}) (bingo_slo_objective_ratio{{$of,{more}}}))")
}

/// Objectives missed in the last five minutes: 1 or 0 by route, method and slo. Fewer than five bad requests are chance,
/// as for the status page.
/// Of these routes.
pub(super) fn missed(routes: &str) -> String {
    let by = "route, method, slo";
    let of = format!("{routes}slo=~\".+\"");
    format!(
        "(sum by ({by}) (increase(bingo_slo_requests_total{{$of,{routes}result=\"bad\"}}[5m])) >= bool 5) \
         * on ({by}) ({} > bool on ({by}) {})",
        bad_ratio(by, &of, "5m"),
        allowed(by, &of)
    )
}

/// What all objectives together allow for this traffic, as a share of it.
pub(super) fn allowed_of_all(by: &str, window: &str) -> String {
    let by = if by.is_empty() {
        String::new()
    } else {
        format!("{by}, ")
    };
    let rate = format!(
        "sum by ({by}route, method) (rate(bingo_slo_requests_total{{$of,slo=\"availability\"}}[{window}]))"
    );
    let outer = by.trim_end_matches(", ");
    format!(
        "sum by ({outer}) ({rate} * on (route, method) group_left () {}) / (sum by ({outer}) ({rate}) > 0)",
        allowed("route, method", "slo=\"availability\"")
    )
}
