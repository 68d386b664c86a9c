//! Twins as documents: what a device and what an operator is shown, and patches as they arrive.

use firsthop_protocol::document::Document;
use serde_json::{Map, Value, json};

use super::{Section, Twin, TwinError};

/// Most bytes of a patch: those of the largest packet of a hub. What it may make of the twin is limited much closer.
pub const MAX_PATCH_BYTES: usize = 256 * 1024;

pub(super) const VERSION: &str = "$version";
pub(super) const METADATA: &str = "$metadata";

/// Reads a patch: a JSON map, bounded in size and depth, without a key that stands twice.
pub fn parse(text: &[u8]) -> Result<Map<String, Value>, TwinError> {
    if text.len() > MAX_PATCH_BYTES {
        return Err(TwinError::PatchSize(text.len()));
    }
    let document: Document = serde_json::from_slice(text).map_err(|error| TwinError::Malformed(error.to_string()))?;
    Ok(document.0)
}

impl Twin {
    /// What the device reads: properties with their versions. Tags and metadata are not for it.
    pub fn device_document(&self) -> Value {
        json!({ "desired": self.desired.document(), "reported": self.reported.document() })
    }

    /// What operators read, in the form of Azure's twins. The device's id and etag are the caller's to add.
    pub fn full_document(&self) -> Map<String, Value> {
        let properties = json!({ "desired": self.desired.full_document(), "reported": self.reported.full_document() });
        Map::from_iter([
            ("version".to_owned(), self.version.into()),
            ("tags".to_owned(), Value::Object(self.tags.clone())),
            ("properties".to_owned(), properties),
        ])
    }
}

impl Section {
    fn document(&self) -> Map<String, Value> {
        let mut document = self.properties.clone();
        document.insert(VERSION.to_owned(), self.version.into());
        document
    }

    fn full_document(&self) -> Map<String, Value> {
        let mut document = self.document();
        document.insert(METADATA.to_owned(), self.metadata.document());
        document
    }
}
