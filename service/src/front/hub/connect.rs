//! CONNECT on a hub. A stranger gets no session here: a hub knows only the devices that were provisioned to it (rule A5).

use std::sync::Arc;

use firsthop_protocol::hub_topic::{self, Messages};
use firsthop_protocol::{DeviceId, ErrorCode};
use rustls::pki_types::CertificateDer;
use tokio::time::Duration;
use tracing::{Instrument, Span};

use super::super::codec::{ConnAck, Connect, ConnectReason, Decoder, Encoder, Version, Will};
use super::super::connection::{Arrived, Reception};
use super::super::endpoint::Endpoint;
use super::super::listener::Transport;
use super::super::packet::connect::{self, Refused};
use super::super::session::{Role, Session, Terms};
use super::user_name::UserName;
use super::{HubDoor, OnHub};
use crate::domain::refusal::Refusal;
use crate::hub::{Admitted, Denied};

/// The longest keep-alive, as at Azure IoT Hub.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(1767);

/// A CONNECT that gets a session.
struct Accepted {
    admitted: Admitted,
    /// Its subscriptions outlive the connection.
    lasts: bool,
    terms: Terms,
    answer: ConnAck,
}

impl Reception for HubDoor {
    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    async fn receive<T: Transport>(self: Arc<Self>, arrived: Arrived<T>) {
        let Arrived { connect, mut transport, peer, decoder, encoder, input } = arrived;
        let endpoint = self.endpoint.clone();
        let span = tracing::info_span!("session", hub = %self.hub.name(), %peer, id = tracing::field::Empty);
        let begun = self.begin(transport.peer_chain(), *connect, (decoder, encoder), &span);
        match begun.instrument(span.clone()).await {
            // In a task of its own: this one has room for a handshake, which an idle session should not keep.
            Ok(session) => {
                endpoint.tasks.spawn(session.run(transport, input).instrument(span));
            }
            Err(refused) => refused.send(&endpoint, &mut transport, encoder, peer).await,
        }
    }
}

