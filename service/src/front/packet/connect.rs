//! CONNECT: who is it, and may it have a session (MQTT 5 section 3.1, MQTT 3.1.1 section 3.1).

use rustls::pki_types::CertificateDer;

use super::super::access::Access;
use super::super::codec::{ConnAck, ConnAckProperties, Connect, ConnectReason, Version, Will};
use super::super::door::Door;
use super::super::identity::Identity;

/// A CONNECT that gets a session.
pub struct Accepted {
    pub identity: Identity,
    pub client_id: Box<str>,
    pub version: Version,
    /// Seconds, as enforced.
    pub keep_alive: u64,
    pub receive_maximum: Option<u16>,
    pub will: Option<Box<Will>>,
    pub answer: ConnAck,
}

/// Refusals that only concern MQTT are CONNACKs. A client whose certificate proves nothing gets a session: there it is told why.
pub fn handle(
    door: &Door,
    chain: &[CertificateDer<'_>],
    connect: Connect,
) -> Result<Accepted, (ConnectReason, String)> {
    if door.stopping.is_cancelled() {
        return Err((ConnectReason::ServerUnavailable, "the service is stopping".into()));
    }
    let properties = connect.properties.as_deref();
    if properties.is_some_and(|properties| properties.authentication_method.is_some()) {
        return Err((ConnectReason::BadAuthenticationMethod, "enhanced authentication is not offered".into()));
    }
    if connect.version == Version::V311 && connect.client_id.is_empty() && !connect.clean {
        // [MQTT-3.1.3-8]
        return Err((ConnectReason::ClientIdentifierNotValid, "an empty client id needs a clean session".into()));
    }
    let identity = Identity::of(&door.provisioner, chain, &connect);
    let will = match (connect.will, identity.known_proof()) {
        (Some(will), Some(proof)) => {
            let access = Access { id: &proof.id, grants: &proof.enrollment.topics };
            if !access.may_publish(&will.topic) {
                return Err((
                    ConnectReason::NotAuthorized,
                    "this device may not publish to the topic of its will".into(),
                ));
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
        (connect.client_id, None)
    };
    let longest = door.limits.keep_alive.as_secs().clamp(1, u16::MAX.into()) as u16;
    let capped = connect.keep_alive == 0 || connect.keep_alive > longest;
    let keep_alive = if capped { longest } else { connect.keep_alive };
    let answer = ConnAck {
        session_present: false,
        reason: ConnectReason::Success,
        properties: ConnAckProperties {
            // Nothing of a session outlives its connection.
            session_expiry_interval: properties
                .and_then(|properties| properties.session_expiry_interval)
                .filter(|s| *s > 0)
                .map(|_| 0),
            receive_maximum: Some(door.limits.in_flight.max(1)),
            max_packet_size: Some(u32::try_from(door.limits.packet_size.as_u64()).unwrap_or(u32::MAX)),
            assigned_client_id: assigned,
            shared_subscription_available: Some(false),
            server_keep_alive: capped.then_some(longest),
            ..ConnAckProperties::default()
        },
    };
    Ok(Accepted {
        receive_maximum: properties.and_then(|properties| properties.receive_maximum),
        identity,
        client_id: client_id.into(),
        version: connect.version,
        keep_alive: keep_alive.into(),
        will,
        answer,
    })
}
