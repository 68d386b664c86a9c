//! The limits of Azure IoT Hub, each at its edge.

use super::*;

fn report(patch: Value) -> Result<Twin, TwinError> {
    fresh().report(&map(patch), None, T1)
}

#[track_caller]
fn refused(patch: Value) -> String {
    report(patch).unwrap_err().to_string()
}

/// A map that nests so many maps.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({"leaf": 1}), |below, _| json!({ "a": below }))
}

#[test]
fn a_key_says_what_is_wrong_with_it_and_where() {
    assert_eq!(
        refused(json!({"a": {"b.c": 1}})),
        "reported.a.b.c: a key may not hold '.' (control characters, '.', '$' and the space are not allowed)"
    );
    for key in ["$version", "a b", "a\u{7}", "\u{85}", "x$"] {
        assert!(refused(json!({key: 1})).contains("may not hold"), "{key:?}");
        assert!(refused(json!({key: null})).contains("may not hold"), "a removal of {key:?} is judged too");
    }
    assert!(report(json!({"k".repeat(1024): 1})).is_ok());
    assert!(refused(json!({"k".repeat(1025): 1})).contains("has 1 to 1024 bytes, not 1025"));
    assert!(refused(json!({"": 1})).contains("not 0"));
}

#[test]
fn ten_levels_nest_and_eleven_do_not() {
    assert!(report(nested(10)).is_ok());
    assert_eq!(refused(nested(11)), "reported.a.a.a.a.a.a.a.a.a.a.a: nested deeper than 10 levels");
    assert!(refused(json!({"x": [[[[[[[[[[[1]]]]]]]]]]]})).contains("nested deeper"));
}

#[test]
fn a_text_has_4_kib() {
    assert!(report(json!({"a": "x".repeat(4096)})).is_ok());
    let error = refused(json!({"a": [true, "x".repeat(4097)]}));
    assert_eq!(error, "reported.a.1: a text of 4097 bytes; at most 4096 are allowed");
}

#[test]
fn integers_have_52_bits() {
    let most = 4_503_599_627_370_496_i64;
    assert!(report(json!({"a": most, "b": -most, "c": 1e300})).is_ok());
    for number in [json!(most + 1), json!(-most - 1), json!(u64::MAX), json!(i64::MIN)] {
        let error = refused(json!({"a": number.clone()}));
        assert_eq!(error, format!("reported.a: the integer {number} is outside -4503599627370496 to 4503599627370496"));
    }
}

#[test]
fn each_part_has_its_size() {
    // Eight keys of one byte, with texts of 4 KiB less that byte, are exactly 32 KiB.
    let full: Map<String, Value> = ('a'..='h').map(|key| (key.to_string(), Value::String("x".repeat(4095)))).collect();
    let twin = report(Value::Object(full.clone())).unwrap();
    let error = twin.report(&map(json!({"i": 0})), None, T1).unwrap_err();
    assert_eq!(error.to_string(), "reported: 32777 bytes together; at most 32768 are allowed");
    assert!(twin.report(&map(json!({"a": null, "i": 0})), None, T1).is_ok(), "what is removed makes room");
    assert!(fresh().update(None, Some(Value::Object(full.clone())), true, T1).is_ok());
    let error = fresh().update(None, Some(Value::Object(full.clone())), false, T1).unwrap_err();
    assert!(error.to_string().starts_with("desired: "), "{error}");
    let error = fresh().update(Some(Value::Object(full)), None, true, T1).unwrap_err();
    assert_eq!(error.to_string(), "tags: 32768 bytes together; at most 8192 are allowed");
}

#[test]
fn nothing_is_so_small_that_it_could_be_there_without_end() {
    for value in [json!([]), json!({}), json!(null), json!("\u{1}")] {
        let many = Value::Array(vec![value.clone(); 32 * 1024]);
        assert!(refused(json!({"a": many})).contains("bytes together"), "{value}");
    }
}

#[test]
fn a_part_that_is_no_map_is_refused() {
    assert_eq!(
        fresh().update(Some(json!([1])), None, false, T1).unwrap_err().to_string(),
        "tags must be a map, not an array"
    );
    assert_eq!(
        fresh().update(None, Some(json!("x")), true, T1).unwrap_err().to_string(),
        "desired must be a map, not a text"
    );
}

#[test]
fn what_an_enrollment_gives_keeps_the_same_limits() {
    assert!(initial(json!({"site": "x"}), json!({"interval": 3})).judge().is_ok());
    let refused = |tags, desired| initial(tags, desired).judge().unwrap_err().to_string();
    assert!(refused(json!({"a.b": 1}), json!({})).starts_with("tags.a.b: a key"));
    assert!(refused(json!({}), json!({"$version": 1})).starts_with("desired.$version: a key"));
    assert!(refused(json!({"a": "x".repeat(4096), "b": "x".repeat(4096)}), json!({})).starts_with("tags: 8194 bytes"));
}

#[test]
fn a_long_path_is_cut_and_cannot_forge_a_line_of_the_log() {
    let error = refused(json!({"\n".repeat(900): 1}));
    assert!(error.len() < 500 && !error.contains('\n'), "{error}");
}
