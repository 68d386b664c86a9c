//! The steps of one move (rule C8). Each does its work on the hubs first, then becomes durable in the journal; repeated after a crash it
//! does nothing more.

use std::sync::Arc;

use firsthop_protocol::{ETag, ErrorCode, HubName, OperationId};
use tokio::sync::OwnedSemaphorePermit;

use super::trouble::{Trouble, done, journal_trouble, store_trouble, taken, trouble, undone};
use super::{Job, Moves};
use crate::domain::device::Device;
use crate::domain::hub::Keeps;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::{CommitError, Decision, Hub, HubError, JournalWrite};
use crate::domain::refusal::Refusal;
use crate::domain::transfer::{Step, Transfer, TransferData};
use crate::fault_point;

/// A move under way.
pub(super) struct Mover {
    pub job: Job,
    /// The state on its way, and the right to keep it at hand. Without it the old hub is asked again.
    carried: Option<(DeviceState, OwnedSemaphorePermit)>,
    /// Of the committed registration.
    pub etag: Option<ETag>,
    /// The move was undone as far as its device is concerned.
    pub let_in_again: bool,
}

impl Mover {
    pub fn new(job: Job) -> Self {
        Self { job, carried: None, etag: None, let_in_again: false }
    }

    pub fn step(&self) -> Step {
        self.job.transfer.step
    }

    /// Whether the device gets a new state in the place where it is.
    fn stays_in_place(&self) -> bool {
        self.job.transfer.from.as_ref() == Some(&self.job.transfer.to)
    }

    /// Whether it may still be undone. A state that was replaced in its place is gone.
    pub fn can_be_undone(&self) -> bool {
        self.step().can_be_undone() && (!self.stays_in_place() || self.step() == Step::Planned)
    }

    /// The hub that the next step works with.
    pub fn concerned(&self) -> Option<&HubName> {
        match self.step() {
            Step::Undoing if self.let_in_again => Some(&self.job.transfer.to),
            Step::Undoing | Step::Planned | Step::Released => self.job.transfer.from.as_ref(),
            Step::Fenced | Step::Copied | Step::Committed => Some(&self.job.transfer.to),
        }
    }

