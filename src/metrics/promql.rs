//! What to ask Prometheus for a figure of the status page. `$name` is filled in by who asks: `$window` as in `5m`,
//! labels as they are. Sums, since a Prometheus has a pair's nodes side by side; add a selector for one.

use std::collections::BTreeMap;

/// Questions by figure.
const QUESTIONS: &[(&str, &str)] = &[
    (
        "serving",
        "sum(rate(bingo_http_requests_total[$window]) unless on (route, method) bingo_http_route_info{probe=\"true\"})",
    ),
    (
        "rate",
        "sum(rate(bingo_http_requests_total{route=\"$route\",method=\"$method\"}[$window]))",
    ),
    (
        "error_ratio",
        "sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"availability\",result=\"bad\"}[$window])) \
         / sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"availability\"}[$window]))",
    ),
    (
        "error_ratio_by_code",
        "sum(rate(bingo_http_requests_total{route=\"$route\",method=\"$method\",code=~\"$codes\"}[$window])) \
         / sum(rate(bingo_http_requests_total{route=\"$route\",method=\"$method\"}[$window]))",
    ),
    (
        "quantile",
        "histogram_quantile($quantile, sum by (le) \
         (rate(bingo_http_request_duration_seconds_bucket{route=\"$route\",method=\"$method\",outcome=\"ok\"}[$window])))",
    ),
    (
        "fast_ratio",
        "sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"latency\",result=\"good\"}[$window])) \
         / sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"latency\"}[$window]))",
    ),
    (
        "objective",
        "max(bingo_slo_objective_ratio{route=\"$route\",method=\"$method\",slo=\"$slo\"})",
    ),
    (
        "burn_rate",
        "sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"$slo\",result=\"bad\"}[$window])) \
         / sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"$slo\"}[$window])) \
         / (1 - max(bingo_slo_objective_ratio{route=\"$route\",method=\"$method\",slo=\"$slo\"}))",
    ),
    (
        "budget_left",
        "1 - sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"$slo\",result=\"bad\"}[$window])) \
         / sum(rate(bingo_slo_requests_total{route=\"$route\",method=\"$method\",slo=\"$slo\"}[$window])) \
         / (1 - max(bingo_slo_objective_ratio{route=\"$route\",method=\"$method\",slo=\"$slo\"}))",
    ),
    (
        "cache_hit_ratio",
        "sum(rate(bingo_http_cache_requests_total{route=\"$route\",cache=\"hit\"}[$window])) \
         / sum(rate(bingo_http_cache_requests_total{route=\"$route\"}[$window]))",
    ),
    (
        "retried",
        "sum(rate(bingo_upstream_retried_requests_total[$window]))",
    ),
    (
        "upstream_share",
        "sum(rate(bingo_upstream_attempts_total{upstream=\"$upstream\"}[$window])) \
         / scalar(sum(rate(bingo_upstream_attempts_total[$window])))",
    ),
    (
        "upstream_error_ratio",
        "sum(rate(bingo_upstream_attempts_total{upstream=\"$upstream\",code=~\"$codes\"}[$window])) \
         / sum(rate(bingo_upstream_attempts_total{upstream=\"$upstream\"}[$window]))",
    ),
    (
        "starts",
        "increase(bingo_app_events_total{log_id=\"$log_id\",event=\"start\"}[$window])",
    ),
    (
        "unclean_exits",
        "increase(bingo_app_unclean_exits_total{log_id=\"$log_id\"}[$window])",
    ),
    (
        "throttled",
        "increase(bingo_app_events_total{log_id=\"$log_id\",event=\"throttled\"}[$window])",
    ),
    (
        "heartbeat_age",
        "time() - bingo_app_last_event_timestamp_seconds{log_id=\"$log_id\",event=\"heartbeat\"}",
    ),
    (
        "last_start",
        "bingo_app_last_event_timestamp_seconds{log_id=\"$log_id\",event=\"start\"}",
    ),
    (
        "start_duration",
        "bingo_app_last_start_duration_seconds{log_id=\"$log_id\"}",
    ),
    ("version", "bingo_app_info{log_id=\"$log_id\"}"),
    ("complete", "bingo_exporter_complete{source=\"$source\"}"),
    ("unread_bytes", "bingo_exporter_unread_bytes{source=\"$source\"}"),
    (
        "oldest_unread",
        "bingo_exporter_oldest_unread_seconds{source=\"$source\"}",
    ),
    (
        "rejected",
        "bingo_exporter_rejected_lines_total{source=\"$source\"} > 0",
    ),
    (
        "counted",
        "bingo_exporter_lines_total{source=\"$source\",result=\"counted\"}",
    ),
    (
        "lost_bytes",
        "bingo_exporter_lost_bytes_total{source=\"$source\"}",
    ),
    (
        "read_bytes",
        "bingo_exporter_read_bytes_total{source=\"$source\"}",
    ),
    ("late", "bingo_exporter_late_lines_total{source=\"$source\"}"),
    ("files", "bingo_exporter_files{source=\"$source\"}"),
    (
        "checkpoint_age",
        "time() - bingo_exporter_checkpoint_timestamp_seconds",
    ),
    ("checkpoint_failures", "bingo_exporter_checkpoint_failures_total"),
    ("memory", "process_resident_memory_bytes"),
];

/// Questions by figure.
pub fn questions() -> BTreeMap<&'static str, &'static str> {
    QUESTIONS.iter().copied().collect()
}
