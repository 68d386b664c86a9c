//! A leaf certificate with its chain and its key: what one side of a TLS connection presents.

use std::path::Path;

use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{self, FileError, WrittenPair};
use crate::pem;

/// A certificate chain and the private key of its leaf.
#[derive(Debug)]
pub struct Identity {
    /// The leaf first, then every intermediate up to the root; the root itself is not in it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(crate) fn new(leaf: CertificateDer<'static>, above: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        let mut chain = above;
        chain.insert(0, leaf);
        Self { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }

    /// The same leaf and key, sent without the intermediates: a device that was given half of its files.
    #[must_use]
    pub fn without_intermediates(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// All certificates as PEM, the leaf first.
    pub fn chain_pem(&self) -> String {
        pem::certificates(&self.chain)
    }

    /// The private key as PEM (PKCS#8).
    pub fn key_pem(&self) -> String {
        pem::private_key(&self.key)
    }

    /// Writes `<stem>.pem` (0644) and `<stem>.key` (0600) into `dir`, which is made (0700) where it is missing. Never
    /// overwrites: [`FileError::Exists`] names the file in the way.
    pub fn write(&self, dir: impl AsRef<Path>, stem: &str) -> Result<WrittenPair, FileError> {
        files::write_pair(dir.as_ref(), stem, &self.chain_pem(), &self.key_pem())
    }

    /// Like [`write`](Self::write), but takes the place of files that are there.
    pub fn replace(&self, dir: impl AsRef<Path>, stem: &str) -> Result<WrittenPair, FileError> {
        files::replace_pair(dir.as_ref(), stem, &self.chain_pem(), &self.key_pem())
    }

    /// Reads `<stem>.pem` and `<stem>.key`, `stem` being the path up to the extension. Refuses a key file that others
    /// than its owner can read. Whether key and certificate belong together is not checked here.
    pub fn read(stem: impl AsRef<Path>) -> Result<Self, FileError> {
        let pair = files::read_pair(stem.as_ref())?;
        let chain = pair.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&pair.key_pem).map_err(|source| FileError::Pem {
            path: pair.paths.key,
            what: "private key",
            source,
        })?;
        Ok(Self { chain, key })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}
