//! The outer floor that faces the devices: listener, sessions, packets, and the trees they reach.

pub mod bus;
pub mod codec;
