//! `pkcs11:` URIs (RFC 7512): which key of which token behind which module.
//!
//! Stricter than the RFC where a mistake would pass for a wish: an attribute that is not understood is refused in the query too, where it
//! could be ignored, and a PIN has no place in a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

use super::attributes::{Attributes, UriError};

/// Longer than all attributes of a token together.
const MAX_LEN: usize = 4096;

/// A parsed URI.
#[derive(Debug)]
pub struct Uri {
    /// As written, without the query.
    name: String,
    pub token: WantedToken,
    pub key: WantedKey,
    /// The module's file.
    pub module: PathBuf,
    /// The file that holds the PIN.
    pub pin: Option<PathBuf>,
}

/// What a token must be like. What is not said fits all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WantedToken {
    pub label: Option<String>,
    pub manufacturer: Option<String>,
    pub serial: Option<String>,
    pub model: Option<String>,
    pub slot: Option<u64>,
}

/// What a private key must be like.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WantedKey {
    pub label: Option<String>,
    pub id: Option<Vec<u8>>,
}

impl Uri {
    /// Takes what follows `pkcs11:`. Relative paths of module and PIN are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, UriError> {
        if text.len() > MAX_LEN {
            return Err(UriError::Long);
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut path_attributes = Attributes::parse(path, ';')?;
        let token = WantedToken {
            label: path_attributes.text("token")?,
            manufacturer: path_attributes.text("manufacturer")?,
            serial: path_attributes.text("serial")?,
            model: path_attributes.text("model")?,
            slot: path_attributes.number("slot-id")?,
        };
        let key = WantedKey { label: path_attributes.text("object")?, id: path_attributes.bytes("id") };
        if path_attributes.text("type")?.is_some_and(|kind| kind != "private") {
            return Err(UriError::Type);
        }
        path_attributes.end()?;

        let mut query = Attributes::parse(query, '&')?;
        if query.bytes("pin-value").is_some() {
            return Err(UriError::PinValue);
        }
        let module = query.text("module-path")?.ok_or(UriError::NoModule)?;
        let pin = query.text("pin-source")?.map(|source| pin_file(&source, folder)).transpose()?;
        query.end()?;
        Ok(Self { name: format!("pkcs11:{path}"), token, key, module: folder.join(module), pin })
    }
}

/// Without the query: paths are no part of a name.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A path, or a `file:` URI of this machine. Commands (`|program`) are not run.
fn pin_file(source: &str, folder: &Path) -> Result<PathBuf, UriError> {
    if source.starts_with('|') {
        return Err(UriError::PinCommand);
    }
    let path = match source.strip_prefix("file:") {
        None => source,
        Some(rest) => match rest.strip_prefix("//") {
            None => rest,
            Some(rest) => match rest.find('/').map(|slash| rest.split_at(slash)) {
                Some(("" | "localhost", path)) => path,
                _ => return Err(UriError::PinElsewhere),
            },
        },
    };
    Ok(folder.join(path))
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
