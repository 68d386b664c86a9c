//! Who a device is on its hub and what it may do, as a part of the rows that hold it:
//!
//! ```text
//! flags | registration id | [device id] | thumbprints: number 1, 32 each | [resources 44] | [publish, subscribe]
//! ids: length 1, text        publish, subscribe: number 2, then each: length 2, text
//! resources: queue messages 4, bytes 8, expiry seconds 8 and nanoseconds 4, events messages 4, bytes 8
//! ```

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::{DeviceId, RegistrationId};

use super::bytes::{Bytes, Pack, flags};
use super::{RowError, field};
use crate::domain::attestation::Thumbprint;
use crate::domain::enrollment::TopicGrants;
use crate::domain::hub_device::{Authority, Capabilities, CommandQueue, Credential, EventStorage, Identity, Resources};

const HAS_DEVICE_ID: u8 = 1;
const AUTHORITIES: u8 = 1 << 1;
const IOT_EDGE: u8 = 1 << 2;
const HAS_RESOURCES: u8 = 1 << 3;
const HAS_TOPICS: u8 = 1 << 4;

/// A certificate's SHA-256.
pub type Certificate = [u8; 32];

/// An identity as stored, with certificates by their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityV1<'a> {
    pub registration_id: &'a str,
    /// When it is not the registration id.
    pub device_id: Option<&'a str>,
    /// Whether the certificates are those of authorities.
    pub authorities: bool,
    pub certificates: Cow<'a, [Certificate]>,
    pub iot_edge: bool,
    pub resources: ResourcesV1,
    pub publish: Vec<&'a str>,
    pub subscribe: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourcesV1 {
    pub queue_messages: u32,
    pub queue_bytes: u64,
    pub queue_expiry: Duration,
    pub events_messages: u32,
    pub events_bytes: u64,
}

/// What is not written out, since nearly all devices have it. Part of the format: it stays when the default of enrollments changes.
const USUAL: ResourcesV1 = ResourcesV1 {
    queue_messages: 50,
    queue_bytes: 256 * 1024,
    queue_expiry: Duration::from_secs(3600),
    events_messages: 0,
    events_bytes: 256 * 1024,
};

impl From<Resources> for ResourcesV1 {
    fn from(resources: Resources) -> Self {
        Self {
            queue_messages: resources.command_queue.messages,
            queue_bytes: resources.command_queue.bytes,
            queue_expiry: resources.command_queue.expiry,
            events_messages: resources.events.messages,
            events_bytes: resources.events.bytes,
        }
    }
}

impl From<ResourcesV1> for Resources {
    fn from(row: ResourcesV1) -> Self {
        Self {
            command_queue: CommandQueue {
                messages: row.queue_messages,
                bytes: row.queue_bytes,
                expiry: row.queue_expiry,
            },
            events: EventStorage { messages: row.events_messages, bytes: row.events_bytes },
        }
    }
}

impl<'a> IdentityV1<'a> {
    pub fn new(identity: &'a Identity) -> Self {
        let id = identity.registration_id.as_str();
        let (authorities, certificates) = match &identity.credential {
            Credential::Certificates(leaves) => (false, leaves.iter().map(|leaf| leaf.0).collect()),
            Credential::Authorities(authorities) => {
                (true, authorities.iter().map(|authority| authority.thumbprint.0).collect())
            }
        };
        Self {
            registration_id: id,
            device_id: Some(identity.device_id.as_str()).filter(|device_id| *device_id != id),
            authorities,
            certificates: Cow::Owned(certificates),
            iot_edge: identity.capabilities.iot_edge,
            resources: identity.resources.into(),
            publish: identity.topics.publish.iter().map(String::as_str).collect(),
            subscribe: identity.topics.subscribe.iter().map(String::as_str).collect(),
        }
    }

