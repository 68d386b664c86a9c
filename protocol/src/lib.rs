//! The device protocol of Firsthop: the words both sides share.
//!
//! Identifiers that cannot be wrong once parsed, the grammar of the reserved topic tree, request and answer bodies, error codes, API
//! versions, and a codec for JSON and CBOR that bounds what it reads. No sockets and no async: the service, the device agent and the
//! tests use the same types.
//!
//! ```
//! use firsthop_protocol::{Format, RegisterRequest, codec};
//! let request: RegisterRequest = codec::decode(br#"{"metadata":{"site":"lisbon"}}"#, Format::Json)?;
//! assert_eq!(request.metadata.unwrap()["site"], "lisbon");
//! # Ok::<(), firsthop_protocol::codec::DecodeError>(())
//! ```
#![deny(missing_docs)]

pub mod api_version;
pub mod body;
pub mod codec;
pub mod document;
pub mod error_code;
mod field_limits;
pub mod format;
pub mod hub_topic;
pub mod id;
pub mod notify;
pub mod property_bag;
pub mod timestamp;
pub mod topic;
pub mod twin;

pub use api_version::ApiVersion;
pub use body::{Accepted, Answer, Current, Pending, RegisterRequest, Rejected, StatusRequest};
pub use error_code::{Action, ErrorCode};
pub use format::Format;
pub use id::{DeviceId, ETag, GroupId, HubName, OperationId, RegistrationId, RequestId, TrackingId};
pub use timestamp::Timestamp;
