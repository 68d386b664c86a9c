//! Hubs: how they are, draining them, moving their devices away, and the devices that are registered on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use firsthop_protocol::HubName;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::paging::{Page, Paging};
use super::problem::Problem;
use super::registrations;
use super::request::{Asked, Id};
use crate::domain::hub::{HubKind, Place};
use crate::domain::ports::{HubError, HubStatus};
use crate::provisioner::operator::HubView;

/// Devices each minute, at most.
const MAX_RATE: u32 = 600_000;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/hubs", get(list))
        .route("/hubs/{name}", get(show))
        .route("/hubs/{name}/devices", get(devices))
        .route("/hubs/{name}/drain", post(drain))
        .route("/hubs/{name}/undrain", post(undrain))
        .route("/hubs/{name}/evacuate", post(evacuate))
        .route("/hubs/{name}/evacuate/stop", post(stop))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    name: HubName,
    /// `undeclared`: not in the configuration any more, although devices are registered there.
    kind: &'static str,
    /// `host:port`, as devices are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Of a remote hub: its hub port.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    drained: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    evacuation: Option<Evacuation>,
    /// Devices registered there; absent where this process has hubs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    registrations: Option<u64>,
    /// The hub's own word; absent where it is an address only.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evacuation {
    per_minute: u32,
    moved: u64,
    staying: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Status {
    Fine { devices: u64, sessions: u64 },
    Fault { error: String },
}

impl From<Result<HubStatus, HubError>> for Status {
    fn from(status: Result<HubStatus, HubError>) -> Self {
        match status {
            Ok(HubStatus { devices, sessions }) => Self::Fine { devices, sessions },
            Err(error) => Self::Fault { error: error.to_string() },
        }
    }
}

impl From<HubView> for Document {
    fn from(view: HubView) -> Self {
        let kind = view.declared.as_ref().map(|declared| declared.kind.clone());
        let evacuation = view.evacuation.map(|running| Evacuation {
            per_minute: running.per_minute,
            moved: running.moved,
            staying: running.staying,
            last_error: running.last_error,
        });
        let (address, weight, labels) = match view.declared {
            Some(declared) => (Some(declared.address), Some(declared.weight), declared.labels),
            None => (None, None, BTreeMap::new()),
        };
        Self {
            name: view.name,
            kind: match &kind {
                None => "undeclared",
                Some(HubKind::External) => "external",
                Some(HubKind::Embedded(Place::Own(_))) => "embedded",
                Some(HubKind::Embedded(Place::Shared)) => "embedded, shared port",
                Some(HubKind::Remote { .. }) => "remote",
            },
            address,
            remote: if let Some(HubKind::Remote { url }) = kind { Some(url) } else { None },
            weight,
            labels,
            drained: view.drained,
            evacuation,
            registrations: Some(view.registrations),
            status: view.status.map(Status::from),
        }
    }
}

async fn documents(desk: &Desk) -> Result<Vec<Document>, Problem> {
    let hubs = match desk.whole() {
        Ok(provisioner) => {
            return Ok(provisioner.hubs_overview().await?.into_iter().map(Document::from).collect());
        }
        Err(hubs) => hubs,
    };
    let mut documents = Vec::new();
    for (name, hub) in hubs {
        documents.push(Document {
            name: name.clone(),
            kind: "embedded",
            address: None,
            remote: None,
            weight: None,
            labels: BTreeMap::new(),
            drained: false,
            evacuation: None,
            registrations: None,
            status: Some(hub.status().await.into()),
        });
    }
    Ok(documents)
}

async fn list(State(desk): State<Arc<Desk>>) -> Result<Json<Vec<Document>>, Problem> {
    documents(&desk).await.map(Json)
}

async fn show(State(desk): State<Arc<Desk>>, Id(name): Id<HubName>) -> Result<Json<Document>, Problem> {
    let hub = documents(&desk).await?.into_iter().find(|hub| hub.name == name);
    hub.map(Json).ok_or_else(|| Problem::unknown(format!("there is no hub {name}")))
}

/// Registrations on the hub, those that were made first at first.
async fn devices(
    State(desk): State<Arc<Desk>>,
    Id(name): Id<HubName>,
    paging: Paging<u64>,
) -> Result<Page<registrations::Document>, Problem> {
    let found = desk.provisioner()?.registrations_on(&name, paging.after, paging.limit)?;
    let last = found.last().map(|listed| listed.position.to_string());
    let items = found.into_iter().map(|listed| registrations::Document::of(listed.id, listed.view)).collect();
    Ok(Page::of(items, paging.limit, last))
}

async fn drain(desk: State<Arc<Desk>>, name: Id<HubName>) -> Result<Json<Document>, Problem> {
    desk.provisioner()?.set_drained(&name.0, true).await?;
    show(desk, name).await
}

async fn undrain(desk: State<Arc<Desk>>, name: Id<HubName>) -> Result<Json<Document>, Problem> {
    desk.provisioner()?.set_drained(&name.0, false).await?;
    show(desk, name).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rate {
    per_minute: u32,
}

async fn evacuate(desk: State<Arc<Desk>>, name: Id<HubName>, asked: Asked<Rate>) -> Result<Json<Document>, Problem> {
    let rate = asked.0.per_minute;
    if !(1..=MAX_RATE).contains(&rate) {
        return Err(Problem::invalid("perMinute", format!("must be from 1 to {MAX_RATE}, not {rate}")));
    }
    desk.provisioner()?.evacuate(&name.0, Some(rate)).await?;
    show(desk, name).await
}

async fn stop(desk: State<Arc<Desk>>, name: Id<HubName>) -> Result<Json<Document>, Problem> {
    desk.provisioner()?.evacuate(&name.0, None).await?;
    show(desk, name).await
}
