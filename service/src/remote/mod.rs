//! The hub port over the network: HTTPS with JSON bodies and mutual TLS. [`RemoteHub`] calls, [`serve`] answers.
//!
//! ```text
//! POST   /v1/hubs/{hub}/devices/{deviceId}/provision | identify | fence | release | remove    each names its operation: may be repeated
//! POST   /v1/hubs/{hub}/devices/{deviceId}/session | methods | messages
//! GET    /v1/hubs/{hub}/devices/{deviceId}  .../twin  .../events?after=&limit=
//! PATCH  /v1/hubs/{hub}/devices/{deviceId}/twin
//! GET    /v1/hubs/{hub}/status
//! ```

mod client;
mod config;
mod hub;
mod server;
mod wire;

#[cfg(test)]
mod tests;

pub use client::RemoteError;
pub use config::{ClientConfig, ServerConfig};
pub use hub::RemoteHub;
pub use server::{ServeError, serve};
