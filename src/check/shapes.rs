//! Paths that no endpoint matches, by shape: what an endpoint for them would be called.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Unmatched;
use crate::config::{Config, scalar};
use crate::record::Method;

/// So many shapes are named.
pub(super) const SHAPES: usize = 10;

/// Longer segments are identifiers, whatever they look like.
const SEGMENT_BYTES: usize = 24;

/// More different segments at one place are identifiers: names of users, of files.
const SIBLINGS: usize = 8;

/// Deeper paths are cut: no endpoint is that deep.
const DEPTH: usize = 12;

/// How often each shape occurs.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// By method, then segments.
    counts: BTreeMap<(Method, Vec<String>), u64>,
}

impl Shapes {
    /// Counts one unmatched path, as routing sees it.
    pub(super) fn count(&mut self, method: Method, path: &str) {
        let segments = path.split('/').skip(1).take(DEPTH);
        let segments = segments.map(|segment| {
            if is_id(segment) {
                "{id}".to_owned()
            } else {
                segment.to_owned()
            }
        });
        *self.counts.entry((method, segments.collect())).or_default() += 1;
    }

    /// The most frequent, with an entry for `endpoints:` where one would be valid beside those there are.
    pub(super) fn most_frequent(self, config: &Config) -> Vec<Unmatched> {
        let mut merged: BTreeMap<(Method, Vec<String>), u64> = self.counts;
        for depth in 0..DEPTH {
            merged = merge(merged, depth);
        }
        let mut shapes: Vec<_> = merged.into_iter().collect();
        shapes.sort_by_key(|(shape, requests)| (std::cmp::Reverse(*requests), shape.clone()));
        let shapes = shapes.into_iter().take(SHAPES);
        shapes
            .map(|((method, segments), requests)| unmatched(config, method, &segments, requests))
            .collect()
    }
}

/// Makes one of what differs at `depth` only by too many names.
fn merge(shapes: BTreeMap<(Method, Vec<String>), u64>, depth: usize) -> BTreeMap<(Method, Vec<String>), u64> {
    let mut names: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for (_, segments) in shapes.keys().filter(|(_, segments)| segments.len() > depth) {
        names
            .entry(segments[..depth].to_vec())
            .or_default()
            .insert(segments[depth].clone());
    }
    let mut merged = BTreeMap::new();
    for ((method, mut segments), requests) in shapes {
        let many = names
            .get(&segments[..depth.min(segments.len())])
            .is_some_and(|names| names.len() > SIBLINGS);
        if many && let Some(segment) = segments.get_mut(depth) {
            "{id}".clone_into(segment);
        }
        *merged.entry((method, segments)).or_default() += requests;
    }
    merged
}

fn unmatched(config: &Config, method: Method, segments: &[String], requests: u64) -> Unmatched {
    let template = named(segments);
    let spelled = config
        .endpoints
        .iter()
        .find(|endpoint| scalar::shape(&endpoint.path) == scalar::shape(&template));
    let path = spelled.map_or(template, |endpoint| endpoint.path.clone());
    let possible = scalar::method(method.as_str()).is_ok() && scalar::template(&path).is_ok();
    Unmatched {
        method: method.as_str(),
        endpoint: possible.then(|| format!("- {{method: {method}, path: \"{path}\"}}")),
        path,
        requests,
    }
}

/// Each parameter under a name of its own.
fn named(segments: &[String]) -> String {
    let mut parameters = 0;
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        if segment != "{id}" {
            path.push_str(segment);
            continue;
        }
        parameters += 1;
        match parameters {
            1 => path.push_str("{id}"),
            number => path.push_str(&format!("{{id{number}}}")),
        }
    }
    path
}

/// Whether a segment is anything but a plain word: then it may be somebody's, and is never shown.
fn is_id(segment: &str) -> bool {
    let version = segment
        .strip_prefix('v')
        .is_some_and(|number| (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()));
    let plain = segment
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || b"-_.".contains(&byte));
    let word = version || (plain && segment.len() <= SEGMENT_BYTES);
    !word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn config() -> Config {
        Config::load(None, &Overrides::default()).unwrap()
    }

    #[track_caller]
    fn check(paths: &[(Method, &str)], expect: &[(&str, u64)]) {
        let mut shapes = Shapes::default();
        for (method, path) in paths {
            shapes.count(*method, path);
        }
        let found = shapes.most_frequent(&config());
        let found: Vec<_> = found
            .iter()
            .map(|shape| (format!("{} {}", shape.method, shape.path), shape.requests))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|(shape, n)| ((*shape).to_owned(), *n))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn identifiers_are_parameters() {
        use Method::{Get, Head, Post};
        check(
            &[
                (Get, "/v1/user/5/orders/77"),
                (Get, "/v1/user/6/orders/550e8400-e29b-41d4-a716-446655440000"),
                (Get, "/favicon.ico"),
                (Get, "/mail/a@b.example"),
                (Head, "/"),
                (Post, "/api/movie/5"),
            ],
            &[
                ("GET /v1/user/{id}/orders/{id2}", 2),
                ("GET /favicon.ico", 1),
                ("GET /mail/{id}", 1),
                ("HEAD /", 1),
                ("POST /api/movie/{id}", 1),
            ],
        );
    }

    #[test]
    fn many_names_at_one_place_are_one_parameter() {
        let names = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal", "ida"];
        let paths: Vec<_> = names.iter().map(|name| format!("/user/{name}/cart")).collect();
        let paths: Vec<_> = paths.iter().map(|path| (Method::Get, path.as_str())).collect();
        check(&paths, &[("GET /user/{id}/cart", 9)]);
        assert!(paths.len() > SIBLINGS);
    }

    #[test]
    fn entries_are_valid_beside_the_ones_there_are() {
        let mut shapes = Shapes::default();
        for path in [
            "/a\"b/{x}/\u{1b}",
            "/ok/5/6",
            "/api/customer/1",
            "/",
            "//",
            "/x y",
        ] {
            shapes.count(Method::Patch, path);
        }
        shapes.count(Method::Other, "/never/an/endpoint");
        let entries: Vec<_> = shapes
            .most_frequent(&config())
            .into_iter()
            .filter_map(|shape| shape.endpoint)
            .collect();
        assert!(entries.len() >= 3, "{entries:?}");
        let text = config().to_yaml().replace(
            "endpoints:\n",
            &format!("endpoints:\n  {}\n", entries.join("\n  ")),
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let loaded = Config::load(Some(file.path()), &Overrides::default()).unwrap();
        assert_eq!(loaded.endpoints.len(), config().endpoints.len() + entries.len());
    }
}
