//! What travels between the service and a hub on another machine: JSON bodies, version 1.
//!
//! Types of their own, so that neither the domain nor the rows of the store can change what goes over the wire. A field that one side
//! does not know is refused, never dropped: it may be a part of a device's state.

mod call;
mod device;
mod fault;
mod state;

#[cfg(test)]
mod tests;

pub use call::*;
pub use device::*;
pub use fault::*;
pub use state::*;

/// The paths' first part.
pub const VERSION: &str = "v1";
/// The largest body that carries a device's state: twin, queue and events at their limits, as JSON.
pub const MAX_STATE: usize = 16 * 1024 * 1024;
/// The largest of all other bodies.
pub const MAX_BODY: usize = 1024 * 1024;
/// Events in one answer.
pub const MAX_EVENTS: usize = 1000;

/// Bytes as base64.
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
