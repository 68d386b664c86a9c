//! A hub on another machine, as the provisioner sees it.

use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId};
use reqwest::Method;

use super::client::{Call, Client, RemoteError};
use super::{ClientConfig, wire};
use crate::domain::hub_device::{DeviceState, Event, HubDevice, Identity};
use crate::domain::ports::{
    DeviceBound, Enqueued, Hub, HubFuture, HubStatus, MethodCall, MethodOutcome, SessionCommand, TwinUpdate,
    TwinUpdated,
};
use crate::domain::twin::Twin;

/// A hub on another machine.
pub struct RemoteHub {
    client: Client,
}

impl RemoteHub {
    /// `url` is that of the other machine's hub port. Connects when it is first called.
    pub fn new(name: HubName, url: &str, config: &ClientConfig) -> Result<Arc<Self>, RemoteError> {
        Ok(Arc::new(Self { client: Client::new(name, url, config)? }))
    }

    pub fn name(&self) -> &HubName {
        self.client.hub()
    }
}

/// Identifiers have no character that a path would have to escape.
fn of_device(device: &DeviceId, what: &str) -> String {
    format!("/devices/{device}{what}")
}

fn of_registration(registration: &RegistrationId, what: &str) -> String {
    format!("/registrations/{registration}{what}")
}

impl Hub for RemoteHub {
    fn provision(&self, operation: OperationId, identity: Identity, state: DeviceState) -> HubFuture<'_, ()> {
        let path = of_device(&identity.device_id, "/provision");
        let body = wire::Provision { operation, identity: identity.into(), state: state.into() };
        self.done(Call::post(path, body))
    }

    fn identify(&self, operation: OperationId, identity: Identity) -> HubFuture<'_, ()> {
        let path = of_device(&identity.device_id, "/identify");
        self.done(Call::post(path, wire::Identify { operation, identity: identity.into() }))
    }

    fn fence(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, DeviceState> {
        let call = Call::post(of_registration(&registration, "/fence"), wire::ByOperation { operation })
            .answer(wire::MAX_STATE);
        Box::pin(async move { self.client.call::<_, wire::State>(call).await.map(DeviceState::from) })
    }

    fn release(&self, operation: OperationId, registration: RegistrationId) -> HubFuture<'_, ()> {
        self.done(Call::post(of_registration(&registration, "/release"), wire::ByOperation { operation }))
    }

    fn remove(&self, operation: OperationId, registration: RegistrationId, to: Option<String>) -> HubFuture<'_, ()> {
        self.done(Call::post(of_registration(&registration, "/remove"), wire::Remove { operation, to }))
    }

    fn session(&self, device: DeviceId, command: SessionCommand) -> HubFuture<'_, bool> {
        let call = Call::post(of_device(&device, "/session"), wire::Session::from(command));
        Box::pin(async move { self.client.call::<_, wire::Reached>(call).await.map(|answer| answer.reached) })
    }

    fn status(&self) -> HubFuture<'_, HubStatus> {
        Box::pin(async move {
            let wire::Status { devices, sessions } = self.client.call(Call::read("/status".to_owned())).await?;
            Ok(HubStatus { devices, sessions })
        })
    }

    fn device(&self, device: DeviceId) -> HubFuture<'_, (HubDevice, bool)> {
        let call = Call::read(of_device(&device, ""));
        Box::pin(async move {
            let answer: wire::Device = self.client.call(call).await?;
            answer.try_into().map_err(|why| self.client.unreachable(why))
        })
    }

    fn twin(&self, device: DeviceId) -> HubFuture<'_, Twin> {
        let call = Call::read(of_device(&device, "/twin"));
        Box::pin(async move { self.client.call::<_, wire::Twin>(call).await.map(Twin::from) })
    }

    fn update_twin(&self, device: DeviceId, update: TwinUpdate, expected: Option<u64>) -> HubFuture<'_, TwinUpdated> {
        let TwinUpdate { tags, desired, replace } = update;
        let body = wire::UpdateTwin { tags, desired, replace, expected };
        let call = Call { method: Method::PATCH, ..Call::post(of_device(&device, "/twin"), body) };
        Box::pin(async move { self.client.call::<_, wire::TwinUpdated>(call).await.map(TwinUpdated::from) })
    }

    fn invoke(&self, device: DeviceId, call: MethodCall) -> HubFuture<'_, MethodOutcome> {
        let takes = Duration::saturating_add(call.timeout, call.connect_timeout);
        let call = Call::post(of_device(&device, "/methods"), wire::Method::from(call));
        let call = Call { device_takes: Some(takes), ..call };
        Box::pin(async move { self.client.call::<_, wire::MethodOutcome>(call).await.map(MethodOutcome::from) })
    }

    fn enqueue(&self, device: DeviceId, message: DeviceBound) -> HubFuture<'_, Enqueued> {
        let DeviceBound { properties, payload, expires } = message;
        let call = Call::post(of_device(&device, "/messages"), wire::Message { properties, payload, expires });
        Box::pin(async move {
            Ok(match self.client.call(call).await? {
                wire::Enqueued::Done(number) => Enqueued::Done(number),
                wire::Enqueued::Full => Enqueued::Full,
            })
        })
    }

    fn events(&self, device: DeviceId, after: Option<u64>, limit: usize) -> HubFuture<'_, Vec<(u64, Event)>> {
        let limit = limit.min(wire::MAX_EVENTS);
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let call = Call::read(of_device(&device, &format!("/events?limit={limit}{after}"))).answer(wire::MAX_STATE);
        Box::pin(async move {
            let wire::Events { events } = self.client.call(call).await?;
            Ok(events.into_iter().map(|(number, event)| (number, event.into())).collect())
        })
    }
}

impl RemoteHub {
    fn done<'a, B: serde::Serialize + Send + Sync + 'a>(&'a self, call: Call<B>) -> HubFuture<'a, ()> {
        Box::pin(async move {
            let wire::Done {} = self.client.call(call).await?;
            Ok(())
        })
    }
}
