//! A message as it stands in the outbox.
//!
//! ```text
//! row version (1) | handed in at, microseconds (8) | length of the properties (2) | properties | body
//! ```

use firsthop_protocol::Timestamp;

use crate::disk::Telemetry;

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 8 + 2;

/// The row. The properties are within the limit of a bag, which two bytes hold.
pub(super) fn encode(message: &Telemetry) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEAD_LEN + message.len());
    row.push(VERSION);
    row.extend_from_slice(&message.at.micros().to_be_bytes());
    row.extend_from_slice(&(message.properties.len() as u16).to_be_bytes());
    row.extend_from_slice(message.properties.as_bytes());
    row.extend_from_slice(&message.body);
    row
}

/// The message in a row; `None` if there is none.
pub(super) fn decode(row: &[u8]) -> Option<Telemetry> {
    let ([VERSION], rest) = row.split_first_chunk()? else { return None };
    let (at, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (properties, body) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
    Some(Telemetry {
        properties: str::from_utf8(properties).ok()?.to_owned(),
        body: body.to_vec(),
        at: Timestamp::from_micros(u64::from_be_bytes(*at)),
    })
}

/// The bytes that a row counts for.
pub(super) fn weight(row: &[u8]) -> u64 {
    row.len().saturating_sub(HEAD_LEN) as u64
}
