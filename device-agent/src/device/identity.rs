//! What the device proves itself with, read again when its files have changed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::keys::CredentialsSource;
use crate::{Credentials, SetupError};

/// The credentials in use, and where new ones come from.
#[derive(Debug)]
pub(super) struct Identity {
    source: Arc<dyn CredentialsSource>,
    now: Mutex<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    credentials: Credentials,
    /// Why newer ones cannot be used.
    complaint: Option<String>,
}

impl Identity {
    /// Reads them for the first time. Blocks.
    pub fn load(source: Arc<dyn CredentialsSource>) -> Result<Self, SetupError> {
        let credentials = source.load()?;
        Ok(Self { source, now: Mutex::new(Current { credentials, complaint: None }) })
    }

    /// The credentials to use for a connection that begins now. New ones that cannot be used leave the old ones in place: a renewal that
    /// went wrong half-way does not cut the device off.
    pub async fn refresh(self: &Arc<Self>) -> Credentials {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || this.reload()).await {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::error!(%error, "the credentials cannot be looked at");
                self.credentials()
            }
        }
    }

    fn reload(&self) -> Credentials {
        if self.source.changed() {
            match self.source.load().and_then(|loaded| self.same_device(loaded)) {
                Ok(credentials) => {
                    tracing::info!("the certificate was read again");
                    *self.lock() = Current { credentials, complaint: None };
                }
                Err(error) => {
                    let complaint = format!("the new certificate cannot be used, the old one still is: {error}");
                    tracing::warn!("{complaint}");
                    self.lock().complaint = Some(complaint);
                }
            }
        }
        self.credentials()
    }

    /// The credentials, unless they are another device's: what is known here, on the disk and in this process, is not for it.
    pub fn same_device(&self, credentials: Credentials) -> Result<Credentials, SetupError> {
        let now = self.credentials();
        match (now.registration_id(), credentials.registration_id()) {
            (Some(now), Some(other)) if now != other => Err(SetupError::AnotherDevice { device: other.to_string() }),
            _ => Ok(credentials),
        }
    }

    pub fn credentials(&self) -> Credentials {
        self.lock().credentials.clone()
    }

    pub fn complaint(&self) -> Option<String> {
        self.lock().complaint.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        // Nothing in here can panic half-way.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use rustls_pki_types::PrivateKeyDer;

    use super::*;

    #[derive(Debug)]
    struct Replaced(Mutex<Credentials>);

    impl CredentialsSource for Replaced {
        fn load(&self) -> Result<Credentials, SetupError> {
            Ok(self.0.lock().unwrap().clone())
        }

        fn changed(&self) -> bool {
            true
        }
    }

    fn of(device: &str) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, device);
        let certificate = params.self_signed(&key).unwrap();
        Credentials::from_der(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap()
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_taken_and_that_of_another_device_is_not() {
        let source = Arc::new(Replaced(Mutex::new(of("dev-1"))));
        let identity = Arc::new(Identity::load(source.clone()).unwrap());
        for (device, complains) in [("dev-1", false), ("dev-2", true), ("dev-1", false)] {
            *source.0.lock().unwrap() = of(device);
            assert_eq!(identity.refresh().await.registration_id().unwrap().as_str(), "dev-1");
            let complaint = identity.complaint().unwrap_or_default();
            assert_eq!(complaint.contains("dev-2") && complaint.contains("restart"), complains, "{complaint}");
        }
    }
}
