//! What an allocation webhook is asked and whether its answer counts (rules B6, C4). Objects are spelled as Azure DPS spells them, so
//! that a function written for it can be pointed here.

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::document::MAX_DEPTH;
use firsthop_protocol::{ErrorCode, HubName};
use serde_json::{Map, Value, json};

use super::{AllocationPolicy, Choice};
use crate::domain::attestation::Proof;
use crate::domain::enrollment::Enrollment;
use crate::domain::hub::Hub;
use crate::domain::hub_device::InitialTwin;
use crate::domain::ports::AllocationFault;
use crate::domain::refusal::Refusal;
use crate::domain::registration::{Registration, State};
use crate::domain::reprovision::ReprovisionPolicy;

/// The largest payload for a device, as JSON text: an answer with it fits into a packet that small clients accept.
pub const MAX_PAYLOAD: usize = 16 * 1024;

/// An answer that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub hub: HubName,
    /// Takes the place of the entry's.
    pub initial_twin: Option<InitialTwin>,
    /// Return data for the device.
    pub payload: Option<Value>,
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    #[error("its answer is no JSON object")]
    NoObject,
    #[error("iotHubHostName is missing or no text")]
    NoHub,
    #[error("iotHubHostName: {0:?} is not among the linked hubs that it was offered")]
    NotOffered(String),
    #[error("iotHubHostName: {0:?} is the host of several hubs; answer host:port, or the hub's name")]
    Ambiguous(String),
    #[error("initialTwin: {0}")]
    Twin(String),
    #[error("payload: {0}")]
    Payload(String),
}

impl AnswerFault {
    /// The class of the reason, as told to the device.
    const fn class(&self) -> &'static str {
        match self {
            Self::NoObject => "its answer is no JSON object",
            Self::NoHub => "its answer names no hub",
            Self::NotOffered(_) | Self::Ambiguous(_) => "its answer names a hub that was not offered",
            Self::Twin(_) => "its answer has no valid initial twin",
            Self::Payload(_) => "its answer has no valid payload",
        }
    }

    pub fn refusal(&self) -> Refusal {
        failed(self.class()).detail(self.to_string())
    }
}

/// The refusal of a registration whose webhook was not called with success.
pub fn no_answer(fault: &AllocationFault) -> Refusal {
    let class = match fault {
        AllocationFault::TimedOut(_) => "no answer in time",
        AllocationFault::Unreachable(_) => "it cannot be reached",
        AllocationFault::Status { .. } => "it refused",
        AllocationFault::TooLarge(_) => "its answer is too large",
        AllocationFault::Malformed(_) => "its answer is no JSON",
        AllocationFault::Busy => "too many calls are under way",
    };
    failed(class).detail(fault.to_string())
}

/// A refusal whose reason is this class.
pub fn failed(class: &str) -> Refusal {
    Refusal::new(ErrorCode::WebhookFailed, format!("the allocation webhook failed: {class}"))
}

/// The body of the call.
pub fn request(
    proof: &Proof,
    stored: Option<&Registration>,
    choice: &Choice<'_>,
    offered: &[&Hub],
    payload: Option<&Value>,
) -> Value {
    let enrollment = &proof.enrollment;
    let kind = match &enrollment.name {
        EnrollmentName::Individual(_) => "individualEnrollment",
        EnrollmentName::Group(_) => "enrollmentGroup",
    };
    let all: Vec<&Hub> = choice.linked.iter().collect();
    let mut context = json!({
        "registrationId": proof.id,
        "x509": {"sha256Thumbprint": proof.thumbprint.to_string(), "subjectName": format!("CN={}", proof.id)},
    });
    if let Some(stored) = stored
        && let State::Assigned { hub, .. } = &stored.state
    {
        context["currentIotHubHostName"] = match choice.linked.named(hub) {
            Some(hub) => host_name(hub, &all).into(),
            None => hub.as_str().into(),
        };
        context["currentDeviceId"] = stored.device_id.as_str().into();
    }
    if let Some(payload) = payload {
        context["payload"] = payload.clone();
    }
    json!({
        kind: described(enrollment, choice, &all),
        "deviceRuntimeContext": context,
        "linkedHubs": offered.iter().map(|hub| host_name(hub, &all)).collect::<Vec<_>>(),
    })
}

