//! The hub as the provisioner, or the management interface, works with it. Every step is durable before it is answered, and repeats of
//! an operation do nothing more.

use firsthop_protocol::{DeviceId, OperationId, RegistrationId};

use super::EmbeddedHub;
use super::fault::Fault;
use super::post::HubMail;
use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity};
use crate::domain::ports::{
    DeviceBound, Enqueued, Hub, HubError, HubFuture, HubStatus, HubWrite, MethodCall, MethodOutcome, SessionCommand,
    TwinUpdate, TwinUpdated,
};
use crate::domain::twin::Twin;
use crate::fault_point;

impl Hub for EmbeddedHub {
    fn provision(&self, operation: OperationId, identity: Identity, state: DeviceState) -> HubFuture<'_, ()> {
        Box::pin(async move {
            let device = identity.device_id.clone();
            let write = HubWrite::Provision { operation, identity, state: Box::new(state), at: self.clock.now() };
            self.change(&device, write).await?;
            if !self.still_admits(&device) {
                // Whatever session it had belongs to a state that is gone.
                self.sessions.close(&device, None, None);
            }
            Ok(())
        })
    }

    fn identify(&self, operation: OperationId, identity: Identity) -> HubFuture<'_, ()> {
        Box::pin(async move {
            let device = identity.device_id.clone();
            let before = self.device_of(&identity.registration_id)?.identity;
            if before == identity {
                return Ok(());
            }
            let admitted_otherwise = before.device_id != identity.device_id
                || before.credential != identity.credential
                || before.topics != identity.topics;
            self.change(&device, HubWrite::Identity { operation, identity }).await?;
            if admitted_otherwise {
                // It is judged by what holds now when it connects again.
                self.sessions.close(&before.device_id, None, None);
            }
            Ok(())
        })
    }

    fn fence(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, DeviceState> {
        Box::pin(async move {
            let device = self.device_of(&registration)?.identity.device_id;
            self.change(&device, HubWrite::Fence { operation, registration }).await?;
            self.sessions.close(&device, None, None);
            // Nothing is committed after the fence: this is exactly what was acknowledged.
            let state = self.store.device_state(&self.name, &device).map_err(|error| self.error(error.into()))?;
            state.ok_or_else(|| self.error(Fault::NoDevice))
        })
    }

    fn release(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, ()> {
        Box::pin(async move {
            let device = self.device_of(&registration)?.identity.device_id;
            self.change(&device, HubWrite::Release { operation, registration }).await
        })
    }

    fn remove(&self, operation: OperationId, registration: RegistrationId, to: Option<String>) -> HubFuture<'_, ()> {
        Box::pin(async move {
            let device = match self.device_of(&registration) {
                Ok(record) => record.identity.device_id,
                // What is not here need not be removed.
                Err(HubError::NoDevice { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            let write = HubWrite::Remove { operation, registration, to: to.clone(), at: self.clock.now() };
            match self.step(&device, write).await {
                Ok(()) | Err(Fault::NoDevice) => {}
                Err(fault) => return Err(self.error(fault)),
            }
            if !self.still_admits(&device) {
                self.sessions.close(&device, None, to);
            }
            Ok(())
        })
    }

    fn session(&self, device: DeviceId, command: SessionCommand) -> HubFuture<'_, bool> {
        Box::pin(async move {
            Ok(match command {
                SessionCommand::Notify(notice) => self.sessions.post(&device, HubMail::Notify(notice)),
                SessionCommand::Close { moved_to } => self.sessions.close(&device, None, moved_to),
            })
        })
    }

    fn status(&self) -> HubFuture<'_, HubStatus> {
        Box::pin(async move {
            let devices = self.store.hub_device_count(&self.name).map_err(|error| self.error(error.into()))?;
            Ok(HubStatus { devices, sessions: self.sessions.count() })
        })
    }

    fn device(&self, device: DeviceId) -> HubFuture<'_, (HubDevice, bool)> {
        Box::pin(async move {
            let record = self.store.hub_device(&self.name, &device).map_err(|error| self.error(error.into()))?;
            let record = record.ok_or_else(|| self.error(Fault::NoDevice))?;
            Ok((record, self.sessions.is_live(&device)))
        })
    }

    fn twin(&self, device: DeviceId) -> HubFuture<'_, Twin> {
        Box::pin(async move {
            let twin = self.present(&device).and_then(|_| Ok(self.store.twin(&self.name, &device)?));
            twin.and_then(|twin| twin.ok_or(Fault::NoDevice)).map_err(|fault| self.error(fault))
        })
    }

    fn update_twin(&self, device: DeviceId, update: TwinUpdate, expected: Option<u64>) -> HubFuture<'_, TwinUpdated> {
        Box::pin(async move { self.change_twin(&device, update, expected).await.map_err(|fault| self.error(fault)) })
    }

    fn invoke(&self, device: DeviceId, call: MethodCall) -> HubFuture<'_, MethodOutcome> {
        Box::pin(async move { self.call_method(&device, call).await })
    }

    fn enqueue(&self, device: DeviceId, message: DeviceBound) -> HubFuture<'_, Enqueued> {
        Box::pin(async move { self.enqueue_message(&device, message).await })
    }

    fn events(&self, device: DeviceId, after: Option<u64>, limit: usize) -> HubFuture<'_, Vec<(u64, Event)>> {
        Box::pin(async move { self.stored_events(&device, after, limit).map_err(|fault| self.error(fault)) })
    }
}

impl EmbeddedHub {
    /// The device of that registration, or the trace of it.
    fn device_of(&self, registration: &RegistrationId) -> Result<HubDevice, HubError> {
        let found = self.store.hub_device_of(&self.name, registration).map_err(|error| self.error(error.into()))?;
        found.ok_or_else(|| self.error(Fault::NoDevice))
    }

    /// A step of an operation.
    async fn change(&self, device: &DeviceId, write: HubWrite) -> Result<(), HubError> {
        match self.step(device, write).await {
            Ok(()) => Ok(()),
            // It was on its way for so long that its own operation has ended here meanwhile.
            Err(Fault::Conflict) => {
                Err(HubError::Refused { hub: self.name().clone(), why: "the operation is over here".to_owned() })
            }
            Err(fault) => Err(self.error(fault)),
        }
    }

    async fn step(&self, device: &DeviceId, write: HubWrite) -> Result<(), Fault> {
        let point = match write {
            HubWrite::Provision { .. } => "hub-provision",
            HubWrite::Fence { .. } => "hub-fence",
            HubWrite::Release { .. } => "hub-release",
            HubWrite::Remove { .. } => "hub-remove",
            _ => "hub-write",
        };
        fault_point::before(point);
        self.write(device, write).await?;
        fault_point::after(point);
        Ok(())
    }
}
