//! The row of a registration:
//!
//! ```text
//! 2 | flags | revision 8 | created 8 | updated 8 | thumbprint 32 | operation 16 | enrollment 4 | told 8
//!   | id | [device id] | [rid] | [payload] | state
//! id, device id, rid: length 1, text        payload: length 4, CBOR
//! state: hub 4, substatus 1    or, when failed: code 4, length 4, message
//! ```
//!
//! Version 1, which is still read, has neither `told` nor a payload.

use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, RequestId, Timestamp};
use serde_json::Value;

use super::bytes::{Bytes, Pack, flags, too_long};
use super::{RowError, field};
use crate::domain::attestation::Thumbprint;
use crate::domain::registration::{Registered, Registration, State};

const REGISTRATION_V1: u8 = 1;
const REGISTRATION_V2: u8 = 2;

const HAS_DEVICE_ID: u8 = 1;
const HAS_RID: u8 = 1 << 1;
const FAILED: u8 = 1 << 2;
/// Since version 2.
const HAS_PAYLOAD: u8 = 1 << 3;

/// Longest payload in its stored form. It is read with every look-up.
const MAX_PAYLOAD: usize = 64 * 1024;

/// The enrollment number of an individual enrollment under the registration's own id: it needs no name.
pub const OWN_ENROLLMENT: u32 = 0;

/// A registration as stored, with numbers in place of the names of its enrollment and its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationV2<'a> {
    pub revision: u64,
    pub created: u64,
    pub updated: u64,
    pub thumbprint: [u8; 32],
    pub operation: [u8; 16],
    pub enrollment: u32,
    pub told: u64,
    pub id: &'a str,
    /// When it is not the registration id.
    pub device_id: Option<&'a str>,
    pub rid: Option<&'a str>,
    /// As of [`encode_payload`].
    pub payload: Option<&'a [u8]>,
    pub state: StateV1<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateV1<'a> {
    Assigned { hub: u32, substatus: u8 },
    Failed { code: u32, message: &'a str },
}

/// CBOR rather than JSON text: numbers come back as they were, so that an unchanged payload is seen to be so.
pub fn encode_payload(payload: &Value) -> Result<Vec<u8>, RowError> {
    let bytes = serde_cbor::to_vec(payload).map_err(|error| RowError::Document(error.to_string()))?;
    if bytes.len() > MAX_PAYLOAD {
        return Err(too_long("payload", bytes.len(), MAX_PAYLOAD));
    }
    Ok(bytes)
}

impl<'a> RegistrationV2<'a> {
    /// The row of a registration and its payload. The numbers are those of its names; the hub's counts only when it is assigned.
    pub fn new(
        registration: &'a Registration,
        payload: Option<&'a [u8]>,
        revision: u64,
        enrollment: u32,
        hub: u32,
    ) -> Self {
        let id = registration.id.as_str();
        Self {
            revision,
            created: registration.created.micros(),
            updated: registration.updated.micros(),
            thumbprint: registration.thumbprint.0,
            operation: *registration.operation.as_bytes(),
            enrollment,
            told: registration.told,
            id,
            device_id: Some(registration.device_id.as_str()).filter(|device_id| *device_id != id),
            rid: registration.rid.as_ref().map(RequestId::as_str),
            payload,
            state: match &registration.state {
                State::Assigned { substatus, .. } => StateV1::Assigned { hub, substatus: substatus_number(*substatus) },
                State::Failed { code, message } => StateV1::Failed { code: code.number(), message },
            },
        }
    }

