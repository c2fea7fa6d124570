//! What nginx itself wrote down, read here without any of the exporter's code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// One line of the JSON log; everything nginx knows is text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    id: String,
    pub(crate) request: String,
    pub(crate) status: String,
    request_time: String,
    body_bytes_sent: String,
    upstream_addr: String,
    upstream_status: String,
    upstream_response_time: String,
    pub(crate) upstream_cache_status: String,
    pub(crate) server_protocol: String,
}

/// One try at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) node: String,
    /// `none` where the node gave no status.
    pub(crate) code: String,
    pub(crate) millis: Option<u64>,
}

/// Reads one or several logs, in order.
///
/// # Panics
/// On a line that is not what nginx was told to write.
#[track_caller]
pub(crate) fn read(logs: &[&Path]) -> Vec<Line> {
    let text: Vec<String> = logs
        .iter()
        .map(|log| fs::read(log).unwrap())
        .map(|bytes| lossy(&bytes))
        .collect();
    text.iter()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// nginx writes bytes over 127 as they came, in no encoding.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Line {
    /// The number of the request in the plan; none where the client could not tell nginx.
    pub(crate) fn id(&self) -> Option<u64> {
        let from_query = || self.request.split_once("?id=")?.1.split(' ').next()?.parse().ok();
        self.id.parse().ok().or_else(from_query)
    }

    pub(crate) fn millis(&self) -> u64 {
        millis(&self.request_time).unwrap()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.body_bytes_sent.parse().unwrap()
    }

    /// The tries at nodes. What has no port is no node but the name of the group, with none left to try.
    pub(crate) fn tries(&self) -> Vec<Try> {
        let list = |text: &str| {
            text.split(", ")
                .flat_map(|part| part.split(" : "))
                .map(str::to_owned)
                .collect()
        };
        let [nodes, codes, times]: [Vec<String>; 3] = [
            &self.upstream_addr,
            &self.upstream_status,
            &self.upstream_response_time,
        ]
        .map(|text| list(text));
        assert!(
            nodes.len() == codes.len() && nodes.len() == times.len(),
            "{self:?}"
        );
        let tries = nodes
            .into_iter()
            .zip(codes)
            .zip(times)
            .filter(|((node, _), _)| node.contains(':'));
        tries
            .map(|((node, code), time)| {
                let code = if code == "-" { "none".to_owned() } else { code };
                Try {
                    node,
                    code,
                    millis: millis(&time),
                }
            })
            .collect()
    }
}

/// `1.234` to 1234.
fn millis(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.')?;
    assert_eq!(fraction.len(), 3, "{seconds}");
    Some(whole.parse::<u64>().ok()? * 1000 + fraction.parse::<u64>().ok()?)
}

/// The lines by the number of their request.
///
/// # Panics
/// If a request was logged twice.
#[track_caller]
pub(crate) fn by_id(lines: &[Line]) -> BTreeMap<u64, &Line> {
    let mut found = BTreeMap::new();
    for line in lines {
        if let Some(id) = line.id() {
            assert!(found.insert(id, line).is_none(), "request {id} was logged twice");
        }
    }
    found
}
