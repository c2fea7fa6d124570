//! The history as a file: the checkpoint's kind of first line, a line of JSON, then the packed series one after the
//! other. Apart from the checkpoint, since nothing is lost with it but a picture.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::History;
use super::packed::{Packed, Slot};
use super::sheet::{Key, Sheet};
use super::tier::Tier;
use crate::checkpoint::disk::Disk;
use crate::checkpoint::format::{Unreadable, seal, unseal};
use crate::record::Nanos;

/// Beside the checkpoint.
const NAME: &str = "history";
pub(super) const TEMPORARY: &str = "history.new";

const MAGIC: &str = "bingo-exporter-history";
const VERSION: u32 = 1;

/// The file is never larger.
pub(super) const LIMIT: usize = 2_000_000;

#[derive(Serialize, Deserialize)]
struct Head {
    edges: Arc<[Nanos]>,
    first: Slot,
    baseline: Vec<(Key, Vec<u64>)>,
    /// Releases before this was kept did not tell.
    #[serde(default)]
    judged_by: Option<u64>,
    tiers: [TierHead; 2],
}

#[derive(Serialize, Deserialize)]
struct TierHead {
    ends: Vec<Slot>,
    /// Key, what the first entry counts from, bytes.
    series: Vec<(Key, Slot, usize)>,
}

/// A history as it is saved.
pub(super) struct Encoded(Vec<u8>);

impl History {
    /// What is to be saved, at most [`LIMIT`] bytes of it.
    ///
    /// # Errors
    /// It would be more.
    pub(super) fn encode(&self) -> io::Result<Encoded> {
        let bytes = self.bytes()?;
        if bytes.len() > LIMIT {
            return Err(io::Error::other(format!(
                "{} bytes are more than {LIMIT}",
                bytes.len()
            )));
        }
        Ok(Encoded(bytes))
    }

    /// Takes up what was saved; `None` where there is nothing.
    ///
    /// # Errors
    /// What is there cannot be used: it says why.
    pub(super) fn load(&mut self, disk: &impl Disk) -> Result<Option<()>, String> {
        let Some(bytes) = disk.read(NAME).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let (head, packed) = decode(&bytes).map_err(|problem| problem.to_string())?;
        if head.edges != self.edges {
            return Err("the thresholds of the objectives have changed since".to_owned());
        }
        let [short, long] = head.tiers;
        let rest = restore(&mut self.short, short, packed).ok_or("it is too short")?;
        restore(&mut self.long, long, rest).ok_or("it is too short")?;
        self.first = head.first;
        self.baseline = head.baseline.into_iter().collect::<Sheet>();
        self.judged_by = head.judged_by;
        Ok(Some(()))
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let head = Head {
            edges: Arc::clone(&self.edges),
            first: self.first,
            baseline: self.baseline.clone().into_iter().collect(),
            judged_by: self.judged_by,
            tiers: [&self.short, &self.long].map(TierHead::of),
        };
        let mut bytes = vec![];
        seal(MAGIC, VERSION, &mut bytes, |body| {
            serde_json::to_writer(&mut *body, &head)?;
            body.push(b'\n');
            let tiers = [&self.short, &self.long];
            for packed in tiers.iter().flat_map(|tier| tier.series.values()) {
                body.extend(packed.bytes());
            }
            Ok(())
        })?;
        Ok(bytes)
    }
}

impl Encoded {
    /// Replaces the file.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn save(&self, disk: &mut impl Disk) -> io::Result<()> {
        disk.write(TEMPORARY, &self.0)?;
        disk.rename(TEMPORARY, NAME)
    }
}

impl TierHead {
    fn of(tier: &Tier) -> Self {
        let series = tier.series.iter();
        Self {
            ends: tier.ends.iter().copied().collect(),
            series: series
                .map(|(key, packed)| (key.clone(), packed.before(), packed.len()))
                .collect(),
        }
    }
}

fn decode(bytes: &[u8]) -> Result<(Head, &[u8]), Unreadable> {
    let body = unseal(MAGIC, VERSION, bytes)?;
    let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let head =
        serde_json::from_slice(&body[..end]).map_err(|error| Unreadable::Content(error.to_string()))?;
    Ok((head, body.get(end + 1..).unwrap_or_default()))
}

/// Fills an empty tier and gives what comes behind its series.
fn restore<'a>(tier: &mut Tier, head: TierHead, mut bytes: &'a [u8]) -> Option<&'a [u8]> {
    tier.ends = head.ends.into();
    for (key, before, len) in head.series {
        let (packed, rest) = bytes.split_at_checked(len)?;
        tier.series.insert(key, Packed::from_bytes(before, packed));
        bytes = rest;
    }
    Some(bytes)
}
