//! Harness of the end-to-end tests: the real binaries as processes, real sockets on loopback, a PKI made for each test.
//!
//! Every test has a folder and ports of its own, so that all of them may run side by side. Nothing sleeps: tests wait for a line of the
//! log, for bytes, or for the end of a process, each within [`PATIENCE`].

pub mod agent;
pub mod binary;
pub mod bridge;
pub mod config;
mod disk;
pub mod fleet;
pub mod hub;
pub mod local;
pub mod log;
pub mod mosquitto;
pub mod mqtt;
pub mod numbers;
pub mod packet;
pub mod pki;
mod process;
pub mod proxy;
pub mod remote;
pub mod scripted;
pub mod service;
pub mod site;
mod toml;
pub mod webhook;

use std::time::Duration;

/// How long anything may take before a test fails. Far more than needed, for busy machines.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub use agent::{Agent, AgentConfig};
pub use binary::{Ended, Running, binary, run};
pub use config::ServiceConfig;
pub use hub::HubClient;
pub use local::Local;
pub use log::Log;
pub use mosquitto::Mosquitto;
pub use mqtt::{Client, Dial};
pub use packet::{Message, Packet, Version};
pub use pki::Pki;
pub use remote::RemoteHub;
pub use scripted::Scripted;
pub use service::Service;
pub use site::Site;
pub use webhook::Webhook;

pub const REGISTER: &str = "$provisioning/register";
pub const REGISTER_RESPONSE: &str = "$provisioning/register/response";
pub const STATUS: &str = "$provisioning/status";
pub const STATUS_RESPONSE: &str = "$provisioning/status/response";
