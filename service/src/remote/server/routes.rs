//! From paths to calls of a hub's port, and back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use firsthop_protocol::{DeviceId, HubName, RegistrationId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Hubs;
use crate::domain::ports::{DeviceBound, Enqueued, Hub, HubError, MethodCall, TwinUpdate};
use crate::http::body::{self, BodyError};
use crate::remote::wire::{self, Fault, FaultCode, MAX_BODY, MAX_EVENTS, MAX_STATE};

/// The longest that a direct method may wait for its device, and again for the device's answer.
const MAX_METHOD: Duration = Duration::from_secs(300);

/// What every request has.
#[derive(Clone)]
struct Port {
    hubs: Arc<Hubs>,
    /// For reading a body.
    timeout: Duration,
}

/// The routes of the hub port.
pub fn of(hubs: Hubs, timeout: Duration) -> Router {
    let device = Router::new()
        .route("/", get(device))
        .route("/provision", post(provision))
        .route("/identify", post(identify))
        .route("/session", post(session))
        .route("/twin", get(twin).patch(update_twin))
        .route("/methods", post(invoke))
        .route("/messages", post(enqueue))
        .route("/events", get(events));
    let registration =
        Router::new().route("/fence", post(fence)).route("/release", post(release)).route("/remove", post(remove));
    Router::new()
        .route(&format!("/{}/hubs/{{hub}}/status", wire::VERSION), get(status))
        .nest(&format!("/{}/hubs/{{hub}}/devices/{{device}}", wire::VERSION), device)
        .nest(&format!("/{}/hubs/{{hub}}/registrations/{{registration}}", wire::VERSION), registration)
        .fallback(|| async { refuse(Fault::new(FaultCode::Malformed, "the hub port has no such path")) })
        .method_not_allowed_fallback(|| async { refuse(Fault::new(FaultCode::Malformed, "not with this method")) })
        .with_state(Port { hubs: Arc::new(hubs), timeout })
}

/// For a caller that may not call: each request is answered with the reason.
pub fn forbidden(name: &str) -> Router {
    let fault = Fault::new(FaultCode::Forbidden, format!("hub_port.clients there does not name {name:?}"));
    Router::new().fallback(move || async move { refuse(fault) })
}

/// A refusal, as logged and as sent.
fn refuse(fault: Fault) -> Response {
    tracing::info!(code = ?fault.code, reason = fault.message, "the hub port refused a request");
    (fault.status(), Json(fault)).into_response()
}

/// An answer, or why there is none.
struct Answer<T>(Result<T, HubError>);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(answer) => Json(answer).into_response(),
            Err(error) => refuse(error.into()),
        }
    }
}

fn done(outcome: Result<(), HubError>) -> Answer<wire::Done> {
    Answer(outcome.map(|()| wire::Done {}))
}

/// The hub that the path names, and the device or the registration.
struct Place {
    hub: Arc<dyn Hub>,
    name: HubName,
    device: Option<DeviceId>,
    registration: Option<RegistrationId>,
}

impl FromRequestParts<Port> for Place {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, port: &Port) -> Result<Self, Response> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            refuse(Fault::new(FaultCode::Malformed, format!("{what}: {why}")))
        };
        let params = RawPathParams::from_request_parts(parts, port).await.map_err(|error| wrong("path", &error))?;
        let (mut hub, mut device, mut registration) = (None, None, None);
        for (key, value) in &params {
            match key {
                "hub" => hub = Some(HubName::parse(value).map_err(|error| wrong("hub", &error))?),
                "registration" => {
                    let id = RegistrationId::parse(value).map_err(|error| wrong("registration", &error))?;
                    registration = Some(id);
                }
                _ => device = Some(DeviceId::parse(value).map_err(|error| wrong("device", &error))?),
            }
        }
        let name = hub.ok_or_else(|| wrong("hub", &"missing"))?;
        let hub = port.hubs.get(&name).cloned().ok_or_else(|| {
            refuse(Fault::new(FaultCode::NoHub, format!("the process there has no hub named {name}")))
        })?;
        Ok(Self { hub, name, device, registration })
    }
}

/// The hub and the device, of a path that names both.
struct Of(Arc<dyn Hub>, DeviceId, HubName);

impl FromRequestParts<Port> for Of {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, port: &Port) -> Result<Self, Response> {
        let place = Place::from_request_parts(parts, port).await?;
        match place.device {
            Some(device) => Ok(Self(place.hub, device, place.name)),
            None => Err(refuse(Fault::new(FaultCode::Malformed, "device: missing"))),
        }
    }
}

/// The hub and the registration, of a path that names both.
struct Whose(Arc<dyn Hub>, RegistrationId);

impl FromRequestParts<Port> for Whose {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, port: &Port) -> Result<Self, Response> {
        let place = Place::from_request_parts(parts, port).await?;
        match place.registration {
            Some(registration) => Ok(Self(place.hub, registration)),
            None => Err(refuse(Fault::new(FaultCode::Malformed, "registration: missing"))),
        }
    }
}

