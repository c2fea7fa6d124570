//! A panel.

use serde_json::{Map, Value, json};

use super::board::datasource;
use super::query::{Query, Shape, letter};

/// One panel, whatever its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Grafana's name of the kind.
    pub kind: &'static str,
    /// Unique on its dashboard; alerts link to it.
    pub title: &'static str,
    /// What is good, and what to do where it is not.
    pub about: &'static str,
    /// What it asks.
    pub queries: Vec<Query>,
    /// Width of 24, and height.
    pub(super) size: (u32, u32),
    defaults: Map<String, Value>,
    custom: Map<String, Value>,
    options: Value,
    overrides: Vec<Value>,
    transformations: Vec<Value>,
}

impl View {
    fn new(kind: &'static str, title: &'static str, unit: &str, options: Value) -> Self {
        let mut view = Self {
            kind,
            title,
            about: "",
            queries: vec![],
            size: (8, 8),
            defaults: Map::new(),
            custom: Map::new(),
            options,
            overrides: vec![],
            transformations: vec![],
        };
        view.set("unit", json!(unit));
        view.steps(&[("green", None)])
    }

    /// Lines over time.
    pub(super) fn lines(title: &'static str, unit: &str) -> Self {
        let options = json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        });
        let mut view = Self::new("timeseries", title, unit, options);
        view.set("color", json!({"mode": "palette-classic"}));
        view.set("min", json!(0));
        view.style("fillOpacity", json!(8));
        view.style("lineWidth", json!(2));
        view.style("showPoints", json!("never"));
        // Two scrapes may fail before a line is broken.
        view.style("spanNulls", json!(false));
        view
    }

    /// Lines that add up.
    pub(super) fn stack(title: &'static str, unit: &str) -> Self {
        let mut view = Self::lines(title, unit);
        view.style("stacking", json!({"mode": "normal", "group": "A"}));
        view.style("fillOpacity", json!(40));
        view.style("lineWidth", json!(1));
        view
    }

    /// One number.
    pub(super) fn stat(title: &'static str, unit: &str) -> Self {
        let options = json!({
            "colorMode": "value", "graphMode": "none", "justifyMode": "center", "orientation": "auto",
            "textMode": "auto", "wideLayout": true, "percentChangeColorMode": "standard", "showPercentChange": false,
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
        });
        let mut view = Self::new("stat", title, unit, options).sized(4, 4);
        view.set("color", json!({"mode": "thresholds"}));
        view
    }

    /// Rows, each query a column.
    pub(super) fn table(title: &'static str) -> Self {
        let options = json!({"showHeader": true, "cellHeight": "sm", "sortBy": []});
        let mut view = Self::new("table", title, "none", options);
        view.set("color", json!({"mode": "thresholds"}));
        view.style("align", json!("auto"));
        view.style("filterable", json!(true));
        // Grafana's own would push the last columns of a narrow panel out of sight.
        view.style("minWidth", json!(80));
        view.transformations.push(json!({"id": "merge", "options": {}}));
        view
    }

    /// Buckets over time.
    pub(super) fn heatmap(title: &'static str, unit: &str) -> Self {
        let options = json!({
            "calculate": false, "cellGap": 1, "cellValues": {"unit": "short"},
            "color": {
                "mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange",
                "reverse": false, "scale": "exponential",
            },
            "exemplars": {"color": "rgba(31, 96, 196, 0.9)"}, "filterValues": {"le": 1e-9},
            "legend": {"show": true}, "rowsFrame": {"layout": "auto"}, "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": false, "showColorScale": true},
            "yAxis": {"axisPlacement": "left", "reverse": false, "unit": unit},
        });
        Self::new("heatmap", title, unit, options)
    }

    /// What is good, and what to do where it is not.
    pub(super) fn says(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Width of 24, and height.
    pub(super) fn sized(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Asks one more question, in the shape that the kind draws.
    pub(super) fn ask(mut self, expr: &str, legend: &'static str) -> Self {
        let shape = match self.kind {
            "stat" => Shape::Now,
            "heatmap" => Shape::Heatmap,
            _ => Shape::Lines,
        };
        self.queries.push(Query::new(shape, expr, legend));
        self
    }

    /// A line that says how far the others may go: dashed, red, not filled.
    pub(super) fn limit(self, expr: &str, legend: &'static str) -> Self {
        let index = self.queries.len();
        let mut view = self.ask(expr, legend);
        view.overrides.push(json!({
            "matcher": {"id": "byFrameRefID", "options": letter(index)},
            "properties": [
                {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}},
                {"id": "custom.fillOpacity", "value": 0},
                {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
                {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
                // One for each series would be half of the legend; the tooltip has them.
                {"id": "custom.hideFrom", "value": {"legend": legend.contains("{{"), "tooltip": false, "viz": false}},
            ],
        }));
        view
    }

    /// A column: what it is called, its unit, and what else is special about it.
    pub(super) fn column(self, expr: &str, name: &str, unit: &str, more: &[(&str, Value)]) -> Self {
        let index = self.queries.len();
        let mut view = self;
        view.queries.push(Query::new(Shape::Rows, expr, ""));
        let mut properties = vec![
            json!({"id": "displayName", "value": name}),
            json!({"id": "unit", "value": unit}),
        ];
        properties.extend(more.iter().map(|(id, value)| json!({"id": id, "value": value})));
        view.named(&format!("Value #{}", letter(index)), properties)
    }

    /// A label's column, as it is called.
    pub(super) fn label(self, label: &str, name: &str, width: Option<u32>) -> Self {
        let mut properties = vec![json!({"id": "displayName", "value": name})];
        properties.extend(width.map(|width| json!({"id": "custom.width", "value": width})));
        self.named(label, properties)
    }

    /// The route's column, with a way to the dashboard of routes.
    pub(super) fn route(self) -> Self {
        let link = json!([{
            "title": "This route in detail", "targetBlank": false,
            "url": "/d/bingo-routes?var-route=${__value.text:percentencode}&${datasource:queryparam}&${__url_time_range}",
        }]);
        let name = json!({"id": "displayName", "value": "Route"});
        self.named("route", vec![name, json!({"id": "links", "value": link})])
    }

    fn named(mut self, field: &str, properties: Vec<Value>) -> Self {
        self.overrides.push(json!({
            "matcher": {"id": "byName", "options": field}, "properties": properties,
        }));
        self
    }

    /// The table's last word: columns as they were named, none of these, and rows in order of that one, descending or not.
    pub(super) fn sorted(mut self, hidden: &[&str], by: &str, descending: bool) -> Self {
        let mut excluded = Map::new();
        for name in hidden.iter().chain(&["Time"]) {
            excluded.insert((*name).to_owned(), json!(true));
        }
        let columns = self.overrides.iter().enumerate();
        let order: Map<String, Value> = columns
            .filter_map(|(index, column)| {
                Some((column["matcher"]["options"].as_str()?.to_owned(), json!(index)))
            })
            .collect();
        self.transformations.push(json!({
            "id": "organize", "options": {"excludeByName": excluded, "indexByName": order, "renameByName": {}},
        }));
        self.transformations.push(json!({
            "id": "sortBy", "options": {"fields": {}, "sort": [{"field": by, "desc": descending}]},
        }));
        self
    }

    /// Colours from values upwards; a word or a scale says the same.
    pub(super) fn steps(mut self, steps: &[(&str, Option<f64>)]) -> Self {
        self.set("thresholds", thresholds(steps));
        self
    }

    /// Words instead of numbers.
    pub(super) fn words(mut self, words: &[(&str, &str, &str)]) -> Self {
        self.set("mappings", mappings(words));
        self
    }

    /// What stands there where nothing is known.
    pub(super) fn unknown(mut self, text: &str) -> Self {
        self.set("noValue", json!(text));
        self
    }

    /// With a small graph behind the number, so asked over the time range.
    pub(super) fn with_graph(mut self) -> Self {
        self.options["graphMode"] = json!("area");
        for query in &mut self.queries {
            query.shape = Shape::Lines;
        }
        self
    }

    /// How lines are drawn.
    pub(super) fn drawn(mut self, key: &str, value: Value) -> Self {
        self.style(key, value);
        self
    }

    /// One colour for all that is no limit.
    pub(super) fn colored(mut self, color: &str) -> Self {
        self.set("color", json!({"mode": "fixed", "fixedColor": color}));
        self
    }

    /// Where the scale ends.
    pub(super) fn up_to(mut self, max: f64) -> Self {
        self.set("max", json!(max));
        self
    }

    /// Steps instead of slopes: states have nothing between them.
    pub(super) fn states(self) -> Self {
        self.drawn("lineInterpolation", json!("stepAfter"))
            .up_to(1.0)
            .drawn("fillOpacity", json!(0))
    }

    fn set(&mut self, key: &str, value: Value) {
        self.defaults.insert(key.to_owned(), value);
    }

    fn style(&mut self, key: &str, value: Value) {
        self.custom.insert(key.to_owned(), value);
    }

    pub(super) fn json(&self, id: usize) -> Value {
        let mut defaults = self.defaults.clone();
        defaults.insert("custom".to_owned(), Value::Object(self.custom.clone()));
        let targets: Vec<Value> = self
            .queries
            .iter()
            .enumerate()
            .map(|(index, query)| query.json(index))
            .collect();
        json!({
            "id": id, "type": self.kind, "title": self.title, "description": self.about,
            "datasource": datasource(), "targets": targets, "options": self.options,
            "fieldConfig": {"defaults": defaults, "overrides": self.overrides},
            "transformations": self.transformations,
        })
    }
}

/// Colours from values upwards.
pub(super) fn thresholds(steps: &[(&str, Option<f64>)]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(color, value)| json!({"color": color, "value": value}))
        .collect();
    json!({"mode": "absolute", "steps": steps})
}

/// Words for values, with their colours: `3`, `1..` and everything above, or `null`.
pub(super) fn mappings(words: &[(&str, &str, &str)]) -> Value {
    let mapping = |(index, (value, text, color)): (usize, &(&str, &str, &str))| {
        let result = json!({"text": text, "color": color, "index": index});
        match value.strip_suffix("..") {
            Some(from) => json!({
                "type": "range", "options": {"from": from.parse::<f64>().ok(), "to": null, "result": result},
            }),
            None if *value == "null" => {
                json!({"type": "special", "options": {"match": "null", "result": result}})
            }
            None => json!({"type": "value", "options": {*value: result}}),
        }
    };
    Value::Array(words.iter().enumerate().map(mapping).collect())
}
