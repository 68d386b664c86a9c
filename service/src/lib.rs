//! Firsthop: a device provisioning service that is an MQTT broker.
//!
//! The floors, from top to bottom; a module uses those below it, never one above or beside it (`tests/floor_plan.rs` checks it):
//!
//! - `cli`, `service`, `settings`: commands, wiring, configuration;
//! - `front`, `store`: adapters to the world outside;
//! - `provisioner`: use cases, which own the order of effects;
//! - `domain`: decisions, without I/O or a clock.

pub mod cli;
pub mod domain;
pub mod front;
pub mod logging;
pub mod provisioner;
pub mod service;
pub mod settings;
pub mod store;
