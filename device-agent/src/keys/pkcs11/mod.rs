//! Keys that never leave a TPM, a secure element or a token: used through its PKCS#11 module.
//!
//! ```text
//! uri        which module, token and key; attributes: how they are written
//! module     the shared library, once for the process
//! token      found, opened, logged in to; object: the one private key in it
//! signing    rustls' signer over it; algorithm and der: what a token signs, and what TLS sends
//! ```

mod algorithm;
mod attributes;
mod der;
mod module;
mod object;
mod signing;
mod token;
mod uri;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::sign::CertifiedKey;

use super::stamp::Stamp;
use crate::keys::CredentialsSource;
use crate::{Credentials, SetupError, pem};
use signing::TokenKey;
use token::Token;
pub use uri::Uri;

/// A PEM chain whose key is in a token.
#[derive(Debug)]
pub struct TokenCredentials {
    chain: PathBuf,
    token: Arc<Token>,
    /// The chain's file as it was when it was last read with a key that fits.
    read: Mutex<Option<Stamp>>,
}

impl TokenCredentials {
    pub fn new(chain: PathBuf, uri: Uri) -> Self {
        Self { chain, token: Arc::new(Token::new(uri)), read: Mutex::new(None) }
    }

    fn read(&self) -> Result<Credentials, SetupError> {
        let chain = pem::certificates(&self.chain)?;
        let leaf = chain.first().ok_or_else(|| SetupError::NoCertificate { path: self.chain.clone() })?;
        let key = TokenKey::open(self.token.clone(), leaf)?;
        Ok(Credentials::proven(CertifiedKey::new(chain, Arc::new(key))))
    }
}

impl CredentialsSource for TokenCredentials {
    fn load(&self) -> Result<Credentials, SetupError> {
        let stamp = Stamp::of(&self.chain);
        let loaded = self.read();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = stamp.filter(|_| loaded.is_ok());
        loaded
    }

    /// A new key comes with a new certificate; a token that was away comes back by itself.
    fn changed(&self) -> bool {
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.is_none() || read != Stamp::of(&self.chain)
    }
}
