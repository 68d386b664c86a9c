//! How a device stands, for people and programs.

use std::time::Duration;

use firsthop_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Credentials;

/// How a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `connected`, `connecting`, `lookingUp`, `registering` or `waiting`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// The id that the certificate says; absent where it says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// The hub of the proven assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubStatus>,
    /// A newer assignment that is not proven yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<HubStatus>,
    /// Whether the device has a connection to its hub, whatever else it is at.
    pub on_hub: bool,
    /// What comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStatus>,
    /// What the device was asked for and leaves undone, because its mode is to register on errors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The last failures, newest first.
    pub failures: Vec<FailureStatus>,
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// Reported properties that no hub has acknowledged.
    pub unacknowledged_report: bool,
    /// Telemetry that waits on the disk: messages, bytes, and how many were dropped.
    pub outbox: crate::disk::OutboxState,
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubStatus {
    /// `host:port`.
    pub address: String,
    /// The device's name there.
    pub device_id: String,
    /// When the device was told.
    pub told: Timestamp,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStatus {
    /// `connect`, `lookUp` or `register`.
    pub action: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// When.
    pub at: Timestamp,
    /// What.
    pub message: String,
}

impl CertificateStatus {
    /// Of these credentials; `None` where their dates cannot be read. `complaint`: why newer ones cannot be used.
    pub(super) fn of(credentials: &Credentials, complaint: Option<String>, warn_before: Duration) -> Option<Self> {
        let validity = credentials.validity()?;
        let warning = complaint.or_else(|| validity.warning(Timestamp::now(), warn_before));
        Some(Self { not_after: validity.not_after, warning })
    }
}

/// The certificate of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// When it ends.
    pub not_after: Timestamp,
    /// What there is to warn of: it ends soon, has ended, is not valid yet, or a new one cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
