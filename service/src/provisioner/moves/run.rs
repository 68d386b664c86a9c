//! A move is carried on: step by step, tried again while a hub is down, undone where it cannot succeed.

use std::panic::AssertUnwindSafe;

use firsthop_protocol::{ETag, ErrorCode, HubName};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::running::{Job, Stage};
use super::steps::Mover;
use super::trouble::Trouble;
use super::{Moves, backoff};
use crate::domain::refusal::Refusal;
use crate::domain::transfer::Step;
use crate::provisioner::operator::OperationView;

impl Moves {
    pub(super) async fn run(&self, job: Job, stage: &watch::Sender<Stage>, cancel: &CancellationToken) {
        let mut mover = Mover::new(job);
        // What is not declared any more is no place to go to.
        let astray = mover.can_be_undone() && mover.job.moved_to.is_none();
        let mut undoing = (mover.step() == Step::Undoing || astray).then(cancelled);
        loop {
            if undoing.is_none() && cancel.is_cancelled() && mover.can_be_undone() {
                undoing = Some(cancelled());
            }
            match self.work(&mut mover, undoing.is_some()).await {
                Ok(ended) => {
                    stage.send_modify(|stage| {
                        stage.step = mover.step();
                        stage.settled = stage.settled.take().or_else(|| settled(&mover, undoing.as_ref(), ended));
                    });
                    if ended {
                        break;
                    }
                }
                Err(Trouble::Never(refusal)) if undoing.is_none() && mover.step().can_be_undone() => {
                    tracing::warn!(registration_id = %mover.job.transfer.registration_id, operation_id = %mover.job.transfer.id,
                        detail = refusal.detail, "the move is undone");
                    stage.send_modify(|stage| stage.error = Some(refusal.detail.clone()));
                    undoing = Some(refusal);
                }
                Err(trouble) => {
                    mover.put_down();
                    self.pause(&mover, &trouble, stage, cancel).await;
                }
            }
        }
        self.end(&mover, undoing.as_ref(), stage);
    }

    async fn work(&self, mover: &mut Mover, undoing: bool) -> Result<bool, Trouble> {
        let _turn = match mover.concerned().and_then(|hub| self.hubs.get(hub)) {
            // The semaphore is never closed.
            Some(reach) => reach.turns.acquire().await.ok(),
            None => None,
        };
        let attempt = async { if undoing { mover.undo(self).await } else { mover.advance(self).await } };
        let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(Trouble::Later("the step panicked".to_owned())))
    }

    /// Waits before the next attempt. An operator who cancels ends the waiting.
    async fn pause(&self, mover: &Mover, trouble: &Trouble, stage: &watch::Sender<Stage>, cancel: &CancellationToken) {
        let why = match trouble {
            Trouble::Later(why) => why,
            Trouble::Never(refusal) => &refusal.detail,
        };
        let transfer = &mover.job.transfer;
        let retries = stage.borrow().retries;
        tracing::warn!(registration_id = %transfer.registration_id, operation_id = %transfer.id, step = transfer.step.name(),
            retries, error = why, "a move waits");
        stage.send_modify(|stage| {
            stage.retries = stage.retries.saturating_add(1);
            stage.error = Some(why.clone());
        });
        let waiting = tokio::time::sleep(backoff::wait(transfer.id, retries));
        if mover.can_be_undone() && !cancel.is_cancelled() {
            cancel.run_until_cancelled(waiting).await;
        } else {
            waiting.await;
        }
    }

    fn end(&self, mover: &Mover, undone: Option<&Refusal>, stage: &watch::Sender<Stage>) {
        let transfer = &mover.job.transfer;
        let running = self.running().remove(&transfer.registration_id);
        if let Some(running) = running {
            let error = undone.map(|refusal| format!("undone: {}", refusal.message)).or_else(|| running.stage().error);
            self.log.add(OperationView { ended: Some(self.clock.now()), error, ..running.view() });
        }
        tracing::info!(registration_id = %transfer.registration_id, operation_id = %transfer.id, to = %transfer.to,
            from = transfer.from.as_ref().map(HubName::as_str), undone = undone.is_some(), "a move ended");
        stage.send_modify(|stage| stage.ended = true);
    }
}

fn cancelled() -> Refusal {
    Refusal::new(ErrorCode::RegistrationUnderWay, "the move was undone").retry_after(1)
}

/// What those who wait are told, once there is something to be told.
fn settled(mover: &Mover, undone: Option<&Refusal>, ended: bool) -> Option<Result<ETag, Refusal>> {
    match undone {
        Some(refusal) if ended || mover.let_in_again => Some(Err(refusal.clone())),
        None if mover.step() == Step::Released || ended => mover.etag.map(Ok),
        _ => None,
    }
}
