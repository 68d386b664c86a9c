//! Credentials in PEM files that may be replaced while the device runs.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::stamp::Stamp;
use crate::keys::CredentialsSource;
use crate::{Credentials, SetupError};

/// A PEM chain and its PEM key.
///
/// Whoever renews them replaces two files, one after the other: in between the key does not belong to the certificate. Then
/// [`load`](CredentialsSource::load) fails, the caller goes on with what it has, and asks again before its next connection.
#[derive(Debug)]
pub struct PemFiles {
    chain: PathBuf,
    key: PathBuf,
    /// Both files as they were when a pair was last read that fits together.
    read: Mutex<Option<[Stamp; 2]>>,
}

impl PemFiles {
    /// The files of a chain (leaf first) and of its key. They are read by [`load`](CredentialsSource::load).
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: chain.into(), key: key.into(), read: Mutex::new(None) }
    }

    fn stamps(&self) -> Option<[Stamp; 2]> {
        Some([Stamp::of(&self.chain)?, Stamp::of(&self.key)?])
    }

    fn remember(&self, stamps: Option<[Stamp; 2]>) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
    }
}

impl CredentialsSource for PemFiles {
    fn load(&self) -> Result<Credentials, SetupError> {
        // Before they are read: what is replaced meanwhile counts as changed.
        let stamps = self.stamps();
        let loaded = Credentials::from_pem_files(&self.chain, &self.key);
        self.remember(stamps.filter(|_| loaded.is_ok()));
        loaded
    }

    fn changed(&self) -> bool {
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // After a failure there is nothing to compare with: it is tried again.
        read.is_none() || read != self.stamps()
    }
}
