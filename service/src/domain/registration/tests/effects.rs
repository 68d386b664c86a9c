//! What a decision asks of hubs, by where they keep their devices.

use super::*;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::HubPlacement;
use crate::domain::transfer::{self, Transfer, TransferData};
use ReprovisionPolicy::{Migrate, Reset};

/// The step for a device on that hub whose entry lists another one.
fn moved(from: Option<&str>, to: &str, policy: ReprovisionPolicy) -> Step {
    let entry = Enrollment { hubs: names(&[to]), reprovision: Some(policy), ..enrollment(group("a")) };
    let before = from.map(|hub| stored(group("a"), assigned(hub)));
    let linked = hubs(&["h1", "h2", "far1", "far2", "plain1", "plain2"]);
    decided(before.as_ref(), &proof_of(entry, 7), &linked)
}

fn transfer(step: Step) -> Transfer {
    match step {
        Step::Transfer(transfer) => *transfer,
        other => panic!("no transfer: {other:?}"),
    }
}

fn initial() -> TransferData {
    TransferData::Replace(Box::new(DeviceState::initial(&Default::default(), NOW)))
}

#[test]
fn hubs_of_one_store_change_in_the_commit_of_the_registration() {
    let carried = write(moved(Some("h1"), "h2", Migrate));
    assert!(matches!(&carried.placement, Some(HubPlacement::Carry { hub, .. }) if *hub == hub_name("h2")));
    let closing =
        Closing { hub: hub_name("h1"), device: DeviceId::from(&id()), moved_to: Some("h2.example:8883".into()) };
    assert_eq!(carried.close, Some(closing.clone()));
    let reset = write(moved(Some("h1"), "h2", Reset));
    assert!(matches!(&reset.placement, Some(HubPlacement::Assign { hub, .. }) if *hub == hub_name("h2")));
    assert_eq!(reset.close, Some(closing));
    let first = write(moved(None, "h1", Migrate));
    assert!(matches!(first.placement, Some(HubPlacement::Assign { .. })));
    assert_eq!(first.close, None);
}

#[test]
fn nobody_waits_for_a_hub_that_is_lost_and_its_devices_begin_anew() {
    let entry = Enrollment { hubs: names(&["h1"]), reprovision: Some(Migrate), ..enrollment(group("a")) };
    let before = stored(group("a"), assigned("gone"));
    let linked = hubs(&["h1", "far1"]).remembering([hub_name("gone")]).losing([hub_name("gone")]);
    let begun = write(decided(Some(&before), &proof_of(entry, 7), &linked));
    assert!(matches!(begun.placement, Some(HubPlacement::Assign { .. })));
    let state = State::Assigned { hub: hub_name("h1"), substatus: Substatus::DeviceDataReset };
    assert_eq!((begun.registration.state, begun.close), (state, None));
    let entry = Enrollment { hubs: names(&["far1"]), reprovision: Some(Migrate), ..enrollment(group("a")) };
    let far = transfer(decided(Some(&before), &proof_of(entry, 7), &linked));
    assert_eq!((far.from, far.data), (None, initial()));
}

#[test]
fn a_reset_where_the_device_is_ends_its_session_so_that_it_reads_its_new_twin() {
    let reset = write(moved(Some("h1"), "h1", Reset));
    assert_eq!(reset.close, Some(Closing { hub: hub_name("h1"), device: DeviceId::from(&id()), moved_to: None }));
}

#[test]
fn what_is_an_address_only_has_nothing_to_carry() {
    assert_eq!(write(moved(Some("plain1"), "plain2", Migrate)).placement, None);
    assert!(matches!(write(moved(Some("plain1"), "h1", Migrate)).placement, Some(HubPlacement::Assign { .. })));
    let left = write(moved(Some("h1"), "plain1", Migrate));
    assert!(matches!(left.placement, Some(HubPlacement::Leave { to: Some(to), .. }) if to == "plain1.example:8883"));
    assert_eq!(left.registration.told, 0);
    let (from_plain, to_plain) = (moved(Some("plain1"), "far1", Migrate), moved(Some("far1"), "plain1", Migrate));
    let from_plain = transfer(from_plain);
    assert_eq!((from_plain.from, from_plain.data), (None, initial()));
    assert_eq!(transfer(to_plain).from, Some(hub_name("far1")));
}

