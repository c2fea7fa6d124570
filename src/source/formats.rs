//! How each file of a source is written, where that is decided from its lines.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::decode::{AccessDecoder, Detection, Known};
use crate::tail;

/// The files of a source, each with what is known of its format. Serialises.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Formats {
    files: Vec<FileFormat>,
    /// The file whose lines come just now; they come file by file.
    #[serde(skip)]
    current: usize,
}

/// What is known of the format of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FileFormat {
    #[serde(serialize_with = "tail::lossy")]
    path: Arc<Path>,
    detection: Detection,
    /// What the log was told last.
    #[serde(skip)]
    said: (Option<Known>, bool),
}

/// Equal where the same is known.
impl PartialEq for Formats {
    fn eq(&self, other: &Self) -> bool {
        let known = |file: &FileFormat| (Arc::clone(&file.path), file.detection);
        self.files.iter().map(known).eq(other.files.iter().map(known))
    }
}

impl Formats {
    /// What is known of a file's format.
    pub fn get(&self, path: &Path) -> Detection {
        let file = self.files.iter().find(|file| file.is_at(path));
        file.map(|file| file.detection).unwrap_or_default()
    }

    /// The same, to be read with and to learn more.
    pub(super) fn of(&mut self, path: &Path) -> &mut Detection {
        if !self.files.get(self.current).is_some_and(|file| file.is_at(path)) {
            // The next one is most often not far behind.
            let from = self.current.min(self.files.len());
            let (before, behind) = self.files.split_at(from);
            let mut around = behind.iter().chain(before);
            self.current = match around.position(|file| file.is_at(path)) {
                Some(distance) => (from + distance) % self.files.len(),
                None => {
                    self.files.push(FileFormat::new(path));
                    self.files.len() - 1
                }
            };
        }
        &mut self.files[self.current].detection
    }

    /// Tells the log what was decided.
    pub(super) fn announce(&mut self, decoder: &AccessDecoder) {
        for file in &mut self.files {
            let said = (file.detection.known(), file.detection.is_in_vain());
            if std::mem::replace(&mut file.said, said) == said {
                continue;
            }
            let path = file.path.display();
            let decided = decoder.decided(&file.detection);
            match (decided.format, said.1) {
                (Some(format), _) => info!(%path, format, why = decided.why, "the log's format is decided"),
                (None, true) => warn!(%path, why = decided.why, "the log's format is not known"),
                (None, false) => warn!(%path, "most lines are rejected: the log's format is decided anew"),
            }
        }
    }

    /// Drops files that are not followed any more, once there are more than `limit`.
    pub(super) fn forget(&mut self, limit: usize, is_followed: impl Fn(&Path) -> bool) {
        if self.files.len() > limit {
            self.files.retain(|file| is_followed(&file.path));
            self.current = 0;
        }
    }
}

impl FileFormat {
    fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            detection: Detection::default(),
            said: (None, false),
        }
    }

    /// Bytes, since comparing components costs more than reading a line may.
    fn is_at(&self, path: &Path) -> bool {
        self.path.as_os_str() == path.as_os_str()
    }
}
