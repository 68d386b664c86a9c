//! Enrollment groups and individual enrollments as the configuration file has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use firsthop_config::Located;
use firsthop_protocol::{DeviceId, GroupId, HubName, RegistrationId};
use serde::Deserialize;
use serde_json::Value;

use super::models::SchemaSource;
use super::state;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::reprovision::ReprovisionPolicy;
use crate::provisioner::QuotaConfig;

/// All devices whose chain runs through a CA certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: Located<GroupId>,
    /// PEM file of the CA certificate, root or intermediate.
    primary: Located<PathBuf>,
    /// A second one, while CAs are rolled over.
    secondary: Option<Located<PathBuf>>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    allocation: Located<AllocationPolicy>,
    #[serde(default)]
    hubs: Vec<Located<HubName>>,
    #[serde(default)]
    metadata: Metadata,
    model: Option<Located<String>>,
    #[serde(default)]
    quotas: QuotaConfig,
    #[serde(default)]
    topics: Topics,
    /// What happens when a device that is assigned registers again. Without it, old clients stay and newer ones migrate.
    reprovision: Option<ReprovisionPolicy>,
    initial_twin: Option<Located<state::InitialTwin>>,
    #[serde(default)]
    capabilities: state::Capabilities,
    #[serde(default)]
    resources: state::ResourcesFile,
    /// Of the custom allocation policy.
    webhook: Option<Located<state::WebhookFile>>,
}

/// One device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Individual {
    pub registration_id: Located<RegistrationId>,
    /// The device's name on its hub, when it differs.
    device_id: Option<DeviceId>,
    /// PEM file of the device's certificate.
    primary: Located<PathBuf>,
    /// A second one, while certificates are rolled over.
    secondary: Option<Located<PathBuf>>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    allocation: Located<AllocationPolicy>,
    #[serde(default)]
    hubs: Vec<Located<HubName>>,
    #[serde(default)]
    metadata: Metadata,
    model: Option<Located<String>>,
    #[serde(default)]
    quotas: QuotaConfig,
    #[serde(default)]
    topics: Topics,
    /// What happens when a device that is assigned registers again. Without it, old clients stay and newer ones migrate.
    reprovision: Option<ReprovisionPolicy>,
    initial_twin: Option<Located<state::InitialTwin>>,
    #[serde(default)]
    capabilities: state::Capabilities,
    #[serde(default)]
    resources: state::ResourcesFile,
    /// Of the custom allocation policy.
    webhook: Option<Located<state::WebhookFile>>,
}

/// Rules that a device's metadata is compared with. Keys are paths with dots.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    pub required: Vec<String>,
    pub allowed: BTreeMap<String, Vec<Value>>,
    pub patterns: BTreeMap<String, Located<String>>,
    pub schema: Option<Located<SchemaSource>>,
}

/// Ordinary topics besides `devices/{registrationId}/#`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    pub publish: Vec<Located<String>>,
    pub subscribe: Vec<Located<String>>,
}

const fn yes() -> bool {
    true
}

/// What both kinds of entries have.
pub struct Entry {
    pub primary: Located<PathBuf>,
    pub secondary: Option<Located<PathBuf>>,
    pub enabled: bool,
    pub allocation: Located<AllocationPolicy>,
    pub hubs: Vec<Located<HubName>>,
    pub metadata: Metadata,
    pub model: Option<Located<String>>,
    pub quotas: QuotaConfig,
    pub topics: Topics,
    pub reprovision: Option<ReprovisionPolicy>,
    pub initial_twin: Option<Located<state::InitialTwin>>,
    pub capabilities: state::Capabilities,
    pub resources: state::ResourcesFile,
    pub webhook: Option<Located<state::WebhookFile>>,
}

impl Group {
    pub fn into_entry(self) -> (GroupId, Entry) {
        let entry = Entry {
            primary: self.primary,
            secondary: self.secondary,
            enabled: self.enabled,
            allocation: self.allocation,
            hubs: self.hubs,
            metadata: self.metadata,
            model: self.model,
            quotas: self.quotas,
            topics: self.topics,
            reprovision: self.reprovision,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities,
            resources: self.resources,
            webhook: self.webhook,
        };
        (self.id.into_inner(), entry)
    }
}

impl Individual {
    pub fn into_entry(self) -> (RegistrationId, Option<DeviceId>, Entry) {
        let entry = Entry {
            primary: self.primary,
            secondary: self.secondary,
            enabled: self.enabled,
            allocation: self.allocation,
            hubs: self.hubs,
            metadata: self.metadata,
            model: self.model,
            quotas: self.quotas,
            topics: self.topics,
            reprovision: self.reprovision,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities,
            resources: self.resources,
            webhook: self.webhook,
        };
        (self.registration_id.into_inner(), self.device_id, entry)
    }
}
