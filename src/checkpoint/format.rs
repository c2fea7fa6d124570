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
pub(super) struct Document<S = State> {
    /// The run of the machine it was written in.
    pub(super) boot_id: String,
    /// Written at an orderly exit: nothing was shown after it.
    pub(super) clean: bool,
    /// When it was written.
    pub(super) saved: UnixMillis,
    /// The sources, each of one instant.
    pub(super) sources: Vec<S>,
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Foreign,
    Newer(u32),
    Damaged,
    /// Whole, but not what this release expects.
    Content(String),
}

impl<S: Serialize> Document<S> {
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(seal(MAGIC, VERSION, &serde_json::to_vec(self)?))
    }
}

impl Document {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let body = unseal(MAGIC, VERSION, bytes)?;
        serde_json::from_slice(body).map_err(|error| Unreadable::Content(error.to_string()))
    }
}

/// A file: the line that says what it is, then its body.
pub(crate) fn seal(magic: &str, version: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{magic} {version} {:016x} {}\n", xxh3_64(body), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The body of a file of this kind and version that is whole.
pub(crate) fn unseal<'a>(magic: &str, version: u32, bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let end = bytes
        .iter()
        .take(128)
        .position(|byte| *byte == b'\n')
        .ok_or(Unreadable::Foreign)?;
    let (head, body) = (std::str::from_utf8(&bytes[..end]), &bytes[end + 1..]);
    let mut words = head.map_err(|_| Unreadable::Foreign)?.split(' ');
    if words.next() != Some(magic) {
        return Err(Unreadable::Foreign);
    }
    match words.next().and_then(|version| version.parse::<u32>().ok()) {
        Some(written) if written == version => {}
        Some(written) if written > version => return Err(Unreadable::Newer(written)),
        _ => return Err(Unreadable::Damaged),
    }
    let hash = words.next().and_then(|hash| u64::from_str_radix(hash, 16).ok());
    let len = words.next().and_then(|len| len.parse().ok());
    if len != Some(body.len()) || hash != Some(xxh3_64(body)) {
        return Err(Unreadable::Damaged);
    }
    Ok(body)
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a file of this kind"),
            Self::Newer(version) => write!(
                f,
                "of format {version}, which a newer release wrote; this one reads older ones"
            ),
            Self::Damaged => f.write_str("damaged: length or checksum is wrong"),
            Self::Content(error) => write!(f, "not as expected: {error}"),
        }
    }
}
