//! The client library and the command against a scripted broker, over TLS on loopback.

mod broker;
mod command;
mod daemon;
mod dates;
mod exchange;
mod failures;
mod on_hub;
mod pki;
mod reload;
#[cfg(feature = "pkcs11")]
mod softhsm;
#[cfg(feature = "pkcs11")]
mod token;
