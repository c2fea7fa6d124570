//! The dashboards: what grafana/dashboard-linter asks for, and that they fit together with the alerts.

use std::collections::{BTreeMap, BTreeSet};

use bingo_exporter::generate::dashboards::board::{Board, Query, Shape};
use bingo_exporter::generate::dashboards::boards;
use promql_parser::label::MatchOp;
use promql_parser::parser::VectorSelector;
use serde_json::{Value, json};

use super::names::{OF_TARGETS, exposed};
use super::selectors::in_expression;
use super::{built_in, options};

/// Each dashboard as Grafana gets it.
fn documents() -> Vec<Value> {
    boards().iter().map(|board| board.json(&options())).collect()
}

fn list<'a>(document: &'a Value, pointer: &str) -> &'a [Value] {
    document.pointer(pointer).unwrap().as_array().unwrap()
}

/// Every panel but headings, with a name to complain by.
fn panels(document: &Value) -> Vec<(String, &Value)> {
    let panels = list(document, "/panels")
        .iter()
        .filter(|panel| panel["type"] != "row");
    let named = panels.map(|panel| (format!("{} / {}", document["uid"], panel["title"]), panel));
    named.collect()
}

fn queries() -> Vec<(String, Query)> {
    let of = |board: &Board| {
        let name = board.title;
        let queries = board.views().flat_map(move |view| {
            view.queries
                .iter()
                .map(move |query| (format!("{name} / {}", view.title), query.clone()))
        });
        queries.collect::<Vec<_>>()
    };
    boards().iter().flat_map(of).collect()
}

/// Grafana's variables as PromQL that parses.
fn filled_in(expr: &str) -> String {
    expr.replace("$__rate_interval", "1m").replace("$window", "1h")
}

fn selectors(expr: &str) -> Vec<VectorSelector> {
    in_expression(&filled_in(expr))
}

#[test]
fn a_dashboard_is_one_that_any_grafana_takes() {
    let mut uids = BTreeSet::new();
    for document in documents() {
        let name = &document["uid"];
        assert!(uids.insert(name.to_string()));
        assert_eq!(document["editable"], json!(false), "{name}");
        assert_eq!(document["schemaVersion"], json!(39), "{name}");
        for absent in ["__inputs", "__requires", "id", "version"] {
            assert!(document.get(absent).is_none(), "{name} {absent}");
        }
        let text = document.to_string();
        assert!(!text.contains("DS_PROMETHEUS"), "{name}");
        assert!(!text.contains("$of") && !text.contains("$job_regex"), "{name}");
    }
    assert_eq!(uids.len(), 4);
}

#[test]
fn variables_choose_source_job_node_and_instance() {
    for document in documents() {
        let name = &document["uid"];
        let variables: BTreeMap<&str, &Value> = list(&document, "/templating/list")
            .iter()
            .map(|variable| (variable["name"].as_str().unwrap(), variable))
            .collect();
        assert_eq!(variables["datasource"]["type"], "datasource");
        assert_eq!(variables["datasource"]["label"], "Data source");
        for (variable, label, all) in [
            ("job", "Job", ".*bingo-exporter.*"),
            ("instance", "Instance", ".+"),
            ("node", "Node", ".*"),
        ] {
            assert_eq!(variables[variable]["label"], label, "{name}");
            assert_eq!(variables[variable]["allValue"], all, "{name} {variable}");
        }
        for (variable, value) in variables.iter().filter(|(_, value)| value["type"] == "query") {
            // At each change of the time range.
            assert_eq!(value["refresh"], 2, "{name} {variable}");
            assert_eq!(
                (&value["multi"], &value["includeAll"]),
                (&json!(true), &json!(true)),
                "{name} {variable}"
            );
            assert_eq!(value["datasource"]["uid"], "${datasource}", "{name} {variable}");
            let query = value["query"]["query"].as_str().unwrap();
            let inner = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'))
                .unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            assert_eq!(label, *variable, "{name}");
            assert_eq!(selectors(selector).len(), 1, "{name} {variable}");
        }
    }
}

