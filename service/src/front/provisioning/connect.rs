//! CONNECT at the provisioning endpoint. A client whose certificate proves nothing gets a session too: there it is told why.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tracing::Instrument;

use super::super::access::Access;
use super::super::codec::{ConnAck, Connect, ConnectReason, Decoder, Encoder};
use super::super::connection::{Arrived, Reception};
use super::super::door::Door;
use super::super::endpoint::Endpoint;
use super::super::identity::Identity;
use super::super::limits::MAX_LOBBY_PACKET;
use super::super::listener::Transport;
use super::super::packet::connect::{self, Refused};
use super::super::session::{Session, Terms};
use super::Provisioning;

/// A CONNECT that gets a session.
struct Accepted {
    identity: Identity,
    client_id: Box<str>,
    terms: Terms,
    answer: ConnAck,
}

impl Reception for Door {
    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    async fn receive<T: Transport>(self: Arc<Self>, arrived: Arrived<T>) {
        if let Some(hub) = self.shared_hub(&arrived.connect, arrived.transport.server_name()) {
            return hub.receive(arrived).await;
        }
        let Arrived { connect, mut transport, peer, decoder, encoder, input } = arrived;
        let endpoint = self.endpoint.clone();
        match self.begin(transport.peer_chain(), *connect, (decoder, encoder)) {
            // In a task of its own: this one has room for a handshake, which an idle session should not keep.
            Ok(session) => {
                let id = session.role.identity.id().map(tracing::field::display);
                let span = tracing::info_span!("session", %peer, id);
                endpoint.tasks.spawn(session.run(transport, input).instrument(span));
            }
            Err(refused) => refused.send(&endpoint, &mut transport, encoder, peer).await,
        }
    }
}

impl Door {
    fn begin(
        self: Arc<Self>,
        chain: &[CertificateDer<'_>],
        connect: Connect,
        (mut decoder, encoder): (Decoder, Encoder),
    ) -> Result<Session<Provisioning>, Refused> {
        let accepted = accept(&self, chain, connect)?;
        // Strangers have places of their own, so that they can never take a device's.
        let is_device = accepted.identity.principal().is_some();
        let places = if is_device { &self.endpoint.places } else { &self.lobby };
        let place = places.clone().try_acquire_owned().map_err(|_| Refused::no_place())?;
        if !is_device {
            decoder.set_max_packet(MAX_LOBBY_PACKET);
        }
        let endpoint = self.endpoint.clone();
        let role = Provisioning::new(self, accepted.identity, &accepted.client_id);
        let mut session = Session::new(role, endpoint, (decoder, encoder), accepted.terms, place);
        session.greet(accepted.answer);
        Ok(session)
    }
}

fn accept(door: &Door, chain: &[CertificateDer<'_>], mut connect: Connect) -> Result<Accepted, Refused> {
    connect::check(&door.endpoint, &connect)?;
    let identity = Identity::of(&door.provisioner, chain, &connect);
    let will = match (connect.will.take(), identity.known_proof()) {
        (Some(will), Some(proof)) => {
            if !Access::of(&proof.id, &proof.enrollment.topics).may_publish(&will.topic) {
                let why = "this device may not publish to the topic of its will";
                return Err(Refused::new(ConnectReason::NotAuthorized, why));
            }
            Some(Box::new(will))
        }
        // A stranger's will is never published, so there is nothing to keep.
        (_, None) | (None, _) => None,
    };
    let (client_id, assigned) = if connect.client_id.is_empty() {
        let label = uuid::Uuid::new_v4().simple().to_string();
        let assigned = match identity.id() {
            Some(id) => format!("{id}/{label}"),
            None => label,
        };
        (assigned.clone(), Some(assigned))
    } else {
        (connect.client_id.clone(), None)
    };
    let limits = &door.endpoint.limits;
    let keep_alive = connect::keep_alive(connect.keep_alive, limits.keep_alive);
    Ok(Accepted {
        client_id: client_id.into(),
        terms: Terms {
            version: connect.version,
            silence: if identity.principal().is_some() { connect::silence(keep_alive) } else { limits.lobby },
            receive_maximum: connect.properties.as_deref().and_then(|properties| properties.receive_maximum),
            will,
        },
        answer: connect::welcome(&door.endpoint, &connect, keep_alive, assigned),
        identity,
    })
}
