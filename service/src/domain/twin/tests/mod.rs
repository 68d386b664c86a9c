//! Twins against rule C9, RFC 7396, and what Azure's devices and operators expect of them.

mod laws;
mod limits;

use serde_json::json;

use super::*;

const T0: Timestamp = Timestamp::from_secs(1_000);
const T1: Timestamp = Timestamp::from_secs(2_000);

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("no map: {other}"),
    }
}

fn initial(tags: Value, desired: Value) -> InitialTwin {
    InitialTwin { tags: map(tags), desired: map(desired) }
}

fn fresh() -> Twin {
    Twin::initial(&initial(json!({"site": "lisbon"}), json!({"interval": 30, "net": {"apn": "a", "mtu": 1400}})), T0)
}

#[test]
fn a_fresh_twin_is_at_version_1_and_one_reported_update_makes_it_2() {
    let twin = fresh();
    assert_eq!((twin.reported.version, twin.desired.version), (1, 1));
    let twin = twin.report(&map(json!({"firmware": "1.2"})), None, T1).unwrap();
    assert_eq!((twin.reported.version, twin.desired.version), (2, 1));
    assert_eq!(Value::Object(twin.reported.properties), json!({"firmware": "1.2"}));
    // What a reset gives the device again.
    assert_eq!(fresh().reported, Twin::initial(&InitialTwin::default(), T0).reported);
}

#[test]
fn nulls_remove_and_are_not_kept() {
    let twin = fresh().report(&map(json!({"a": {"b": 1, "c": null}, "d": null})), None, T1).unwrap();
    assert_eq!(Value::Object(twin.reported.properties.clone()), json!({"a": {"b": 1}}));
    let twin = twin.report(&map(json!({"a": {"b": null}})), None, T1).unwrap();
    assert_eq!(Value::Object(twin.reported.properties.clone()), json!({"a": {}}));
    assert_eq!(Twin::initial(&initial(json!({"x": null}), json!({"y": {"z": null}})), T0).tags, Map::new());
}

#[test]
fn a_patch_that_changes_nothing_counts_all_the_same() {
    let twin = fresh();
    for patch in [json!({}), json!({"gone": null})] {
        let next = twin.report(&map(patch), None, T1).unwrap();
        assert_eq!((next.reported.version, next.version), (2, 2));
    }
    let (next, pushed) = twin.update(None, Some(json!({"interval": 30})), false, T1).unwrap();
    assert_eq!((next.desired.version, pushed), (2, Some(json!({"interval": 30, "$version": 2}))));
}

#[test]
fn a_device_that_expects_another_version_is_told_the_one_there_is() {
    let refused = fresh().report(&Map::new(), Some(7), T1).unwrap_err();
    assert_eq!(refused, TwinError::Version { expected: 7, found: 1 });
    assert!(fresh().report(&Map::new(), Some(1), T1).is_ok());
}

#[test]
fn a_device_is_shown_no_tags_and_no_metadata() {
    assert_eq!(
        fresh().device_document(),
        json!({
            "desired": {"interval": 30, "net": {"apn": "a", "mtu": 1400}, "$version": 1},
            "reported": {"$version": 1},
        })
    );
}

#[test]
fn an_operator_is_shown_tags_and_when_each_property_was_written() {
    let (twin, _) = fresh().update(None, Some(json!({"net": {"mtu": 1280}})), false, T1).unwrap();
    let (t0, t1) = (T0.to_string(), T1.to_string());
    assert_eq!(
        Value::Object(twin.full_document()),
        json!({
            "version": 2,
            "tags": {"site": "lisbon"},
            "properties": {
                "desired": {
                    "interval": 30, "net": {"apn": "a", "mtu": 1280}, "$version": 2,
                    "$metadata": {
                        "$lastUpdated": t1,
                        "interval": {"$lastUpdated": t0},
                        "net": {"$lastUpdated": t1, "apn": {"$lastUpdated": t0}, "mtu": {"$lastUpdated": t1}},
                    },
                },
                "reported": {"$version": 1, "$metadata": {"$lastUpdated": t0}},
            },
        })
    );
}

#[test]
fn a_desired_change_is_pushed_as_the_patch_it_is() {
    let (twin, pushed) = fresh().update(None, Some(json!({"interval": null, "on": true})), false, T1).unwrap();
    assert_eq!(pushed, Some(json!({"interval": null, "on": true, "$version": 2})));
    assert_eq!(twin.desired.properties.get("interval"), None);
}

#[test]
fn a_replacement_is_pushed_with_nulls_for_what_goes_away() {
    let (twin, pushed) = fresh().update(None, Some(json!({"net": {"apn": "b"}, "on": true})), true, T1).unwrap();
    assert_eq!(Value::Object(twin.desired.properties), json!({"net": {"apn": "b"}, "on": true}));
    assert_eq!(pushed, Some(json!({"interval": null, "net": {"apn": "b", "mtu": null}, "on": true, "$version": 2})));
}

#[test]
fn tags_change_without_a_word_to_the_device() {
    let (twin, pushed) = fresh().update(Some(json!({"floor": 3})), None, false, T1).unwrap();
    assert_eq!((twin.tags, pushed), (map(json!({"site": "lisbon", "floor": 3})), None));
    assert_eq!((twin.desired.version, twin.version), (1, 2));
    let (twin, _) = fresh().update(Some(json!({"floor": 3})), None, true, T1).unwrap();
    assert_eq!(twin.tags, map(json!({"floor": 3})));
}

#[test]
fn null_in_place_of_a_part_empties_it() {
    let (twin, pushed) = fresh().update(Some(Value::Null), Some(Value::Null), false, T1).unwrap();
    assert!(twin.tags.is_empty() && twin.desired.properties.is_empty());
    assert_eq!(pushed, Some(json!({"interval": null, "net": null, "$version": 2})));
}

#[test]
fn nothing_given_changes_nothing() {
    assert_eq!(fresh().update(None, None, true, T1).unwrap(), (fresh(), None));
}

#[test]
fn what_was_read_can_be_sent_back() {
    let (twin, _) = fresh().update(None, Some(json!({"on": true})), false, T1).unwrap();
    let document = twin.full_document();
    let (back, _) = twin.update(None, Some(document["properties"]["desired"].clone()), true, T1).unwrap();
    assert_eq!(back.desired.properties, twin.desired.properties);
}

#[test]
fn a_patch_is_a_json_map_in_which_no_key_stands_twice() {
    assert_eq!(parse(br#"{"a":{"b":[1,null]}}"#).unwrap(), map(json!({"a": {"b": [1, null]}})));
    for (text, words) in [
        ("", "EOF"),
        ("[1]", "expected a map, found an array"),
        ("{} {}", "trailing characters"),
        (r#"{"a":1,"a":2}"#, "stands twice"),
    ] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let deep = format!("{}{}", r#"{"a":"#.repeat(100_000), "1");
    assert!(matches!(parse(deep.as_bytes()), Err(TwinError::PatchSize(_))));
    assert!(parse(&deep.as_bytes()[..5_000]).unwrap_err().to_string().contains("nested deeper"));
}
