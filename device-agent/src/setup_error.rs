//! What can go wrong before a connection: with files, names, keys and tokens.

use std::io;
use std::path::PathBuf;

/// Credentials, roots or names cannot be used. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The private key lies open.
    #[error("{} has mode {mode:04o}, so others than its owner may use the private key; run `chmod 600 {}`", path.display(), path.display())]
    KeyReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no PEM.
    #[error("{} is not readable as PEM: {message}", path.display())]
    BadPem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A PEM file without a certificate.
    #[error("{} holds no certificate (\"-----BEGIN CERTIFICATE-----\")", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file without an unencrypted private key.
    #[error("{} holds no readable private key; PKCS#8, SEC1 and PKCS#1 are understood, without a passphrase", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not work together, or with this library.
    #[error("{origin}: {message}")]
    Credentials {
        /// Where they came from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// A certificate was put in place of one that had another registration id.
    #[error(
        "the certificate is that of another device, {device}: restart the agent to become it; what it keeps is set aside then"
    )]
    AnotherDevice {
        /// The new registration id.
        device: String,
    },
    /// The `pkcs11:` URI of a key makes no sense, or cannot be used by this program.
    #[error("the key's PKCS#11 URI cannot be used: {message}")]
    KeyUri {
        /// What is wrong.
        message: String,
    },
    /// A token, or a key in it, cannot be used.
    #[error("{key}: {message}")]
    Token {
        /// The key's URI without its query.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The roots cannot be used.
    #[error("{origin} cannot serve as trusted roots: {message}")]
    TrustedRoots {
        /// Where they came from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// Neither a DNS name nor an IP address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    ServerName {
        /// The text given.
        name: String,
    },
    /// The client id cannot be sent.
    #[error("the client id must have at most 65535 bytes and no NUL")]
    ClientId,
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be configured: {message}")]
    Tls {
        /// Its message.
        message: String,
    },
}
