//! Registrations and the decision that a request leads to (rules B5, B8, C5).
//!
//! ```text
//! (none) --assign--> Assigned        (none) --no hub--> Failed --assign--> Assigned
//! Assigned --keep--> Assigned        Assigned --its hub is no longer linked--> Assigned elsewhere
//! ```

use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, RequestId, Timestamp};

use super::allocation::{self, AllocationError};
use super::attestation::{Proof, Thumbprint};
use super::hub::Hubs;
use super::refusal::Refusal;

/// A device's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub id: RegistrationId,
    pub device_id: DeviceId,
    pub enrollment: EnrollmentName,
    pub state: State,
    /// Of the certificate that the device last registered with.
    pub thumbprint: Thumbprint,
    /// The operation that last changed the registration.
    pub operation: OperationId,
    /// The client's name for that operation.
    pub rid: Option<RequestId>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Assigned { hub: HubName, substatus: Substatus },
    Failed { code: ErrorCode, message: String },
}

/// A registration as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub registration: Registration,
    pub etag: ETag,
}

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing changes: answer with what is stored.
    Keep(Registered),
    /// Store this, then answer with it.
    Write(Registration),
    /// Store the failure, if it is a new one, then refuse.
    Fail { registration: Option<Registration>, refusal: Refusal },
}

/// The operation a request stands for.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: OperationId,
    pub rid: Option<RequestId>,
    pub now: Timestamp,
}

/// Why a proven device may have nothing to do with a stored registration of its id: it was made under another enrollment. Otherwise the
/// owner of one enrolled authority could take over the devices of another by naming them. The operator's own word, an individual
/// enrollment, takes an id out of a group; where that entry is gone again, a group has the device back that shows the same certificate.
pub fn bound_elsewhere(stored: &Registration, proof: &Proof) -> Option<Refusal> {
    let enrollment = &proof.enrollment.name;
    let theirs = match (&stored.enrollment, enrollment) {
        (EnrollmentName::Group(bound), EnrollmentName::Group(group)) => bound != group,
        (EnrollmentName::Individual(_), EnrollmentName::Group(_)) => stored.thumbprint != proof.thumbprint,
        (_, EnrollmentName::Individual(_)) => false,
    };
    theirs.then(|| {
        Refusal::new(ErrorCode::BoundElsewhere, "this registration id was registered under another enrollment")
            .detail(format!(
                "bound to {}; an individual enrollment for this id would let {enrollment}'s device have it",
                stored.enrollment
            ))
            .by(enrollment)
    })
}

/// Decides.
pub fn decide(stored: Option<&Registered>, proof: &Proof, hubs: &Hubs, operation: &Operation) -> Step {
    let record = stored;
    let stored = stored.map(|stored| &stored.registration);
    let enrollment = &proof.enrollment;
    if let Some(refusal) = stored.and_then(|stored| bound_elsewhere(stored, proof)) {
        return Step::Fail { registration: None, refusal };
    }
    let device_id = enrollment.device_id.clone().unwrap_or_else(|| DeviceId::from(&proof.id));
    let write = |state| Registration {
        id: proof.id.clone(),
        device_id: device_id.clone(),
        enrollment: enrollment.name.clone(),
        state,
        thumbprint: proof.thumbprint,
        operation: operation.id,
        rid: operation.rid.clone(),
        created: stored.map_or(operation.now, |stored| stored.created),
        updated: operation.now,
    };
    if let Some(record) = record
        && let State::Assigned { hub, .. } = &record.registration.state
        && hubs.named(hub).is_some()
    {
        let stored = &record.registration;
        let same = stored.enrollment == enrollment.name
            && stored.thumbprint == proof.thumbprint
            && stored.device_id == device_id;
        return if same { Step::Keep(record.clone()) } else { Step::Write(write(stored.state.clone())) };
    }
    match allocation::choose(enrollment.allocation, &proof.id, &enrollment.hubs, hubs) {
        Ok(hub) => {
            Step::Write(write(State::Assigned { hub: hub.name.clone(), substatus: Substatus::InitialAssignment }))
        }
        Err(error) => {
            let refusal = no_hub(&error).by(&enrollment.name);
            let failed = State::Failed { code: refusal.code, message: refusal.message.clone() };
            // A failure that is stored already, or that must not hide an assignment, is not written.
            let registration = stored
                .is_none_or(|stored| matches!(&stored.state, State::Failed { .. }) && stored.state != failed)
                .then(|| write(failed));
            Step::Fail { registration, refusal }
        }
    }
}

fn no_hub(error: &AllocationError) -> Refusal {
    Refusal::new(ErrorCode::NoHub, "no hub can take this device now")
        .detail(error.to_string())
        .retry_after(NO_HUB_RETRY)
}

