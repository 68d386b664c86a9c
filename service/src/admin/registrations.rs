//! Registrations: where a device is assigned, and the move that is under way.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use firsthop_protocol::body::{EnrollmentName, RegistrationStatus, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::desk::Desk;
use super::problem::Problem;
use super::request::Id;
use crate::domain::registration;
use crate::domain::transfer::Transfer;
use crate::provisioner::operator::RegistrationView;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/registrations/{id}", get(show))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    registration_id: RegistrationId,
    status: RegistrationStatus,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    registered: Option<Registered>,
    /// `host:port` of the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_hub: Option<String>,
    #[serde(rename = "move", skip_serializing_if = "Option::is_none")]
    transfer: Option<Move>,
}

/// What is stored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    device_id: DeviceId,
    enrollment: EnrollmentName,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<HubName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    substatus: Option<Substatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// SHA-256 of the certificate that it last registered with.
    thumbprint: String,
    operation_id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    created_date_time_utc: Timestamp,
    last_updated_date_time_utc: Timestamp,
    etag: ETag,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Move {
    operation_id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<HubName>,
    to: HubName,
    step: &'static str,
    started_date_time_utc: Timestamp,
}

impl Document {
    pub fn of(id: RegistrationId, view: RegistrationView) -> Self {
        let registered = view.registered.map(Registered::from);
        let status = match (&view.transfer, &registered) {
            (Some(_), _) => RegistrationStatus::Assigning,
            (None, Some(Registered { hub: Some(_), .. })) => RegistrationStatus::Assigned,
            (None, Some(_)) => RegistrationStatus::Failed,
            (None, None) => RegistrationStatus::Unassigned,
        };
        Self {
            registration_id: id,
            status,
            registered,
            assigned_hub: view.assigned_hub,
            transfer: view.transfer.map(Move::from),
        }
    }
}

impl From<registration::Registered> for Registered {
    fn from(registered: registration::Registered) -> Self {
        let stored = registered.registration;
        let (hub, substatus, error_code, error_message) = match stored.state {
            registration::State::Assigned { hub, substatus } => (Some(hub), Some(substatus), None, None),
            registration::State::Failed { code, message } => (None, None, Some(code), Some(message)),
        };
        Self {
            device_id: stored.device_id,
            enrollment: stored.enrollment,
            hub,
            substatus,
            error_code,
            error_message,
            thumbprint: stored.thumbprint.to_string(),
            operation_id: stored.operation,
            payload: stored.payload,
            created_date_time_utc: stored.created,
            last_updated_date_time_utc: stored.updated,
            etag: registered.etag,
        }
    }
}

impl From<Transfer> for Move {
    fn from(transfer: Transfer) -> Self {
        Self {
            operation_id: transfer.id,
            from: transfer.from,
            to: transfer.to,
            step: transfer.step.name(),
            started_date_time_utc: transfer.started,
        }
    }
}

async fn show(State(desk): State<Arc<Desk>>, Id(id): Id<RegistrationId>) -> Result<Response, Problem> {
    let view = desk.provisioner()?.registration_view(&id)?;
    let etag = view.registered.as_ref().map(|registered| format!("\"{}\"", registered.etag));
    let document = Json(Document::of(id, view));
    Ok(match etag {
        Some(etag) => ([(header::ETAG, etag)], document).into_response(),
        None => document.into_response(),
    })
}
