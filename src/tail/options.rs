//! Other paths while we run, or since the last start: what is followed then, and what is let go.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use tracing::info;

use super::discover::Pattern;
use super::follower::Follower;
use super::identity::{Bookmark, Role};
use super::rotated::remember;
use super::{Options, Tail, by_id};

impl Tail {
    /// Goes on under other options. What is found at paths that stay, under whatever pattern, is followed on; what is
    /// new at a new path begins where the options say, like at a first start.
    pub fn set_options(&mut self, options: Options) {
        let before = std::mem::take(&mut self.patterns);
        let kept = |path: &String| before.iter().find(|pattern| pattern.as_str() == path).cloned();
        self.patterns = options
            .paths
            .iter()
            .map(|path| kept(path).unwrap_or_else(|| Pattern::new(path)))
            .collect();
        self.options = options;
        self.rename();
        self.let_go_unwanted();
        let new = self.patterns.iter().filter(|pattern| !pattern.looked);
        for path in new
            .filter_map(Pattern::literal)
            .map(Path::to_owned)
            .collect::<Vec<_>>()
        {
            self.remember_siblings(&path);
        }
        (self.swept, self.rescan) = (None, true);
    }

    /// Whether files in a directory are followed, if there are any.
    pub fn looks_into(&self, directory: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.looks_into(directory))
    }

    /// Nothing is expected any more of files that no pattern leads to. Their positions stay: one that is followed
    /// again goes on there.
    pub(super) fn expect_only_wanted(&mut self) {
        let patterns = &self.patterns;
        let unwanted = |bookmark: &&mut Bookmark| !leads_to(patterns, &bookmark.path);
        for bookmark in self.known.iter_mut().filter(unwanted) {
            bookmark.role = Role::Done;
        }
    }

    /// Whether a pattern leads to this path.
    pub(super) fn is_wanted(&self, path: &Path) -> bool {
        leads_to(&self.patterns, path)
    }

    /// A path that was replaced by another name of the same file, a link by what it leads to, stays followed.
    fn rename(&mut self) {
        let found: BTreeMap<_, _> = self.patterns.iter_mut().flat_map(Pattern::find).collect();
        let names = by_id(&found);
        let live = self.followers.iter().filter(|follower| !follower.retired);
        let renamed: HashMap<Arc<Path>, Arc<Path>> = live
            .filter(|follower| !self.is_wanted(&follower.path))
            .filter_map(|follower| {
                Some((
                    Arc::clone(&follower.path),
                    names.get(&follower.position.id)?.0.into(),
                ))
            })
            .collect();
        let followers = self.followers.iter_mut().map(|follower| &mut follower.path);
        let archives = self.archives.iter_mut().map(|archive| &mut archive.path);
        let known = self.known.iter_mut().map(|bookmark| &mut bookmark.path);
        for path in followers.chain(archives).chain(known) {
            if let Some(name) = renamed.get(path) {
                *path = Arc::clone(name);
            }
        }
    }

    fn let_go_unwanted(&mut self) {
        let patterns = &self.patterns;
        let unwanted = |follower: &mut Follower| !leads_to(patterns, &follower.path);
        for follower in self.followers.extract_if(.., unwanted) {
            info!(path = %follower.path.display(), "no longer followed");
            let bookmark = follower.bookmark();
            if bookmark.position.says_something() {
                remember(&mut self.known, bookmark);
            }
        }
        self.lingering.retain(|path, _| leads_to(patterns, path));
        let archives = std::mem::take(&mut self.archives);
        let (wanted, unwanted): (VecDeque<_>, VecDeque<_>) = archives
            .into_iter()
            .partition(|archive| leads_to(patterns, &archive.path));
        self.archives = wanted;
        for archive in unwanted {
            remember(&mut self.known, archive.bookmark(Role::Rotated));
        }
        self.expect_only_wanted();
    }
}

fn leads_to(patterns: &[Pattern], path: &Path) -> bool {
    patterns.iter().any(|pattern| pattern.leads_to(path))
}
