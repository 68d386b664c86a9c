//! A certificate file and its key file on disk: `<stem>.pem` and `<stem>.key`.
//!
//! Files appear whole or not at all (temporary file, then link or rename), and a key has mode 0600 from its first byte.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};

const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// Far above any chain; keeps a mistaken path (a disk image, a device file) from filling the memory.
const MAX_FILE: u64 = 1 << 20;

/// Why a certificate or key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is a file already, and it was not to be replaced.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The stem would lead out of the directory, or names no file.
    #[error(
        "{0:?} cannot be a file name: it is empty, too long, begins with a dot, or has a slash or control characters"
    )]
    Stem(String),
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The file is no certificate or key.
    #[error("{} has no {what} that can be read as PEM", path.display())]
    Pem { path: PathBuf, what: &'static str, source: pem::Error },
    /// The file is longer than any certificate chain.
    #[error("{} is larger than {MAX_FILE} bytes; it is no certificate or key", .0.display())]
    TooLarge(PathBuf),
    /// Somebody else could have copied the key.
    #[error("{} is a private key that is open to others (mode {mode:04o}); run: chmod 600 {}", path.display(), path.display())]
    KeyOpenToOthers { path: PathBuf, mode: u32 },
    /// No temporary file name could be drawn.
    #[error("the system's random number generator failed")]
    Random,
}

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl WrittenPair {
    /// Appends the extensions; a stem may have dots in it (`dev.0001`).
    fn of(stem: &Path) -> Self {
        let with = |extension: &str| {
            let mut path = OsString::from(stem);
            path.push(extension);
            PathBuf::from(path)
        };
        Self { certificate: with(".pem"), key: with(".key") }
    }
}

/// The contents of a pair as read.
pub(crate) struct ReadPair {
    pub(crate) paths: WrittenPair,
    pub(crate) certificate_pem: Vec<u8>,
    pub(crate) key_pem: Vec<u8>,
}

impl ReadPair {
    /// All certificates of the file; at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let unreadable = |source| FileError::Pem { path: self.paths.certificate.clone(), what: "certificate", source };
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&self.certificate_pem).collect::<Result<_, _>>().map_err(unreadable)?;
        if chain.is_empty() {
            return Err(unreadable(pem::Error::NoItemsFound));
        }
        Ok(chain)
    }
}

/// Writes both files where neither exists.
pub(crate) fn write_pair(dir: &Path, stem: &str, certificate: &str, key: &str) -> Result<WrittenPair, FileError> {
    let paths = prepare(dir, stem)?;
    for path in [&paths.key, &paths.certificate] {
        // A dangling symbolic link counts as a file too.
        if path.symlink_metadata().is_ok() {
            return Err(FileError::Exists(path.clone()));
        }
    }
    TemporaryFile::new(&paths.key, key, KEY_MODE)?.place_beside_nothing(&paths.key)?;
    let placed = TemporaryFile::new(&paths.certificate, certificate, CERTIFICATE_MODE)
        .and_then(|file| file.place_beside_nothing(&paths.certificate));
    if let Err(error) = placed {
        // This key was made a moment ago and has no certificate; left there it would block the next try.
        let _ = fs::remove_file(&paths.key);
        return Err(error);
    }
    Ok(paths)
}

/// Writes both files, each in place of what is there.
pub(crate) fn replace_pair(dir: &Path, stem: &str, certificate: &str, key: &str) -> Result<WrittenPair, FileError> {
    let paths = prepare(dir, stem)?;
    // Both are complete on disk before either takes its place.
    let key = TemporaryFile::new(&paths.key, key, KEY_MODE)?;
    let certificate = TemporaryFile::new(&paths.certificate, certificate, CERTIFICATE_MODE)?;
    key.rename_to(&paths.key)?;
    certificate.rename_to(&paths.certificate)?;
    Ok(paths)
}

pub(crate) fn read_pair(stem: &Path) -> Result<ReadPair, FileError> {
    let paths = WrittenPair::of(stem);
    let certificate_pem = read(&paths.certificate, |_| Ok(()))?;
    let key_pem = read(&paths.key, |file| {
        let metadata = file.metadata().map_err(io_error("read", &paths.key))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(FileError::KeyOpenToOthers { path: paths.key.clone(), mode });
        }
        Ok(())
    })?;
    Ok(ReadPair { paths, certificate_pem, key_pem })
}

fn read(path: &Path, check: impl FnOnce(&File) -> Result<(), FileError>) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    check(&file)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Refuses stems that are no plain file names (a registration id may be anything), and makes the directory.
fn prepare(dir: &Path, stem: &str) -> Result<WrittenPair, FileError> {
    // 200 leaves room for the temporary file's name within the usual 255 bytes.
    let plain = (1..=200).contains(&stem.len())
        && !stem.starts_with('.')
        && !stem.contains(|c: char| c == '/' || c.is_control());
    if !plain {
        return Err(FileError::Stem(stem.to_owned()));
    }
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(dir);
    made.map_err(io_error("make the directory", dir))?;
    Ok(WrittenPair::of(&dir.join(stem)))
}

/// A complete file under a name that nobody looks for; removed unless it was put in place.
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    /// Not synced: what a power cut takes from a development PKI can be made again, and syncing would make up most of
    /// the time that a large fleet takes.
    fn new(target: &Path, content: &str, mode: u32) -> Result<Self, FileError> {
        let suffix = u64::from_ne_bytes(crate::certificate::random().map_err(|_| FileError::Random)?);
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{suffix:016x}.tmp"));
        let path = target.with_file_name(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(io_error("create", &path))?;
        let temporary = Self { path };
        // The process's umask may have taken bits away; it cannot have added any.
        file.set_permissions(Permissions::from_mode(mode))
            .and_then(|()| file.write_all(content.as_bytes()))
            .map_err(io_error("write", target))?;
        Ok(temporary)
    }

    /// Fails if the target has come to exist in the meantime, which a rename would not notice.
    fn place_beside_nothing(self, target: &Path) -> Result<(), FileError> {
        match fs::hard_link(&self.path, target) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileError::Exists(target.to_owned())),
            // File systems without hard links (FAT, some network ones) answer in several ways.
            Err(_) if target.symlink_metadata().is_err() => self.rename_to(target),
            Err(error) => Err(io_error("write", target)(error)),
        }
    }

    fn rename_to(self, target: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, target).map_err(io_error("write", target))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io { action, path: path.to_owned(), source }
}
