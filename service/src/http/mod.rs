//! What the adapters that speak HTTP share: connections with an end, bodies up to a size, files of certificates and keys.

pub mod body;
pub mod connection;
pub mod tls;
