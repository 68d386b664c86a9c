//! The row of a move in the journal:
//!
//! ```text
//! 1 | flags | operation 16 | step 1 | started 8 | [expected 8] | [from 4] | to 4 | registration | identity | [state]
//! registration: length 4, its row with revision 0
//! ```

use super::bytes::{Bytes, Pack, flags};
use super::identity::IdentityV1;
use super::registration::RegistrationV2;
use super::state::StateV1;
use super::{Operation, RowError, document, field};
use crate::domain::hub_device::DeviceState;
use crate::domain::transfer::Step;

const TRANSFER_V1: u8 = 1;

const HAS_EXPECTED: u8 = 1;
const HAS_FROM: u8 = 1 << 1;
const REPLACES: u8 = 1 << 2;

/// A move as stored, with numbers in place of the names of hubs.
#[derive(Debug)]
pub struct TransferV1<'a, State> {
    pub operation: Operation,
    pub step: Step,
    pub started: u64,
    pub expected: Option<u64>,
    pub from: Option<u32>,
    pub to: u32,
    pub registration: RegistrationV2<'a>,
    pub identity: IdentityV1<'a>,
    /// When the device's own state is not what it finds on its new hub.
    pub state: Option<State>,
}

impl TransferV1<'_, &StateV1> {
    pub fn encode(&self) -> Result<Vec<u8>, RowError> {
        let mut row = Vec::with_capacity(512);
        row.u8(TRANSFER_V1);
        row.u8(flags(&[
            (self.expected.is_some(), HAS_EXPECTED),
            (self.from.is_some(), HAS_FROM),
            (self.state.is_some(), REPLACES),
        ]));
        row.bytes(&self.operation);
        row.u8(step_number(self.step));
        row.u64(self.started);
        if let Some(expected) = self.expected {
            row.u64(expected);
        }
        if let Some(from) = self.from {
            row.u32(from);
        }
        row.u32(self.to);
        let mut registration = Vec::with_capacity(256);
        self.registration.encode(&mut registration)?;
        row.block("registration", &registration)?;
        self.identity.encode(&mut row)?;
        self.state.map_or(Ok(()), |state| state.encode(&mut row))?;
        Ok(row)
    }
}

impl<'a> TransferV1<'a, DeviceState> {
    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let mut bytes = Bytes(document(row, TRANSFER_V1)?);
        let flags = bytes.u8()?;
        if flags & !(HAS_EXPECTED | HAS_FROM | REPLACES) != 0 {
            return Err(RowError::Flags(flags));
        }
        let decoded = Self {
            operation: *bytes.array()?,
            step: step_of(bytes.u8()?)?,
            started: bytes.u64()?,
            expected: (flags & HAS_EXPECTED != 0).then(|| bytes.u64()).transpose()?,
            from: (flags & HAS_FROM != 0).then(|| bytes.u32()).transpose()?,
            to: bytes.u32()?,
            registration: RegistrationV2::decode(bytes.block()?)?,
            identity: IdentityV1::unpack(&mut bytes)?,
            state: (flags & REPLACES != 0).then(|| StateV1::unpack(&mut bytes)).transpose()?,
        };
        bytes.end()?;
        Ok(decoded)
    }
}

/// The operation alone, which a device's next step must be of.
pub fn transfer_operation(row: &[u8]) -> Result<Operation, RowError> {
    let mut bytes = Bytes(document(row, TRANSFER_V1)?);
    bytes.u8()?;
    bytes.array().copied()
}

/// The numbers are part of the format.
fn step_number(step: Step) -> u8 {
    match step {
        Step::Planned => 0,
        Step::Fenced => 1,
        Step::Copied => 2,
        Step::Committed => 3,
        Step::Released => 4,
        Step::Undoing => 5,
    }
}

fn step_of(number: u8) -> Result<Step, RowError> {
    Step::ALL.into_iter().find(|step| step_number(*step) == number).ok_or_else(|| field("step", number))
}
