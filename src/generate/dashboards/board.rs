//! A dashboard as a whole: variables, annotations, links, and panels put one after the other.

use serde_json::{Value, json};

pub use super::query::{Query, Shape};
pub use super::view::View;
use crate::generate::rule::Dashboard;
use crate::generate::{MARK, Options};

/// The grid's columns.
const COLUMNS: u32 = 24;

/// A dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// Which one.
    pub dashboard: Dashboard,
    /// What the list of dashboards calls it.
    pub title: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Besides those that all have.
    pub(super) variables: Vec<Variable>,
    /// Under their headings; the first has none.
    pub(super) sections: Vec<(&'static str, Vec<View>)>,
}

/// A variable of one dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    /// Endpoints.
    Route,
    /// Over how long objectives are judged.
    Window,
}

impl Board {
    /// Its panels, in their order.
    pub fn views(&self) -> impl Iterator<Item = &View> {
        self.sections.iter().flat_map(|(_, views)| views)
    }

    /// A panel's number by its title. Headings count, too.
    pub(super) fn number(&self, title: &str) -> Option<usize> {
        let headings = self
            .sections
            .iter()
            .enumerate()
            .flat_map(|(section, (_, views))| views.iter().map(move |view| (section, view)));
        let mut numbered = headings.enumerate();
        numbered.find_map(|(before, (section, view))| (view.title == title).then_some(before + section + 1))
    }

    /// As Grafana imports it.
    pub fn json(&self, options: &Options) -> Value {
        json!({
            "uid": self.dashboard.uid(),
            "title": self.title,
            "description": format!("{} {MARK} from the configuration in force: change that, not this.", self.about),
            "tags": ["bingo"],
            "schemaVersion": 39,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "10s",
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {},
            "fiscalYearStartMonth": 0,
            "links": [link()],
            "templating": {"list": self.templating(options)},
            "annotations": {"list": annotations()},
            "panels": self.panels(),
        })
    }

    fn templating(&self, options: &Options) -> Vec<Value> {
        let exporters = format!(
            "bingo_exporter_build_info{{job=~\"{}\"",
            options.job_regex.quoted()
        );
        let mut list = vec![
            json!({
                "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                "refresh": 1, "hide": 0, "regex": "", "options": [], "multi": false, "includeAll": false,
            }),
            // All of them, and nothing else that has the same node.
            asked(
                "job",
                "Job",
                &format!("{exporters}}}, job"),
                &options.job_regex.quoted(),
            ),
            // Targets may have no node: an empty one has to match.
            asked(
                "node",
                "Node",
                &format!("{exporters},job=~\"$job\"}}, node"),
                ".*",
            ),
            asked(
                "instance",
                "Instance",
                &format!("{exporters},job=~\"$job\",node=~\"$node\"}}, instance"),
                ".+",
            ),
        ];
        list.extend(self.variables.iter().map(|variable| match variable {
            Variable::Route => asked(
                "route",
                "Route",
                "bingo_http_route_info{job=~\"$job\",instance=~\"$instance\",node=~\"$node\"}, route",
                ".+",
            ),
            Variable::Window => window(),
        }));
        list
    }

    fn panels(&self) -> Vec<Value> {
        let mut panels = vec![];
        let (mut y, mut line) = (0, 0);
        for (heading, views) in &self.sections {
            let mut x = 0;
            (y, line) = (y + line, 0);
            if !heading.is_empty() {
                panels.push(json!({
                    "type": "row", "title": heading, "collapsed": false, "id": panels.len() + 1,
                    "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}, "panels": [],
                }));
                y += 1;
            }
            for view in views {
                let (width, height) = view.size;
                if x + width > COLUMNS {
                    (x, y, line) = (0, y + line, 0);
                }
                let mut panel = view.json(panels.len() + 1);
                panel["gridPos"] = json!({"x": x, "y": y, "w": width, "h": height});
                panels.push(panel);
                (x, line) = (x + width, line.max(height));
            }
        }
        panels
    }
}

/// The dashboards' data source, a variable.
pub(super) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A variable whose values Prometheus knows; `what` is what `label_values` takes.
fn asked(name: &str, label: &str, what: &str, all: &str) -> Value {
    let query = format!("label_values({what})");
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(),
        "definition": query, "query": {"qryType": 1, "query": query, "refId": "variable"},
        // At each change of the time range.
        "refresh": 2, "sort": 1, "hide": 0, "regex": "",
        "multi": true, "includeAll": true, "allValue": all,
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]}, "options": [],
    })
}

fn window() -> Value {
    let choices = ["5m", "1h", "6h", "1d", "3d", "7d"];
    let option = |value: &str| json!({"selected": value == "1d", "text": value, "value": value});
    json!({
        "name": "window", "label": "Objectives over", "type": "custom", "query": choices.join(","),
        "hide": 0, "multi": false, "includeAll": false,
        "current": option("1d"), "options": choices.map(option),
    })
}

fn annotations() -> Value {
    let target = "job=~\"$job\",instance=~\"$instance\",node=~\"$node\"";
    // The series' value is the event's time, in milliseconds.
    let event = |name: &str, color: &str, title: &str, expr: String| {
        json!({
            "name": name, "enable": true, "hide": false, "iconColor": color, "datasource": datasource(),
            "expr": expr, "useValueForTime": "on", "step": "30s", "titleFormat": title, "textFormat": "",
            "tagKeys": "node,log_id,instance",
        })
    };
    json!([
        event(
            "bingo starts",
            "orange",
            "bingo {{log_id}} was started",
            format!(
                "max by (node, log_id) (bingo_app_last_event_timestamp_seconds{{{target},event=\"start\"}}) * 1000"
            )
        ),
        event(
            "Exporter starts",
            "blue",
            "exporter {{instance}} was started",
            format!("max by (node, instance) (process_start_time_seconds{{{target}}}) * 1000")
        ),
        event(
            "Configuration reloads",
            "purple",
            "exporter {{instance}} read its configuration",
            format!(
                "max by (node, instance) (bingo_exporter_config_last_reload_success_timestamp_seconds{{{target}}}) * 1000"
            )
        ),
    ])
}

/// To the other dashboards, with what is chosen here.
fn link() -> Value {
    json!({
        "title": "bingo", "type": "dashboards", "tags": ["bingo"], "asDropdown": false, "icon": "external link",
        "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
    })
}
