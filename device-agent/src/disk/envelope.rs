//! What stands around a value in a file: enough to tell whether it is the whole of it, and of the kind and the format that is known.
//!
//! ```text
//! magic (8) | format (4) | length of the body (4) | SHA-256 of name, format and body (32) | body: CBOR
//! ```

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::folder::Unusable;

const MAGIC: &[u8; 8] = b"fh-state";
const FORMAT: u32 = 1;
const HEADER_LEN: usize = MAGIC.len() + 4 + 4 + SHA256_OUTPUT_LEN;
/// The largest file: a twin as large as a hub's packet can make it, and as much again that is not acknowledged, with room to spare.
pub(super) const MAX_LEN: usize = 1024 * 1024;

/// The checksum in a file: it stands for the content.
pub(super) type Seal = [u8; SHA256_OUTPUT_LEN];

/// A file's content, and its checksum. The name is part of what is checked: a file in the place of another one is damaged.
pub(super) fn seal<T: Serialize>(name: &str, value: &T) -> Result<(Vec<u8>, Seal), String> {
    let body = serde_cbor::to_vec(value).map_err(|error| error.to_string())?;
    if HEADER_LEN + body.len() > MAX_LEN {
        return Err(format!("{} bytes are more than the {MAX_LEN} allowed", HEADER_LEN + body.len()));
    }
    let len = u32::try_from(body.len()).map_err(|error| error.to_string())?;
    let seal = checksum(name, &body);
    let mut sealed = Vec::with_capacity(HEADER_LEN + body.len());
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(&FORMAT.to_be_bytes());
    sealed.extend_from_slice(&len.to_be_bytes());
    sealed.extend_from_slice(&seal);
    sealed.extend_from_slice(&body);
    Ok((sealed, seal))
}

/// The value in a file's content.
pub(super) fn open<T: DeserializeOwned>(name: &str, sealed: &[u8]) -> Result<(T, Seal), Unusable> {
    let damaged = |what: &str| Unusable::Damaged(what.to_owned());
    let Some((magic, rest)) = sealed.split_first_chunk::<8>() else { return Err(damaged("it is too short")) };
    if magic != MAGIC {
        return Err(Unusable::Foreign("it does not begin as one"));
    }
    let (format, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
    match u32::from_be_bytes(*format) {
        FORMAT => {}
        newer if newer > FORMAT => return Err(Unusable::Newer(newer.into())),
        _ => return Err(damaged("its format is none")),
    }
    let (len, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
    let (written, body) = rest.split_first_chunk().ok_or_else(|| damaged("it is too short"))?;
    if usize::try_from(u32::from_be_bytes(*len)) != Ok(body.len()) {
        return Err(damaged("it has not the length that it says"));
    }
    if checksum(name, body) != *written {
        return Err(damaged("its checksum is wrong"));
    }
    let value = serde_cbor::from_slice(body).map_err(|error| Unusable::Damaged(error.to_string()))?;
    Ok((value, *written))
}

fn checksum(name: &str, body: &[u8]) -> Seal {
    let mut context = Context::new(&SHA256);
    context.update(name.as_bytes());
    context.update(&FORMAT.to_be_bytes());
    context.update(body);
    let mut seal = [0; SHA256_OUTPUT_LEN];
    seal.copy_from_slice(context.finish().as_ref());
    seal
}
