//! What was once shown must never come back smaller: to Prometheus that is a reset, after which it adds the whole
//! value again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The greatest value shown so far, by series, over all starts of an exporter and everyone who asks it.
#[derive(Default)]
pub(crate) struct Floor {
    shown: Mutex<Arc<Shown>>,
}

pub(crate) type Shown = BTreeMap<String, f64>;

impl Floor {
    /// To be taken before asking: what somebody has seen by then holds for the answer, however many ask at once.
    pub(crate) fn take(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.lock().unwrap())
    }

    /// The counters of an answer (classic text) that are below the floor taken before it was asked for; the
    /// answer becomes part of the floor.
    pub(crate) fn check(&self, before: &Shown, answer: &str) -> Vec<String> {
        let values: Vec<(&str, f64)> = answer.lines().filter_map(counter).collect();
        let fallen = values.iter().filter_map(|(series, value)| {
            let shown = before.get(*series)?;
            (value < shown).then(|| format!("{series} fell from {shown} to {value}"))
        });
        let fallen = fallen.collect();
        let mut shown = self.shown.lock().unwrap();
        let shown = Arc::make_mut(&mut shown);
        for (series, value) in values {
            match shown.get_mut(series) {
                Some(highest) => *highest = highest.max(value),
                None => drop(shown.insert(series.to_owned(), value)),
            }
        }
        fallen
    }
}

/// A sample that only rises, over restarts too.
fn counter(line: &str) -> Option<(&str, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let name = series.split('{').next()?;
    let rises = ["_total", "_bucket", "_count", "_sum"]
        .iter()
        .any(|end| name.ends_with(end));
    let of_one_life = [
        "bingo_exporter_checkpoint_failures_total",
        "bingo_exporter_limit_hits_total",
    ];
    let lasts = name.starts_with("bingo_") && rises && !of_one_life.contains(&name);
    lasts.then(|| Some((series, value.parse().ok()?)))?
}

#[test]
fn only_counters_that_fall_are_told() {
    let floor = Floor::default();
    let check = |text: &str| floor.check(&floor.take(), text);
    let nothing: [String; 0] = [];
    assert_eq!(
        check("# HELP bingo_a_total x 9\nbingo_a_total{b=\"x y\"} 3\nbingo_g 5\nprocess_x_total 7\n"),
        nothing
    );
    assert_eq!(
        check("bingo_a_total{b=\"x y\"} 3\nbingo_g 1\nprocess_x_total 1\n"),
        nothing
    );
    assert_eq!(
        check("bingo_a_total{b=\"x y\"} 2\nbingo_a_total{b=\"z\"} 1\n"),
        ["bingo_a_total{b=\"x y\"} fell from 3 to 2"]
    );
    // Another scrape, asked for before the value rose, may still answer with the lower one.
    let before = floor.take();
    assert_eq!(check("bingo_a_total{b=\"z\"} 4\n"), nothing);
    assert_eq!(floor.check(&before, "bingo_a_total{b=\"z\"} 2\n"), nothing);
}
