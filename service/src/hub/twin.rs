//! Twins on the hub: what the device and the back end read and change.

use std::sync::Arc;

use firsthop_protocol::{DeviceId, ErrorCode};

use super::EmbeddedHub;
use super::fault::Fault;
use super::post::HubMail;
use super::turns::Place;
use crate::domain::ports::{HubWrite, StoreError, TwinUpdate, TwinUpdated};
use crate::domain::refusal::Refusal;
use crate::domain::twin::{self, Twin, TwinError};

/// How often a change is decided anew because the twin changed meanwhile. Those of this hub wait for each other, so it is rare.
const ATTEMPTS: usize = 4;

impl EmbeddedHub {
    /// The twin of an active device.
    pub fn twin(&self, device: &DeviceId) -> Result<Twin, Refusal> {
        Ok(self.active_twin(device)?.0)
    }

    /// Merges a patch of the device (JSON text) into the reported properties; gives the new `$version`. `expected` is the `$version`
    /// of the request's topic. Durable when it returns.
    pub async fn report(&self, device: &DeviceId, patch: &[u8], expected: Option<u64>) -> Result<u64, Refusal> {
        let patch = twin::parse(patch).map_err(refusal)?;
        let _turn = self.turns.take(device).await.ok_or(Fault::Busy)?;
        for _ in 0..ATTEMPTS {
            let (current, revision) = self.active_twin(device)?;
            let changed = current.report(&patch, expected, self.clock.now()).map_err(refusal)?;
            let version = changed.reported.version;
            let write = HubWrite::Twin { twin: changed, expected: current.version, revision };
            match self.write(device, write).await {
                Ok(_) => return Ok(version),
                Err(Fault::Conflict) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(Fault::Conflict.into())
    }

    /// The twin, and the revision of the device's record. The record is read first: a twin that is put in the place of this one in
    /// between is newer than the revision, and the change is decided anew.
    fn active_twin(&self, device: &DeviceId) -> Result<(Twin, u64), Fault> {
        let revision = self.active(device)?.revision;
        let twin = self.store.twin(&self.name, device)?.ok_or(Fault::NoDevice)?;
        Ok((twin, revision))
    }

    pub(super) async fn change_twin(
        &self,
        device: &DeviceId,
        update: TwinUpdate,
        expected: Option<u64>,
    ) -> Result<TwinUpdated, Fault> {
        let mut turn = self.turns.take(device).await.ok_or(Fault::Busy)?;
        for _ in 0..ATTEMPTS {
            let (current, revision) = self.active_twin(device)?;
            if expected.is_some_and(|expected| expected != current.version) {
                return Ok(TwinUpdated::Conflict(current.version));
            }
            let TwinUpdate { tags, desired, replace } = update.clone();
            let (changed, patch) = match current.update(tags, desired, replace, self.clock.now()) {
                Ok(changed) => changed,
                Err(error) => return Ok(TwinUpdated::Invalid(error.to_string())),
            };
            if changed.version == current.version {
                return Ok(TwinUpdated::Done(current));
            }
            let patch = patch.map(|patch| patch.to_string().into_bytes().into());
            let write = HubWrite::Twin { twin: changed.clone(), expected: current.version, revision };
            let (outcome, again) = self.commit(device, write, patch, turn).await?;
            match outcome {
                Ok(()) => return Ok(TwinUpdated::Done(changed)),
                Err(Fault::Conflict) => turn = again,
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::Conflict)
    }

    /// Commits and tells the device, in a task of its own: a caller that goes away in between must not leave a device unaware of what
    /// was committed. The turn ends only after both.
    async fn commit(
        &self,
        device: &DeviceId,
        write: HubWrite,
        patch: Option<Arc<[u8]>>,
        turn: Place,
    ) -> Result<(Result<(), Fault>, Place), Fault> {
        let (store, sessions) = (self.store.clone(), self.sessions.clone());
        let (name, id) = (self.name.clone(), device.clone());
        let committing = tokio::spawn(async move {
            let written = store.write(&name, &id, write).await;
            if let (Ok(_), Some(patch)) = (&written, patch) {
                sessions.post(&id, HubMail::Desired(patch));
            }
            (written.map(drop), turn)
        });
        let (written, turn) = committing.await.map_err(|_| StoreError::Closed)?;
        Ok((written.map_err(|error| self.fault(device, error)), turn))
    }
}

fn refusal(error: TwinError) -> Refusal {
    let code = match error {
        TwinError::Version { .. } => ErrorCode::VersionConflict,
        _ => ErrorCode::InvalidTwin,
    };
    Refusal::new(code, error.to_string())
}
