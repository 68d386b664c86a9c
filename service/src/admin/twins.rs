//! Device twins, as the back end sees and changes them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use firsthop_protocol::document::Document;
use firsthop_protocol::{DeviceId, ErrorCode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::problem::Problem;
use super::request::{Asked, Id, IfMatch};
use crate::domain::ports::{TwinUpdate, TwinUpdated};
use crate::domain::twin::Twin;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/twins/{deviceId}", get(show).patch(update).put(replace))
}

/// A twin as it is sent here. What an answer has besides, and what only the device writes, may be in it and changes nothing, so that an
/// answer can be changed and sent back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "part")]
    tags: Option<Value>,
    properties: Option<Properties>,
    device_id: Option<DeviceId>,
    #[serde(rename = "etag")]
    _etag: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(rename = "connectionState")]
    _connection_state: Option<IgnoredAny>,
    #[serde(rename = "capabilities")]
    _capabilities: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    #[serde(default, deserialize_with = "part")]
    desired: Option<Value>,
    #[serde(rename = "reported")]
    _reported: Option<IgnoredAny>,
}

/// A part that is given: a map, or `null`, which empties it.
fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let given = Option::<Document>::deserialize(deserializer)?;
    Ok(Some(given.map_or(Value::Null, |Document(map)| Value::Object(map))))
}

async fn show(State(desk): State<Arc<Desk>>, Id(id): Id<DeviceId>) -> Result<Response, Problem> {
    let (_, hub) = desk.home(&id).await?;
    let twin = hub.twin(id.clone()).await?;
    let (device, connected) = hub.device(id.clone()).await?;
    let mut document = shown(&id, &twin);
    let state = if connected { "Connected" } else { "Disconnected" };
    document.insert("connectionState".to_owned(), state.into());
    document.insert("capabilities".to_owned(), json!({ "iotEdge": device.identity.capabilities.iot_edge }));
    Ok(answer(&twin, document))
}

async fn update(
    desk: State<Arc<Desk>>,
    id: Id<DeviceId>,
    expected: IfMatch,
    asked: Asked<Change>,
) -> Result<Response, Problem> {
    change(desk, id, expected, asked, false).await
}

async fn replace(
    desk: State<Arc<Desk>>,
    id: Id<DeviceId>,
    expected: IfMatch,
    asked: Asked<Change>,
) -> Result<Response, Problem> {
    change(desk, id, expected, asked, true).await
}

async fn change(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<DeviceId>,
    IfMatch(expected): IfMatch,
    Asked(asked): Asked<Change>,
    replace: bool,
) -> Result<Response, Problem> {
    if let Some(other) = asked.device_id.filter(|said| *said != id) {
        return Err(Problem::invalid("deviceId", format!("is {other}, and the path says {id}")));
    }
    let desired = asked.properties.and_then(|properties| properties.desired);
    let (_, hub) = desk.home(&id).await?;
    match hub.update_twin(id.clone(), TwinUpdate { tags: asked.tags, desired, replace }, expected).await? {
        TwinUpdated::Done(twin) => Ok(answer(&twin, shown(&id, &twin))),
        TwinUpdated::Conflict(version) => {
            let message = format!("the twin is at version {version}, not at the one that If-Match expects");
            Err(Problem::new(ErrorCode::VersionConflict, message))
        }
        TwinUpdated::Invalid(why) => Err(Problem::new(ErrorCode::InvalidTwin, why)),
    }
}

fn shown(id: &DeviceId, twin: &Twin) -> Map<String, Value> {
    let mut document = twin.full_document();
    document.insert("deviceId".to_owned(), id.as_str().into());
    document.insert("etag".to_owned(), twin.version.to_string().into());
    document
}

fn answer(twin: &Twin, document: Map<String, Value>) -> Response {
    ([(header::ETAG, format!("\"{}\"", twin.version))], Json(document)).into_response()
}
