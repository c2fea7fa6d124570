//! Exemplars written behind the samples of a histogram's buckets: prometheus-client cannot be handed any that it did not
//! collect itself.

use std::fmt::Write as _;

use super::seconds;
use crate::tally::Exemplar;

/// Puts `exemplars` behind the lines that begin with `samples`, one for each, in their order.
pub(super) fn attach(text: String, samples: &str, exemplars: &[Option<Exemplar>]) -> String {
    if exemplars.iter().all(Option::is_none) {
        return text;
    }
    let mut exemplars = exemplars.iter();
    let mut attached = String::with_capacity(text.len() + text.len() / 4);
    for line in text.lines() {
        attached.push_str(line);
        if line.starts_with(samples)
            && let Some(Some(exemplar)) = exemplars.next()
        {
            let (whole, millis) = (exemplar.time.div_euclid(1000), exemplar.time.rem_euclid(1000));
            // Writing to memory does not fail.
            let _ = write!(
                attached,
                " # {{request_id=\"{}\"}} {} {whole}.{millis:03}",
                exemplar.id(),
                seconds(exemplar.duration)
            );
        }
        attached.push('\n');
    }
    attached
}
