//! A device's state on its way into the store, and as a part of the rows that hold one whole:
//!
//! ```text
//! fresh 1 | twin: made 8, or length 4, row | queue: number 4, then each: length 4, row | events: as the queue
//! ```

use super::bytes::{Bytes, Pack};
use super::message::{decode_event, decode_message, encode_event, encode_message};
use super::twin::{TwinRow, decode_twin, fresh_twin};
use super::{RowError, field};
use crate::domain::hub_device::DeviceState;

/// A device's state in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateV1 {
    pub twin: TwinRow,
    pub queue: Vec<Vec<u8>>,
    pub events: Vec<Vec<u8>>,
}

impl StateV1 {
    pub fn new(state: &DeviceState) -> Result<Self, RowError> {
        Ok(Self {
            twin: TwinRow::new(&state.twin)?,
            queue: state.queue.iter().map(encode_message).collect::<Result<_, _>>()?,
            events: state.events.iter().map(encode_event).collect::<Result<_, _>>()?,
        })
    }

    pub fn encode(&self, row: &mut Vec<u8>) -> Result<(), RowError> {
        match &self.twin {
            TwinRow::Fresh(made) => {
                row.u8(1);
                row.u64(*made);
            }
            TwinRow::Row(twin) => {
                row.u8(0);
                row.block("twin", twin)?;
            }
        }
        for messages in [&self.queue, &self.events] {
            row.long("messages", messages.len())?;
            messages.iter().try_for_each(|message| row.block("message", message))?;
        }
        Ok(())
    }

    pub(super) fn unpack(bytes: &mut Bytes<'_>) -> Result<DeviceState, RowError> {
        let twin = match bytes.u8()? {
            0 => decode_twin(bytes.block()?)?,
            1 => fresh_twin(bytes.u64()?),
            other => return Err(field("kind of twin", other)),
        };
        let number = bytes.u32()?;
        let queue = (0..number).map(|_| decode_message(bytes.block()?)).collect::<Result<_, _>>()?;
        let number = bytes.u32()?;
        let events = (0..number).map(|_| decode_event(bytes.block()?)).collect::<Result<_, _>>()?;
        Ok(DeviceState { twin, queue, events })
    }
}
