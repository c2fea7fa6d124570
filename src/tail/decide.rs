//! What we hold × what we see → what to do. Pure, so that the whole table can be read and tested.

use super::identity::FileId;

/// What stands at a followed path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtPath {
    /// Nothing, or nothing we may look at.
    Nothing,
    /// A file.
    File(FileId),
    /// `/dev/null`.
    Discarded,
}

/// What to do with the handle we hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtHandle {
    /// It is the file at the path.
    Keep,
    /// Renamed or deleted, and nothing new came yet: keep reading, a writer may still hold it too.
    Wait,
    /// Another file stands at the path: read this one to its end, let go when it stays quiet.
    Retire,
}

/// The handle's fate, by what stands at its path.
pub fn at_path(held: FileId, seen: AtPath) -> AtHandle {
    match seen {
        AtPath::File(id) if id == held => AtHandle::Keep,
        AtPath::File(_) | AtPath::Discarded => AtHandle::Retire,
        AtPath::Nothing => AtHandle::Wait,
    }
}

/// What the content of the file we hold looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// The file ends before our position.
    pub shorter: bool,
    /// Its beginning is what it was.
    pub head_same: bool,
    /// The bytes before our position are what they were.
    pub before_same: bool,
}

/// Whether our position still means anything in a file with this content. Size alone is no proof: a file cut
/// and written again may already be longer than it was.
pub fn is_same_content(content: Content) -> bool {
    !content.shorter && content.head_same && content.before_same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let [held, other] = [1, 2].map(|inode| FileId { device: 1, inode });
        assert_eq!(at_path(held, AtPath::File(held)), AtHandle::Keep);
        assert_eq!(at_path(held, AtPath::File(other)), AtHandle::Retire);
        assert_eq!(
            at_path(held, AtPath::File(FileId { device: 2, inode: 1 })),
            AtHandle::Retire
        );
        assert_eq!(at_path(held, AtPath::Discarded), AtHandle::Retire);
        assert_eq!(at_path(held, AtPath::Nothing), AtHandle::Wait);

        for bits in 0..8 {
            let content = Content {
                shorter: bits & 1 != 0,
                head_same: bits & 2 != 0,
                before_same: bits & 4 != 0,
            };
            assert_eq!(is_same_content(content), bits == 0b110, "{content:?}");
        }
    }
}