#[test]
fn every_panel_has_title_unit_words_and_questions() {
    for document in documents() {
        let mut titles = BTreeSet::new();
        for (name, panel) in panels(&document) {
            assert!(titles.insert(name.clone()), "{name} twice");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}");
            let about = panel["description"].as_str().unwrap();
            assert!(about.len() > 30 && about.ends_with('.'), "{name}: {about}");
            assert!(about.to_lowercase().contains("good"), "{name}: {about}");
            let unit = panel
                .pointer("/fieldConfig/defaults/unit")
                .and_then(Value::as_str);
            assert!(unit.is_some_and(|unit| !unit.is_empty()), "{name}");
            let targets = list(panel, "/targets");
            assert!(!targets.is_empty(), "{name}");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}");
            }
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    for document in documents() {
        let mut cells = BTreeSet::new();
        for panel in list(&document, "/panels") {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(x + w <= 24);
            for (column, row) in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
                assert!(
                    cells.insert((column, row)),
                    "{} / {}",
                    document["uid"],
                    panel["title"]
                );
            }
        }
        let numbers: Vec<u64> = list(&document, "/panels")
            .iter()
            .map(|panel| panel["id"].as_u64().unwrap())
            .collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
    }
}

#[test]
fn rates_look_back_as_far_as_the_time_range_wants() {
    for (name, query) in queries() {
        let expr = &query.expr;
        let windows: Vec<&str> = expr
            .split('[')
            .skip(1)
            .map(|rest| rest.split(']').next().unwrap())
            .collect();
        for window in windows {
            match query.shape {
                Shape::Lines | Shape::Heatmap => assert_eq!(window, "$__rate_interval", "{name}: {expr}"),
                // These say which time they are of.
                Shape::Now | Shape::Rows => {
                    assert!(
                        ["1m", "5m", "1d", "$window", "$__rate_interval"].contains(&window),
                        "{name}: {expr}"
                    );
                }
            }
        }
    }
}

/// Series of nodes, not of exporters.
const OF_NODES: &str = "Node";

#[test]
fn every_selector_keeps_to_what_is_chosen() {
    for (name, query) in queries() {
        for selector in selectors(&query.expr) {
            let matcher = |label: &str| {
                let mut matchers = selector.matchers.matchers.iter();
                matchers.any(|matcher| {
                    matcher.name == label
                        && matches!(matcher.op, MatchOp::Re(_))
                        && matcher.value == format!("${label}")
                })
            };
            // Whatever else runs on a node has another job and instance.
            let others = name.contains(OF_NODES) && selector.name.as_deref() == Some("up");
            for label in OF_TARGETS {
                assert!(
                    matcher(label) || others && label != "node",
                    "{name}: {selector} lacks {label}"
                );
            }
        }
    }
}

#[test]
fn counters_are_only_seen_as_rates() {
    for (name, query) in queries() {
        let parts = query.expr.split("_total{").skip(1).count();
        let rates = query.expr.split("rate(").count() + query.expr.split("increase(").count() - 2;
        assert!(parts == 0 || rates > 0, "{name}: {}", query.expr);
        for (at, _) in query.expr.match_indices("_total{") {
            let rest = &query.expr[at..];
            let end = rest.find('}').unwrap();
            assert!(rest[end..].starts_with("}["), "{name}: {}", query.expr);
        }
        for quantile in query.expr.split("histogram_quantile(").skip(1) {
            assert!(
                quantile.contains("le)"),
                "{name}: a quantile without le: {}",
                query.expr
            );
        }
    }
}

