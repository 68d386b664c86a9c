//! Rule C2, row by row.

use firsthop_protocol::body::Substatus::{self, DeviceDataMigrated, DeviceDataReset, InitialAssignment};

use super::*;
use crate::domain::ports::HubPlacement;
use ReprovisionPolicy::{Migrate, Never, Reset};

/// What becomes of the device's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    Initial,
    Untouched,
    Migrated,
}

/// Who asks: the policy that the entry stores, the client's API version, and where the entry's hubs leave the device's choice.
struct Row {
    what: &'static str,
    /// The hub that the device is on.
    on: Option<&'static str>,
    policy: Option<ReprovisionPolicy>,
    client: Option<&'static str>,
    /// The hubs that the entry lists now.
    lists: &'static [&'static str],
    // What is to come of it.
    hub: &'static str,
    data: Data,
    substatus: Substatus,
}

const OLD_CLIENT: Option<&str> = Some("2018-04-01");
const OLDER_CLIENT: Option<&str> = Some("2017-11-15");
const NEW_CLIENT: Option<&str> = Some("2021-06-01");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { what: "not assigned, none stored, old client", on: None, policy: None, client: OLD_CLIENT, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: InitialAssignment },
    Row { what: "not assigned, none stored", on: None, policy: None, client: NEW_CLIENT, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: InitialAssignment },
    Row { what: "not assigned, migrate", on: None, policy: Some(Migrate), client: None, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: InitialAssignment },
    Row { what: "not assigned, reset", on: None, policy: Some(Reset), client: None, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: InitialAssignment },
    Row { what: "not assigned, never", on: None, policy: Some(Never), client: None, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: InitialAssignment },

    Row { what: "none stored, the sticky version", on: Some("h1"), policy: None, client: OLD_CLIENT, lists: &["h2"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
    Row { what: "none stored, an older version", on: Some("h1"), policy: None, client: OLDER_CLIENT, lists: &["h2"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
    Row { what: "none stored, newer, hub changes", on: Some("h1"), policy: None, client: Some("2018-09-01-preview"), lists: &["h2"], hub: "h2", data: Data::Migrated, substatus: DeviceDataMigrated },
    Row { what: "none stored, newer, hub stays", on: Some("h1"), policy: None, client: NEW_CLIENT, lists: &["h1"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
    Row { what: "none stored, native client", on: Some("h1"), policy: None, client: None, lists: &["h2"], hub: "h2", data: Data::Migrated, substatus: DeviceDataMigrated },

    Row { what: "migrate, hub changes", on: Some("h1"), policy: Some(Migrate), client: NEW_CLIENT, lists: &["h2"], hub: "h2", data: Data::Migrated, substatus: DeviceDataMigrated },
    Row { what: "migrate, old client, hub changes", on: Some("h1"), policy: Some(Migrate), client: OLD_CLIENT, lists: &["h2"], hub: "h2", data: Data::Migrated, substatus: DeviceDataMigrated },
    Row { what: "migrate, hub stays", on: Some("h1"), policy: Some(Migrate), client: OLD_CLIENT, lists: &["h1"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },

    Row { what: "reset, hub changes", on: Some("h1"), policy: Some(Reset), client: OLD_CLIENT, lists: &["h2"], hub: "h2", data: Data::Initial, substatus: DeviceDataReset },
    Row { what: "reset, hub stays", on: Some("h1"), policy: Some(Reset), client: NEW_CLIENT, lists: &["h1"], hub: "h1", data: Data::Initial, substatus: DeviceDataReset },

    Row { what: "never, not listed any more", on: Some("h1"), policy: Some(Never), client: NEW_CLIENT, lists: &["h2"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
    Row { what: "never, old client", on: Some("h1"), policy: Some(Never), client: OLD_CLIENT, lists: &["h2"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
    Row { what: "never, listed", on: Some("h1"), policy: Some(Never), client: None, lists: &["h1", "h2"], hub: "h1", data: Data::Untouched, substatus: InitialAssignment },
];

#[test]
fn each_row_of_the_table_holds_for_individual_entries_and_for_groups() {
    for row in ROWS {
        for name in [group("a"), individual()] {
            let what = format!("{}, {name}", row.what);
            let entry = Enrollment { hubs: names(row.lists), reprovision: row.policy, ..enrollment(name.clone()) };
            let before = row.on.map(|hub| stored(name, assigned(hub)));
            let asking = Asking { client: row.client, ..Asking::default() };
            let step = decided_for(&asking, before.as_ref(), &proof_of(entry, 7), &hubs(&["h1", "h2"]));
            let (registration, data) = match step {
                Step::Keep(kept) => {
                    assert_eq!(Some(&kept), before.as_ref(), "{what}");
                    (kept.registration, Data::Untouched)
                }
                Step::Write(write) => match write.placement {
                    Some(HubPlacement::Assign { hub, .. }) => {
                        assert_eq!(hub.as_str(), row.hub, "{what}");
                        (write.registration, Data::Initial)
                    }
                    Some(HubPlacement::Carry { hub, .. }) => {
                        assert_eq!(hub.as_str(), row.hub, "{what}");
                        (write.registration, Data::Migrated)
                    }
                    other => panic!("{what}: {other:?}"),
                },
                other => panic!("{what}: {other:?}"),
            };
            let state = State::Assigned { hub: hub_name(row.hub), substatus: row.substatus };
            assert_eq!((registration.state, data), (state, row.data), "{what}");
        }
    }
}

#[test]
fn a_drained_hub_keeps_what_it_has_whatever_the_policy() {
    for policy in [None, Some(Migrate), Some(Reset), Some(Never)] {
        let entry = Enrollment { reprovision: policy, ..enrollment(group("a")) };
        let only = Enrollment { hubs: names(&["h1"]), ..enrollment(group("a")) };
        let before = stored(group("a"), assigned("h1"));
        for entry in [entry, Enrollment { reprovision: policy, ..only }] {
            let hub = match decided(Some(&before), &proof_of(entry, 7), &hubs(&["h1!"])) {
                Step::Keep(kept) => kept.registration.state,
                step => written(step).state,
            };
            assert!(matches!(hub, State::Assigned { hub, .. } if hub == hub_name("h1")), "{policy:?}");
        }
    }
}

#[test]
fn a_device_that_no_hub_can_take_stays_where_it_works() {
    let entry = Enrollment { hubs: names(&["h2"]), ..enrollment(group("a")) };
    let before = stored(group("a"), assigned("h1"));
    assert!(matches!(decided(Some(&before), &proof_of(entry, 7), &hubs(&["h1", "h2!"])), Step::Keep(_)));
}

#[test]
fn a_device_whose_hub_is_gone_is_assigned_anew_and_keeps_its_state_unless_it_is_to_be_reset() {
    for (policy, substatus) in [
        (None, DeviceDataMigrated),
        (Some(Migrate), DeviceDataMigrated),
        (Some(Never), DeviceDataMigrated),
        (Some(Reset), DeviceDataReset),
    ] {
        let entry = Enrollment { reprovision: policy, ..enrollment(group("a")) };
        let step = decided(Some(&stored(group("a"), assigned("gone"))), &proof_of(entry, 7), &hubs(&["h1"]));
        assert_eq!(written(step).state, State::Assigned { hub: hub_name("h1"), substatus }, "{policy:?}");
    }
}

#[test]
fn an_operation_that_was_done_is_not_done_twice() {
    let entry = Enrollment { reprovision: Some(Reset), hubs: names(&["h2"]), ..enrollment(group("a")) };
    let before = stored(group("a"), assigned("h1"));
    let again = Asking { repeated: true, ..Asking::default() };
    assert!(matches!(decided_for(&again, Some(&before), &proof_of(entry, 7), &hubs(&["h1", "h2"])), Step::Keep(_)));
}

#[test]
fn a_device_that_leaves_an_evacuated_hub_goes_where_its_policy_says() {
    let away = Asking { excluded: Some("h1"), ..Asking::default() };
    let before = stored(group("a"), assigned("h1"));
    for (policy, substatus) in [(Migrate, DeviceDataMigrated), (Reset, DeviceDataReset)] {
        let entry = Enrollment { reprovision: Some(policy), ..enrollment(group("a")) };
        let step = decided_for(&away, Some(&before), &proof_of(entry, 7), &hubs(&["h1!", "h2"]));
        assert_eq!(written(step).state, State::Assigned { hub: hub_name("h2"), substatus });
    }
    let step = decided_for(&away, Some(&before), &proof(group("a")), &hubs(&["h1!"]));
    assert!(matches!(step, Step::Fail { registration: None, refusal } if refusal.code == ErrorCode::NoHub));
}
