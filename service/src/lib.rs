//! Firsthop: a device provisioning service that is an MQTT broker.

pub mod domain;
pub mod front;
