//! The client library and the command against a scripted broker, over TLS on loopback.

mod broker;
mod command;
mod exchange;
mod failures;
mod pki;
