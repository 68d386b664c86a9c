//! PEM files: certificates and private keys, bounded, with errors that name the file.

use std::fs::File;
use std::io;
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::SetupError;
use crate::secret;

/// Largest PEM file that is read. A bundle of some hundred roots stays below it.
const MAX_FILE: u64 = 1024 * 1024;

/// The certificates of a file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let text = File::open(path)
        .and_then(|file| secret::read_bounded(&file, MAX_FILE))
        .map_err(|source| unreadable(path, source))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(SetupError::NoCertificate { path: path.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(SetupError::BadPem { path: path.to_owned(), message: error.to_string() }),
    }
}

/// The private key of a file that only its owner may read.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SetupError> {
    let text = secret::read(path, MAX_FILE)?;
    // The parser's message may quote the line it stumbled over, which has no place in a log.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| SetupError::NoPrivateKey { path: path.to_owned() })
}

fn unreadable(path: &Path, source: io::Error) -> SetupError {
    SetupError::Unreadable { path: path.to_owned(), source }
}