#[test]
fn a_hub_on_another_machine_takes_a_journaled_move() {
    for (from, to) in [(Some("far1"), "far2"), (Some("h1"), "far1"), (Some("far1"), "h1")] {
        let carried = transfer(moved(from, to, Migrate));
        assert_eq!((carried.from, carried.to), (from.map(hub_name), hub_name(to)));
        assert_eq!((carried.data, carried.step), (TransferData::Carry, transfer::Step::Planned));
        assert_eq!((carried.id, carried.expected), (NEW, Some(ETag::new(5))));
        assert_eq!(transfer(moved(from, to, Reset)).data, initial());
    }
    let first = transfer(moved(None, "far1", Migrate));
    assert_eq!((first.from, first.data, first.expected), (None, initial(), None));
    let reset = transfer(moved(Some("far1"), "far1", Reset));
    assert_eq!((reset.from, reset.to, reset.data), (Some(hub_name("far1")), hub_name("far1"), initial()));
}

#[test]
fn a_hub_that_was_declared_on_another_machine_once_is_left_by_a_journaled_move() {
    let linked = hubs(&["h1"]).remembering([hub_name("gone")]);
    let before = stored(group("a"), assigned("gone"));
    let moved = transfer(decided(Some(&before), &proof(group("a")), &linked));
    assert_eq!((moved.from, moved.data), (Some(hub_name("gone")), TransferData::Carry));
}

#[test]
fn a_changed_entry_is_told_to_the_hub_once() {
    let changed = |on: &str| {
        let entry = Enrollment { digest: 99, ..enrollment(group("a")) };
        let before = stored(group("a"), assigned(on));
        let entry = Enrollment { hubs: names(&[on]), ..entry };
        let first = decided(Some(&before), &proof_of(entry, 7), &hubs(&["h1", "far1", "plain1"]));
        let entry = Enrollment { digest: 99, hubs: names(&[on]), ..enrollment(group("a")) };
        if let Step::Write(write) = &first {
            let now = Registered { registration: write.registration.clone(), etag: ETag::new(6) };
            assert_eq!(decided(Some(&now), &proof_of(entry, 7), &hubs(&["h1", "far1", "plain1"])), Step::Keep(now));
        }
        first
    };
    let here = write(changed("h1"));
    assert!(matches!(&here.placement, Some(HubPlacement::Carry { hub, .. }) if *hub == hub_name("h1")));
    assert!(here.close.is_some(), "its session was let in by what held before");
    let far = write(changed("far1"));
    assert_eq!((far.placement, far.tell.map(|(hub, _)| hub)), (None, Some(hub_name("far1"))));
    assert!(matches!(changed("plain1"), Step::Keep(_)));
}

#[test]
fn a_device_of_a_store_older_than_hubs_gets_its_state_where_it_is() {
    let never_told = |on: &str| {
        let mut before = stored(group("a"), assigned(on));
        before.registration.told = 0;
        let entry = Enrollment { hubs: names(&[on]), ..enrollment(group("a")) };
        decided(Some(&before), &proof_of(entry, 7), &hubs(&["h1", "far1"]))
    };
    let here = write(never_told("h1"));
    assert!(matches!(here.placement, Some(HubPlacement::Carry { .. })));
    assert_eq!((here.close, here.registration.state), (None, assigned("h1")));
    // What another machine has is not known here; it is told first, and gets the state where it has none.
    let far = write(never_told("far1"));
    assert_eq!(far.tell.map(|(hub, _)| hub), Some(hub_name("far1")));
}

#[test]
fn a_device_that_another_machine_lost_gets_its_initial_state_there() {
    let mut before = stored(group("a"), assigned("far1"));
    before.registration.told = 7;
    let asking = Asking { lost: true, ..Asking::default() };
    let far = transfer(decided_for(&asking, Some(&before), &proof(group("a")), &hubs(&["far1"])));
    assert_eq!((far.from, far.data, far.registration.state), (None, initial(), assigned("far1")));
}

#[test]
fn a_device_that_gets_another_name_is_renamed_on_its_hub() {
    let renamed = |on: &str| {
        let device_id = Some(DeviceId::parse("Pump-8").unwrap());
        let entry = Enrollment { device_id, hubs: names(&[on]), ..enrollment(individual()) };
        decided(Some(&stored(individual(), assigned(on))), &proof_of(entry, 7), &hubs(&["h1", "far1"]))
    };
    let Some(HubPlacement::Carry { identity, .. }) = write(renamed("h1")).placement else { panic!("not carried") };
    assert_eq!(identity.device_id.as_str(), "Pump-8");
    let Some((hub, identity)) = write(renamed("far1")).tell else { panic!("not told") };
    assert_eq!((hub, identity.device_id.as_str()), (hub_name("far1"), "Pump-8"));
}
