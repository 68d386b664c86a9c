//! Where a device's key lies: in a PEM file, or in a TPM, a secure element or a token behind a PKCS#11 module.

mod pem_files;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod source;
mod stamp;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use pem_files::PemFiles;
pub use source::CredentialsSource;

use crate::SetupError;

/// The credentials that a configuration names: a PEM chain, leaf first, and a key, which is the path of a PEM file or a `pkcs11:` URI
/// (RFC 7512, feature `pkcs11`). Relative paths, also those in the URI, are relative to `folder`.
///
/// ```text
/// device.key
/// pkcs11:token=gateway;object=device?module-path=/usr/lib/libtpm2_pkcs11.so&pin-source=/run/credentials/pin
/// ```
///
/// The URI must lead to exactly one private key: by `token`, `manufacturer`, `serial`, `model` or `slot-id` to its token, and by `object`
/// (the label) or `id` to the key. `module-path` is the module's file and `pin-source` that of the PIN, which only its owner may read.
///
/// Nothing is read yet, but a URI that makes no sense is refused. Later, loading opens the token, and each handshake asks it for a
/// signature on the thread that runs the connection: a call into a module cannot be given up, so the module has to answer in good time.
pub fn source(folder: &Path, certificate: &Path, key: &str) -> Result<Arc<dyn CredentialsSource>, SetupError> {
    let chain = folder.join(certificate);
    match uri_of(key) {
        Some(uri) => in_token(folder, chain, uri),
        None => Ok(Arc::new(PemFiles::new(chain, folder.join(key)))),
    }
}

/// Whether that names a key in a token, and no file.
pub fn is_uri(key: &str) -> bool {
    uri_of(key).is_some()
}

/// What follows `pkcs11:`. Schemes are written in any case.
fn uri_of(key: &str) -> Option<&str> {
    key.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("pkcs11")).map(|(_, uri)| uri)
}

#[cfg(feature = "pkcs11")]
fn in_token(folder: &Path, chain: PathBuf, uri: &str) -> Result<Arc<dyn CredentialsSource>, SetupError> {
    let uri = pkcs11::Uri::parse(uri, folder).map_err(|error| SetupError::KeyUri { message: error.to_string() })?;
    Ok(Arc::new(pkcs11::TokenCredentials::new(chain, uri)))
}

#[cfg(not(feature = "pkcs11"))]
fn in_token(_: &Path, _: PathBuf, _: &str) -> Result<Arc<dyn CredentialsSource>, SetupError> {
    let message = "this program was built without tokens; build it with the feature `pkcs11`".into();
    Err(SetupError::KeyUri { message })
}
