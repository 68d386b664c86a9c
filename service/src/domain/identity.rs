//! What hubs are told of a device: who it is and what it may do (rule B8), from its enrollment.

use aws_lc_rs::digest::{Context, SHA256};
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{DeviceId, RegistrationId};

use super::enrollment::{Certificates, Enrollment, TopicGrants};
use super::hub_device::{Authority, Capabilities, Credential, Identity, Resources};

/// What a hub is told of that device of the enrollment.
pub fn of(enrollment: &Enrollment, id: &RegistrationId, device_id: DeviceId) -> Identity {
    let credential = match &enrollment.name {
        EnrollmentName::Individual(_) => {
            Credential::Certificates(enrollment.certificates.iter().map(|certificate| certificate.thumbprint).collect())
        }
        EnrollmentName::Group(_) => Credential::Authorities(
            enrollment
                .certificates
                .iter()
                .map(|certificate| Authority {
                    thumbprint: certificate.thumbprint,
                    der: certificate.der().as_ref().into(),
                })
                .collect(),
        ),
    };
    Identity {
        device_id,
        registration_id: id.clone(),
        credential,
        capabilities: enrollment.capabilities,
        resources: enrollment.resources,
        topics: enrollment.topics.clone(),
    }
}

/// A digest, never 0, of what hubs are told of the devices of an entry. Stored with registrations: what is fed here, and in which order,
/// must not change.
pub fn digest(
    name: &EnrollmentName,
    certificates: &Certificates,
    capabilities: Capabilities,
    resources: &Resources,
    topics: &TopicGrants,
) -> u64 {
    let mut digest = Digest(Context::new(&SHA256));
    // The two kinds of credentials admit differently with the same certificate.
    digest.number(match name {
        EnrollmentName::Individual(_) => 1,
        EnrollmentName::Group(_) => 2,
    });
    let thumbprints: Vec<_> = certificates.iter().map(|certificate| certificate.thumbprint).collect();
    digest.number(thumbprints.len() as u64);
    for thumbprint in &thumbprints {
        digest.bytes(&thumbprint.0);
    }
    digest.number(capabilities.iot_edge.into());
    let (queue, events) = (resources.command_queue, resources.events);
    for number in [queue.messages.into(), queue.bytes, queue.expiry.as_secs(), events.messages.into(), events.bytes] {
        digest.number(number);
    }
    for filters in [&topics.publish, &topics.subscribe] {
        digest.number(filters.len() as u64);
        for filter in filters {
            digest.bytes(filter.as_bytes());
        }
    }
    digest.folded()
}

struct Digest(Context);

impl Digest {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    /// With the length in front, so that no two lists feed the same bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn folded(self) -> u64 {
        let hash = self.0.finish();
        hash.as_ref().iter().take(8).fold(0, |folded, byte| (folded << 8) | u64::from(*byte)).max(1)
    }
}