impl HubDoor {
    async fn begin(
        self: Arc<Self>,
        chain: &[CertificateDer<'_>],
        connect: Connect,
        codec: (Decoder, Encoder),
        span: &Span,
    ) -> Result<Session<OnHub>, Refused> {
        let endpoint = self.endpoint.clone();
        let clean = connect.clean;
        let Accepted { mut admitted, lasts, terms, mut answer } = self.accept(chain, connect)?;
        span.record("id", tracing::field::display(&admitted.device));
        let place = endpoint.places.clone().try_acquire_owned().map_err(|_| Refused::no_place())?;
        let known = std::mem::take(&mut admitted.subscriptions);
        if !known.is_empty() && (clean || !lasts) {
            self.forget_subscriptions(&admitted.device).await?;
        }
        let resumed = if clean { Vec::new() } else { known };
        answer.session_present = !resumed.is_empty();
        let role = OnHub::enter(self, admitted, lasts);
        let mut session = Session::new(role, endpoint, codec, terms, place);
        if let Err(why) = session.resume(resumed, chain).await {
            session.role.leave();
            return Err(Refused::new(ConnectReason::ServerUnavailable, why));
        }
        session.greet(answer);
        OnHub::subscriptions_changed(&mut session);
        Ok(session)
    }

    async fn forget_subscriptions(&self, device: &DeviceId) -> Result<(), Refused> {
        self.hub.keep_subscriptions(device, Vec::new()).await.map_err(|refusal| {
            tracing::warn!(%device, detail = refusal.detail, "the last session cannot be forgotten");
            Refused::new(ConnectReason::ServerUnavailable, refusal.message)
        })
    }

    fn accept(&self, chain: &[CertificateDer<'_>], connect: Connect) -> Result<Accepted, Refused> {
        connect::check(&self.endpoint, &connect)?;
        let said = self.said(&connect).map_err(|refusal| self.denied(Denied::NotAuthorized(refusal)))?;
        let admitted = self.hub.admit(chain, said.as_ref()).map_err(|denied| self.denied(denied))?;
        if let Some(will) = &connect.will {
            check_will(will, &admitted)?;
        }
        let lasts = match connect.version {
            Version::V311 => !connect.clean,
            Version::V5 => connect::session_expiry(&connect).is_some_and(|seconds| seconds > 0),
        };
        let longest = self.endpoint.limits.keep_alive.min(LONGEST_KEEP_ALIVE);
        let keep_alive = connect::keep_alive(connect.keep_alive, longest);
        let assigned = connect.client_id.is_empty().then(|| admitted.device.to_string());
        let mut answer = connect::welcome(&self.endpoint, &connect, keep_alive, assigned);
        if lasts {
            // Until the device says otherwise, or leaves this hub.
            answer.properties.session_expiry_interval = Some(u32::MAX);
        }
        let terms = Terms {
            version: connect.version,
            silence: connect::silence(keep_alive),
            receive_maximum: connect.properties.as_deref().and_then(|properties| properties.receive_maximum),
            will: connect.will.map(Box::new),
        };
        Ok(Accepted { admitted, lasts, terms, answer })
    }

    /// The device that client id and user name say, where they say one.
    fn said(&self, connect: &Connect) -> Result<Option<DeviceId>, Refusal> {
        let mut said = None;
        if !connect.client_id.is_empty() {
            if connect.client_id.contains('/') {
                return Err(no_modules("the client id"));
            }
            said = Some(device_id("the client id", &connect.client_id)?);
        }
        let user_name = connect.user_name.as_deref().filter(|name| !name.is_empty());
        let Some(user_name) = user_name else { return Ok(said) };
        let name = match UserName::parse(user_name) {
            Some(UserName { module: Some(_), .. }) => return Err(no_modules("the user name")),
            Some(name) if !self.is_called(name.hub) => {
                let message = format!("the user name names another hub than {}", self.hub.name());
                return Err(Refusal::new(ErrorCode::IdentityMismatch, message));
            }
            Some(name) => name.device,
            None => user_name,
        };
        let named = device_id("the user name", name)?;
        match said {
            Some(said) if !said.as_str().eq_ignore_ascii_case(named.as_str()) => {
                let message = "the user name says another device than the client id";
                Err(Refusal::new(ErrorCode::IdentityMismatch, message))
            }
            said => Ok(said.or(Some(named))),
        }
    }

    fn denied(&self, denied: Denied) -> Refused {
        match denied {
            Denied::NotAuthorized(refusal) => {
                let (code, told, detail) = (refusal.code.number(), refusal.message.as_str(), refusal.detail.as_str());
                tracing::info!(hub = %self.hub.name(), code, told, detail, "CONNECT refused");
                Refused::new(ConnectReason::NotAuthorized, refusal.message)
            }
            Denied::Moved { to } => Refused {
                reason: ConnectReason::ServerMoved,
                why: format!("this device lives at {to} now"),
                instead: Some(to),
            },
            Denied::Unavailable(why) => Refused::new(ConnectReason::ServerUnavailable, why),
        }
    }
}

fn device_id(what: &str, text: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(text)
        .map_err(|error| Refusal::new(ErrorCode::IdentityMismatch, format!("{what} is no device id: it {error}")))
}

fn no_modules(what: &str) -> Refusal {
    Refusal::new(ErrorCode::IdentityMismatch, format!("{what} names a module of a device: modules are not offered"))
}

fn check_will(will: &Will, admitted: &Admitted) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::new(ConnectReason::NotAuthorized, why));
    match Messages::parse(&will.topic, &admitted.device) {
        Some(Messages::DeviceBound(_)) => refused("the topic of the will is for messages to the device".into()),
        Some(Messages::Events(bag)) => match hub_topic::telemetry_bag(bag) {
            Ok(_) => Ok(()),
            Err(error) => refused(format!("the topic of the will: {error}")),
        },
        None if super::access(admitted).may_publish(&will.topic) => Ok(()),
        None => refused("this device may not publish to the topic of its will".into()),
    }
}
