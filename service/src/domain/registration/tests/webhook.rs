//! The custom policy (rule C4): the webhook's answer in the decision.

use serde_json::json;

use super::*;
use crate::domain::hub_device::InitialTwin;
use crate::domain::ports::HubPlacement;
use ReprovisionPolicy::{Migrate, Never, Reset};

fn custom(policy: ReprovisionPolicy) -> Proof {
    let allocation = AllocationPolicy::Custom;
    proof_of(Enrollment { allocation, reprovision: Some(policy), ..enrollment(group("a")) }, 7)
}

fn twin() -> InitialTwin {
    InitialTwin { tags: json!({"tier": 2}).as_object().unwrap().clone(), desired: Default::default() }
}

fn answered(policy: ReprovisionPolicy, on: Option<&str>, verdict: Verdict) -> Step {
    let before = on.map(|hub| stored(group("a"), assigned(hub)));
    let asking = Asking { webhook: Some(verdict), ..Asking::default() };
    decided_for(&asking, before.as_ref(), &custom(policy), &hubs(&["h1", "h2"]))
}

fn verdict(hub: &str) -> Verdict {
    Verdict { hub: hub_name(hub), initial_twin: None, payload: None }
}

#[test]
fn the_webhook_names_the_hub() {
    assert_eq!(written(answered(Migrate, None, verdict("h2"))).state, assigned("h2"));
    let moved = written(answered(Migrate, Some("h1"), verdict("h2"))).state;
    assert_eq!(moved, State::Assigned { hub: hub_name("h2"), substatus: Substatus::DeviceDataMigrated });
    assert!(matches!(answered(Migrate, Some("h1"), verdict("h1")), Step::Keep(_)));
}

#[test]
fn under_never_the_hub_stays_and_new_return_data_reaches_the_device() {
    let new = Verdict { payload: Some(json!({"tier": 2})), initial_twin: Some(twin()), ..verdict("h2") };
    let write = write(answered(Never, Some("h1"), new));
    assert_eq!((write.registration.state, write.placement), (assigned("h1"), None));
    assert_eq!(write.registration.payload, Some(json!({"tier": 2})));
}

#[test]
fn a_twin_in_the_answer_takes_the_place_of_data_that_would_have_moved() {
    let with_twin = |hub| Verdict { initial_twin: Some(twin()), ..verdict(hub) };
    for (policy, on, hub) in [(Migrate, Some("h1"), "h2"), (Reset, Some("h1"), "h1"), (Migrate, None, "h1")] {
        let write = write(answered(policy, on, with_twin(hub)));
        let Some(HubPlacement::Assign { state, .. }) = write.placement else { panic!("{policy:?}: {on:?}") };
        assert_eq!(state.twin.tags, twin().tags);
        let substatus = if on.is_some() { Substatus::DeviceDataReset } else { Substatus::InitialAssignment };
        assert_eq!(write.registration.state, State::Assigned { hub: hub_name(hub), substatus });
    }
    // A webhook that always answers with a twin must not undo at each registration what the device reported.
    assert!(matches!(answered(Migrate, Some("h1"), with_twin("h1")), Step::Keep(_)));
}

#[test]
fn a_repeated_operation_keeps_the_return_data_without_asking_again() {
    let mut before = stored(group("a"), assigned("h1"));
    before.registration.payload = Some(json!(1));
    let again = Asking { repeated: true, ..Asking::default() };
    let step = decided_for(&again, Some(&before), &custom(Migrate), &hubs(&["h1", "h2"]));
    assert_eq!(step, Step::Keep(before));
}
