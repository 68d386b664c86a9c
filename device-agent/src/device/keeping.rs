//! What is on its way to the disk without holding up the device's task: the twin, and assignments that could not be saved at once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::ReportRefused;
use crate::disk::{Disk, DiskError};
use crate::flow::Known;
use crate::twin::Twin;

/// When a save that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

type Done = oneshot::Sender<Result<(), ReportRefused>>;

/// Saves, one at a time.
pub(super) struct Keeping {
    disk: Disk,
    /// The twin is not as it was last saved.
    changed: bool,
    /// Those who wait for the twin to be on the disk as it is.
    waiting: Vec<Done>,
    /// When to try the twin again, after a failure, unless somebody waits.
    twin_again: Option<Instant>,
    /// Assignments that are not on the disk, and when to try again.
    known: Option<(Known, Instant)>,
    job: Option<Job>,
}

struct Job {
    what: What,
    done: Pin<Box<dyn Future<Output = Result<(), DiskError>> + Send>>,
}

enum What {
    Known,
    Twin(Vec<Done>),
}

impl Keeping {
    pub fn new(disk: Disk) -> Self {
        Self { disk, changed: false, waiting: Vec::new(), twin_again: None, known: None, job: None }
    }

    /// The twin has to be saved.
    pub fn twin_changed(&mut self) {
        self.changed = true;
    }

    /// Tells somebody when the twin as it is now is on the disk.
    pub fn kept_then(&mut self, done: Done) {
        self.changed = true;
        self.waiting.push(done);
    }

    /// Keeps the assignments. If that fails, the device goes on with those in memory, and it is tried again.
    pub async fn save(&mut self, known: Known) {
        // What was begun is older, and nobody knows whether it has reached the disk's queue: it must not come after this.
        self.job.take_if(|job| matches!(job.what, What::Known));
        self.known = match self.disk.save_known(known.clone()).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "the assignment is not on the disk; a restart now would use an older one");
                Some((known, Instant::now() + AGAIN))
            }
        };
    }

    /// Keeps the twin before anything else is done. If that fails it is tried again.
    pub async fn save_twin(&mut self, twin: &Twin) {
        if let Some(Job { what: What::Twin(waiting), .. }) = self.job.take_if(|job| matches!(job.what, What::Twin(_))) {
            self.waiting.extend(waiting);
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.changed = false;
        let saved = self.disk.save_twin(twin.kept()).await;
        self.ended(What::Twin(waiting), saved);
    }

    /// Begins what is due.
    pub fn start(&mut self, twin: &Twin, now: Instant) {
        if self.job.is_some() {
            return;
        }
        let disk = self.disk.clone();
        if let Some((known, _)) = self.known.as_ref().filter(|(_, at)| *at <= now) {
            let known = known.clone();
            self.job = Some(Job { what: What::Known, done: Box::pin(async move { disk.save_known(known).await }) });
        } else if self.changed && (!self.waiting.is_empty() || self.twin_again.is_none_or(|at| at <= now)) {
            self.changed = false;
            let kept = twin.kept();
            let what = What::Twin(std::mem::take(&mut self.waiting));
            self.job = Some(Job { what, done: Box::pin(async move { disk.save_twin(kept).await }) });
        }
    }

    /// Waits for what was begun; for ever where nothing was. May be dropped half-way.
    pub async fn progress(&mut self) {
        let Some(job) = &mut self.job else { return std::future::pending().await };
        let outcome = job.done.as_mut().await;
        if let Some(job) = self.job.take() {
            self.ended(job.what, outcome);
        }
    }

    fn ended(&mut self, what: What, outcome: Result<(), DiskError>) {
        match (what, outcome) {
            (What::Known, Ok(())) => {
                tracing::info!("the assignment is on the disk now");
                self.known = None;
            }
            (What::Known, Err(error)) => {
                tracing::error!(%error, "the assignment is still not on the disk");
                if let Some((_, at)) = &mut self.known {
                    *at = Instant::now() + AGAIN;
                }
            }
            (What::Twin(waiting), Ok(())) => {
                self.twin_again = None;
                for done in waiting {
                    let _ = done.send(Ok(()));
                }
            }
            (What::Twin(waiting), Err(error)) => {
                tracing::error!(%error, "the twin is not on the disk");
                self.changed = true;
                self.twin_again = Some(Instant::now() + AGAIN);
                let error = Arc::new(error);
                for done in waiting {
                    let _ = done.send(Err(ReportRefused::Disk(error.clone())));
                }
            }
        }
    }

    /// When something is due again.
    pub fn wake(&self) -> Option<Instant> {
        if self.job.is_some() {
            return None;
        }
        let twin = self.twin_again.filter(|_| self.changed);
        [twin, self.known.as_ref().map(|(_, at)| *at)].into_iter().flatten().min()
    }

    /// Saves what is left, once.
    pub async fn finish(mut self, twin: &Twin) {
        if self.job.is_some() {
            self.progress().await;
        }
        if let Some((known, _)) = self.known.take() {
            self.save(known).await;
        }
        self.twin_again = None;
        self.start(twin, Instant::now());
        if self.job.is_some() {
            self.progress().await;
        }
    }
}

#[cfg(test)]
#[path = "tests/keeping.rs"]
mod tests;
