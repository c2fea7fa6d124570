//! The checkpoint file: one line that says what it is, then JSON. JSON, so that a person can read it when it matters
//! and a later release can tell an absent field from a zero.
//!
//! ```text
//! bingo-exporter-checkpoint 1 <XXH3 of the rest, 16 hex digits> <length of the rest>\n{…}
//! ```

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::record::UnixMillis;
use crate::source::State;

const MAGIC: &str = "bingo-exporter-checkpoint";

/// Raised when an older release could not read the file any more.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    /// The run of the machine it was written in.
    pub(super) boot_id: String,
    /// Written at an orderly exit: nothing was shown after it.
    pub(super) clean: bool,
    /// When it was written.
    pub(super) saved: UnixMillis,
    /// The sources, each of one instant.
    pub(super) sources: Vec<State>,
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    Foreign,
    Newer(u32),
    Damaged,
    /// Whole, but not what this release expects.
    Content(String),
}

impl Document {
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let body = serde_json::to_vec(self)?;
        let mut bytes = format!("{MAGIC} {VERSION} {:016x} {}\n", xxh3_64(&body), body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let end = bytes
            .iter()
            .take(128)
            .position(|byte| *byte == b'\n')
            .ok_or(Unreadable::Foreign)?;
        let (head, body) = (std::str::from_utf8(&bytes[..end]), &bytes[end + 1..]);
        let mut words = head.map_err(|_| Unreadable::Foreign)?.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(Unreadable::Foreign);
        }
        match words.next().and_then(|version| version.parse().ok()) {
            Some(VERSION) => {}
            Some(version) if version > VERSION => return Err(Unreadable::Newer(version)),
            _ => return Err(Unreadable::Damaged),
        }
        let hash = words.next().and_then(|hash| u64::from_str_radix(hash, 16).ok());
        let len = words.next().and_then(|len| len.parse().ok());
        if len != Some(body.len()) || hash != Some(xxh3_64(body)) {
            return Err(Unreadable::Damaged);
        }
        serde_json::from_slice(body).map_err(|error| Unreadable::Content(error.to_string()))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a checkpoint"),
            Self::Newer(version) => write!(
                f,
                "of format {version}, which a newer release wrote; this one reads {VERSION}"
            ),
            Self::Damaged => f.write_str("damaged: length or checksum is wrong"),
            Self::Content(error) => write!(f, "not as expected: {error}"),
        }
    }
}
