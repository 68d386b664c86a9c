//! Why a hub does not do something with a device, towards devices (a refusal) and towards the service (an error of the hub port).

use firsthop_protocol::{DeviceId, ErrorCode, HubName, OperationId, RegistrationId};

use super::EmbeddedHub;
use crate::domain::hub_device::{HubDevice, Standing};
use crate::domain::ports::{HubError, HubWrite, HubWriteError, StoreError};
use crate::domain::refusal::Refusal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The device is not here, or not any more.
    NoDevice,
    /// This operation moves it to or from here.
    Moving(OperationId),
    /// Others changed the record again and again.
    Conflict,
    /// Too many wait to change it.
    Busy,
    QueueFull,
    /// Another registration has its device here under this name.
    Taken(RegistrationId),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoDevice => Self::new(ErrorCode::NoDevice, "this hub does not have the device; register again"),
            Fault::Moving(operation) => {
                Self::new(ErrorCode::DeviceMoving, "the device is being moved to or from this hub; connect again")
                    .detail(format!("operation {operation}"))
            }
            Fault::Busy => {
                Self::new(ErrorCode::Throttled, "too many changes of the device's twin are waiting").retry_after(1)
            }
            Fault::Conflict => {
                Self::new(ErrorCode::StoreUnavailable, "the device's record changes too often at this moment")
            }
            Fault::QueueFull => Self::new(ErrorCode::QueueFull, "the device's command queue has no room"),
            Fault::Taken(holder) => Self::new(ErrorCode::BoundElsewhere, "the hub has another device under this name")
                .detail(format!("of registration {holder}")),
            Fault::Store(error) => {
                Self::new(ErrorCode::StoreUnavailable, "the hub cannot store it now").detail(error.to_string())
            }
        }
    }
}

impl Fault {
    pub(super) fn into_error(self, hub: &HubName) -> HubError {
        let hub = hub.clone();
        match self {
            Self::NoDevice => HubError::NoDevice { hub },
            Self::Moving(operation) => HubError::Busy { hub, operation },
            Self::Store(error) => HubError::Unavailable { hub, why: error.to_string() },
            Self::Conflict | Self::Busy => {
                HubError::Unavailable { hub, why: "the device's record changes too often at this moment".to_owned() }
            }
            Self::Taken(holder) => {
                HubError::Refused { hub, why: format!("registration {holder} has this device id here") }
            }
            Self::QueueFull => HubError::Refused { hub, why: "the device's command queue has no room".to_owned() },
        }
    }
}

impl EmbeddedHub {
    /// The device's record, if it is active here.
    pub(super) fn active(&self, device: &DeviceId) -> Result<HubDevice, Fault> {
        let record = self.store.hub_device(&self.name, device)?.ok_or(Fault::NoDevice)?;
        match record.standing {
            Standing::Active => Ok(record),
            Standing::Held(operation) | Standing::Fenced(operation) => Err(Fault::Moving(operation)),
            Standing::Moved { .. } => Err(Fault::NoDevice),
        }
    }

    /// The device's record, if it is here: active, or while it is being moved. For those who only look.
    pub(super) fn present(&self, device: &DeviceId) -> Result<HubDevice, Fault> {
        let record = self.store.hub_device(&self.name, device)?.ok_or(Fault::NoDevice)?;
        if matches!(record.standing, Standing::Moved { .. }) { Err(Fault::NoDevice) } else { Ok(record) }
    }

    pub(super) fn error(&self, fault: Fault) -> HubError {
        fault.into_error(&self.name)
    }

    /// Writes durably.
    pub(super) async fn write(&self, device: &DeviceId, write: HubWrite) -> Result<u64, Fault> {
        match self.store.write(&self.name, device, write).await {
            Ok(number) => Ok(number),
            Err(error) => Err(self.fault(device, error)),
        }
    }

    pub(super) fn fault(&self, device: &DeviceId, error: HubWriteError) -> Fault {
        match error {
            HubWriteError::Conflict => Fault::Conflict,
            HubWriteError::Busy(operation) => Fault::Moving(operation),
            HubWriteError::QueueFull => Fault::QueueFull,
            HubWriteError::Taken(holder) => Fault::Taken(holder),
            HubWriteError::Store(error) => Fault::Store(error),
            // Active again means that it was released meanwhile: what was refused can be asked again.
            HubWriteError::NotActive => self.active(device).err().unwrap_or(Fault::Conflict),
        }
    }
}
