//! Merge patches that are sent as one.

use serde_json::Value;

use super::Properties;

/// Whether one patch can say what these two do one after the other. It cannot where the first makes something of a property that is no
/// map, and the second a map: a merge patch has no words for "a map with this and nothing else".
pub(super) fn composes(first: &Properties, second: &Properties) -> bool {
    second.iter().all(|(key, change)| match (first.get(key), change) {
        (Some(Value::Object(first)), Value::Object(second)) => composes(first, second),
        (Some(_), Value::Object(_)) => false,
        _ => true,
    })
}

/// Makes the first patch one that does what these two do one after the other, where one can. What removes is kept: it has to remove at the
/// hub.
pub(super) fn compose(first: &mut Properties, second: Properties) {
    for (key, change) in second {
        match (first.get_mut(&key), change) {
            (Some(Value::Object(first)), Value::Object(second)) => compose(first, second),
            (_, change) => drop(first.insert(key, change)),
        }
    }
}
