//! What a device needs to know.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use firsthop_protocol::document::{Any, Document};

use crate::disk::OutboxLimits;
use crate::flow::Policy;
use crate::keys::CredentialsSource;
use crate::{Credentials, Endpoint, MqttVersion, TrustedRoots};

/// What a device needs to know.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// Where it registers.
    pub service: Endpoint,
    /// Whom it trusts to be a hub.
    pub hub_roots: TrustedRoots,
    /// What it proves itself with.
    pub credentials: Arc<dyn CredentialsSource>,
    /// Where it keeps what outlasts a restart. The folder belongs to one device and one process.
    pub state: PathBuf,
    /// When it does what.
    pub policy: Policy,
    /// What it says when it registers.
    pub register: RegisterTemplate,
    /// The edition of MQTT.
    pub mqtt: MqttVersion,
    /// How long connecting may take, and then each request.
    pub timeout: Duration,
    /// MQTT's keep-alive time on a hub. A hub that cannot be heard for as long, and the time-out, is taken for gone.
    pub keep_alive: Duration,
    /// How much telemetry waits on the disk at most.
    pub outbox: OutboxLimits,
    /// How long before its end a certificate is warned about.
    pub warn_before: Duration,
}

/// What a device says when it registers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RegisterTemplate {
    /// What it says of itself.
    pub metadata: Option<Document>,
    /// How to communicate with it.
    pub endpoints: Option<BTreeMap<String, String>>,
    /// The device model.
    pub model: Option<String>,
    /// For the allocation webhook.
    pub payload: Option<Any>,
    /// Whether to measure the hubs first and say how near each is.
    pub measure: bool,
}

/// A digest of what the device would say of itself, and where: another one means that its assignment may be out of date. A renewed
/// certificate of the same name is the same device.
pub(super) fn asked_with(config: &DeviceConfig, credentials: &Credentials) -> String {
    let said = serde_json::json!([
        config.service.to_string(),
        credentials.registration_id(),
        config.register.metadata,
        config.register.endpoints,
        config.register.model,
        config.register.payload,
        config.register.measure,
    ]);
    let digest = digest(&SHA256, said.to_string().as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
