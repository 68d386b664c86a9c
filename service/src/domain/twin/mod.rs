//! The device twin (rule B7): tags that only the back end sees, desired properties that it sets, reported properties that the device sets.
//!
//! Limits are those of Azure IoT Hub, so that a twin that is accepted here is accepted there.

mod document;
mod error;
mod metadata;

use firsthop_protocol::Timestamp;
use firsthop_protocol::twin::limits::{self, Part};
use firsthop_protocol::twin::merge;
use serde_json::{Map, Value};

use super::hub_device::InitialTwin;

pub use document::{MAX_PATCH_BYTES, parse};
pub use error::TwinError;
pub use metadata::Metadata;

/// A device's twin.
#[derive(Debug, Clone, PartialEq)]
pub struct Twin {
    pub tags: Map<String, Value>,
    pub desired: Section,
    pub reported: Section,
    /// Grows with every change of any part: guards it, and is its etag.
    pub version: u64,
}

/// Desired or reported properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    pub properties: Map<String, Value>,
    pub metadata: Metadata,
    /// `$version`: 1 at first, and one more with every change.
    pub version: u64,
}

impl Twin {
    /// The twin that an enrollment gives a device: both versions are 1 (rule C9).
    pub fn initial(initial: &InitialTwin, now: Timestamp) -> Self {
        Self {
            tags: merge::without_nulls(&initial.tags),
            desired: Section::initial(&initial.desired, now),
            reported: Section::initial(&Map::new(), now),
            version: 1,
        }
    }

    /// The device merges a patch into its reported properties; `expected` is the `$version` that it believes them to be at. A patch that
    /// changes nothing counts as a change, as it does in Azure.
    pub fn report(&self, patch: &Map<String, Value>, expected: Option<u64>, now: Timestamp) -> Result<Self, TwinError> {
        if let Some(expected) = expected.filter(|expected| *expected != self.reported.version) {
            return Err(TwinError::Version { expected, found: self.reported.version });
        }
        let reported = self.reported.merged(patch, Part::Reported, now)?;
        Ok(Self { reported, version: self.version.saturating_add(1), ..self.clone() })
    }

    /// The back end changes tags and desired properties: merges what is given into them, or puts it in their place. `null` in place of a
    /// part empties it. Also tells the patch, `$version` included, that takes a device from the old desired properties to the new ones.
    pub fn update(
        &self,
        tags: Option<Value>,
        desired: Option<Value>,
        replace: bool,
        now: Timestamp,
    ) -> Result<(Self, Option<Value>), TwinError> {
        let mut twin = self.clone();
        if tags.is_none() && desired.is_none() {
            return Ok((twin, None));
        }
        twin.version = twin.version.saturating_add(1);
        if let Some(tags) = tags {
            let (tags, replace) = given(Part::Tags, tags, replace)?;
            limits::judge_patch(Part::Tags, &tags)?;
            twin.tags = if replace { merge::without_nulls(&tags) } else { merge::merged(&self.tags, &tags) };
            limits::judge(Part::Tags, &twin.tags)?;
        }
        let Some(desired) = desired else { return Ok((twin, None)) };
        let (mut desired, replace) = given(Part::Desired, desired, replace)?;
        // Whoever read the twin, changed it and sends it back, sends these too.
        desired.remove(document::VERSION);
        desired.remove(document::METADATA);
        let mut patch = if replace {
            // Read as what it replaces plus a patch, so that what goes away is told to the device as well.
            merge::difference(&self.desired.properties, &desired)
        } else {
            desired.clone()
        };
        twin.desired = if replace {
            self.desired.replaced(&desired, now)?
        } else {
            self.desired.merged(&desired, Part::Desired, now)?
        };
        patch.insert(document::VERSION.to_owned(), twin.desired.version.into());
        Ok((twin, Some(Value::Object(patch))))
    }
}

impl Section {
    fn initial(properties: &Map<String, Value>, now: Timestamp) -> Self {
        let properties = merge::without_nulls(properties);
        Self { metadata: Metadata::of(&properties, now), properties, version: 1 }
    }

    fn merged(&self, patch: &Map<String, Value>, part: Part, now: Timestamp) -> Result<Self, TwinError> {
        limits::judge_patch(part, patch)?;
        let properties = merge::merged(&self.properties, patch);
        limits::judge(part, &properties)?;
        let mut metadata = self.metadata.clone();
        metadata.written(patch, now);
        Ok(Self { properties, metadata, version: self.version.saturating_add(1) })
    }

    fn replaced(&self, properties: &Map<String, Value>, now: Timestamp) -> Result<Self, TwinError> {
        limits::judge_patch(Part::Desired, properties)?;
        let section = Self::initial(properties, now);
        limits::judge(Part::Desired, &section.properties)?;
        Ok(Self { version: self.version.saturating_add(1), ..section })
    }
}

impl InitialTwin {
    /// Whether a twin can begin so: what an enrollment or a webhook gives keeps the limits that later changes have to keep.
    pub fn judge(&self) -> Result<(), TwinError> {
        for (part, properties) in [(Part::Tags, &self.tags), (Part::Desired, &self.desired)] {
            limits::judge_patch(part, properties)?;
            limits::judge(part, properties)?;
        }
        Ok(())
    }
}

/// What is given for a part, and whether it stands for the whole part.
fn given(part: Part, value: Value, replace: bool) -> Result<(Map<String, Value>, bool), TwinError> {
    match value {
        Value::Object(map) => Ok((map, replace)),
        Value::Null => Ok((Map::new(), true)),
        other => Err(TwinError::no_map(part, &other)),
    }
}

#[cfg(test)]
mod tests;