#[test]
fn every_metric_label_and_value_exists() {
    let exposed = exposed();
    let mut seen = 0;
    for (name, query) in queries() {
        for selector in selectors(&query.expr) {
            let metric = selector.name.clone().unwrap();
            if ["up", "scrape_duration_seconds", "bingo_exporter_build_info"].contains(&metric.as_str()) {
                continue;
            }
            seen += 1;
            let labels = exposed
                .get(&metric)
                .unwrap_or_else(|| panic!("{name}: there is no {metric}"));
            for matcher in &selector.matchers.matchers {
                if OF_TARGETS.contains(&matcher.name.as_str()) {
                    continue;
                }
                assert!(
                    labels.contains_key(&matcher.name),
                    "{name}: {metric} has no {}",
                    matcher.name
                );
                if matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual) {
                    assert!(
                        labels[&matcher.name].contains(&matcher.value),
                        "{name}: {metric} {matcher:?}"
                    );
                }
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn every_alert_links_to_a_panel_that_shows_it() {
    let documents = documents();
    for set in built_in() {
        for alert in set.group.alerts() {
            let (uid, title) = (alert.panel.dashboard.uid(), alert.panel.title);
            let document = documents.iter().find(|document| document["uid"] == uid).unwrap();
            let panel = panels(document)
                .into_iter()
                .find(|(_, panel)| panel["title"] == title);
            let (_, panel) = panel.unwrap_or_else(|| panic!("{}: {uid} has no panel {title}", alert.name));
            let url = alert.panel.url(&options());
            assert!(url.ends_with(&format!("viewPanel={}", panel["id"])), "{url}");
            for variable in alert.panel.variables {
                let variables = list(document, "/templating/list");
                assert!(
                    variables.iter().any(|known| known["name"] == *variable),
                    "{}: {variable}",
                    alert.name
                );
            }
            assert!(
                shares_a_metric(alert.name, &alert.expr, panel),
                "{} is not what {title} shows",
                alert.name
            );
        }
    }
}

/// Whether panel and alert ask for the same. Recorded series hold the metric that their name begins with.
fn shares_a_metric(name: &str, expr: &str, panel: &Value) -> bool {
    let stem = |metric: &str| {
        let core = metric.split(':').nth(1).unwrap_or(metric);
        let core = core.trim_end_matches("_total").trim_end_matches("_bucket");
        // Ratios of objectives are made of judged requests.
        if core == "bingo_slo_errors" {
            "bingo_slo_requests".to_owned()
        } else {
            core.replace("bingo_up", "up")
        }
    };
    let names = |expr: &str| -> BTreeSet<String> {
        selectors(&expr.replace("$job", "x"))
            .iter()
            .map(|selector| stem(selector.name.as_deref().unwrap()))
            .collect()
    };
    let alert = names(expr);
    let shown: BTreeSet<String> = list(panel, "/targets")
        .iter()
        .flat_map(|target| names(&target["expr"].as_str().unwrap().replace("$job", "x")))
        .collect();
    // The panel shows times themselves, the alert which of them were too long.
    let latency =
        name == "BingoLatencyObjectiveMissed" && shown.contains("bingo_http_request_duration_seconds");
    let unmeasured = name == "BingoLatencyUnmeasured" && shown.contains("bingo_exporter_unmeasured_requests");
    let label = name == "BingoNodeLabelMissing" && shown.contains("up");
    latency || unmeasured || label || alert.intersection(&shown).next().is_some()
}

#[test]
fn limits_come_from_the_objectives() {
    // A line that says how far others may go is asked for; steps of colour stand at a whole, or at nothing.
    for document in documents() {
        for (name, panel) in panels(&document) {
            let text = panel["fieldConfig"].to_string();
            let steps = text
                .split("\"steps\":[")
                .skip(1)
                .map(|rest| rest.split(']').next().unwrap().to_owned());
            for step in steps.flat_map(|steps| {
                steps
                    .split("\"value\":")
                    .skip(1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            }) {
                let value = step.split('}').next().unwrap();
                assert!(
                    ["null", "0.0", "1.0"].contains(&value),
                    "{name}: a limit of {value} is typed by hand"
                );
            }
        }
    }
}
