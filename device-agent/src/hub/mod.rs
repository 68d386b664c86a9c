//! A device's side of one connection to its hub: the topics of Azure IoT Hub's device protocol.

mod arrival;
mod session;

pub(crate) use arrival::{Arrival, TwinAnswer};
pub(crate) use session::Session;
