//! What holds whatever is written: the laws of merge patches, versions that only grow, metadata for every property and nothing else.

use proptest::prelude::*;

use super::*;

/// Small keys, so that patches meet; nulls where the flag allows them.
fn any_map(nulls: bool) -> impl Strategy<Value = Map<String, Value>> {
    let leaf = if nulls {
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::Bool), (0..4).prop_map(Value::from)].boxed()
    } else {
        prop_oneof![any::<bool>().prop_map(Value::Bool), (0..4).prop_map(Value::from)].boxed()
    };
    let value = leaf.prop_recursive(3, 24, 4, |below| {
        prop_oneof![
            prop::collection::vec(below.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-d]", below, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
}

fn plain() -> impl Strategy<Value = Map<String, Value>> {
    any_map(false)
}

fn patch() -> impl Strategy<Value = Map<String, Value>> {
    any_map(true)
}

/// RFC 7396, section 2, word for word.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let old = target.remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), merge_patch(old, value));
        }
    }
    Value::Object(target)
}

fn assert_covers(metadata: &Metadata, properties: &Map<String, Value>) {
    let below: Vec<&String> = metadata.below.keys().collect();
    assert_eq!(below, properties.keys().collect::<Vec<_>>());
    for (key, value) in properties {
        let entry = &metadata.below[key];
        match value {
            Value::Object(map) => assert_covers(entry, map),
            _ => assert!(entry.below.is_empty(), "{key} is no map"),
        }
    }
}

proptest! {
    #[test]
    fn a_merge_is_that_of_the_rfc(target in plain(), patch in patch()) {
        let expected = merge_patch(Value::Object(target.clone()), &Value::Object(patch.clone()));
        prop_assert_eq!(Value::Object(merge::merged(&target, &patch)), expected);
    }

    #[test]
    fn a_patch_twice_is_the_patch_once(target in plain(), patch in patch()) {
        let once = merge::merged(&target, &patch);
        prop_assert_eq!(merge::merged(&once, &patch), once);
    }

    #[test]
    fn the_difference_leads_from_the_old_to_the_new(old in plain(), new in patch()) {
        let patch = merge::difference(&old, &new);
        prop_assert_eq!(merge::merged(&old, &patch), merge::without_nulls(&new));
    }

    #[test]
    fn any_sequence_of_writes_keeps_the_twin_whole(
        start in plain(),
        writes in prop::collection::vec((patch(), 0..4u8), 1..12),
    ) {
        let mut twin = Twin::initial(&InitialTwin { tags: Map::new(), desired: start }, T0);
        // What a device has that read the twin at first and followed the patches.
        let mut device = Value::Object(twin.desired.properties.clone());
        for (at, (patch, write)) in writes.into_iter().enumerate() {
            let now = Timestamp::from_secs(3_000 + at as u64);
            let before = twin.clone();
            twin = match write {
                0 => twin.report(&patch, Some(twin.reported.version), now).unwrap(),
                1 => twin.update(Some(Value::Object(patch)), None, at % 2 == 0, now).unwrap().0,
                replace => {
                    let (twin, pushed) = twin.update(None, Some(Value::Object(patch)), replace == 2, now).unwrap();
                    let mut pushed = map(pushed.unwrap());
                    prop_assert_eq!(pushed.remove("$version"), Some(Value::from(twin.desired.version)));
                    device = merge_patch(device, &Value::Object(pushed));
                    twin
                }
            };
            prop_assert_eq!(twin.version, before.version + 1);
            let changed = [(&twin.reported, &before.reported, write == 0), (&twin.desired, &before.desired, write >= 2)];
            for (after, before, changed) in changed {
                prop_assert_eq!(after.version, before.version + u64::from(changed));
                prop_assert_eq!(after == before, !changed);
                assert_covers(&after.metadata, &after.properties);
            }
        }
        prop_assert_eq!(device, Value::Object(twin.desired.properties));
    }

    #[test]
    fn no_bytes_make_a_patch_panic(text in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(patch) = parse(&text) {
            let _ = fresh().report(&patch, None, T1);
        }
    }
}
