//! Enrollment entries: who may register, and what happens when they do (rules B1, B3, B5).

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{DeviceId, HubName};

use super::allocation::AllocationPolicy;
use super::attestation::EnrolledCertificate;
use super::device::DeviceModel;
use super::hub_device::{Capabilities, InitialTwin, Resources};
use super::metadata::MetadataRules;
use super::quota::Rate;
use super::reprovision::ReprovisionPolicy;
use std::sync::Arc;

/// One entry: an individual enrollment or an enrollment group.
#[derive(Debug)]
pub struct Enrollment {
    pub name: EnrollmentName,
    pub enabled: bool,
    pub certificates: Certificates,
    /// The device's name on its hub; individual enrollments only.
    pub device_id: Option<DeviceId>,
    pub allocation: AllocationPolicy,
    /// The hubs to choose from; all linked hubs when empty.
    pub hubs: Vec<HubName>,
    pub metadata: MetadataRules,
    pub model: Option<Arc<DeviceModel>>,
    pub quotas: QuotaRates,
    pub topics: TopicGrants,
    /// `None`: none is stored (rule C3).
    pub reprovision: Option<ReprovisionPolicy>,
    pub initial_twin: InitialTwin,
    pub capabilities: Capabilities,
    pub resources: Resources,
    /// Of the custom allocation policy.
    pub webhook: Option<Webhook>,
    /// A digest, never 0, of what hubs are told of devices of this entry: credential, capabilities, resources, topics. Stable across
    /// versions of the program as long as these are.
    pub digest: u64,
}

/// The webhook of the custom allocation policy (rule B6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: Arc<str>,
    /// Signs the calls.
    pub secret: Option<Secret>,
}

/// A key that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Arc<[u8]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The attestation's certificates: CA certificates of a group, leaf certificates of an individual enrollment (rule B3).
#[derive(Debug)]
pub struct Certificates {
    pub primary: EnrolledCertificate,
    pub secondary: Option<EnrolledCertificate>,
}

impl Certificates {
    pub fn iter(&self) -> impl Iterator<Item = &EnrolledCertificate> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }
}

/// What an entry, or the service, allows in a time (rule D1). `None` is without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaRates {
    pub registrations: Option<Rate>,
    pub lookups: Option<Rate>,
}

/// Ordinary topics that devices of an entry may use besides `devices/{registrationId}/#`. `{registrationId}` stands for the device's own
/// id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicGrants {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}
