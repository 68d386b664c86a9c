//! Who gets a session: the holder of the credential that the hub was given with the device, while the device is active here.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use firsthop_protocol::{DeviceId, ErrorCode, RegistrationId, Timestamp};
use lru::LruCache;
use rustls_pki_types::CertificateDer;

use super::post::Post;
use super::sessions::SessionNumber;
use super::{EmbeddedHub, fault::Fault};
use crate::domain::attestation::{Authorities, AuthorityFault, Thumbprint, Trusted, claimed_id, prove};
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device::{Authority, Credential, HubDevice, Standing, Subscription};
use crate::domain::ports::StoreError;
use crate::domain::refusal::Refusal;

/// Most sets of authorities that are kept ready. Devices of one group share theirs.
const KEPT_AUTHORITIES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// A device that may have a session.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub device: DeviceId,
    pub registration_id: RegistrationId,
    pub topics: TopicGrants,
    /// Subscriptions of its last session with clean session 0.
    pub subscriptions: Vec<Subscription>,
    /// When the first of its certificates expires.
    pub valid_until: Timestamp,
}

/// Why a connection gets no session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// CONNACK 5, MQTT 5: 0x87. The refusal's detail is for the log.
    NotAuthorized(Refusal),
    /// The proven device lives elsewhere: CONNACK 5, MQTT 5: 0x9D with this Server Reference.
    Moved { to: String },
    /// It is being moved, or the store is away: CONNACK 3, MQTT 5: 0x88. To be tried again.
    Unavailable(String),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        tracing::debug!(%error, "nobody can be admitted");
        Self::Unavailable("the hub cannot read its devices now".to_owned())
    }
}

impl EmbeddedHub {
    /// Judges who connects: the chain against the credential that the hub was given with the device. `said` is the device id of the
    /// user name or client id, where there is one; else the certificate's common name says it.
    ///
    /// Who proves nothing learns nothing: not whether the device exists, nor where.
    pub fn admit(&self, chain: &[CertificateDer<'_>], said: Option<&DeviceId>) -> Result<Admitted, Denied> {
        let device = match said {
            Some(said) => said.clone(),
            None => DeviceId::from(&claimed_id(chain).map_err(unproven)?),
        };
        let here = self.store.hub_device(&self.name, &device)?;
        let (record, is_here) = match here.filter(|here| !matches!(here.standing, Standing::Moved { .. })) {
            Some(record) => (record, true),
            None => (self.gone(&device)?, false),
        };
        let valid_until = self.prove(chain, &record)?;
        match record.standing {
            Standing::Active if is_here => Ok(Admitted {
                device: record.identity.device_id,
                registration_id: record.identity.registration_id,
                topics: record.identity.topics,
                subscriptions: record.subscriptions,
                valid_until,
            }),
            Standing::Active => Err(self.moved(&device, None)?),
            Standing::Moved { to, .. } => Err(self.moved(&device, to)?),
            Standing::Held(operation) | Standing::Fenced(operation) => {
                Err(Denied::Unavailable(format!("the device is being moved (operation {operation})")))
            }
        }
    }

    /// Whether an admitted session may go on: the device is still active here.
    pub fn still_admits(&self, device: &DeviceId) -> bool {
        self.active(device).is_ok()
    }

    /// The device's record.
    pub fn device(&self, device: &DeviceId) -> Result<HubDevice, Refusal> {
        self.active(device).map_err(Refusal::from)
    }

    /// The device's one session. An earlier one is told that it was taken over.
    pub fn enter(&self, device: &DeviceId, post: Arc<Post>) -> SessionNumber {
        let number = self.sessions.enter(device, post);
        // A fence that came between admission and here found no session to close.
        if !self.still_admits(device) {
            self.sessions.close(device, Some(number), None);
        }
        number
    }

    pub fn leave(&self, device: &DeviceId, number: SessionNumber) {
        self.sessions.leave(device, number);
    }

    /// What is known of a device that is not here: its record on the hub of this process that has it, else the trace that it left.
    fn gone(&self, device: &DeviceId) -> Result<HubDevice, Denied> {
        let elsewhere = match self.store.hub_of(device)?.filter(|hub| *hub != self.name) {
            Some(hub) => self.store.hub_device(&hub, device)?,
            None => None,
        };
        let known = match elsewhere {
            Some(record) => Some(record),
            None => self.store.hub_device(&self.name, device)?,
        };
        known.ok_or_else(|| {
            unproven(Refusal::new(ErrorCode::NotEnrolled, "").detail("the hub does not have the device"))
        })
    }

    /// The proven device lives elsewhere.
    fn moved(&self, device: &DeviceId, trace: Option<String>) -> Result<Denied, Denied> {
        let hub = self.store.hub_of(device)?.filter(|hub| *hub != self.name);
        let to = hub.and_then(|hub| (self.addresses)(&hub)).or(trace);
        Ok(match to {
            Some(to) => Denied::Moved { to },
            None => Denied::NotAuthorized(Fault::NoDevice.into()),
        })
    }

    fn prove(&self, chain: &[CertificateDer<'_>], record: &HubDevice) -> Result<Timestamp, Denied> {
        let (id, now) = (&record.identity.registration_id, self.clock.now());
        match &record.identity.credential {
            Credential::Certificates(certificates) => prove(chain, id, Trusted::Certificates(certificates), now),
            Credential::Authorities(authorities) => {
                let authorities = self.authorities.ready(authorities).map_err(|fault| {
                    unproven(Refusal::new(ErrorCode::NotEnrolled, "").detail(format!("credential: {fault}")))
                })?;
                prove(chain, id, Trusted::Authorities(&authorities), now)
            }
        }
        .map_err(unproven)
    }
}

/// Says the same whatever the reason is. The reason is for the log.
fn unproven(reason: Refusal) -> Denied {
    let detail = match (reason.message.is_empty(), reason.detail.is_empty()) {
        (true, _) => reason.detail,
        (_, true) => reason.message,
        _ => format!("{} ({})", reason.message, reason.detail),
    };
    Denied::NotAuthorized(
        Refusal::new(ErrorCode::NotEnrolled, "this hub has no device with these credentials").detail(detail),
    )
}

/// CA certificates of credentials, read once for all devices that have the same.
pub(super) struct AuthorityCache(Mutex<LruCache<Box<[Thumbprint]>, Arc<Authorities>>>);

impl Default for AuthorityCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT_AUTHORITIES)))
    }
}

impl AuthorityCache {
    fn ready(&self, authorities: &[Authority]) -> Result<Arc<Authorities>, AuthorityFault> {
        let key: Box<[Thumbprint]> = authorities.iter().map(|authority| authority.thumbprint).collect();
        if let Some(ready) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(ready.clone());
        }
        let ready = Arc::new(Authorities::read(authorities)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, ready.clone());
        Ok(ready)
    }
}
