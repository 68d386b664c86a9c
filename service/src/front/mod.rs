//! The front door: devices over MQTT.
//!
//! ```text
//! listener > TLS (possession of a key) > connection (CONNECT) > session > packet/* > ordinary > bus   topics of the devices
//!                                                          its role: provisioning, or hub             topics of the endpoint
//! ```

pub mod access;
mod answer;
pub mod bus;
pub mod codec;
mod connection;
pub mod door;
pub mod endpoint;
pub mod hub;
mod identity;
pub mod limits;
pub mod listener;
mod mailbox;
mod notice;
mod ordinary;
mod outbound;
mod packet;
mod provisioning;
mod registry;
mod session;
pub mod tls;
