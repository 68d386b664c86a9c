//! Firsthop: a device provisioning service that is an MQTT broker.
//!
//! The floors, from top to bottom; a module uses those below it, never one above or beside it (`tests/floor_plan.rs` checks it):
//!
//! - `cli`, `service`, `settings`: commands, wiring, configuration;
//! - `front`, `admin`, `store`, `remote`, `webhook`: adapters to the world outside, over `http` and `pem`, which some of them share;
//! - `provisioner`, `hub`: use cases, which own the order of effects; they meet through the domain's ports;
//! - `domain`: decisions, without I/O or a clock.

pub mod admin;
pub mod cli;
pub mod domain;
mod fault_point;
pub mod front;
pub mod http;
pub mod hub;
pub mod logging;
pub mod pem;
pub mod provisioner;
pub mod remote;
pub mod service;
pub mod settings;
pub mod store;
pub mod webhook;
