//! The management API: JSON over HTTP/1 on a Unix socket, with the paths, objects and headers of the service API. One resource, one file.
//!
//! ```text
//! GET    /hubs  /hubs/{name}  /hubs/{name}/devices
//! POST   /hubs/{name}/drain | undrain | evacuate {"perMinute":n} | evacuate/stop
//! POST   /hubs/{name}/reprovision  /enrollmentGroups/{id}/reprovision  /registrations/{id}/reprovision   {"reason","notBefore"?,"spread"?}
//! GET    /registrations/{id}
//! GET    /operations  /operations/{id}         DELETE /operations/{id}
//! GET    /twins/{deviceId}                     PATCH, PUT /twins/{deviceId}           If-Match
//! POST   /twins/{deviceId}/methods             {"methodName","payload","responseTimeoutInSeconds","connectTimeoutInSeconds"}
//! GET    /devices/{deviceId}  /devices/{deviceId}/events
//! POST   /devices/{deviceId}/messages?{property bag}                                  iothub-expiry
//! ```
//! Lists come in pages: `x-ms-max-item-count` asks for a size, `x-ms-continuation` of an answer asks for the next page. An answer that is no
//! 2xx has the body `{"errorCode","trackingId","message","timestampUtc"}`.

mod audit;
mod config;
mod desk;
mod devices;
mod hubs;
mod listener;
mod messages;
mod methods;
mod operations;
mod paging;
mod problem;
mod registrations;
mod reprovision;
mod request;
mod socket;
mod twins;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use desk::Desk;
use problem::Problem;
pub use socket::ServeError;

use crate::hub::EmbeddedHub;
use crate::provisioner::Provisioner;

/// Opens the management socket, where one is configured. A process with hubs only has no provisioner. The task ends after `stopping`,
/// when the requests under way are answered.
pub fn serve(
    config: &Config,
    provisioner: Option<Arc<Provisioner>>,
    hubs: Vec<Arc<EmbeddedHub>>,
    stopping: CancellationToken,
) -> Result<Option<JoinHandle<()>>, ServeError> {
    let Some(path) = &config.socket else { return Ok(None) };
    let socket = socket::open(path)?;
    let desk = Desk::new(provisioner, hubs);
    Ok(Some(tokio::spawn(listener::serve(socket, routes(desk), stopping))))
}

fn routes(desk: Desk) -> Router {
    Router::new()
        .merge(hubs::routes())
        .merge(registrations::routes())
        .merge(reprovision::routes())
        .merge(operations::routes())
        .merge(twins::routes())
        .merge(methods::routes())
        .merge(devices::routes())
        .merge(messages::routes())
        .fallback(|| async { Problem::unknown("there is no such path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(axum::middleware::from_fn(audit::record))
        .with_state(Arc::new(desk))
}
