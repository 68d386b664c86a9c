//! Whose registration it is, and what is written when a request cannot be granted.

use std::time::Duration;

use super::*;

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
    use Outcome::{FailUnwritten, FailWritten, Keep, Write};
    let no_hub = "no hub can take this device now";
    type Case = (&'static str, Option<(EnrollmentName, State)>, EnrollmentName, u8, &'static [&'static str], Outcome);
    let cases: Vec<Case> = vec![
        ("first registration", None, group("a"), 7, &["h1"], Write("h1")),
        ("first registration, a hub drained", None, group("a"), 7, &["h1!", "h2"], Write("h2")),
        ("first registration, no hub", None, group("a"), 7, &[], FailWritten),
        ("first registration, all drained", None, group("a"), 7, &["h1!"], FailWritten),
        ("nothing changed", Some((group("a"), assigned("h1"))), group("a"), 7, &["h1"], Keep),
        ("its hub is drained", Some((group("a"), assigned("h1"))), group("a"), 7, &["h1!"], Keep),
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
        ("from a group to its own entry", Some((group("a"), assigned("h1"))), individual(), 7, &["h1"], Write("h1")),
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
            Some((group("a"), failed_with(no_hub))),
            group("b"),
            7,
            &["h1"],
            FailUnwritten(ErrorCode::BoundElsewhere),
        ),
        ("a hub came", Some((group("a"), failed_with(no_hub))), group("a"), 7, &["h1"], Write("h1")),
        (
            "the same failure",
            Some((group("a"), failed_with(no_hub))),
            group("a"),
            7,
            &[],
            FailUnwritten(ErrorCode::NoHub),
        ),
        ("another failure", Some((group("a"), failed_with("other words"))), group("a"), 7, &[], FailWritten),
    ];
    for (what, before, name, thumbprint, linked, outcome) in cases {
        let before = before.map(|(enrollment, state)| stored(enrollment, state));
        let step = decided(before.as_ref(), &proof_of(enrollment(name.clone()), thumbprint), &hubs(linked));
        match (&step, outcome) {
            (Step::Keep(kept), Keep) => assert_eq!(Some(kept), before.as_ref(), "{what}"),
            (Step::Write(write), Write(hub)) => {
                let registration = &write.registration;
                let on = matches!(&registration.state, State::Assigned { hub: on, .. } if *on == hub_name(hub));
                assert!(on, "{what}: {:?}", registration.state);
                assert_eq!(registration.enrollment, name, "{what}");
                assert_eq!(registration.thumbprint, Thumbprint([thumbprint; 32]), "{what}");
                assert_eq!((registration.operation, registration.updated), (NEW, NOW), "{what}");
            }
            (Step::Fail { registration: Some(registration), refusal }, FailWritten) => {
                assert_eq!(registration.state, failed_with(no_hub), "{what}");
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
    assert_eq!(first.rid, operation(false).rid);
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
        proof_of(Enrollment { device_id, ..enrollment(individual()) }, 7)
    };
    assert_eq!(written(decided(None, &named("Pump-7"), &hubs(&["h1"]))).device_id.as_str(), "Pump-7");
    let before = stored(individual(), assigned("h1"));
    let renamed = written(decided(Some(&before), &named("Pump-8"), &hubs(&["h1"])));
    assert_eq!((renamed.device_id.as_str(), renamed.state), ("Pump-8", assigned("h1")));
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
    for (linked, reason) in [(&[][..], "no hub is linked"), (&["h1!"], "drained"), (&["h2"], "hub h1 is not linked")] {
        let entry = if reason.contains("h1 is") { &["h1"][..] } else { &[] };
        let step =
            decided(None, &proof_of(Enrollment { hubs: names(entry), ..enrollment(group("a")) }, 7), &hubs(linked));
        let Step::Fail { refusal, .. } = step else { panic!("{reason}: {step:?}") };
        assert!(refusal.detail.contains(reason) && !refusal.message.contains(reason), "{refusal:?}");
        assert!(
            refusal.retry_after.is_some_and(|seconds| Duration::from_secs(seconds.into()) >= Duration::from_secs(5))
        );
    }
}
