//! The row of what an operator set on a hub: CBOR, as more will come.

use std::borrow::Cow;

use firsthop_protocol::HubName;
use serde::{Deserialize, Serialize};

use super::{RowError, document, field};
use crate::domain::ports::HubSettings;

const HUB_SETTINGS_V1: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct HubSettingsV1<'a> {
    drained: Option<bool>,
    evacuation: Option<u32>,
    remote: Option<Cow<'a, str>>,
}

/// The key of a row.
pub fn hub_name(text: &str) -> Result<HubName, RowError> {
    HubName::parse(text).map_err(|error| field("hub name", error))
}

pub fn encode_hub_settings(settings: &HubSettings) -> Result<Vec<u8>, RowError> {
    let mut row = vec![HUB_SETTINGS_V1];
    let HubSettings { drained, evacuation, remote } = settings;
    let stored =
        HubSettingsV1 { drained: *drained, evacuation: *evacuation, remote: remote.as_deref().map(Cow::Borrowed) };
    serde_cbor::to_writer(&mut row, &stored).map_err(|error| RowError::Document(error.to_string()))?;
    Ok(row)
}

pub fn decode_hub_settings(row: &[u8]) -> Result<HubSettings, RowError> {
    let stored: HubSettingsV1 = serde_cbor::from_slice(document(row, HUB_SETTINGS_V1)?)
        .map_err(|error| RowError::Document(error.to_string()))?;
    Ok(HubSettings {
        drained: stored.drained,
        evacuation: stored.evacuation,
        remote: stored.remote.map(Cow::into_owned),
    })
}
