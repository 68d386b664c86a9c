//! Stored rows: what is in the file, apart from what the domain works with, so that old files keep working.
//!
//! The first byte of a row is its version. A registration is packed by hand, little-endian, because every request decodes one:
//!
//! ```text
//! 1 | flags | revision 8 | created 8 | updated 8 | thumbprint 32 | operation 16 | enrollment 4 | id | [device id] | [rid] | state
//! id, device id, rid: length 1, text        state: hub 4, substatus 1    or, when failed: code 4, length 4, message
//! ```
//!
//! Enrollment and hub are numbers of the name tables. A registry entry is CBOR after its version, as its content is free-form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, ETag, ErrorCode, HubName, OperationId, RegistrationId, RequestId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::attestation::Thumbprint;
use crate::domain::device::{Device, ModelInstance};
use crate::domain::registration::{Registered, Registration, State};

const REGISTRATION_V1: u8 = 1;
const DEVICE_V1: u8 = 1;

const HAS_DEVICE_ID: u8 = 1;
const HAS_RID: u8 = 1 << 1;
const FAILED: u8 = 1 << 2;

/// The enrollment number of an individual enrollment under the registration's own id: it needs no name.
pub(super) const OWN_ENROLLMENT: u32 = 0;

/// Why a row cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("row version {0} is not known to this version of the program")]
    Version(u8),
    #[error("the row ends too early")]
    Short,
    #[error("{0} bytes follow the row's end")]
    Trailing(usize),
    #[error("unknown flags {0:#010b}")]
    Flags(u8),
    #[error("{0} is not text")]
    Text(&'static str),
    #[error("{field} {found} is not valid")]
    Field { field: &'static str, found: String },
    #[error("the document cannot be read: {0}")]
    Document(String),
}

fn field(field: &'static str, found: impl ToString) -> RowError {
    RowError::Field { field, found: found.to_string() }
}

/// A registration as stored, with numbers in place of the names of its enrollment and its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegistrationV1<'a> {
    pub revision: u64,
    pub created: u64,
    pub updated: u64,
    pub thumbprint: [u8; 32],
    pub operation: [u8; 16],
    pub enrollment: u32,
    pub id: &'a str,
    /// When it is not the registration id.
    pub device_id: Option<&'a str>,
    pub rid: Option<&'a str>,
    pub state: StateV1<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateV1<'a> {
    Assigned { hub: u32, substatus: u8 },
    Failed { code: u32, message: &'a str },
}

impl<'a> RegistrationV1<'a> {
    /// The row of a registration. The numbers are those of its names; the hub's counts only when it is assigned.
    pub fn new(registration: &'a Registration, revision: u64, enrollment: u32, hub: u32) -> Self {
        let id = registration.id.as_str();
        Self {
            revision,
            created: registration.created.micros(),
            updated: registration.updated.micros(),
            thumbprint: registration.thumbprint.0,
            operation: *registration.operation.as_bytes(),
            enrollment,
            id,
            device_id: Some(registration.device_id.as_str()).filter(|device_id| *device_id != id),
            rid: registration.rid.as_ref().map(RequestId::as_str),
            state: match &registration.state {
                State::Assigned { substatus, .. } => StateV1::Assigned { hub, substatus: substatus_number(*substatus) },
                State::Failed { code, message } => StateV1::Failed { code: code.number(), message },
            },
        }
    }

    pub fn encode(&self, row: &mut Vec<u8>) {
        let flags =
            [(self.device_id.is_some(), HAS_DEVICE_ID), (self.rid.is_some(), HAS_RID), (self.is_failed(), FAILED)];
        row.clear();
        row.push(REGISTRATION_V1);
        row.push(flags.iter().map(|(set, flag)| if *set { *flag } else { 0 }).sum());
        for number in [self.revision, self.created, self.updated] {
            row.extend_from_slice(&number.to_le_bytes());
        }
        row.extend_from_slice(&self.thumbprint);
        row.extend_from_slice(&self.operation);
        row.extend_from_slice(&self.enrollment.to_le_bytes());
        for text in [Some(self.id), self.device_id, self.rid].into_iter().flatten() {
            row.push(u8::try_from(text.len()).expect("identifiers are parsed to at most 128 bytes"));
            row.extend_from_slice(text.as_bytes());
        }
        match self.state {
            StateV1::Assigned { hub, substatus } => {
                row.extend_from_slice(&hub.to_le_bytes());
                row.push(substatus);
            }
            StateV1::Failed { code, message } => {
                row.extend_from_slice(&code.to_le_bytes());
                row.extend_from_slice(
                    &u32::try_from(message.len()).expect("a refusal's message is a sentence").to_le_bytes(),
                );
                row.extend_from_slice(message.as_bytes());
            }
        }
    }

    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let mut bytes = Bytes(row);
        match bytes.u8()? {
            REGISTRATION_V1 => {}
            other => return Err(RowError::Version(other)),
        }
        let flags = bytes.u8()?;
        if flags & !(HAS_DEVICE_ID | HAS_RID | FAILED) != 0 {
            return Err(RowError::Flags(flags));
        }
        let decoded = Self {
            revision: bytes.u64()?,
            created: bytes.u64()?,
            updated: bytes.u64()?,
            thumbprint: *bytes.array()?,
            operation: *bytes.array()?,
            enrollment: bytes.u32()?,
            id: bytes.short_text("registration id")?,
            device_id: (flags & HAS_DEVICE_ID != 0).then(|| bytes.short_text("device id")).transpose()?,
            rid: (flags & HAS_RID != 0).then(|| bytes.short_text("rid")).transpose()?,
            state: if flags & FAILED == 0 {
                StateV1::Assigned { hub: bytes.u32()?, substatus: bytes.u8()? }
            } else {
                let code = bytes.u32()?;
                let len = bytes.u32()? as usize;
                StateV1::Failed { code, message: bytes.text(len, "message")? }
            },
        };
        match bytes.0.len() {
            0 => Ok(decoded),
            rest => Err(RowError::Trailing(rest)),
        }
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
pub(super) struct NamedRegistration<'a> {
    pub row: RegistrationV1<'a>,
    pub enrollment: Option<EnrollmentName>,
    pub hub: Option<HubName>,
}

impl TryFrom<NamedRegistration<'_>> for Registered {
    type Error = RowError;

    fn try_from(NamedRegistration { row, enrollment, hub }: NamedRegistration<'_>) -> Result<Self, RowError> {
        let id = RegistrationId::parse(row.id).map_err(|error| field("registration id", error))?;
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

pub(super) fn encode_device(device: &Device) -> Result<Vec<u8>, RowError> {
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

pub(super) fn decode_device(row: &[u8]) -> Result<Device, RowError> {
    let document = match row.split_first() {
        None => return Err(RowError::Short),
        Some((&DEVICE_V1, document)) => document,
        Some((other, _)) => return Err(RowError::Version(*other)),
    };
    let stored: DeviceV1 = serde_cbor::from_slice(document).map_err(|error| RowError::Document(error.to_string()))?;
    Ok(Device {
        metadata: stored.metadata.into_owned(),
        endpoints: stored.endpoints.into_owned(),
        model: stored
            .model
            .map(|(model, values)| ModelInstance { model: model.into_owned(), values: values.into_owned() }),
        updated: Timestamp::from_micros(stored.updated),
    })
}

/// What is left of a row.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], RowError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(RowError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], RowError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RowError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, RowError> {
        self.array().map(|[byte]| *byte)
    }

    fn u32(&mut self) -> Result<u32, RowError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Result<u64, RowError> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn text(&mut self, len: usize, name: &'static str) -> Result<&'a str, RowError> {
        std::str::from_utf8(self.take(len)?).map_err(|_| RowError::Text(name))
    }

    fn short_text(&mut self, name: &'static str) -> Result<&'a str, RowError> {
        let len = self.u8()?;
        self.text(usize::from(len), name)
    }
}
