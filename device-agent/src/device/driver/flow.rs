//! What the machine says is done, and what became of it is told to the machine.

use firsthop_protocol::body::Substatus;

use super::Driver;
use crate::device::attempt::{self, Outcome};
use crate::device::on_hub::OnHub;
use crate::flow::{Action, Event};
use crate::twin::Twin;

impl Driver {
    pub(super) async fn act(&mut self, action: Action) {
        tracing::debug!(?action, "next");
        self.changed = true;
        match action {
            Action::Connect(to) => {
                tracing::info!(hub = to.hub, "connecting to the hub");
                self.attempt = Some(attempt::connect(self.means.clone(), to));
            }
            Action::Disconnect => {
                if let Some(on_hub) = self.leave() {
                    tracing::info!("leaving the hub");
                    on_hub.session.close().await;
                }
            }
            Action::LookUp => {
                tracing::info!(service = %self.means.config.service, "looking the registration up");
                self.attempt = Some(attempt::look_up(self.means.clone()));
            }
            Action::Register { current } => {
                tracing::info!(service = %self.means.config.service, "registering");
                self.attempt = Some(attempt::register(self.means.clone(), current));
            }
            Action::Save(known) => self.keeping.save(known).await,
            Action::ForgetTwin => {
                tracing::info!("the device begins anew: what was kept of its twin is dropped");
                self.twin = Twin::default();
                self.unread_desired = None;
                self.desired.send_replace(None);
                // Before it is saved that this was done.
                self.keeping.save_twin(&self.twin).await;
            }
            Action::ReadTwin => {
                if let Some(on_hub) = &mut self.on_hub {
                    on_hub.read_twin = true;
                }
            }
        }
    }

    pub(super) fn attempted(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Hub(Ok(session)) => {
                self.connections += 1;
                tracing::info!(hub = %session.server(), mqtt = %session.version(), "on the hub");
                let config = &self.means.config;
                self.on_hub = Some(OnHub::new(*session, self.connections, config.timeout, &config.policy));
                self.tell(Event::Connected);
            }
            Outcome::Hub(Err(failure)) => {
                tracing::warn!(class = ?failure.class, "the hub cannot be used: {}", failure.message);
                self.tell(Event::HubFailed(failure));
            }
            Outcome::Service(event) => {
                match &event {
                    Event::Registered(to) => {
                        let substatus = to.substatus.map(Substatus::name);
                        tracing::info!(hub = to.hub, device = %to.device_id, substatus, "registered");
                    }
                    Event::ServiceFailed(failure) => {
                        tracing::warn!(class = ?failure.class, "the service cannot help: {}", failure.message);
                    }
                    other => tracing::info!("the service says {other:?}"),
                }
                self.tell(event);
            }
        }
    }

    /// The files of the credentials were looked at, whatever came of it.
    pub(super) fn identity_looked_at(&mut self) {
        if let Some(warning) = self.certificate().and_then(|certificate| certificate.warning) {
            tracing::warn!("{warning}");
        }
        self.changed = true;
    }
}
