//! Operations under way, and the last ones that ended.

use std::cmp::Reverse;

use firsthop_protocol::{OperationId, RegistrationId};

use super::{AdminError, OperationView, RegistrationView};
use crate::domain::registration::State;
use crate::domain::transfer::Transfer;
use crate::provisioner::Provisioner;

impl Provisioner {
    pub fn registration_view(&self, id: &RegistrationId) -> Result<RegistrationView, AdminError> {
        let registered = self.store.registration(id)?;
        let transfer =
            self.moves.of(id).map(|running| Transfer { step: running.stage().step, ..(*running.transfer).clone() });
        if registered.is_none() && transfer.is_none() {
            return Err(AdminError::Unknown(format!("{id} is not registered")));
        }
        let hub = registered.as_ref().and_then(|stored| match &stored.registration.state {
            State::Assigned { hub, .. } => Some(hub),
            State::Failed { .. } => None,
        });
        let assigned_hub = hub.and_then(|hub| self.hubs.load().named(hub).map(ToString::to_string));
        Ok(RegistrationView { registered, transfer, assigned_hub })
    }

    /// The newest first, from the one after `after` on. An `after` that is not remembered any more ends the list.
    pub fn operations(&self, after: Option<OperationId>, limit: usize) -> Vec<OperationView> {
        let mut running: Vec<OperationView> = self.moves.all().iter().map(|running| running.view()).collect();
        running.sort_by_key(|view| Reverse((view.started, *view.id.as_bytes())));
        let all = running.into_iter().chain(self.moves.log.all());
        match after {
            None => all.take(limit).collect(),
            Some(after) => all.skip_while(|view| view.id != after).skip(1).take(limit).collect(),
        }
    }

    pub fn operation(&self, id: OperationId) -> Result<OperationView, AdminError> {
        let running = self.moves.by_id(id).map(|running| running.view());
        let unknown =
            || AdminError::Unknown(format!("operation {id} is not under way, and not among the last that ended"));
        running.or_else(|| self.moves.log.find(id)).ok_or_else(unknown)
    }

    /// Undoes a move that is not committed yet. Returns when it is undone.
    pub async fn cancel_operation(&self, id: OperationId) -> Result<(), AdminError> {
        let Some(running) = self.moves.by_id(id) else {
            return match self.moves.log.find(id) {
                Some(_) => Err(AdminError::Conflict(format!("operation {id} has ended"))),
                None => Err(AdminError::Unknown(format!("operation {id} is not under way"))),
            };
        };
        running.cancel();
        match running.settled().await {
            Some(Err(_)) => Ok(()),
            Some(Ok(_)) => Err(AdminError::Conflict(format!("operation {id} was committed already, and is finished"))),
            None => Err(AdminError::Conflict(format!("operation {id} was not undone: the service stops"))),
        }
    }
}
