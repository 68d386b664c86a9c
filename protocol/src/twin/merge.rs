//! JSON merge patches (RFC 7396): `null` removes, a map merges into a map, everything else replaces.

use serde_json::{Map, Value};

/// The target after the patch.
pub fn merged(target: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = target.clone();
    merge(&mut merged, patch);
    merged
}

/// Merges the patch into the target.
pub fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match (change, target.get_mut(key)) {
            (Value::Null, _) => drop(target.remove(key)),
            (Value::Object(change), Some(Value::Object(below))) => merge(below, change),
            (Value::Object(change), _) => drop(target.insert(key.clone(), Value::Object(without_nulls(change)))),
            (change, _) => drop(target.insert(key.clone(), change.clone())),
        }
    }
}

/// What the patch makes of nothing. Arrays are values: a `null` in one stays.
pub fn without_nulls(patch: &Map<String, Value>) -> Map<String, Value> {
    let kept = patch.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| {
        let value = match value {
            Value::Object(below) => Value::Object(without_nulls(below)),
            other => other.clone(),
        };
        (key.clone(), value)
    })
    .collect()
}

/// A patch that says all of `new`, and `null` for what is in `old` only.
pub fn difference(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in new.iter().filter(|(_, value)| !value.is_null()) {
        let value = match (value, old.get(key)) {
            (Value::Object(new), Some(Value::Object(old))) => Value::Object(difference(old, new)),
            (Value::Object(new), _) => Value::Object(without_nulls(new)),
            (value, _) => value.clone(),
        };
        patch.insert(key.clone(), value);
    }
    for key in old.keys().filter(|key| new.get(*key).is_none_or(Value::is_null)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}
