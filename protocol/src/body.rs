//! Request and answer bodies of the provisioning endpoint. Field names that Azure DPS has are spelled as there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{Any, Document};
use crate::{
    Action, ApiVersion, DeviceId, ETag, GroupId, HubName, OperationId, RegistrationId, RequestId, Timestamp, TrackingId,
};

/// How long an answer is waited for when the request does not say, in seconds.
pub const DEFAULT_WAIT: u32 = 5;
/// The longest `wait`, in seconds.
pub const MAX_WAIT: u32 = 30;

/// Body of a publication to `$provisioning/register`. Every field is optional when a client certificate identifies the device.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterRequest {
    /// Must equal the id of the credentials (rule B2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<RegistrationId>,
    /// The client's name for the request; echoed. The same one within ten minutes is the same operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<RequestId>,
    /// The edition of the protocol that the client speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<ApiVersion>,
    /// A symmetric-key token, for devices without a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What the device says of itself; judged by the enrollment's rules (rule A3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Document>,
    /// How to communicate with the device (rule A2): a name and an address each.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::document::unique")]
    pub endpoints: Option<BTreeMap<String, String>>,
    /// The device model that the device is an instance of (rule A4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Handed to the allocation webhook. `null` is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::document::present")]
    pub payload: Option<Any>,
    /// Latencies that the device measured, in milliseconds, by hub (rule B5).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::document::unique")]
    pub latencies: Option<BTreeMap<HubName, u32>>,
    /// Where the device believes to be assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    /// Seconds to wait for a final answer before `pending` is sent; 0 to 30, 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
}

/// An assignment that a device remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// The hub.
    pub hub: String,
    /// The etag it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
}

/// Body of a publication to `$provisioning/status`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRequest {
    /// Must equal the id of the credentials (rule B2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<RegistrationId>,
    /// The client's name for the request; echoed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<RequestId>,
    /// The edition of the protocol that the client speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<ApiVersion>,
    /// Whether the answer shall list the hubs that the device may be assigned to, so that it can measure them (rule B5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<bool>,
}

/// The state of a registration (rule C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationStatus {
    /// Enrolled and never registered.
    Unassigned,
    /// Being assigned or moved.
    Assigning,
    /// On a hub.
    Assigned,
    /// The last attempt failed.
    Failed,
    /// Turned off by its enrollment.
    Disabled,
}

/// How the device came to its hub (rule C2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Substatus {
    /// Assigned with its initial state.
    InitialAssignment,
    /// Moved with its current state.
    DeviceDataMigrated,
    /// Given its initial state again.
    DeviceDataReset,
}

impl Substatus {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InitialAssignment => "initialAssignment",
            Self::DeviceDataMigrated => "deviceDataMigrated",
            Self::DeviceDataReset => "deviceDataReset",
        }
    }
}

/// The enrollment that decided, as told to the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnrollmentName {
    /// An individual enrollment, named by its registration id.
    Individual(RegistrationId),
    /// An enrollment group.
    Group(GroupId),
}

impl std::fmt::Display for EnrollmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Individual(id) => write!(f, "individual:{id}"),
            Self::Group(id) => write!(f, "group:{id}"),
        }
    }
}

/// Final answer: the registration as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// 200.
    pub status: u16,
    /// The registration's state; `assigned` in answers to a registration.
    pub state: RegistrationStatus,
    /// How the device came to its hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<Substatus>,
    /// How far the move has come, while the device is `assigning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The device's registration id.
    pub registration_id: RegistrationId,
    /// The device's name on the hub.
    pub device_id: DeviceId,
    /// `host:port` of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_hub: Option<String>,
    /// The operation that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
    /// The version of the registration.
    pub etag: ETag,
    /// When the device first registered.
    #[serde(rename = "createdDateTimeUtc")]
    pub created: Timestamp,
    /// When the registration last changed.
    #[serde(rename = "lastUpdatedDateTimeUtc")]
    pub last_updated: Timestamp,
    /// The enrollment that decided.
    pub enrollment: EnrollmentName,
    /// Return data of the allocation webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Any>,
    /// Resources allocated for the device (rule A5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Document>,
    /// Why the registration failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// `host:port` of the hubs that the device may be assigned to, where it asked for them and its measurements count (rule B5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<BTreeMap<HubName, String>>,
    /// The request's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<RequestId>,
}

