//! When each property was last written (`$metadata`). It has an entry for every property, and for nothing else.

use std::collections::BTreeMap;

use firsthop_protocol::Timestamp;
use serde_json::{Map, Value};

const LAST_UPDATED: &str = "$lastUpdated";

/// When a property, and each one below it, was last written (`$metadata`).
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    pub updated: Timestamp,
    pub below: BTreeMap<String, Metadata>,
}

impl Metadata {
    /// Of properties that were all written at that time.
    pub(super) fn of(properties: &Map<String, Value>, at: Timestamp) -> Self {
        let mut metadata = Self::leaf(at);
        metadata.written(properties, at);
        metadata
    }

    /// Follows a merge of that patch.
    pub(super) fn written(&mut self, patch: &Map<String, Value>, at: Timestamp) {
        self.updated = at;
        for (key, change) in patch {
            match change {
                Value::Null => drop(self.below.remove(key)),
                Value::Object(change) => {
                    // What was no map before has nothing below it.
                    self.below.entry(key.clone()).or_insert_with(|| Self::leaf(at)).written(change, at)
                }
                _ => drop(self.below.insert(key.clone(), Self::leaf(at))),
            }
        }
    }

    fn leaf(updated: Timestamp) -> Self {
        Self { updated, below: BTreeMap::new() }
    }

    /// As operators see it.
    pub(super) fn document(&self) -> Value {
        let below = self.below.iter().map(|(key, below)| (key.clone(), below.document()));
        let own = (LAST_UPDATED.to_owned(), Value::String(self.updated.to_string()));
        Value::Object(std::iter::once(own).chain(below).collect())
    }
}
