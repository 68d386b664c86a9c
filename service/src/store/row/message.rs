//! Rows of a device's command queue and of its event storage:
//!
//! ```text
//! message: 1 | deliveries 4 | expires 8 | at 8 | length 4, properties | payload        event: 1 | at 8 | length 4, properties | payload
//! ```

use firsthop_protocol::Timestamp;

use super::bytes::{Bytes, Pack};
use super::{RowError, document};
use crate::domain::hub_device::{Event, QueuedMessage};

const MESSAGE_V1: u8 = 1;
const EVENT_V1: u8 = 1;

/// What a message in this row counts against its device's limit: its properties and its payload.
pub fn message_size(row: &[u8]) -> u64 {
    row.len().saturating_sub(1 + 4 + 8 + 8 + 4) as u64
}

/// As [`message_size`], of an event.
pub fn event_size(row: &[u8]) -> u64 {
    row.len().saturating_sub(1 + 8 + 4) as u64
}

pub fn encode_message(message: &QueuedMessage) -> Result<Vec<u8>, RowError> {
    let mut row = Vec::with_capacity(32 + message.properties.len() + message.payload.len());
    row.u8(MESSAGE_V1);
    row.u32(message.deliveries);
    row.u64(message.expires.micros());
    row.u64(message.enqueued.micros());
    row.block("properties", message.properties.as_bytes())?;
    row.bytes(&message.payload);
    Ok(row)
}

pub fn decode_message(row: &[u8]) -> Result<QueuedMessage, RowError> {
    let mut bytes = Bytes(document(row, MESSAGE_V1)?);
    Ok(QueuedMessage {
        deliveries: bytes.u32()?,
        expires: Timestamp::from_micros(bytes.u64()?),
        enqueued: Timestamp::from_micros(bytes.u64()?),
        properties: properties(&mut bytes)?,
        payload: bytes.0.to_vec(),
    })
}

/// The row of the message after it was sent to the device once more.
pub fn delivered_once_more(row: &[u8]) -> Result<Vec<u8>, RowError> {
    let mut message = decode_message(row)?;
    message.deliveries = message.deliveries.saturating_add(1);
    encode_message(&message)
}

pub fn encode_event(event: &Event) -> Result<Vec<u8>, RowError> {
    let mut row = Vec::with_capacity(16 + event.properties.len() + event.payload.len());
    row.u8(EVENT_V1);
    row.u64(event.at.micros());
    row.block("properties", event.properties.as_bytes())?;
    row.bytes(&event.payload);
    Ok(row)
}

pub fn decode_event(row: &[u8]) -> Result<Event, RowError> {
    let mut bytes = Bytes(document(row, EVENT_V1)?);
    Ok(Event {
        at: Timestamp::from_micros(bytes.u64()?),
        properties: properties(&mut bytes)?,
        payload: bytes.0.to_vec(),
    })
}

fn properties(bytes: &mut Bytes<'_>) -> Result<String, RowError> {
    let len = bytes.u32()? as usize;
    bytes.text(len, "properties").map(str::to_owned)
}