/// Answer when `wait` ran out: the final one follows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// 202.
    pub status: u16,
    /// Always `assigning`.
    pub state: RegistrationStatus,
    /// What the operation is doing.
    pub step: String,
    /// The operation under way.
    pub operation_id: OperationId,
    /// Seconds after which asking again makes sense.
    pub retry_after: u32,
    /// The request's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<RequestId>,
}

/// The request was refused, or is to be made again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The class of the reason, as an HTTP status code.
    pub status: u16,
    /// The reason: an [`ErrorCode`](crate::ErrorCode)'s number. A newer service may have reasons that this crate does not know.
    pub error_code: u32,
    /// The reason in words.
    pub message: String,
    /// What the device should do.
    pub action: Action,
    /// Seconds to wait before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Ties this answer to the operator's log.
    pub tracking_id: TrackingId,
    /// `host:port` of the hubs that the device may be assigned to, where it asked for them and its measurements count (rule B5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<BTreeMap<HubName, String>>,
    /// The request's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<RequestId>,
}

/// Any answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// 2xx, final.
    Accepted(Box<Accepted>),
    /// 202.
    Pending(Pending),
    /// 4xx and 5xx.
    Rejected(Rejected),
}

impl Answer {
    /// The answer's status, as an HTTP status code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Accepted(answer) => answer.status,
            Self::Pending(answer) => answer.status,
            Self::Rejected(answer) => answer.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn each_answer_reads_back_as_its_own_kind() {
        let rejected = Answer::Rejected(Rejected {
            status: 429,
            error_code: ErrorCode::Throttled.number(),
            message: "too many".into(),
            action: Action::Retry,
            retry_after: Some(3),
            tracking_id: TrackingId::from_bytes([7; 16]),
            candidates: Some([(HubName::parse("h").unwrap(), "hub:8884".to_owned())].into()),
            rid: None,
        });
        let pending = Answer::Pending(Pending {
            status: 202,
            state: RegistrationStatus::Assigning,
            step: "commit".into(),
            operation_id: OperationId::from_bytes([1; 16]),
            retry_after: 2,
            rid: Some(RequestId::parse("r").unwrap()),
        });
        let accepted = Answer::Accepted(Box::new(Accepted {
            status: 200,
            state: RegistrationStatus::Assigned,
            substatus: Some(Substatus::InitialAssignment),
            step: None,
            registration_id: RegistrationId::parse("dev-1").unwrap(),
            device_id: DeviceId::parse("dev-1").unwrap(),
            assigned_hub: Some("hub:8884".into()),
            operation_id: Some(OperationId::from_bytes([1; 16])),
            etag: ETag::new(9),
            created: Timestamp::from_secs(1),
            last_updated: Timestamp::from_secs(2),
            enrollment: EnrollmentName::Group(GroupId::parse("line-7").unwrap()),
            payload: None,
            resources: None,
            error_code: None,
            error_message: None,
            candidates: None,
            rid: None,
        }));
        for answer in [rejected, pending, accepted] {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
    }

    #[test]
    fn an_accepted_answer_is_spelled_as_in_azure_dps() {
        let text = r#"{"status":200,"state":"assigned","substatus":"initialAssignment","registrationId":"d","deviceId":"d","assignedHub":"h:1",
            "etag":"1","createdDateTimeUtc":"2026-01-01T00:00:00.0000000Z","lastUpdatedDateTimeUtc":"2026-01-01T00:00:00.0000000Z",
            "enrollment":{"group":"g"}}"#;
        assert!(serde_json::from_str::<Accepted>(text).is_ok());
    }
}
