//! Operations: what runs, and what ran last.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use firsthop_protocol::{HubName, OperationId, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desk::Desk;
use super::paging::{Page, Paging};
use super::problem::Problem;
use super::request::Id;
use crate::provisioner::operator::{Exchange, OperationView};

pub fn routes() -> Router<Arc<Desk>> {
    Router::new().route("/operations", get(list)).route("/operations/{id}", get(show).delete(cancel))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    operation_id: OperationId,
    registration_id: RegistrationId,
    /// `running` or `ended`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<HubName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<HubName>,
    /// The step that a move came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
    started_date_time_utc: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_date_time_utc: Option<Timestamp>,
    retries: u32,
    /// What last went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook>,
}

/// The call of the allocation webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    url: String,
    request: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<OperationView> for Document {
    fn from(view: OperationView) -> Self {
        Self {
            operation_id: view.id,
            registration_id: view.registration_id,
            status: if view.ended.is_some() { "ended" } else { "running" },
            from: view.from,
            to: view.to,
            step: view.step.map(|step| step.name()),
            started_date_time_utc: view.started,
            ended_date_time_utc: view.ended,
            retries: view.retries,
            error: view.error,
            webhook: view.webhook.map(Webhook::from),
        }
    }
}

impl From<Exchange> for Webhook {
    fn from(exchange: Exchange) -> Self {
        let (answer, error) = match exchange.answer {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(error)),
        };
        Self { url: exchange.url, request: exchange.request, answer, error }
    }
}

/// Where a page begins.
struct After(OperationId);

impl std::str::FromStr for After {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use serde::de::IntoDeserializer;
        OperationId::deserialize(text.into_deserializer()).map(Self)
    }
}

/// The newest first.
async fn list(State(desk): State<Arc<Desk>>, paging: Paging<After>) -> Result<Page<Document>, Problem> {
    let found = desk.provisioner()?.operations(paging.after.map(|After(id)| id), paging.limit);
    let last = found.last().map(|view| view.id.to_string());
    Ok(Page::of(found.into_iter().map(Document::from).collect(), paging.limit, last))
}

async fn show(State(desk): State<Arc<Desk>>, Id(id): Id<OperationId>) -> Result<Json<Document>, Problem> {
    Ok(Json(desk.provisioner()?.operation(id)?.into()))
}

async fn cancel(State(desk): State<Arc<Desk>>, Id(id): Id<OperationId>) -> Result<StatusCode, Problem> {
    desk.provisioner()?.cancel_operation(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
