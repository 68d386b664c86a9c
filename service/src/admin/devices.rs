//! Devices on their hubs: how they stand there, and the telemetry that is kept for them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId, Timestamp};
use serde::Serialize;

use super::desk::Desk;
use super::paging::{Page, Paging};
use super::problem::Problem;
use super::request::Id;
use crate::domain::hub_device::{HubDevice, Standing};

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/devices/{deviceId}", get(show)).route("/devices/{deviceId}/events", get(events))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    device_id: DeviceId,
    registration_id: RegistrationId,
    hub: HubName,
    connection_state: &'static str,
    /// `enabled`: it may use the hub. `held`, `fenced`: a move has it. `moved`: it has left.
    status: &'static str,
    /// The move that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_id: Option<OperationId>,
    /// `host:port` of its new hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<String>,
    capabilities: Capabilities,
    resources: Resources,
    subscriptions: Vec<String>,
    created_date_time_utc: Timestamp,
    etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    iot_edge: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resources {
    command_queue: CommandQueue,
    events: EventStorage,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommandQueue {
    messages: u32,
    bytes: u64,
    expiry_in_seconds: u64,
}

#[derive(Serialize)]
struct EventStorage {
    messages: u32,
    bytes: u64,
}

impl Document {
    fn of(hub: HubName, device: HubDevice, connected: bool) -> Self {
        let (status, operation_id, moved_to) = match device.standing {
            Standing::Active => ("enabled", None, None),
            Standing::Held(operation) => ("held", Some(operation), None),
            Standing::Fenced(operation) => ("fenced", Some(operation), None),
            Standing::Moved { to, .. } => ("moved", None, to),
        };
        let resources = device.identity.resources;
        Self {
            device_id: device.identity.device_id,
            registration_id: device.identity.registration_id,
            hub,
            connection_state: if connected { "Connected" } else { "Disconnected" },
            status,
            operation_id,
            moved_to,
            capabilities: Capabilities { iot_edge: device.identity.capabilities.iot_edge },
            resources: Resources {
                command_queue: CommandQueue {
                    messages: resources.command_queue.messages,
                    bytes: resources.command_queue.bytes,
                    expiry_in_seconds: resources.command_queue.expiry.as_secs(),
                },
                events: EventStorage { messages: resources.events.messages, bytes: resources.events.bytes },
            },
            subscriptions: device.subscriptions.into_iter().map(|subscription| subscription.filter).collect(),
            created_date_time_utc: device.created,
            etag: device.revision.to_string(),
        }
    }
}

async fn show(State(desk): State<Arc<Desk>>, Id(id): Id<DeviceId>) -> Result<Response, Problem> {
    let (name, hub) = desk.home(&id).await?;
    let (device, connected) = hub.device(id).await?;
    let etag = format!("\"{}\"", device.revision);
    Ok(([(header::ETAG, etag)], Json(Document::of(name, device, connected))).into_response())
}

/// A telemetry message that was kept.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventDocument {
    event_number: u64,
    enqueued_time_utc: Timestamp,
    /// Url-encoded property bag, as on the wire.
    properties: String,
    /// Base64.
    body: String,
}

/// The oldest first.
async fn events(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<DeviceId>,
    paging: Paging<u64>,
) -> Result<Page<EventDocument>, Problem> {
    let (_, hub) = desk.home(&id).await?;
    let found = hub.events(id, paging.after, paging.limit).await?;
    let last = found.last().map(|(number, _)| number.to_string());
    let document = |(event_number, event): (u64, crate::domain::hub_device::Event)| EventDocument {
        event_number,
        enqueued_time_utc: event.at,
        properties: event.properties,
        body: STANDARD.encode(event.payload),
    };
    Ok(Page::of(found.into_iter().map(document).collect(), paging.limit, last))
}
