//! PEM files: certificates and private keys, bounded, with errors that name the file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::SetupError;

/// Largest PEM file that is read. A bundle of some hundred roots stays below it.
const MAX_FILE: u64 = 1024 * 1024;

/// Permission bits that let others than the owner in.
const FOREIGN: u32 = 0o077;

/// The certificates of a file, at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let text = File::open(path).and_then(|file| read(&file)).map_err(|source| unreadable(path, source))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(SetupError::NoCertificate { path: path.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(SetupError::BadPem { path: path.to_owned(), message: error.to_string() }),
    }
}

/// The private key of a file that only its owner may read.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SetupError> {
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    // The mode of the opened file, not of the path: the two may differ by the time the key is read.
    let mode = file.metadata().map_err(|source| unreadable(path, source))?.permissions().mode() & 0o7777;
    if mode & FOREIGN != 0 {
        return Err(SetupError::KeyReadableByOthers { path: path.to_owned(), mode });
    }
    let text = read(&file).map_err(|source| unreadable(path, source))?;
    // The parser's message may quote the line it stumbled over, which has no place in a log.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| SetupError::NoPrivateKey { path: path.to_owned() })
}

fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if file.take(MAX_FILE + 1).read_to_end(&mut text)? as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}

fn unreadable(path: &Path, source: io::Error) -> SetupError {
    SetupError::Unreadable { path: path.to_owned(), source }
}
