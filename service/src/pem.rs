//! Files of certificates and private keys.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    path: PathBuf,
    reason: String,
}

impl FileError {
    pub fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

/// The certificates of a PEM file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = std::fs::read(path).map_err(|error| FileError::new(path, format!("cannot be read: {error}")))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| FileError::new(path, format!("not a PEM file of certificates: {error}")))?;
    if certificates.is_empty() {
        return Err(FileError::new(path, "holds no certificate"));
    }
    Ok(certificates)
}

/// The private key of a PEM file, which nobody but its owner may read.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let metadata = std::fs::metadata(path).map_err(|error| FileError::new(path, error.to_string()))?;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        let mode = mode & 0o777;
        let reason = format!("a private key must be readable by its owner only, but its mode is {mode:o}: chmod 600");
        return Err(FileError::new(path, reason));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| FileError::new(path, format!("no private key: {error}")))
}