fn described(enrollment: &Enrollment, choice: &Choice<'_>, all: &[&Hub]) -> Value {
    let mut object = Map::new();
    match &enrollment.name {
        EnrollmentName::Individual(id) => {
            object.insert("registrationId".into(), id.as_str().into());
            object.extend(enrollment.device_id.as_ref().map(|id| ("deviceId".to_owned(), id.as_str().into())));
        }
        EnrollmentName::Group(id) => {
            object.insert("enrollmentGroupId".into(), id.as_str().into());
        }
    }
    let status = if enrollment.enabled { "enabled" } else { "disabled" };
    object.insert("attestation".into(), json!({"type": "x509"}));
    object.insert("provisioningStatus".into(), status.into());
    if let Some(policy) = enrollment.reprovision {
        let (hub, data) = (policy.updates_hub_assignment(), policy == ReprovisionPolicy::Migrate);
        object.insert("reprovisionPolicy".into(), json!({"updateHubAssignment": hub, "migrateDeviceData": data}));
    }
    object.insert("allocationPolicy".into(), wire_name(enrollment.allocation).into());
    if let Some(webhook) = &enrollment.webhook {
        object.insert("customAllocationDefinition".into(), json!({"webhookUrl": &*webhook.url}));
    }
    let hubs = enrollment.hubs.iter().filter_map(|name| choice.linked.named(name));
    object.insert("iotHubs".into(), hubs.map(|hub| Value::from(host_name(hub, all))).collect());
    let twin = &enrollment.initial_twin;
    object.insert("initialTwin".into(), json!({"tags": twin.tags, "properties": {"desired": twin.desired}}));
    object.insert("capabilities".into(), json!({"iotEdge": enrollment.capabilities.iot_edge}));
    Value::Object(object)
}

const fn wire_name(policy: AllocationPolicy) -> &'static str {
    match policy {
        AllocationPolicy::Static => "static",
        AllocationPolicy::Hashed => "hashed",
        AllocationPolicy::GeoLatency => "geoLatency",
        AllocationPolicy::Custom => "custom",
    }
}

/// A hub's host name, with the port where hubs share the host.
fn host_name(hub: &Hub, all: &[&Hub]) -> String {
    let shared = all.iter().filter(|other| other.host.eq_ignore_ascii_case(&hub.host)).count() > 1;
    if shared { hub.to_string() } else { hub.host.clone() }
}

/// Judges an answer.
pub fn judge(answer: &Value, offered: &[&Hub]) -> Result<Verdict, AnswerFault> {
    let answer = answer.as_object().ok_or(AnswerFault::NoObject)?;
    let given = |key: &str| answer.get(key).filter(|value| !value.is_null());
    let named = given("iotHubHostName").and_then(Value::as_str).ok_or(AnswerFault::NoHub)?;
    let hub = meant(named, offered)?.name.clone();
    let initial_twin = given("initialTwin").map(initial_twin).transpose().map_err(AnswerFault::Twin)?;
    if let Some(twin) = &initial_twin {
        twin.judge().map_err(|error| AnswerFault::Twin(error.to_string()))?;
    }
    let payload = given("payload").cloned();
    if let Some(payload) = &payload {
        let size = payload.to_string().len();
        if size > MAX_PAYLOAD {
            return Err(AnswerFault::Payload(format!("at most {MAX_PAYLOAD} bytes, not {size}")));
        }
        if depth(payload) >= MAX_DEPTH {
            return Err(AnswerFault::Payload(format!("nested {MAX_DEPTH} deep or deeper")));
        }
    }
    Ok(Verdict { hub, initial_twin, payload })
}

/// The hub that an answer means: by its name, its `host:port`, or its host.
fn meant<'a>(named: &str, offered: &[&'a Hub]) -> Result<&'a Hub, AnswerFault> {
    let cut = || named.chars().take(256).collect::<String>();
    let exact = offered
        .iter()
        .find(|hub| hub.name.as_str().eq_ignore_ascii_case(named))
        .or_else(|| offered.iter().find(|hub| hub.to_string().eq_ignore_ascii_case(named)));
    if let Some(hub) = exact {
        return Ok(hub);
    }
    let mut hosts = offered.iter().filter(|hub| hub.host.eq_ignore_ascii_case(named));
    match (hosts.next(), hosts.next()) {
        (Some(hub), None) => Ok(hub),
        (Some(_), Some(_)) => Err(AnswerFault::Ambiguous(cut())),
        (None, _) => Err(AnswerFault::NotOffered(cut())),
    }
}

/// `{tags, properties: {desired}}`; the counts and versions that Azure's objects carry are left out.
fn initial_twin(value: &Value) -> Result<InitialTwin, String> {
    let map = |value: Option<&Value>, what: &str| match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => {
            let own = map.iter().filter(|(key, _)| !matches!(key.as_str(), "$version" | "$metadata"));
            Ok(own.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        Some(_) => Err(format!("{what} is no object")),
    };
    let twin = value.as_object().ok_or("it is no object")?;
    let properties = map(twin.get("properties"), "properties")?;
    Ok(InitialTwin { tags: map(twin.get("tags"), "tags")?, desired: map(properties.get("desired"), "desired")? })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
