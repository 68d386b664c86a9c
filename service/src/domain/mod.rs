//! Decisions. Nothing here waits, reads a clock or does I/O: what a decision needs is an argument, and what to do is its result.

pub mod allocation;
pub mod attestation;
pub mod book;
pub mod device;
pub mod enrollment;
pub mod hub;
pub mod hub_device;
pub mod identity;
pub mod metadata;
pub mod ports;
pub mod quota;
pub mod refusal;
pub mod registration;
pub mod reprovision;
pub mod transfer;
pub mod twin;
