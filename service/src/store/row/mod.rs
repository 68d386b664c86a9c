//! Stored rows: what is in the file, apart from what the domain works with, so that old files keep working.
//!
//! The first byte of a row is its version. Rows that are read or written at every request are packed by hand, little-endian; content of
//! free form, such as a twin's properties, is CBOR inside them. Names of enrollments and hubs are numbers of the name tables, certificates
//! are named by their SHA-256.

mod bytes;
mod device;
mod hub_device;
mod hub_settings;
mod identity;
mod message;
mod registration;
mod state;
mod transfer;
mod twin;

pub use device::{decode_device, encode_device};
pub use hub_device::{HubDeviceV1, Operation, StandingV1, check_address, check_subscriptions, packed};
pub use hub_settings::{decode_hub_settings, encode_hub_settings, hub_name};
pub use identity::{Certificate, IdentityV1};
pub use message::{
    decode_event, decode_message, delivered_once_more, encode_event, encode_message, event_size, message_size,
};
pub use registration::{NamedRegistration, OWN_ENROLLMENT, RegistrationV2, encode_payload};
pub use state::StateV1;
pub use transfer::{TransferV1, transfer_operation};
pub use twin::{TwinRow, decode_twin, fresh_twin, twin_version};

#[cfg(test)]
pub use registration::StateV1 as RegistrationStateV1;

/// Why a row cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
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
    #[error("{field}: {len} is more than {max}, the most that can be stored")]
    TooLong { field: &'static str, len: usize, max: usize },
}

pub fn field(field: &'static str, found: impl ToString) -> RowError {
    RowError::Field { field, found: found.to_string() }
}

/// What follows the version byte, if it is that one.
fn document(row: &[u8], version: u8) -> Result<&[u8], RowError> {
    match row.split_first() {
        None => Err(RowError::Short),
        Some((found, document)) if *found == version => Ok(document),
        Some((other, _)) => Err(RowError::Version(*other)),
    }
}
