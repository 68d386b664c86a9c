//! Signatures for TLS by a key that never leaves its token.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::sign::{Signer, SigningKey};
use rustls::{InconsistentKeys, OtherError, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::algorithm::{Algorithm, Task};
use super::module::described;
use super::token::{OpenKey, Token};
use crate::{SetupError, tls};

/// Signed once, so that a key which does not belong to its certificate is found at the start.
const TRIAL: &[u8] = b"firsthop-agent: does this key belong to its certificate?";

/// Bits of an RSA key that TLS still accepts.
const MIN_RSA: usize = 2048;

/// The private key of a certificate. Clones share the session.
///
/// rustls asks for a signature in the middle of a handshake and waits for it, and a call into a module cannot be given up: a token that
/// hangs holds up the thread, and the time-out of the connection counts only when it answers. TPMs take some tens of milliseconds.
#[derive(Clone)]
pub struct TokenKey {
    token: Arc<Token>,
    open: Arc<Mutex<Option<OpenKey>>>,
    algorithm: Algorithm,
    schemes: Arc<[SignatureScheme]>,
    /// The certificate's.
    public: Arc<PublicKey>,
}

struct PublicKey {
    info: SubjectPublicKeyInfoDer<'static>,
    bits: Vec<u8>,
}

impl TokenKey {
    /// Opens the token, and proves with a signature that its key is that of the certificate.
    pub fn open(token: Arc<Token>, leaf: &CertificateDer<'_>) -> Result<Self, SetupError> {
        let (algorithm, public) = public_key(leaf).map_err(|message| token.failure(message))?;
        let open = token.open(algorithm.in_token())?;
        let schemes: Arc<[_]> = algorithm.schemes(&open.mechanisms).into();
        let Some(first) = schemes.first().copied() else {
            return Err(token.failure(
                "the token knows none of CKM_ECDSA, CKM_RSA_PKCS_PSS and CKM_RSA_PKCS that fits the certificate",
            ));
        };
        if !schemes.iter().any(|scheme| is_in_tls13(*scheme)) {
            tracing::warn!(key = %token, "the token does not know CKM_RSA_PKCS_PSS, without which there is no TLS 1.3");
        }
        let open = Arc::new(Mutex::new(Some(open)));
        let key = Self { token, open, algorithm, schemes, public: Arc::new(public) };
        key.sign(first, TRIAL)?;
        Ok(key)
    }

    /// A signature that the certificate vouches for. A session that no longer works is opened again once.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, SetupError> {
        let nothing = || self.token.failure("the token gave no signature");
        let task = Task::new(scheme, message).ok_or_else(nothing)?;
        let signature = task.finish(self.ask(&task)?).ok_or_else(nothing)?;
        // Here and not by the peer: the token may have been replaced by one with another key of that name.
        let verified = tls::provider().signature_verification_algorithms.mapping.iter().any(|(mapped, algorithms)| {
            *mapped == scheme
                && algorithms
                    .iter()
                    .filter(|algorithm| algorithm.public_key_alg_id() == self.algorithm.id())
                    .any(|algorithm| algorithm.verify_signature(&self.public.bits, message, &signature).is_ok())
        });
        if !verified {
            // The next handshake looks for the key anew.
            self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(self.token.failure(tls::unusable_key(&InconsistentKeys::KeyMismatch.into())));
        }
        Ok(signature)
    }

    fn ask(&self, task: &Task) -> Result<Vec<u8>, SetupError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out: after a failure its session is in an unknown state.
        if let Some(key) = open.take() {
            match key.session.sign(&task.mechanism, key.key, &task.data) {
                Ok(signature) => {
                    *open = Some(key);
                    return Ok(signature);
                }
                Err(error) => tracing::debug!(error = described(&error), "session with the token is opened again"),
            }
        }
        let key = self.token.open(self.algorithm.in_token())?;
        let signature = key.session.sign(&task.mechanism, key.key, &task.data);
        let signature = signature.map_err(|error| self.token.failure(described(&error)))?;
        *open = Some(key);
        Ok(signature)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.schemes.iter().copied().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(TokenSigner { key: self.clone(), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.public.info.as_ref()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm.in_tls()
    }
}

/// One handshake's signature.
#[derive(Debug)]
struct TokenSigner {
    key: TokenKey,
    scheme: SignatureScheme,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.sign(self.scheme, message).map_err(|error| OtherError(Arc::new(error)).into())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// TLS 1.3 has no PKCS#1.
fn is_in_tls13(scheme: SignatureScheme) -> bool {
    use SignatureScheme::*;
    !matches!(scheme, RSA_PKCS1_SHA256 | RSA_PKCS1_SHA384 | RSA_PKCS1_SHA512)
}

fn public_key(leaf: &CertificateDer<'_>) -> Result<(Algorithm, PublicKey), &'static str> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| "the certificate cannot be read")?;
    let key = certificate.public_key();
    let algorithm = Algorithm::of(key)
        .ok_or("the certificate's key is none that can be used from a token: EC on P-256 or P-384, and RSA are")?;
    let bits = key.parsed().map_or(0, |key| key.key_size());
    if algorithm == Algorithm::Rsa && bits < MIN_RSA {
        return Err("the certificate's RSA key is shorter than 2048 bits");
    }
    let info = SubjectPublicKeyInfoDer::from(key.raw.to_vec());
    Ok((algorithm, PublicKey { info, bits: key.subject_public_key.data.to_vec() }))
}
