//! What holds whatever is reported, lost and sent again.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn map(value: Value) -> Properties {
    match value {
        Value::Object(map) => map,
        other => panic!("no map: {other}"),
    }
}

fn desired(version: u64, properties: Value) -> Desired {
    Desired { version, properties: map(properties) }
}

/// Small keys, so that patches meet.
fn patch() -> impl Strategy<Value = Properties> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool), (0..4).prop_map(Value::from)];
    let value = leaf.prop_recursive(3, 24, 4, |below| {
        prop_oneof![
            1 => prop::collection::vec(below.clone(), 0..3).prop_map(Value::Array),
            3 => prop::collection::btree_map("[a-c]", below, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c]", value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn applied<'a>(to: &Properties, patches: impl IntoIterator<Item = &'a Properties>) -> Properties {
    patches.into_iter().fold(to.clone(), |to, patch| merge::merged(&to, patch))
}

proptest! {
    #[test]
    fn two_patches_as_one_do_what_they_do_one_after_the_other(target in patch(), first in patch(), second in patch()) {
        let target = merge::without_nulls(&target);
        let expected = applied(&target, [&first, &second]);
        let mut patches = VecDeque::from([first]);
        push(&mut patches, second);
        prop_assert_eq!(applied(&target, &patches), expected.clone());
        prop_assert_eq!(applied(&expected, &patches), expected, "twice is once");
    }

    #[test]
    fn a_hub_has_in_the_end_what_was_reported_whatever_was_lost(
        reports in prop::collection::vec(patch(), 0..8),
        turns in prop::collection::vec(0..4, 0..24),
    ) {
        let (mut twin, mut hub) = (Twin::default(), Properties::new());
        let mut left = reports.iter();
        for turn in turns {
            match turn {
                0 => left.next().into_iter().for_each(|patch| twin.report(patch.clone()).unwrap()),
                // Sent: the hub has it whether or not its answer comes.
                1 => twin.take().iter().for_each(|patch| hub = merge::merged(&hub, patch)),
                2 => twin.acknowledged_if_sent(),
                _ if twin.is_unacknowledged() => twin = Twin::new(twin.kept()),
                _ => twin.lost(),
            }
        }
        left.for_each(|patch| twin.report(patch.clone()).unwrap());
        twin.lost();
        while let Some(patch) = twin.take() {
            hub = merge::merged(&hub, &patch);
            twin.acknowledged();
        }
        prop_assert!(!twin.is_unacknowledged());
        prop_assert_eq!(hub, applied(&Properties::new(), &reports));
    }
}

impl Twin {
    fn acknowledged_if_sent(&mut self) {
        if self.in_flight.is_some() {
            self.acknowledged();
        }
    }
}

#[test]
fn what_removes_is_kept_until_a_hub_has_it() {
    let mut twin = Twin::default();
    twin.report(map(json!({"a": 1, "net": {"apn": "x"}}))).unwrap();
    twin.report(map(json!({"a": null, "net": {"mtu": 1400}}))).unwrap();
    assert_eq!(twin.take().unwrap(), map(json!({"a": null, "net": {"apn": "x", "mtu": 1400}})));
    assert_eq!(twin.take(), None, "one at a time");
}

#[test]
fn a_map_in_the_place_of_something_else_is_sent_behind_what_put_that_there() {
    let mut twin = Twin::default();
    twin.report(map(json!({"net": null}))).unwrap();
    twin.report(map(json!({"net": {"apn": "x"}}))).unwrap();
    assert_eq!(twin.kept().unacknowledged.len(), 2, "as one it would leave at the hub what is to go");
    assert_eq!(twin.take().unwrap(), map(json!({"net": null})));
    twin.acknowledged();
    assert_eq!(twin.take().unwrap(), map(json!({"net": {"apn": "x"}})));
}

#[test]
fn what_is_in_flight_is_kept_before_what_waits() {
    let mut twin = Twin::default();
    twin.report(map(json!({"a": 1, "b": 1}))).unwrap();
    twin.take().unwrap();
    twin.report(map(json!({"a": 2}))).unwrap();
    let kept = [map(json!({"a": 2, "b": 1}))];
    assert_eq!(twin.kept().unacknowledged, kept);
    twin.lost();
    assert_eq!(twin.take().unwrap(), kept[0]);
}

#[test]
fn a_refused_patch_is_given_back_and_the_next_one_is_sent() {
    let mut twin = Twin::default();
    twin.report(map(json!({"a": 1}))).unwrap();
    twin.take().unwrap();
    twin.report(map(json!({"b": 1}))).unwrap();
    assert_eq!(twin.refused(), map(json!({"a": 1})));
    assert_eq!(twin.take().unwrap(), map(json!({"b": 1})));
}

#[test]
fn what_a_hub_would_refuse_is_refused_with_its_words() {
    let mut twin = Twin::default();
    let mut refused = |patch: Value| twin.report(map(patch)).unwrap_err().to_string();
    assert!(refused(json!({"a": {"b.c": null}})).starts_with("reported.a.b.c: a key may not hold '.'"));
    assert!(refused(json!({"a": "x".repeat(4097)})).starts_with("reported.a: a text of 4097 bytes"));
    let large = json!({"a": vec!["x".repeat(4000); 9]});
    assert_eq!(refused(large), "reported: 36003 bytes together; at most 32768 are allowed");
    assert_eq!(twin, Twin::default());
}

#[test]
fn no_more_waits_than_the_reported_properties_may_have() {
    let mut twin = Twin::default();
    let patch = |key: &str| map(json!({key: vec!["x".repeat(4000); 3]}));
    twin.report(patch("a")).unwrap();
    twin.take().unwrap();
    twin.report(patch("b")).unwrap();
    let before = twin.clone();
    let error = twin.report(patch("c")).unwrap_err();
    assert_eq!(error, ReportError::TooLarge { len: 36_009, limit: 32_768 });
    assert_eq!(twin, before);
    twin.report(patch("b")).unwrap();
    twin.acknowledged();
    twin.report(patch("c")).unwrap();
}

#[test]
fn an_empty_report_is_nothing_to_send() {
    let mut twin = Twin::default();
    twin.report(Properties::new()).unwrap();
    assert!(!twin.is_unacknowledged());
}

#[test]
fn a_change_is_applied_in_its_turn_only() {
    let mut twin = Twin::default();
    let patch = |version: u64| map(json!({"a": null, "b": 2, "$version": version}));
    assert_eq!(twin.changed(1, &patch(1)), Change::Gap, "nothing is known yet");
    assert!(twin.read(desired(4, json!({"a": 1, "$version": 4}))));
    assert_eq!(twin.changed(4, &patch(4)), Change::Known);
    assert_eq!(twin.changed(6, &patch(6)), Change::Gap);
    assert_eq!(twin.desired(), Some(&desired(4, json!({"a": 1}))));
    assert_eq!(twin.changed(5, &patch(5)), Change::Applied);
    assert_eq!(twin.desired(), Some(&desired(5, json!({"b": 2}))));
}

#[test]
fn a_twin_that_was_reset_at_the_hub_is_taken_though_its_version_is_lower() {
    let mut twin = Twin::default();
    assert!(twin.read(desired(9, json!({"a": 1}))));
    assert!(!twin.read(desired(9, json!({"a": 1}))));
    assert!(twin.read(desired(1, json!({"a": 1}))), "another version");
    assert!(twin.read(desired(1, json!({"a": 2}))), "other properties");
    assert_eq!(twin.changed(2, &map(json!({"a": 3}))), Change::Applied);
}

#[test]
fn changes_do_not_let_the_desired_properties_grow_without_end() {
    let mut twin = Twin::default();
    twin.read(desired(1, json!({})));
    let part = |key: &str| map(json!({key: vec!["x".repeat(4000); 5]}));
    assert_eq!(twin.changed(2, &part("a")), Change::Applied);
    assert_eq!(twin.changed(3, &part("b")), Change::Gap);
    assert_eq!(twin.desired().unwrap().version, 2);
}