    /// Takes the next step; `true`: it was the last.
    pub async fn advance(&mut self, moves: &Moves) -> Result<bool, Trouble> {
        match self.step() {
            Step::Undoing => return self.undo(moves).await,
            Step::Planned => {
                self.fence(moves).await?;
                self.journal(moves, Step::Fenced).await?;
            }
            Step::Fenced => {
                self.copy(moves).await?;
                self.journal(moves, Step::Copied).await?;
            }
            Step::Copied => self.commit(moves).await?,
            Step::Committed => {
                self.release(moves).await?;
                self.journal(moves, Step::Released).await?;
            }
            Step::Released => {
                self.leave(moves).await?;
                self.end(moves, "removed").await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets a state that would only wait in memory. The old hub keeps it fenced.
    pub fn put_down(&mut self) {
        self.carried = None;
    }

    async fn fence(&mut self, moves: &Moves) -> Result<(), Trouble> {
        let state = self.fenced(moves).await?;
        if self.job.transfer.data == TransferData::Carry {
            let permit = moves.at_hand.clone().try_acquire_owned().ok();
            self.carried = state.zip(permit);
        }
        Ok(())
    }

    /// Fences the device on its old hub, and gives its state there. `None`: it was on none.
    async fn fenced(&self, moves: &Moves) -> Result<Option<DeviceState>, Trouble> {
        let Transfer { id, registration_id, from: Some(from), .. } = &self.job.transfer else { return Ok(None) };
        let hub = moves.port(from)?;
        let mut fenced = hub.fence(*id, registration_id.clone()).await;
        if let Err(HubError::Busy { operation, .. }) = &fenced {
            // A device has one move at a time, and this is it: the other is over.
            self.tell_left_over(from, *operation);
            hub.release(*operation, registration_id.clone()).await.map_err(trouble)?;
            fenced = hub.fence(*id, registration_id.clone()).await;
        }
        match fenced {
            Ok(state) => Ok(Some(state)),
            Err(HubError::NoDevice { hub }) => {
                // A hub that lost its devices must not keep them from a new home.
                tracing::warn!(%registration_id, %hub,
                    "the hub does not have the device any more; it gets its initial state");
                Ok(Some(self.job.initial.clone()))
            }
            Err(error) => Err(trouble(error)),
        }
    }

    async fn copy(&mut self, moves: &Moves) -> Result<(), Trouble> {
        let Some(to) = self.target(moves)? else { return Ok(()) };
        let state = match (&self.job.transfer.data, self.carried.take()) {
            (TransferData::Replace(state), _) => (**state).clone(),
            (TransferData::Carry, Some((state, _))) => state,
            (TransferData::Carry, None) => self.fenced(moves).await?.unwrap_or_else(|| self.job.initial.clone()),
        };
        let Transfer { id, identity, to: name, registration_id, .. } = &self.job.transfer;
        match to.provision(*id, identity.clone(), state).await {
            Err(HubError::Busy { operation, .. }) => {
                self.tell_left_over(name, operation);
                done(to.remove(operation, registration_id.clone(), None).await)?;
                Err(Trouble::Later("the new hub had an earlier copy of the device, which was taken back".to_owned()))
            }
            provisioned => provisioned.map_err(trouble),
        }
    }

    fn tell_left_over(&self, hub: &HubName, operation: OperationId) {
        tracing::warn!(registration_id = %self.job.transfer.registration_id, %hub, %operation,
            "the hub has the device in a move that is over; that is cleared away");
    }

    async fn commit(&mut self, moves: &Moves) -> Result<(), Trouble> {
        let transfer = &self.job.transfer;
        let committed = Transfer { step: Step::Committed, ..transfer.clone() };
        let decision = Decision {
            registration: transfer.registration.clone(),
            expected: transfer.expected,
            device: self.entry(moves)?,
            hub: None,
            journal: Some(JournalWrite::Put(Box::new(committed))),
        };
        fault_point::before(Step::Committed.name());
        match moves.store.commit(decision).await {
            Ok(etag) => self.etag = Some(etag),
            Err(CommitError::Conflict { .. }) if self.is_committed(moves)? => {}
            Err(CommitError::Conflict { .. }) => {
                let refusal = Refusal::new(
                    ErrorCode::RegistrationUnderWay,
                    "the registration changed while the device was moved",
                );
                return Err(Trouble::Never(refusal.retry_after(1)));
            }
            Err(error @ CommitError::Taken { .. }) => return Err(Trouble::Never(taken(&error))),
            Err(error @ (CommitError::Busy(_) | CommitError::Store(_))) => {
                return Err(Trouble::Later(error.to_string()));
            }
        }
        fault_point::after(Step::Committed.name());
        self.job.transfer.step = Step::Committed;
        Ok(())
    }

    /// Whether a commit of which no word came back is there.
    fn is_committed(&self, moves: &Moves) -> Result<bool, Trouble> {
        let found = moves.store.transfer(&self.job.transfer.registration_id).map_err(store_trouble)?;
        Ok(found.is_some_and(|found| found.id == self.job.transfer.id && found.step >= Step::Committed))
    }

    /// The registry entry to be committed. Every registered device has one (rule A4); what the device said of itself is lost with a crash
    /// before the commit, and said again with the request that was not answered.
    fn entry(&self, moves: &Moves) -> Result<Option<Device>, Trouble> {
        let Job { transfer, device, .. } = &self.job;
        if device.is_some() || transfer.expected.is_some() {
            return Ok(device.clone());
        }
        let stored = moves.store.device(&transfer.registration_id).map_err(store_trouble)?;
        Ok(stored.is_none().then(|| Device {
            metadata: serde_json::Map::new(),
            endpoints: std::collections::BTreeMap::new(),
            model: None,
            updated: moves.clock.now(),
        }))
    }

    async fn release(&mut self, moves: &Moves) -> Result<(), Trouble> {
        if let Some(to) = self.target(moves)? {
            let Transfer { id, registration_id, .. } = &self.job.transfer;
            match to.release(*id, registration_id.clone()).await {
                // The new hub lost it, or an earlier copy came late and took its place. The old hub still has it.
                Err(HubError::NoDevice { .. } | HubError::Busy { .. }) => {
                    self.copy(moves).await?;
                    return Err(Trouble::Later("the new hub lost the device; it was given another copy".to_owned()));
                }
                released => released.map_err(trouble)?,
            }
        }
        if self.etag.is_none() {
            let registered = moves.store.registration(&self.job.transfer.registration_id).map_err(store_trouble)?;
            self.etag = registered.map(|registered| registered.etag);
        }
        Ok(())
    }

    async fn leave(&self, moves: &Moves) -> Result<(), Trouble> {
        let Transfer { id, from: Some(from), registration_id, .. } = &self.job.transfer else { return Ok(()) };
        if self.stays_in_place() {
            return Ok(());
        }
        done(moves.port(from)?.remove(*id, registration_id.clone(), self.job.moved_to.clone()).await)
    }

    /// The device is let in again where it was; then what the new hub was given is taken back, however long that hub is away. `true`: all is
    /// as it was before, and the journal's entry is gone.
    pub async fn undo(&mut self, moves: &Moves) -> Result<bool, Trouble> {
        if self.step() != Step::Undoing {
            self.journal(moves, Step::Undoing).await?;
        }
        let Transfer { id, registration_id, from, to, .. } = &self.job.transfer;
        if !self.let_in_again {
            if let Some(from) = from {
                undone(moves.port(from)?.release(*id, registration_id.clone()).await)?;
            }
            self.let_in_again = true;
            return Ok(false);
        }
        // Held by this operation, it is let in by nobody, so a hub to which there is no way may keep it.
        if !self.stays_in_place()
            && self.job.keeps != Keeps::Nothing
            && let Some(to) = moves.hub(to)
        {
            undone(to.remove(*id, registration_id.clone(), None).await)?;
        }
        self.end(moves, "undone").await?;
        Ok(true)
    }

    async fn journal(&mut self, moves: &Moves, step: Step) -> Result<(), Trouble> {
        let transfer = Transfer { step, ..self.job.transfer.clone() };
        fault_point::before(step.name());
        moves.store.journal(JournalWrite::Put(Box::new(transfer))).await.map_err(journal_trouble)?;
        fault_point::after(step.name());
        self.job.transfer.step = step;
        Ok(())
    }

    async fn end(&self, moves: &Moves, point: &str) -> Result<(), Trouble> {
        let id = self.job.transfer.registration_id.clone();
        fault_point::before(point);
        moves.store.journal(JournalWrite::Delete(id)).await.map_err(journal_trouble)?;
        fault_point::after(point);
        Ok(())
    }

    /// The new hub; `None` where it is an address only.
    fn target(&self, moves: &Moves) -> Result<Option<Arc<dyn Hub>>, Trouble> {
        if self.job.keeps == Keeps::Nothing { Ok(None) } else { moves.port(&self.job.transfer.to).map(Some) }
    }
}

impl Moves {
    fn port(&self, hub: &HubName) -> Result<Arc<dyn Hub>, Trouble> {
        let unknown = || Trouble::Later(format!("hub {hub} is not declared any more, and nobody knows where it is"));
        self.hub(hub).cloned().ok_or_else(unknown)
    }
}