    pub fn encode(&self, row: &mut Vec<u8>) -> Result<(), RowError> {
        row.clear();
        row.u8(REGISTRATION_V2);
        row.u8(flags(&[
            (self.device_id.is_some(), HAS_DEVICE_ID),
            (self.rid.is_some(), HAS_RID),
            (self.is_failed(), FAILED),
            (self.payload.is_some(), HAS_PAYLOAD),
        ]));
        for number in [self.revision, self.created, self.updated] {
            row.u64(number);
        }
        row.bytes(&self.thumbprint);
        row.bytes(&self.operation);
        row.u32(self.enrollment);
        row.u64(self.told);
        for text in [Some(self.id), self.device_id, self.rid].into_iter().flatten() {
            row.short_text("identifier", text)?;
        }
        if let Some(payload) = self.payload {
            row.block("payload", payload)?;
        }
        match self.state {
            StateV1::Assigned { hub, substatus } => {
                row.u32(hub);
                row.u8(substatus);
            }
            StateV1::Failed { code, message } => {
                row.u32(code);
                row.block("message", message.as_bytes())?;
            }
        }
        Ok(())
    }

    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let mut bytes = Bytes(row);
        let (known, first) = match bytes.u8()? {
            REGISTRATION_V1 => (HAS_DEVICE_ID | HAS_RID | FAILED, true),
            REGISTRATION_V2 => (HAS_DEVICE_ID | HAS_RID | FAILED | HAS_PAYLOAD, false),
            other => return Err(RowError::Version(other)),
        };
        let flags = bytes.u8()?;
        if flags & !known != 0 {
            return Err(RowError::Flags(flags));
        }
        let decoded = Self {
            revision: bytes.u64()?,
            created: bytes.u64()?,
            updated: bytes.u64()?,
            thumbprint: *bytes.array()?,
            operation: *bytes.array()?,
            enrollment: bytes.u32()?,
            told: if first { 0 } else { bytes.u64()? },
            id: bytes.short_text("registration id")?,
            device_id: (flags & HAS_DEVICE_ID != 0).then(|| bytes.short_text("device id")).transpose()?,
            rid: (flags & HAS_RID != 0).then(|| bytes.short_text("rid")).transpose()?,
            payload: (flags & HAS_PAYLOAD != 0).then(|| bytes.block()).transpose()?,
            state: if flags & FAILED == 0 {
                StateV1::Assigned { hub: bytes.u32()?, substatus: bytes.u8()? }
            } else {
                let code = bytes.u32()?;
                let len = bytes.u32()? as usize;
                StateV1::Failed { code, message: bytes.text(len, "message")? }
            },
        };
        bytes.end()?;
        Ok(decoded)
    }

    pub fn parsed_id(&self) -> Result<RegistrationId, RowError> {
        RegistrationId::parse(self.id).map_err(|error| field("registration id", error))
    }

    pub fn is_failed(&self) -> bool {
        matches!(self.state, StateV1::Failed { .. })
    }

    /// The hub's number, when the device is assigned to one.
    pub fn hub(&self) -> Option<u32> {
        match self.state {
            StateV1::Assigned { hub, .. } => Some(hub),
            StateV1::Failed { .. } => None,
        }
    }
}

/// A row with the names that its numbers stand for. The enrollment is `None` when it is the device's own individual one.
pub struct NamedRegistration<'a> {
    pub row: RegistrationV2<'a>,
    pub enrollment: Option<EnrollmentName>,
    pub hub: Option<HubName>,
}

impl TryFrom<NamedRegistration<'_>> for Registered {
    type Error = RowError;

    fn try_from(NamedRegistration { row, enrollment, hub }: NamedRegistration<'_>) -> Result<Self, RowError> {
        let id = row.parsed_id()?;
        let state = match (row.state, hub) {
            (StateV1::Assigned { substatus, .. }, Some(hub)) => {
                State::Assigned { hub, substatus: substatus_of(substatus)? }
            }
            (StateV1::Assigned { hub, .. }, None) => return Err(field("hub number", hub)),
            (StateV1::Failed { code, message }, _) => State::Failed {
                code: ErrorCode::from_number(code).ok_or_else(|| field("error code", code))?,
                message: message.to_owned(),
            },
        };
        let payload = row.payload.map(serde_cbor::from_slice).transpose();
        let registration = Registration {
            device_id: match row.device_id {
                None => DeviceId::from(&id),
                Some(text) => DeviceId::parse(text).map_err(|error| field("device id", error))?,
            },
            enrollment: enrollment.unwrap_or_else(|| EnrollmentName::Individual(id.clone())),
            state,
            thumbprint: Thumbprint(row.thumbprint),
            operation: OperationId::from_bytes(row.operation),
            rid: row.rid.map(RequestId::parse).transpose().map_err(|error| field("rid", error))?,
            payload: payload.map_err(|error| RowError::Document(error.to_string()))?,
            told: row.told,
            created: Timestamp::from_micros(row.created),
            updated: Timestamp::from_micros(row.updated),
            id,
        };
        Ok(Self { registration, etag: ETag::new(row.revision) })
    }
}

const SUBSTATUSES: [Substatus; 3] =
    [Substatus::InitialAssignment, Substatus::DeviceDataMigrated, Substatus::DeviceDataReset];

fn substatus_number(substatus: Substatus) -> u8 {
    match substatus {
        Substatus::InitialAssignment => 0,
        Substatus::DeviceDataMigrated => 1,
        Substatus::DeviceDataReset => 2,
    }
}

fn substatus_of(number: u8) -> Result<Substatus, RowError> {
    SUBSTATUSES.get(usize::from(number)).copied().ok_or_else(|| field("substatus", number))
}
