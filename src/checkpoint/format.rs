//! The checkpoint file: one line that says what it is, then JSON. JSON, so that a person can read it when it matters
//! and a later release can tell an absent field from a zero.
//!
//! ```text
//! bingo-exporter-checkpoint 1 <XXH3 of the rest, 16 hex digits> <length of the rest, 20 digits>\n{…}
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
pub(super) struct Document<B = String, S = Vec<State>> {
    /// The run of the machine it was written in.
    pub(super) boot_id: B,
    /// Written at an orderly exit: nothing was shown after it.
    pub(super) clean: bool,
    /// When it was written.
    pub(super) saved: UnixMillis,
    /// The sources, each of one instant.
    pub(super) sources: S,
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

impl<B: Serialize, S: Serialize> Document<B, S> {
    /// Replaces `bytes` by the file's.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        seal(MAGIC, VERSION, bytes, |body| {
            Ok(serde_json::to_writer(body, self)?)
        })
    }
}

impl Document {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let body = unseal(MAGIC, VERSION, bytes)?;
        serde_json::from_slice(body).map_err(|error| Unreadable::Content(error.to_string()))
    }
}

/// Replaces `bytes` by a file: the line that says what it is, then what `write` makes its body.
pub(crate) fn seal(
    magic: &str,
    version: u32,
    bytes: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    // Of one length, whatever comes behind it.
    let line = |hash: u64, len: usize| format!("{magic} {version} {hash:016x} {len:020}\n");
    bytes.clear();
    bytes.extend(line(0, 0).bytes());
    let begin = bytes.len();
    write(bytes)?;
    let body = &bytes[begin..];
    let line = line(xxh3_64(body), body.len());
    bytes[..begin].copy_from_slice(line.as_bytes());
    Ok(())
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
