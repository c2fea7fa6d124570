//! The bodies of the fuzz targets on the kept corpus and on changes of it, with no more than `cargo test`; and random
//! JSON, with serde_json as the referee. `make fuzz` looks further.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../fuzz/bodies.rs"]
#[expect(clippy::expect_used, reason = "the bodies of tests")]
mod bodies;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", dir.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn every_target_has_a_body_and_a_corpus() {
    for (target, body) in bodies::TARGETS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{target}.rs"));
        assert!(
            fs::read_to_string(file)
                .unwrap()
                .contains(&format!("run(\"{target}\", data)"))
        );
        corpus(target).iter().for_each(|data| body(data));
    }
}

/// A piece of what is there is put elsewhere, or one byte is another.
fn changed(mut data: Vec<u8>, changes: &[(prop::sample::Index, prop::sample::Index, u8)]) -> Vec<u8> {
    for (from, to, byte) in changes {
        let (from, to) = (from.index(data.len() + 1), to.index(data.len() + 1));
        match byte % 3 {
            0 => drop(data.drain(from.min(to)..from.max(to).min(from.min(to) + 9))),
            1 => {
                let piece = data[from.min(to)..from.max(to).min(from.min(to) + 40)].to_vec();
                data.splice(to..to, piece);
            }
            _ => data.insert(to, byte / 3 + 32),
        }
    }
    data
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (0..700_i64).prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| serde_json::json!(value).to_string()),
        (0.0..99_999.0).prop_map(|value: f64| value.to_string()),
        any::<String>().prop_map(|value| serde_json::json!(value).to_string()),
        "GET /\\PC{0,9}".prop_map(|value| serde_json::json!(value).to_string()),
        "[1-5][0-9]{2}".prop_map(|value| format!("\"{value}\"")),
    ]
}

/// JSON of any shape, with keys that mean something.
fn value() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 20, 5, |inner| {
        let key = prop::sample::select(vec!["s", "r", "t", "\\u0073", "status", "x", "é"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(" ,"))),
            prop::collection::vec((key, inner), 0..6).prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| format!("\"{key}\" : {value}"))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

/// Lines of one logger: the same keys, so that a line teaches something about the others, and values of any kind.
fn log() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "status",
        "request",
        "request_time",
        "time",
        "upstream_addr",
        "s",
        "r",
        "t",
        "level",
        "timestamp",
        "msg",
        "x",
    ]);
    let kind = prop_oneof![
        3 => (0..700_i64).prop_map(|value| value.to_string()),
        3 => "[ -!#-\\[\\]-~é]{0,70}".prop_map(|value| format!("\"{value}\"")),
        1 => Just("\"Quota updated.\"".to_owned()),
        1 => leaf(),
    ];
    let keys = prop::collection::vec(key, 1..7);
    let lines = prop::collection::vec(prop::collection::vec(kind, 7), 2..6);
    (keys, lines).prop_map(|(keys, lines)| {
        let pairs = |values: &Vec<String>| {
            let pairs = keys.iter().zip(values);
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("\"{key}\":{value}")).collect();
            // Shorter ones teach nothing.
            format!("{{\"user_agent\":\"{:64}\",{}}}", "", pairs.join(","))
        };
        let lines: Vec<_> = lines.iter().map(pairs).collect();
        lines.join("\n")
    })
}

proptest! {
    #[test]
    fn random_logs(log in log()) {
        for target in ["json", "auto", "app"] {
            bodies::run(target, log.as_bytes());
        }
    }

    #[test]
    fn changed_corpora(
        target in 0..bodies::TARGETS.len(), seed: prop::sample::Index,
        changes: Vec<(prop::sample::Index, prop::sample::Index, u8)>,
    ) {
        let (name, body) = bodies::TARGETS[target];
        let seeds = corpus(name);
        body(&changed(seed.get(&seeds).clone(), &changes));
    }

    #[test]
    fn random_json(object in value(), cut: prop::sample::Index) {
        bodies::run("json", object.replace('\n', " ").as_bytes());
        bodies::run("json", &object.as_bytes()[..cut.index(object.len() + 1)]);
    }
}
