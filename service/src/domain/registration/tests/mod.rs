//! The decision: the rules as tables, and what hubs have to do with it.

mod binding;
mod effects;
mod table;
mod webhook;

use std::sync::{Arc, LazyLock};

use firsthop_certs::Authority;
use firsthop_protocol::body::Substatus;
use firsthop_protocol::{ApiVersion, GroupId};

use super::*;
use crate::domain::allocation::{AllocationPolicy, Choice, Verdict};
use crate::domain::attestation::EnrolledCertificate;
use crate::domain::enrollment::{Certificates, Enrollment, QuotaRates, TopicGrants};
use crate::domain::hub::{Hub, HubKind, Hubs, Place};
use crate::domain::metadata::MetadataRules;
use crate::domain::reprovision::ReprovisionPolicy;

const THEN: Timestamp = Timestamp::from_secs(1_000);
const NOW: Timestamp = Timestamp::from_secs(2_000);
const OLD: OperationId = OperationId::from_bytes([1; 16]);
const NEW: OperationId = OperationId::from_bytes([2; 16]);
/// What hubs were told of the devices of every enrollment here.
const DIGEST: u64 = 77;

/// The certificate decides nothing here, and making one takes time.
static CA: LazyLock<Vec<u8>> = LazyLock::new(|| Authority::root("CA").unwrap().certificate_der().to_vec());

fn enrollment(name: EnrollmentName) -> Enrollment {
    let certificate = EnrolledCertificate::group_ca(CA.clone().into()).unwrap();
    Enrollment {
        name,
        enabled: true,
        certificates: Certificates { primary: certificate, secondary: None },
        device_id: None,
        allocation: AllocationPolicy::Hashed,
        hubs: Vec::new(),
        metadata: MetadataRules::default(),
        model: None,
        quotas: QuotaRates::default(),
        topics: TopicGrants::default(),
        reprovision: None,
        initial_twin: Default::default(),
        capabilities: Default::default(),
        resources: Default::default(),
        webhook: None,
        digest: DIGEST,
    }
}

fn group(name: &str) -> EnrollmentName {
    EnrollmentName::Group(GroupId::parse(name).unwrap())
}

fn individual() -> EnrollmentName {
    EnrollmentName::Individual(id())
}

fn id() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

fn hub_name(name: &str) -> HubName {
    HubName::parse(name).unwrap()
}

fn names(names: &[&str]) -> Vec<HubName> {
    names.iter().map(|name| hub_name(name)).collect()
}

fn proof_of(enrollment: Enrollment, thumbprint: u8) -> Proof {
    Proof {
        id: id(),
        enrollment: Arc::new(enrollment),
        thumbprint: Thumbprint([thumbprint; 32]),
        valid_from: Timestamp::from_secs(0),
        valid_until: Timestamp::from_secs(u64::from(u32::MAX)),
    }
}

fn proof(name: EnrollmentName) -> Proof {
    proof_of(enrollment(name), 7)
}

/// Hubs by name: one that ends in `!` is drained; one that begins with `far` is on another machine, with `plain` an address only.
fn hubs(names: &[&str]) -> Hubs {
    let hub = |name: &&str| Hub {
        name: hub_name(name.trim_end_matches('!')),
        host: format!("{}.example", name.trim_end_matches('!')),
        port: 8883,
        weight: 1,
        labels: Default::default(),
        drained: name.ends_with('!'),
        kind: match name {
            far if far.starts_with("far") => HubKind::Remote { url: "https://far.example".into() },
            plain if plain.starts_with("plain") => HubKind::External,
            _ => HubKind::Embedded(Place::Shared),
        },
    };
    names.iter().map(hub).collect::<Hubs>()
}

fn assigned(hub: &str) -> State {
    State::Assigned { hub: hub_name(hub), substatus: Substatus::InitialAssignment }
}

fn failed_with(message: &str) -> State {
    State::Failed { code: ErrorCode::NoHub, message: message.into() }
}

fn stored(enrollment: EnrollmentName, state: State) -> Registered {
    let told = match &state {
        State::Assigned { hub, .. } if hub.as_str().starts_with("far") => DIGEST.rotate_left(32),
        State::Assigned { hub, .. } if hub.as_str().starts_with("plain") => 0,
        State::Assigned { .. } => DIGEST,
        State::Failed { .. } => 0,
    };
    let registration = Registration {
        id: id(),
        device_id: DeviceId::from(&id()),
        enrollment,
        state,
        thumbprint: Thumbprint([7; 32]),
        operation: OLD,
        rid: None,
        payload: None,
        told,
        created: THEN,
        updated: THEN,
    };
    Registered { registration, etag: ETag::new(5) }
}

/// A request, with what is out of the ordinary about it.
#[derive(Default)]
struct Asking<'a> {
    repeated: bool,
    client: Option<&'a str>,
    webhook: Option<Verdict>,
    excluded: Option<&'a str>,
    lost: bool,
}

fn operation(repeated: bool) -> Operation {
    Operation { id: NEW, rid: Some(RequestId::parse("r").unwrap()), repeated, now: NOW }
}

fn decided_for(asking: &Asking<'_>, stored: Option<&Registered>, proof: &Proof, hubs: &Hubs) -> Step {
    let client = asking.client.map(|version| ApiVersion::parse(version).unwrap());
    let current = stored.and_then(|stored| match &stored.registration.state {
        State::Assigned { hub, .. } => Some(hub),
        State::Failed { .. } => None,
    });
    let excluded = asking.excluded.map(hub_name);
    let choice = Choice {
        current,
        excluded: excluded.as_ref(),
        named: asking.webhook.as_ref().map(|verdict| &verdict.hub),
        ..Choice::new(&proof.id, &proof.enrollment, hubs)
    };
    decide(&Situation {
        lost: asking.lost,
        stored,
        proof,
        hubs,
        policy: ReprovisionPolicy::in_force(proof.enrollment.reprovision, client),
        choice,
        webhook: asking.webhook.as_ref(),
        operation: &operation(asking.repeated),
    })
}

fn decided(stored: Option<&Registered>, proof: &Proof, hubs: &Hubs) -> Step {
    decided_for(&Asking::default(), stored, proof, hubs)
}

fn write(step: Step) -> Write {
    match step {
        Step::Write(write) => *write,
        other => panic!("not written: {other:?}"),
    }
}

fn written(step: Step) -> Registration {
    write(step).registration
}
