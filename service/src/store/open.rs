//! Making, finding and opening the store's file, and saying what is wrong with it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, StorageBackend};
use tracing::{info, warn};

use super::fault::{Fault, panic_text};
use super::format::{self, FORMAT_VERSION, FormatError};
use super::tables::Sequence;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: cannot make the store's directory: {source}; make it, or name another place for the store")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path}: is a directory; the store needs the path of a file, such as {}", path.join("registry.redb").display())]
    IsDirectory { path: PathBuf },
    #[error("{path}: {source}; this user must be able to read and write it and its directory")]
    Permission { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: in use by another process; stop that one, or give this one a store of its own")]
    InUse { path: PathBuf },
    #[error(
        "{path}: not a store of this program ({reason}); name another file, or move this one away to begin with an empty store"
    )]
    NotAStore { path: PathBuf, reason: &'static str },
    #[error(
        "{path}: has format version {found}, this program knows up to {known}: it was last used by a newer version; \
         run that version, or restore a backup made before the upgrade"
    )]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error(
        "{path}: has format version {found}, which this program cannot upgrade to {known}; it was not written by a released version"
    )]
    TooOld { path: PathBuf, found: u64, known: u64 },
    #[error("{path}: damaged ({reason}); restore it from a backup, or move it away to begin with an empty store")]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot start the store's thread: {0}")]
    Thread(io::Error),
}

/// Opens a store's database that exists, at start and again after a failure.
pub(super) trait Source: Send {
    fn open(&self) -> Result<Database, OpenError>;

    /// What to call it in messages.
    fn path(&self) -> &Path;
}

/// A store in a file.
pub(super) struct FileSource {
    pub path: PathBuf,
    pub cache_size: usize,
}

const MAGIC: &[u8; 4] = b"redb";

impl FileSource {
    /// Makes the file and its directory when there is none.
    pub fn prepare(&self) -> Result<(), OpenError> {
        let path = &self.path;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.exists() {
            let made =
                DirBuilder::new().recursive(true).mode(0o700).create(directory).and_then(|()| sync_parent(directory));
            made.map_err(|source| OpenError::Directory { path: directory.to_owned(), source })?;
        }
        match std::fs::metadata(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.create(directory),
            Err(source) => Err(io_error(path, source)),
        }
    }

    /// The file gets its name when it is whole, so that a crash does not leave one that cannot be opened.
    fn create(&self, directory: &Path) -> Result<(), OpenError> {
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(&unfinished, error)),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished);
        let file = file.map_err(|source| io_error(&unfinished, source))?;
        let backend = FileBackend::new(file).map_err(|error| database_error(&unfinished, error))?;
        let database = database(backend, self.cache_size).map_err(|error| database_error(&unfinished, error))?;
        format::create(&database)
            .and_then(|()| Ok(database.close()?))
            .map_err(|fault| OpenError::Io { path: unfinished.clone(), source: io::Error::other(fault.to_string()) })?;
        let named = std::fs::rename(&unfinished, &self.path).and_then(|()| File::open(directory)?.sync_all());
        named.map_err(|source| io_error(&self.path, source))?;
        info!(path = %self.path.display(), "a new store was made");
        Ok(())
    }

    /// What redb would say less clearly, or would take for a new file.
    fn inspect(&self, mut file: &File) -> Result<(), OpenError> {
        let path = &self.path;
        let metadata = file.metadata().map_err(|source| io_error(path, source))?;
        let not_a_store = |reason| OpenError::NotAStore { path: path.clone(), reason };
        if !metadata.is_file() {
            return Err(not_a_store("it is not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(not_a_store("it is empty"));
        }
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Ok(()) => return Err(not_a_store("it does not begin as one")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(not_a_store("it is too short")),
            Err(source) => return Err(io_error(path, source)),
        }
        let mode = metadata.permissions().mode();
        if mode & 0o077 != 0 {
            warn!(path = %path.display(), mode = format_args!("{:o}", mode & 0o777), "other users may read the store; chmod 600 is advised");
        }
        Ok(())
    }
}

impl Source for FileSource {
    fn open(&self) -> Result<Database, OpenError> {
        let path = &self.path;
        if path.is_dir() {
            return Err(OpenError::IsDirectory { path: path.clone() });
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|source| io_error(path, source))?;
        self.inspect(&file)?;
        let backend = FileBackend::new(file).map_err(|error| database_error(path, error))?;
        // redb trusts a file that was closed cleanly, and may stumble over one that was changed since.
        catch_unwind(AssertUnwindSafe(|| database(backend, self.cache_size)))
            .unwrap_or_else(|panic| {
                let reason = format!("its structure makes no sense: {}", panic_text(&*panic));
                Err(DatabaseError::Storage(redb::StorageError::Corrupted(reason)))
            })
            .map_err(|error| database_error(path, error))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens the database in any storage.
pub(super) fn database(backend: impl StorageBackend, cache_size: usize) -> Result<Database, DatabaseError> {
    Builder::new()
        .set_cache_size(cache_size)
        .set_repair_callback(|repair| {
            warn!(percent = (repair.progress() * 100.0) as u8, "the store was not closed and is being repaired")
        })
        .create_with_backend(backend)
}

/// Checks and reads what the store needs to know of its tables.
pub(super) fn load(path: &Path, database: &Database) -> Result<Sequence, OpenError> {
    let path = path.to_owned();
    format::load(database).map_err(|error| match error {
        FormatError::Foreign => OpenError::NotAStore { path, reason: "it is a redb database of another program" },
        FormatError::Newer(found) => OpenError::Newer { path, found, known: FORMAT_VERSION },
        FormatError::Unknown(found) => OpenError::TooOld { path, found, known: FORMAT_VERSION },
        FormatError::Fault(fault) => fault_error(path, fault),
    })
}

pub(super) fn fault_error(path: PathBuf, fault: Fault) -> OpenError {
    match fault {
        Fault::Io(reason) => OpenError::Io { path, source: io::Error::other(reason) },
        Fault::Damaged(reason) => OpenError::Damaged { path, reason },
    }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::Permission { path, source },
        _ => OpenError::Io { path, source },
    }
}

pub(super) fn database_error(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse { path: path.to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Io(source)) if source.kind() == ErrorKind::UnexpectedEof => {
            OpenError::Damaged { path: path.to_owned(), reason: "it is shorter than it was".to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Io(source)) => io_error(path, source),
        DatabaseError::UpgradeRequired(_) => OpenError::NotAStore {
            path: path.to_owned(),
            reason: "its redb file format is older than any this program wrote",
        },
        other => OpenError::Damaged { path: path.to_owned(), reason: other.to_string() },
    }
}

fn sync_parent(directory: &Path) -> io::Result<()> {
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
