//! The front door: devices over MQTT.
//!
//! ```text
//! listener > TLS (possession of a key) > connection (CONNECT) > session > packet/* > provisioning   the reserved tree
//!                                                                               > ordinary > bus    everything else
//! ```

pub mod access;
mod answer;
pub mod bus;
pub mod codec;
mod connection;
pub mod door;
mod identity;
pub mod limits;
pub mod listener;
mod mailbox;
mod ordinary;
mod outbound;
mod packet;
mod provisioning;
mod registry;
mod session;
pub mod tls;
