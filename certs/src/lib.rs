//! A development PKI: authorities, device and server certificates, and the broken ones that tests need.
//!
//! ```
//! # fn main() -> Result<(), firsthop_certs::IssueError> {
//! use firsthop_certs::{Authority, Defect};
//!
//! let root = Authority::root("Factory Root")?;
//! let group = root.intermediate("Line 1")?;
//! let device = group.device("dev-0001")?;             // sends: leaf, Line 1
//! let server = root.server(&["localhost".to_owned(), "127.0.0.1".to_owned()])?;
//! let expired = group.broken_device("dev-0002", Defect::Expired)?;
//! # let _ = (device, server, expired); Ok(()) }
//! ```
//!
//! The short forms above are valid from an hour ago by the system's clock. The builders [`AuthorityCertificate`],
//! [`DeviceCertificate`] and [`ServerCertificate`] take a [`Validity`], a [`KeyKind`] and the rest.
//! Nothing here is meant to guard a real fleet: keys are plain files.

mod authority;
mod authority_certificate;
mod certificate;
mod defect;
mod device;
mod files;
mod identity;
mod key_kind;
mod loading;
mod pem;
mod server;
mod validity;

pub use authority::{Authority, AuthorityProblem};
pub use authority_certificate::AuthorityCertificate;
pub use certificate::IssueError;
pub use defect::{Defect, UnknownDefect};
pub use device::DeviceCertificate;
pub use files::{FileError, WrittenPair};
pub use identity::Identity;
pub use key_kind::{KeyKind, UnknownKeyKind};
pub use loading::LoadError;
/// The values that [`DeviceCertificate`] takes for its key usages.
pub use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
pub use server::ServerCertificate;
pub use validity::Validity;
