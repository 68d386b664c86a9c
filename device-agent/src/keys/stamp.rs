//! Whether a file is still the one that was read: cheap, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one content of a file from another: where it lies, how long it is, when it was last written, renamed or given away.
/// Symbolic links are followed, so that one that points elsewhere, or whose folder does, shows as another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    size: u64,
    written: (i64, i64),
    touched: (i64, i64),
}

impl Stamp {
    /// `None` for a file that cannot be asked.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            touched: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