/// Seconds after which a device that no hub can take should ask again.
const NO_HUB_RETRY: u32 = 30;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};
    use std::time::Duration;

    use firsthop_certs::Authority;
    use firsthop_protocol::GroupId;

    use super::super::allocation::AllocationPolicy;
    use super::super::attestation::EnrolledCertificate;
    use super::super::enrollment::{Certificates, Enrollment, QuotaRates, TopicGrants};
    use super::super::hub::Hub;
    use super::super::metadata::MetadataRules;
    use super::*;

    const THEN: Timestamp = Timestamp::from_secs(1_000);
    const NOW: Timestamp = Timestamp::from_secs(2_000);
    const OLD: OperationId = OperationId::from_bytes([1; 16]);
    const NEW: OperationId = OperationId::from_bytes([2; 16]);

    /// The certificate decides nothing here, and making one takes time.
    static CA: LazyLock<Vec<u8>> = LazyLock::new(|| Authority::root("CA").unwrap().certificate_der().to_vec());

    fn enrollment(name: EnrollmentName, hubs: &[&str]) -> Enrollment {
        let certificate = EnrolledCertificate::group_ca(CA.clone().into()).unwrap();
        Enrollment {
            name,
            enabled: true,
            certificates: Certificates { primary: certificate, secondary: None },
            device_id: None,
            allocation: AllocationPolicy::Hashed,
            hubs: hubs.iter().map(|name| hub_name(name)).collect(),
            metadata: MetadataRules::default(),
            model: None,
            quotas: QuotaRates::default(),
            topics: TopicGrants::default(),
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
        proof_of(enrollment(name, &[]), 7)
    }

    /// Hubs by name; one that ends in `!` is drained.
    fn hubs(names: &[&str]) -> Hubs {
        let hub = |name: &&str| Hub {
            name: hub_name(name.trim_end_matches('!')),
            host: "hub.example".into(),
            port: 8883,
            weight: 1,
            labels: Default::default(),
            drained: name.ends_with('!'),
        };
        names.iter().map(hub).collect()
    }

    fn assigned(hub: &str) -> State {
        State::Assigned { hub: hub_name(hub), substatus: Substatus::InitialAssignment }
    }

    fn failed(message: &str) -> State {
        State::Failed { code: ErrorCode::NoHub, message: message.into() }
    }

    fn stored(enrollment: EnrollmentName, state: State) -> Registered {
        let registration = Registration {
            id: id(),
            device_id: DeviceId::from(&id()),
            enrollment,
            state,
            thumbprint: Thumbprint([7; 32]),
            operation: OLD,
            rid: None,
            created: THEN,
            updated: THEN,
        };
        Registered { registration, etag: ETag::new(5) }
    }

    fn operation() -> Operation {
        Operation { id: NEW, rid: Some(RequestId::parse("r").unwrap()), now: NOW }
    }

    fn decided(stored: Option<&Registered>, proof: &Proof, hubs: &Hubs) -> Step {
        decide(stored, proof, hubs, &operation())
    }

    fn written(step: Step) -> Registration {
        match step {
            Step::Write(registration) => registration,
            other => panic!("not written: {other:?}"),
        }
    }

    /// The rules as a table: what is stored, which enrollment decides with which certificate, which hubs are linked, what happens.
    #[test]
    fn what_is_stored_who_asks_and_which_hubs_are_linked_give_the_step() {
        enum Outcome {
            Keep,
            /// On this hub.
            Write(&'static str),
            /// The failure is stored.
            FailWritten,
            /// Nothing is stored.
            FailUnwritten(ErrorCode),
        }
        use Outcome::*;
        let no_hub = "no hub can take this device now";
        type Case =
            (&'static str, Option<(EnrollmentName, State)>, EnrollmentName, u8, &'static [&'static str], Outcome);
        let cases: Vec<Case> = vec![
            ("first registration", None, group("a"), 7, &["h1"], Write("h1")),
            ("first registration, a hub drained", None, group("a"), 7, &["h1!", "h2"], Write("h2")),
            ("first registration, no hub", None, group("a"), 7, &[], FailWritten),
            ("first registration, all drained", None, group("a"), 7, &["h1!"], FailWritten),
            ("nothing changed", Some((group("a"), assigned("h1"))), group("a"), 7, &["h1", "h2"], Keep),
            ("its hub is drained", Some((group("a"), assigned("h1"))), group("a"), 7, &["h1!", "h2"], Keep),
            ("a renewed certificate", Some((group("a"), assigned("h1"))), group("a"), 8, &["h1"], Write("h1")),
            ("its hub is not linked any more", Some((group("a"), assigned("h1"))), group("a"), 7, &["h2"], Write("h2")),
            (
                "its hub is not linked any more, no other",
                Some((group("a"), assigned("h1"))),
                group("a"),
                7,
                &[],
                FailUnwritten(ErrorCode::NoHub),
            ),
            (
                "from a group to its own entry",
                Some((group("a"), assigned("h1"))),
                individual(),
                7,
                &["h1"],
                Write("h1"),
            ),
            ("its own entry is gone", Some((individual(), assigned("h1"))), group("a"), 7, &["h1"], Write("h1")),
            (
                "another group's authority names it",
                Some((group("a"), assigned("h1"))),
                group("b"),
                7,
                &["h1"],
                FailUnwritten(ErrorCode::BoundElsewhere),
            ),
            (
                "another group's authority names one that failed",
                Some((group("a"), failed(no_hub))),
                group("b"),
                7,
                &["h1"],
                FailUnwritten(ErrorCode::BoundElsewhere),
            ),
            ("a hub came", Some((group("a"), failed(no_hub))), group("a"), 7, &["h1"], Write("h1")),
            (
                "the same failure",
                Some((group("a"), failed(no_hub))),
                group("a"),
                7,
                &[],
                FailUnwritten(ErrorCode::NoHub),
            ),
            ("another failure", Some((group("a"), failed("other words"))), group("a"), 7, &[], FailWritten),
        ];
        for (what, before, name, thumbprint, linked, outcome) in cases {
            let before = before.map(|(enrollment, state)| stored(enrollment, state));
            let step = decided(before.as_ref(), &proof_of(enrollment(name.clone(), &[]), thumbprint), &hubs(linked));
            match (&step, outcome) {
                (Step::Keep(kept), Keep) => assert_eq!(Some(kept), before.as_ref(), "{what}"),
                (Step::Write(registration), Write(hub)) => {
                    assert_eq!(registration.state, assigned(hub), "{what}");
                    assert_eq!(registration.enrollment, name, "{what}");
                    assert_eq!(registration.thumbprint, Thumbprint([thumbprint; 32]), "{what}");
                    assert_eq!((registration.operation, registration.updated), (NEW, NOW), "{what}");
                }
                (Step::Fail { registration: Some(registration), refusal }, FailWritten) => {
                    assert_eq!(registration.state, failed(no_hub), "{what}");
                    assert_eq!((refusal.code, refusal.retry_after.is_some()), (ErrorCode::NoHub, true), "{what}");
                }
                (Step::Fail { registration: None, refusal }, FailUnwritten(code)) => {
                    assert_eq!(refusal.code, code, "{what}");
                    assert_eq!(refusal.enrollment, Some(name), "{what}");
                }
                _ => panic!("{what}: {step:?}"),
            }
        }
    }

    #[test]
    fn a_registration_keeps_the_time_it_was_made_and_takes_the_name_of_the_last_operation() {
        let first = written(decided(None, &proof(group("a")), &hubs(&["h1"])));
        assert_eq!((first.created, first.updated, first.operation), (NOW, NOW, NEW));
        assert_eq!(first.rid, operation().rid);
        let before = stored(group("a"), assigned("gone"));
        let moved = written(decided(Some(&before), &proof(group("a")), &hubs(&["h1"])));
        assert_eq!((moved.created, moved.updated, moved.operation), (THEN, NOW, NEW));
    }

    #[test]
    fn the_device_id_is_the_registration_id_unless_the_entry_says_another() {
        let plain = written(decided(None, &proof(group("a")), &hubs(&["h1"])));
        assert_eq!(plain.device_id.as_str(), "dev-1");
        let named = |device_id: &str| {
            let device_id = Some(DeviceId::parse(device_id).unwrap());
            proof_of(Enrollment { device_id, ..enrollment(individual(), &[]) }, 7)
        };
        assert_eq!(written(decided(None, &named("Pump-7"), &hubs(&["h1"]))).device_id.as_str(), "Pump-7");
        let before = stored(individual(), assigned("h1"));
        let renamed = written(decided(Some(&before), &named("Pump-8"), &hubs(&["h1"])));
        assert_eq!((renamed.device_id.as_str(), renamed.state), ("Pump-8", assigned("h1")));
    }

    #[test]
    fn a_device_stays_on_a_linked_hub_that_its_entry_no_longer_names() {
        let before = stored(group("a"), assigned("h1"));
        let proof = proof_of(enrollment(group("a"), &["h2"]), 7);
        assert!(matches!(decided(Some(&before), &proof, &hubs(&["h1", "h2"])), Step::Keep(_)));
    }

    #[test]
    fn which_group_an_id_is_bound_to_is_told_to_the_operator_only() {
        let before = stored(group("factory-a"), assigned("h1"));
        let Step::Fail { refusal, .. } = decided(Some(&before), &proof(group("b")), &hubs(&["h1"])) else {
            panic!("refused")
        };
        assert!(!refusal.message.contains("factory-a"), "{refusal:?}");
        assert!(refusal.detail.contains("factory-a"), "{refusal:?}");
    }

    #[test]
    fn why_no_hub_was_chosen_is_told_to_the_operator_only() {
        for (linked, reason) in
            [(&[][..], "no hub is linked"), (&["h1!"], "drained"), (&["h2"], "hub h1 is not linked")]
        {
            let entry = if reason.contains("h1 is") { &["h1"][..] } else { &[] };
            let step = decided(None, &proof_of(enrollment(group("a"), entry), 7), &hubs(linked));
            let Step::Fail { refusal, .. } = step else { panic!("{reason}: {step:?}") };
            assert!(refusal.detail.contains(reason) && !refusal.message.contains(reason), "{refusal:?}");
            assert!(
                refusal
                    .retry_after
                    .is_some_and(|seconds| Duration::from_secs(seconds.into()) >= Duration::from_secs(5))
            );
        }
    }
}
