//! `/api/v1/history`: the last hour of one endpoint, or of all together, as columns.

use serde::{Deserialize, Serialize};

use crate::history::sheet::row;
use crate::history::{History, Key, Live, STEP};
use crate::model::Model;
use crate::summary::quantile;

/// Seconds between two points, unless told otherwise.
const STEP_SECONDS: u32 = 15;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Query {
    /// Label; without it, all endpoints but health checks.
    route: Option<String>,
    /// Label; without it, all methods of the route.
    method: Option<String>,
    /// Seconds between two points, a multiple of 5.
    step: Option<u32>,
}

/// The document. All columns are equally long; `null` is what is not known.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Columns {
    route: Option<String>,
    method: Option<String>,
    step_seconds: u32,
    /// Where each step begins, in Unix seconds.
    time: Vec<f64>,
    /// Requests a second.
    rate: Vec<f64>,
    /// Bad ones a second.
    bad_rate: Vec<f64>,
    p50_seconds: Vec<Option<f64>>,
    p90_seconds: Vec<Option<f64>>,
    p99_seconds: Vec<Option<f64>>,
}

impl Columns {
    /// # Errors
    /// The query names nothing there is; says what is wrong.
    pub(in crate::serve) fn new(
        query: Query,
        history: &History,
        live: &Live,
        model: Option<&Model>,
    ) -> Result<Self, String> {
        let step_seconds = query.step.unwrap_or(STEP_SECONDS);
        if !(5..=3600).contains(&step_seconds) || !step_seconds.is_multiple_of(5) {
            return Err(format!(
                "step is {step_seconds}: expected a multiple of 5 up to 3600, in seconds"
            ));
        }
        let rows = model
            .into_iter()
            .flat_map(|model| &model.routes.rows)
            .filter(|row| {
                let is_asked =
                    |asked: &Option<String>, is: &str| asked.as_ref().is_none_or(|asked| asked == is);
                let wanted = query.route.is_some() || !row.probe;
                wanted && is_asked(&query.route, &row.route) && is_asked(&query.method, row.method.as_str())
            });
        let keys: Vec<_> = rows.map(|row| Key::Row(row.route.clone(), row.method)).collect();
        if keys.is_empty() && (query.route.is_some() || query.method.is_some()) {
            return Err("no endpoint has this route and method: /api/v1/status lists them".to_owned());
        }
        let points = Points::new(history, live, &keys, step_seconds);
        let edges = history.edges();
        let quantiles = |q| {
            let buckets = points
                .cells
                .iter()
                .map(|cells| cells.get(row::BUCKETS..).unwrap_or_default());
            buckets.map(|buckets| quantile(q, edges, buckets)).collect()
        };
        Ok(Self {
            step_seconds,
            rate: points.rates(row::REQUESTS),
            bad_rate: points.rates(row::BAD),
            p50_seconds: quantiles(0.5),
            p90_seconds: quantiles(0.9),
            p99_seconds: quantiles(0.99),
            time: points.times,
            route: query.route,
            method: query.method,
        })
    }
}

/// Cells of some endpoints together, step by step; the step that is not over is left out.
pub(super) struct Points {
    times: Vec<f64>,
    /// What of each step the history knows.
    seconds: Vec<f64>,
    cells: Vec<Vec<u64>>,
}

impl Points {
    pub(super) fn new(history: &History, live: &Live, keys: &[Key], step_seconds: u32) -> Self {
        let step = i64::from(step_seconds) * 1000;
        let steps = u32::try_from(step / STEP).unwrap_or(1);
        let width = row::width(history.edges().len());
        let mut points = Self {
            times: vec![],
            seconds: vec![],
            cells: vec![],
        };
        for key in keys {
            let (first, bins) = history.points(live, key, width, steps);
            if points.cells.is_empty() {
                let begin = |index: usize| first + index as i64 * step;
                let known = |begin: i64| begin.max(history.begin().unwrap_or(begin));
                points.times = (0..bins.len()).map(|index| begin(index) as f64 / 1e3).collect();
                let lengths = (0..bins.len()).map(|index| begin(index) + step - known(begin(index)));
                points.seconds = lengths.map(|length| length as f64 / 1e3).collect();
                points.cells = bins;
                continue;
            }
            for (sum, more) in points.cells.iter_mut().flatten().zip(bins.iter().flatten()) {
                *sum += more;
            }
        }
        points.times.pop();
        points.seconds.pop();
        points.cells.pop();
        points
    }

    /// Of the newest so many points.
    pub(super) fn newest(mut self, count: usize) -> Self {
        let gone = self.cells.len().saturating_sub(count);
        self.cells.drain(..gone);
        self.seconds.drain(..gone);
        self.times.drain(..gone);
        self
    }

    pub(super) fn rates(&self, cell: usize) -> Vec<f64> {
        let counts = self.cells.iter().map(|cells| cells[cell]);
        let rates = counts
            .zip(&self.seconds)
            .map(|(count, seconds)| crate::summary::per_second(count, *seconds));
        rates.map(|rate| (rate * 1000.0).round() / 1000.0).collect()
    }
}
