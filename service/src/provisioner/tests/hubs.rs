//! A hub in memory: on another machine, or the sessions of an embedded one. It can be down, refuse, and says what it was told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId};
use serde_json::json;

use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity, Standing};
use crate::domain::ports::{
    DeviceBound, Enqueued, Hub, HubError, HubFuture, HubStatus, MethodCall, MethodOutcome, SessionCommand, TwinUpdate,
    TwinUpdated,
};
use crate::domain::twin::Twin;

pub struct FakeHub {
    name: HubName,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub struct Inner {
    pub devices: HashMap<DeviceId, (Standing, Identity, DeviceState)>,
    pub down: bool,
    /// It takes no devices.
    pub refuses: bool,
    pub commands: Vec<(DeviceId, SessionCommand)>,
    /// Whether devices have a session.
    pub connected: bool,
}

impl Inner {
    fn named(&self, registration: &RegistrationId) -> Option<DeviceId> {
        let mut devices = self.devices.iter();
        devices.find(|(_, (_, identity, _))| identity.registration_id == *registration).map(|(name, _)| name.clone())
    }

    fn of(&mut self, registration: &RegistrationId) -> Option<&mut (Standing, Identity, DeviceState)> {
        self.devices.values_mut().find(|(_, identity, _)| identity.registration_id == *registration)
    }
}

fn free(standing: &Standing, operation: OperationId, hub: &HubName) -> Result<(), HubError> {
    match standing {
        Standing::Held(by) | Standing::Fenced(by) if *by != operation => {
            Err(HubError::Busy { hub: hub.clone(), operation: *by })
        }
        _ => Ok(()),
    }
}

impl FakeHub {
    pub fn new(name: HubName) -> Self {
        Self { name, inner: Mutex::default() }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn down(&self, down: bool) {
        self.inner().down = down;
    }

    pub fn is_active(&self, device: &DeviceId) -> bool {
        self.inner().devices.get(device).is_some_and(|(standing, ..)| standing.is_active())
    }

    pub fn reported(&self, device: &DeviceId) -> Option<u64> {
        self.inner().devices.get(device).map(|(_, _, state)| state.twin.reported.version)
    }

    /// The device reports a property; it must be let in.
    pub fn report(&self, device: &DeviceId) {
        let mut inner = self.inner();
        let (standing, _, state) = inner.devices.get_mut(device).unwrap();
        assert!(standing.is_active());
        report(state);
    }

    fn call<T: Send + 'static>(&self, act: impl FnOnce(&mut Inner) -> Result<T, HubError>) -> HubFuture<'_, T> {
        let mut inner = self.inner();
        let outcome = if inner.down {
            Err(HubError::Unreachable { hub: self.name.clone(), why: "down".into() })
        } else {
            act(&mut inner)
        };
        Box::pin(std::future::ready(outcome))
    }

    fn none(&self) -> HubError {
        HubError::NoDevice { hub: self.name.clone() }
    }
}

/// One reported update (rule C9).
pub fn report(state: &mut DeviceState) {
    state.twin.reported.properties.insert("seen".into(), json!(true));
    state.twin.reported.version += 1;
}

impl Hub for FakeHub {
    fn provision(&self, operation: OperationId, identity: Identity, state: DeviceState) -> HubFuture<'_, ()> {
        self.call(|inner| {
            if inner.refuses {
                return Err(HubError::Refused { hub: self.name.clone(), why: "no".into() });
            }
            if let Some((standing @ Standing::Fenced(_), ..)) = inner.of(&identity.registration_id) {
                free(standing, operation, &self.name)?;
            }
            inner.devices.insert(identity.device_id.clone(), (Standing::Held(operation), identity, state));
            Ok(())
        })
    }

    fn identify(&self, _operation: OperationId, identity: Identity) -> HubFuture<'_, ()> {
        self.call(|inner| {
            let name = inner.named(&identity.registration_id).ok_or_else(|| self.none())?;
            let (standing, _, state) = inner.devices.remove(&name).ok_or_else(|| self.none())?;
            inner.devices.insert(identity.device_id.clone(), (standing, identity, state));
            Ok(())
        })
    }

    fn fence(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, DeviceState> {
        self.call(|inner| {
            let (standing, _, state) = inner.of(&registration).ok_or_else(|| self.none())?;
            free(standing, operation, &self.name)?;
            *standing = Standing::Fenced(operation);
            Ok(state.clone())
        })
    }

    fn release(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, ()> {
        self.call(|inner| {
            let standing = &mut inner.of(&registration).ok_or_else(|| self.none())?.0;
            free(standing, operation, &self.name)?;
            *standing = Standing::Active;
            Ok(())
        })
    }

    fn remove(&self, operation: OperationId, registration: RegistrationId, _to: Option<String>) -> HubFuture<'_, ()> {
        self.call(|inner| {
            let name = inner.named(&registration).ok_or_else(|| self.none())?;
            let standing = &inner.devices[&name].0;
            free(standing, operation, &self.name)?;
            if !standing.is_active() {
                inner.devices.remove(&name);
            }
            Ok(())
        })
    }

    fn session(&self, device: DeviceId, command: SessionCommand) -> HubFuture<'_, bool> {
        self.call(|inner| {
            inner.commands.push((device, command));
            Ok(inner.connected)
        })
    }

    fn status(&self) -> HubFuture<'_, HubStatus> {
        self.call(|inner| Ok(HubStatus { devices: inner.devices.len() as u64, sessions: 0 }))
    }

    fn device(&self, _device: DeviceId) -> HubFuture<'_, (HubDevice, bool)> {
        self.call(|_| Err(self.none()))
    }

    fn twin(&self, device: DeviceId) -> HubFuture<'_, Twin> {
        self.call(|inner| inner.devices.get(&device).map(|(_, _, state)| state.twin.clone()).ok_or_else(|| self.none()))
    }

    fn update_twin(&self, _: DeviceId, _: TwinUpdate, _: Option<u64>) -> HubFuture<'_, TwinUpdated> {
        self.call(|_| Err(self.none()))
    }

    fn invoke(&self, _: DeviceId, _: MethodCall) -> HubFuture<'_, MethodOutcome> {
        self.call(|_| Err(self.none()))
    }

    fn enqueue(&self, _: DeviceId, _: DeviceBound) -> HubFuture<'_, Enqueued> {
        self.call(|_| Err(self.none()))
    }

    fn events(&self, _: DeviceId, _: Option<u64>, _: usize) -> HubFuture<'_, Vec<(u64, Event)>> {
        self.call(|_| Err(self.none()))
    }
}
