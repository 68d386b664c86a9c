//! The row of a twin:
//!
//! ```text
//! 1 | version 8 | CBOR of tags, desired and reported properties with their metadata and versions
//! ```
//!
//! A twin without tags and properties that nothing was written to yet has no row: the device's own row says when it was made. So a first
//! registration writes no twin.

use std::borrow::Cow;
use std::collections::BTreeMap;

use firsthop_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bytes::{Bytes, Pack};
use super::{RowError, document};
use crate::domain::hub_device::InitialTwin;
use crate::domain::twin::{Metadata, Section, Twin};

const TWIN_V1: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct TwinV1<'a> {
    tags: Cow<'a, Map<String, Value>>,
    #[serde(borrow)]
    desired: SectionV1<'a>,
    #[serde(borrow)]
    reported: SectionV1<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SectionV1<'a> {
    properties: Cow<'a, Map<String, Value>>,
    #[serde(borrow)]
    metadata: MetadataV1<'a>,
    version: u64,
}

/// When it was written, and what is below it.
#[derive(Debug, Serialize, Deserialize)]
struct MetadataV1<'a>(u64, #[serde(borrow)] BTreeMap<Cow<'a, str>, MetadataV1<'a>>);

impl<'a> From<&'a Metadata> for MetadataV1<'a> {
    fn from(metadata: &'a Metadata) -> Self {
        let below = metadata.below.iter().map(|(key, below)| (Cow::Borrowed(&**key), below.into())).collect();
        Self(metadata.updated.micros(), below)
    }
}

impl From<MetadataV1<'_>> for Metadata {
    fn from(MetadataV1(updated, below): MetadataV1<'_>) -> Self {
        let below = below.into_iter().map(|(key, below)| (key.into_owned(), below.into())).collect();
        Self { updated: Timestamp::from_micros(updated), below }
    }
}

impl<'a> From<&'a Section> for SectionV1<'a> {
    fn from(section: &'a Section) -> Self {
        Self {
            properties: Cow::Borrowed(&section.properties),
            metadata: (&section.metadata).into(),
            version: section.version,
        }
    }
}

impl From<SectionV1<'_>> for Section {
    fn from(row: SectionV1<'_>) -> Self {
        Self { properties: row.properties.into_owned(), metadata: row.metadata.into(), version: row.version }
    }
}

/// How a twin is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwinRow {
    /// By the time when it was made.
    Fresh(u64),
    Row(Vec<u8>),
}

impl TwinRow {
    pub fn new(twin: &Twin) -> Result<Self, RowError> {
        let made = twin.desired.metadata.updated;
        if *twin == fresh_twin(made.micros()) { Ok(Self::Fresh(made.micros())) } else { Self::row(twin).map(Self::Row) }
    }

    /// The row, also of a twin that could do without.
    pub fn row(twin: &Twin) -> Result<Vec<u8>, RowError> {
        let mut row = vec![TWIN_V1];
        row.u64(twin.version);
        let stored = TwinV1 {
            tags: Cow::Borrowed(&twin.tags),
            desired: (&twin.desired).into(),
            reported: (&twin.reported).into(),
        };
        serde_cbor::to_writer(&mut row, &stored).map_err(|error| RowError::Document(error.to_string()))?;
        Ok(row)
    }
}

/// The twin of a device without one of its own.
pub fn fresh_twin(made: u64) -> Twin {
    Twin::initial(&InitialTwin::default(), Timestamp::from_micros(made))
}

/// The version alone, which guards every change.
pub fn twin_version(row: &[u8]) -> Result<u64, RowError> {
    Bytes(document(row, TWIN_V1)?).u64()
}

pub fn decode_twin(row: &[u8]) -> Result<Twin, RowError> {
    let mut bytes = Bytes(document(row, TWIN_V1)?);
    let version = bytes.u64()?;
    let stored: TwinV1 = serde_cbor::from_slice(bytes.0).map_err(|error| RowError::Document(error.to_string()))?;
    Ok(Twin {
        tags: stored.tags.into_owned(),
        desired: stored.desired.into(),
        reported: stored.reported.into(),
        version,
    })
}
