//! Devices are asked to register again (rule C7): one, those of a group, those of a hub.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{GroupId, HubName, RegistrationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::problem::Problem;
use super::request::{Asked, Id};
use crate::domain::ports::Notice;
use crate::provisioner::operator::Target;

/// Most characters of a reason: every device is sent it.
const MAX_REASON: usize = 256;
/// Most seconds that devices spread over: a week.
const MAX_SPREAD: u32 = 7 * 24 * 3600;

pub fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/registrations/{id}/reprovision", post(registration))
        .route("/enrollmentGroups/{id}/reprovision", post(group))
        .route("/hubs/{name}/reprovision", post(hub))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trigger {
    reason: String,
    not_before: Option<Timestamp>,
    /// Each device waits a random part of so many seconds.
    #[serde(default)]
    spread: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    told: u64,
    not_connected: u64,
}

impl Trigger {
    fn notice(self) -> Result<Notice, Problem> {
        let length = self.reason.chars().count();
        if length > MAX_REASON || self.reason.chars().any(char::is_control) {
            let why = format!("must have at most {MAX_REASON} characters and no control characters");
            return Err(Problem::invalid("reason", why));
        }
        if self.spread > MAX_SPREAD {
            return Err(Problem::invalid(
                "spread",
                format!("must be at most {MAX_SPREAD} seconds, not {}", self.spread),
            ));
        }
        Ok(Notice { reason: self.reason, not_before: self.not_before, spread: self.spread })
    }
}

async fn trigger(desk: &Desk, target: Target, trigger: Trigger) -> Result<Json<Report>, Problem> {
    let report = desk.provisioner()?.trigger(target, trigger.notice()?).await?;
    Ok(Json(Report { told: report.told, not_connected: report.not_connected }))
}

async fn registration(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<RegistrationId>,
    Asked(asked): Asked<Trigger>,
) -> Result<Json<Report>, Problem> {
    trigger(&desk, Target::Registration(id), asked).await
}

async fn group(
    State(desk): State<Arc<Desk>>,
    Id(id): Id<GroupId>,
    Asked(asked): Asked<Trigger>,
) -> Result<Json<Report>, Problem> {
    trigger(&desk, Target::Enrollment(EnrollmentName::Group(id)), asked).await
}

async fn hub(
    State(desk): State<Arc<Desk>>,
    Id(name): Id<HubName>,
    Asked(asked): Asked<Trigger>,
) -> Result<Json<Report>, Problem> {
    trigger(&desk, Target::Hub(name), asked).await
}
