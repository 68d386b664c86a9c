//! The row of a registry entry: CBOR, as its content is free-form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use firsthop_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{RowError, document};
use crate::domain::device::{Device, ModelInstance};

const DEVICE_V1: u8 = 1;

/// The model's name and the instance's values.
type InstanceV1<'a> = (Cow<'a, str>, Cow<'a, Map<String, Value>>);

/// A registry entry as stored.
#[derive(Debug, Serialize, Deserialize)]
struct DeviceV1<'a> {
    metadata: Cow<'a, Map<String, Value>>,
    endpoints: Cow<'a, BTreeMap<String, String>>,
    model: Option<InstanceV1<'a>>,
    updated: u64,
}

pub fn encode_device(device: &Device) -> Result<Vec<u8>, RowError> {
    let mut row = vec![DEVICE_V1];
    let stored = DeviceV1 {
        metadata: Cow::Borrowed(&device.metadata),
        endpoints: Cow::Borrowed(&device.endpoints),
        model: device.model.as_ref().map(|instance| (Cow::Borrowed(&*instance.model), Cow::Borrowed(&instance.values))),
        updated: device.updated.micros(),
    };
    serde_cbor::to_writer(&mut row, &stored).map_err(|error| RowError::Document(error.to_string()))?;
    Ok(row)
}

pub fn decode_device(row: &[u8]) -> Result<Device, RowError> {
    let stored: DeviceV1 =
        serde_cbor::from_slice(document(row, DEVICE_V1)?).map_err(|error| RowError::Document(error.to_string()))?;
    Ok(Device {
        metadata: stored.metadata.into_owned(),
        endpoints: stored.endpoints.into_owned(),
        model: stored
            .model
            .map(|(model, values)| ModelInstance { model: model.into_owned(), values: values.into_owned() }),
        updated: Timestamp::from_micros(stored.updated),
    })
}