/// A JSON body of at most so many bytes.
struct Asked<T, const LIMIT: usize>(T);

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<Port> for Asked<T, LIMIT> {
    type Rejection = Response;

    async fn from_request(request: Request, port: &Port) -> Result<Self, Response> {
        let bytes = body::of_request(request.into_body(), LIMIT, port.timeout).await.map_err(|error| {
            let code = match error {
                BodyError::TooLarge(_) => FaultCode::TooLarge,
                BodyError::TooSlow(_) => FaultCode::TooSlow,
                BodyError::Broken(_) => FaultCode::Malformed,
            };
            refuse(Fault::new(code, error.to_string()))
        })?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| refuse(Fault::new(FaultCode::Malformed, format!("the body: {error}"))))
    }
}

fn identity(
    hub: HubName,
    device: &DeviceId,
    identity: wire::Identity,
) -> Result<crate::domain::hub_device::Identity, HubError> {
    let identity = crate::domain::hub_device::Identity::try_from(identity)
        .map_err(|why| HubError::Refused { hub: hub.clone(), why })?;
    if identity.device_id != *device {
        let why = format!("the body is of device {}, the path of {device}", identity.device_id);
        return Err(HubError::Refused { hub, why });
    }
    Ok(identity)
}

async fn provision(Of(hub, device, name): Of, Asked(asked): Asked<wire::Provision, MAX_STATE>) -> Answer<wire::Done> {
    match identity(name, &device, asked.identity) {
        Ok(identity) => done(hub.provision(asked.operation, identity, asked.state.into()).await),
        Err(error) => Answer(Err(error)),
    }
}

async fn identify(Of(hub, device, name): Of, Asked(asked): Asked<wire::Identify, MAX_BODY>) -> Answer<wire::Done> {
    match identity(name, &device, asked.identity) {
        Ok(identity) => done(hub.identify(asked.operation, identity).await),
        Err(error) => Answer(Err(error)),
    }
}

async fn fence(
    Whose(hub, registration): Whose,
    Asked(asked): Asked<wire::ByOperation, MAX_BODY>,
) -> Answer<wire::State> {
    Answer(hub.fence(asked.operation, registration).await.map(wire::State::from))
}

async fn release(
    Whose(hub, registration): Whose,
    Asked(asked): Asked<wire::ByOperation, MAX_BODY>,
) -> Answer<wire::Done> {
    done(hub.release(asked.operation, registration).await)
}

async fn remove(Whose(hub, registration): Whose, Asked(asked): Asked<wire::Remove, MAX_BODY>) -> Answer<wire::Done> {
    done(hub.remove(asked.operation, registration, asked.to).await)
}

async fn session(Of(hub, device, _): Of, Asked(command): Asked<wire::Session, MAX_BODY>) -> Answer<wire::Reached> {
    Answer(hub.session(device, command.into()).await.map(|reached| wire::Reached { reached }))
}

async fn status(place: Place) -> Answer<wire::Status> {
    let status = place.hub.status().await;
    Answer(status.map(|status| wire::Status { devices: status.devices, sessions: status.sessions }))
}

async fn device(Of(hub, device, _): Of) -> Answer<wire::Device> {
    Answer(hub.device(device).await.map(wire::Device::from))
}

async fn twin(Of(hub, device, _): Of) -> Answer<wire::Twin> {
    Answer(hub.twin(device).await.map(wire::Twin::from))
}

async fn update_twin(
    Of(hub, device, _): Of,
    Asked(asked): Asked<wire::UpdateTwin, MAX_BODY>,
) -> Answer<wire::TwinUpdated> {
    let update = TwinUpdate { tags: asked.tags, desired: asked.desired, replace: asked.replace };
    Answer(hub.update_twin(device, update, asked.expected).await.map(wire::TwinUpdated::from))
}

async fn invoke(Of(hub, device, name): Of, Asked(asked): Asked<wire::Method, MAX_BODY>) -> Answer<wire::MethodOutcome> {
    let call = MethodCall::from(asked);
    if call.timeout > MAX_METHOD || call.connect_timeout > MAX_METHOD {
        let why = format!("a direct method waits for at most {MAX_METHOD:?}");
        return Answer(Err(HubError::Refused { hub: name, why }));
    }
    Answer(hub.invoke(device, call).await.map(wire::MethodOutcome::from))
}

async fn enqueue(Of(hub, device, _): Of, Asked(asked): Asked<wire::Message, MAX_BODY>) -> Answer<wire::Enqueued> {
    let wire::Message { properties, payload, expires } = asked;
    let outcome = hub.enqueue(device, DeviceBound { properties, payload, expires }).await;
    Answer(outcome.map(|outcome| match outcome {
        Enqueued::Done(number) => wire::Enqueued::Done(number),
        Enqueued::Full => wire::Enqueued::Full,
    }))
}

async fn events(
    Of(hub, device, _): Of,
    query: Result<Query<wire::EventsAfter>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer<wire::Events>, Response> {
    let Query(asked) = query.map_err(|error| refuse(Fault::new(FaultCode::Malformed, error.body_text())))?;
    let events = hub.events(device, asked.after, asked.limit.min(MAX_EVENTS)).await;
    let wire = |(number, event)| (number, wire::Event::from(event));
    Ok(Answer(events.map(|events| wire::Events { events: events.into_iter().map(wire).collect() })))
}