    pub fn device_id(&self) -> &'a str {
        self.device_id.unwrap_or(self.registration_id)
    }

    /// Whether it can be stored, or why not.
    pub fn check(&self) -> Result<(), RowError> {
        self.encode(&mut Vec::with_capacity(128))
    }

    pub fn encode(&self, row: &mut Vec<u8>) -> Result<(), RowError> {
        let has_topics = !self.publish.is_empty() || !self.subscribe.is_empty();
        row.u8(flags(&[
            (self.device_id.is_some(), HAS_DEVICE_ID),
            (self.authorities, AUTHORITIES),
            (self.iot_edge, IOT_EDGE),
            (self.resources != USUAL, HAS_RESOURCES),
            (has_topics, HAS_TOPICS),
        ]));
        for text in [Some(self.registration_id), self.device_id].into_iter().flatten() {
            row.short_text("identifier", text)?;
        }
        row.short("certificates", self.certificates.len())?;
        row.bytes(self.certificates.as_flattened());
        if self.resources != USUAL {
            row.u32(self.resources.queue_messages);
            row.u64(self.resources.queue_bytes);
            row.u64(self.resources.queue_expiry.as_secs());
            row.u32(self.resources.queue_expiry.subsec_nanos());
            row.u32(self.resources.events_messages);
            row.u64(self.resources.events_bytes);
        }
        if has_topics {
            for topics in [&self.publish, &self.subscribe] {
                row.medium("topics", topics.len())?;
                topics.iter().try_for_each(|topic| row.medium_text("topic", topic))?;
            }
        }
        Ok(())
    }

    pub(super) fn unpack(bytes: &mut Bytes<'a>) -> Result<Self, RowError> {
        let flags = bytes.u8()?;
        if flags & !(HAS_DEVICE_ID | AUTHORITIES | IOT_EDGE | HAS_RESOURCES | HAS_TOPICS) != 0 {
            return Err(RowError::Flags(flags));
        }
        let registration_id = bytes.short_text("registration id")?;
        let device_id = (flags & HAS_DEVICE_ID != 0).then(|| bytes.short_text("device id")).transpose()?;
        let number = usize::from(bytes.u8()?);
        let (certificates, _) = bytes.take(number * size_of::<Certificate>())?.as_chunks();
        let resources = if flags & HAS_RESOURCES != 0 {
            ResourcesV1 {
                queue_messages: bytes.u32()?,
                queue_bytes: bytes.u64()?,
                queue_expiry: duration(bytes.u64()?, bytes.u32()?)?,
                events_messages: bytes.u32()?,
                events_bytes: bytes.u64()?,
            }
        } else {
            USUAL
        };
        let mut topics = || -> Result<Vec<&'a str>, RowError> {
            let number = bytes.u16()?;
            (0..number).map(|_| bytes.medium_text("topic")).collect()
        };
        let (publish, subscribe) =
            if flags & HAS_TOPICS != 0 { (topics()?, topics()?) } else { (Vec::new(), Vec::new()) };
        Ok(Self {
            registration_id,
            device_id,
            authorities: flags & AUTHORITIES != 0,
            certificates: Cow::Borrowed(certificates),
            iot_edge: flags & IOT_EDGE != 0,
            resources,
            publish,
            subscribe,
        })
    }

    /// The identity, with the certificates of its authorities from where they are kept.
    pub fn identity<E: From<RowError>>(
        &self,
        mut certificate: impl FnMut(&Certificate) -> Result<Arc<[u8]>, E>,
    ) -> Result<Identity, E> {
        let registration_id =
            RegistrationId::parse(self.registration_id).map_err(|error| field("registration id", error))?;
        let device_id = match self.device_id {
            None => DeviceId::from(&registration_id),
            Some(text) => DeviceId::parse(text).map_err(|error| field("device id", error))?,
        };
        let credential = if self.authorities {
            let authority = |sha256: &Certificate| -> Result<_, E> {
                Ok(Authority { thumbprint: Thumbprint(*sha256), der: certificate(sha256)? })
            };
            Credential::Authorities(self.certificates.iter().map(authority).collect::<Result<_, E>>()?)
        } else {
            Credential::Certificates(self.certificates.iter().copied().map(Thumbprint).collect())
        };
        let topics = |topics: &[&str]| topics.iter().copied().map(str::to_owned).collect();
        Ok(Identity {
            device_id,
            registration_id,
            credential,
            capabilities: Capabilities { iot_edge: self.iot_edge },
            resources: self.resources.into(),
            topics: TopicGrants { publish: topics(&self.publish), subscribe: topics(&self.subscribe) },
        })
    }
}

fn duration(secs: u64, nanos: u32) -> Result<Duration, RowError> {
    if nanos >= 1_000_000_000 {
        return Err(field("expiry", nanos));
    }
    Ok(Duration::new(secs, nanos))
}
