//! The folder with the state of one device: made, checked, and locked for one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::DiskError;

const LOCK: &str = "lock";

/// The folder. Another process may have it when this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    opened: File,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and takes it for this process.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let failed = |source| DiskError::Folder { path: path.to_owned(), source };
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
            sync_parent(path).map_err(failed)?;
        }
        let opened = private(path)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(|source| DiskError::Folder { path: path.join(LOCK), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), opened, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DiskError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has names that were given or taken away outlast a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.opened.sync_all()
    }
}

/// Whether the folder is one that a device can keep its state in. One that is not there yet can be made so.
pub fn check_folder(path: &Path) -> Result<(), DiskError> {
    if path.exists() { private(path).map(drop) } else { Ok(()) }
}

/// The folder, if nobody but its owner may change what is in it.
fn private(path: &Path) -> Result<File, DiskError> {
    let failed = |source| DiskError::Folder { path: path.to_owned(), source };
    let opened = File::open(path).map_err(failed)?;
    let found = opened.metadata().map_err(failed)?;
    if !found.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(DiskError::Shared { path: path.to_owned(), mode });
    }
    Ok(opened)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// The path with something behind its last name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a file if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a write found no room on the disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Moves a file that cannot be used out of the way, over one that was moved so before, and says so for people. What a newer program wrote
/// has a name of its own: that program can be given it back.
pub(super) fn set_aside(path: &Path, unusable: &Unusable) -> Result<String, DiskError> {
    let aside = beside(path, if matches!(unusable, Unusable::Newer(_)) { ".newer" } else { ".damaged" });
    match std::fs::rename(path, &aside) {
        Ok(()) => Ok(format!("{}: {unusable}; it was set aside as {}", path.display(), aside.display())),
        Err(source) => Err(DiskError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("a file of another kind ({0})")]
    Foreign(&'static str),
    #[error("damaged ({0})")]
    Damaged(String),
    #[error("written by a newer program (format {0})")]
    Newer(u64),
}
