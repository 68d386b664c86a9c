//! A decision is carried out: committed, with what it does on a hub, or begun as a move.

use std::sync::Arc;

use firsthop_protocol::{ETag, ErrorCode, HubName};

use super::Granted;
use super::Provisioner;
use super::assign::{Assignment, Known, hub_of, stopping};
use super::moves::{Job, taken};
use super::operations::Outcome;
use super::operator::{Exchange, OperationView};
use super::register::{RETRY, unavailable};
use crate::domain::device::Device;
use crate::domain::hub::Hubs;
use crate::domain::hub_device::DeviceState;
use crate::domain::ports::{CommitError, Decision, HubError, SessionCommand};
use crate::domain::refusal::Refusal;
use crate::domain::registration::{Closing, Operation, Registered, Registration, Step, Write};
use crate::domain::transfer::Transfer;
use crate::fault_point;

/// A decision on its way to being done.
pub(super) struct Work<'a> {
    pub wish: &'a Assignment<'a>,
    pub operation: &'a Operation,
    pub expected: Option<ETag>,
    pub before: Option<HubName>,
    pub device: Option<Device>,
    pub exchange: Option<Exchange>,
    pub hubs: Arc<Hubs>,
}

impl Work<'_> {
    fn granted(&self, registration: Registration, etag: ETag, changed: bool) -> Granted {
        Granted::new(registration, etag, self.operation.id, changed, &self.hubs, self.wish.proof)
    }

    /// Remembers for operators what is out of the ordinary: a device that changed its hub, a webhook that was asked, a failure of either.
    fn record(&self, provisioner: &Provisioner, to: Option<HubName>, refusal: Option<&Refusal>) {
        let moved = self.before.is_some() && to.is_some() && self.before != to;
        if !moved
            && self.exchange.is_none()
            && !refusal.is_some_and(|refusal| to.is_some() && refusal.code.status() >= 500)
        {
            return;
        }
        provisioner.moves.log.add(OperationView {
            id: self.operation.id,
            registration_id: self.wish.proof.id.clone(),
            from: self.before.clone(),
            to,
            step: None,
            started: self.operation.now,
            ended: Some(provisioner.clock.now()),
            retries: 0,
            error: refusal.map(|refusal| format!("{}: {}", refusal.message, refusal.detail)),
            webhook: self.exchange.clone(),
        });
    }
}

impl Provisioner {
    pub(super) async fn carry_out(&self, work: Work<'_>, step: Step, known: &mut Known) -> Option<Outcome> {
        match step {
            Step::Keep(Registered { registration, etag }) if work.device.is_none() => {
                work.record(self, None, None);
                Some(Ok(work.granted(registration, etag, false)))
            }
            Step::Keep(Registered { registration, .. }) => {
                let Operation { id: operation, rid, now, .. } = work.operation.clone();
                let registration = Registration { operation, rid, updated: now, ..registration };
                let write = Write { registration, placement: None, tell: None, close: None };
                self.write(work, write, None, known).await
            }
            Step::Write(write) => self.write(work, *write, None, known).await,
            Step::Transfer(transfer) => self.begin_move(work, *transfer).await,
            Step::Fail { registration, refusal } => {
                work.record(self, None, Some(&refusal));
                let Some(registration) = registration else { return Some(Err(refusal)) };
                let write = Write { registration, placement: None, tell: None, close: None };
                self.write(work, write, Some(refusal), known).await
            }
        }
    }

    async fn write(
        &self,
        mut work: Work<'_>,
        write: Write,
        refusal: Option<Refusal>,
        known: &mut Known,
    ) -> Option<Outcome> {
        let Write { registration, placement, tell, close } = write;
        if let Some((hub, identity)) = tell {
            match self.moves.hub(&hub) {
                Some(port) => match port.identify(work.operation.id, identity).await {
                    Ok(()) => {}
                    Err(HubError::NoDevice { .. }) => {
                        known.lost = true;
                        return None;
                    }
                    Err(error) => return Some(Err(hub_refusal(&hub, &error))),
                },
                None => return Some(Err(hub_refusal(&hub, &"there is no way to it"))),
            }
        }
        let decision = Decision {
            registration: registration.clone(),
            expected: work.expected,
            device: work.device.take(),
            hub: placement,
            journal: None,
        };
        fault_point::before("commit");
        match self.store.commit(decision).await {
            Ok(etag) => {
                fault_point::after("commit");
                if let Some(refusal) = refusal {
                    return Some(Err(refusal));
                }
                if let Some(closing) = close {
                    self.close(closing).await;
                }
                work.record(self, hub_of(&registration), None);
                Some(Ok(work.granted(registration, etag, true)))
            }
            Err(CommitError::Conflict { .. } | CommitError::Busy(_)) => None,
            Err(error @ CommitError::Taken { .. }) => Some(Err(taken(&error))),
            Err(CommitError::Store(error)) => Some(Err(refusal.unwrap_or_else(|| unavailable(error)))),
        }
    }

    /// The old hub's session ends. That it is let in no more is in the store already, so a fault here only delays.
    async fn close(&self, closing: Closing) {
        let Closing { hub, device, moved_to } = closing;
        let Some(port) = self.moves.hub(&hub) else { return };
        if let Err(error) = port.session(device, SessionCommand::Close { moved_to }).await {
            tracing::debug!(%hub, %error, "a session was not closed");
        }
    }

    async fn begin_move(&self, work: Work<'_>, transfer: Transfer) -> Option<Outcome> {
        if let Some(running) = self.moves.of(&transfer.registration_id) {
            // What is left of the last one, on the hub that the device came from.
            return if running.ended().await { None } else { Some(Err(stopping())) };
        }
        let (registration, id) = (transfer.registration.clone(), transfer.registration_id.clone());
        let job = Job { device: work.device.clone(), webhook: work.exchange.clone(), ..self.job_of(transfer) };
        if let Err(refusal) = self.moves.preflight(&job).await {
            work.record(self, Some(job.transfer.to), Some(&refusal));
            return Some(Err(refusal));
        }
        match self.moves.begin(job).await {
            Ok(running) => match running.settled().await {
                Some(Ok(etag)) => Some(Ok(work.granted(registration, etag, true))),
                Some(Err(refusal)) => Some(Err(refusal)),
                None => Some(Err(stopping())),
            },
            Err(CommitError::Store(error)) => Some(Err(unavailable(error))),
            Err(_) => {
                // One that nobody carries on, because whoever began it went away just then.
                match self.store.transfer(&id) {
                    Ok(Some(orphan)) => drop(self.moves.attach(self.job_of(orphan))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(unavailable(error))),
                }
                None
            }
        }
    }

    /// What a move needs to be carried on, from its entry in the journal.
    pub(super) fn job_of(&self, transfer: Transfer) -> Job {
        let (hubs, entries) = (self.hubs.load(), self.entries.load());
        let enrollment = entries.book.entry(&transfer.registration.enrollment);
        let initial = enrollment.map(|entry| entry.initial_twin.clone()).unwrap_or_default();
        Job {
            keeps: hubs.keeps(&transfer.to),
            moved_to: hubs.named(&transfer.to).map(ToString::to_string),
            initial: DeviceState::initial(&initial, self.clock.now()),
            device: None,
            webhook: None,
            transfer,
        }
    }
}

fn hub_refusal(hub: &HubName, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::HubUnreachable, format!("hub {hub} cannot be told who this device is now"))
        .detail(error.to_string())
        .retry_after(RETRY)
}
