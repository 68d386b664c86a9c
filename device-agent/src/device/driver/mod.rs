//! The device's task: it waits for whatever comes first, tells the machine, and does what the machine says. Nothing else runs but the
//! thread of the disk, and one attempt at a time as a future in here.

mod arrivals;
mod flow;
mod requests;
mod start;

pub(super) use start::start;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::attempt::{Attempt, Means};
use super::forward::{Loading, Suspect};
use super::handle::Request;
use super::keeping::Keeping;
use super::on_hub::OnHub;
use super::snapshot::Snapshot;
use super::status::CertificateStatus;
use super::update::{Answer, Update};
use crate::Error;
use crate::disk::Disk;
use crate::flow::{Event, Failure, Machine, classify};
use crate::hub::{Arrival, Session};
use crate::twin::{Desired, Twin};

/// How many of the last mishaps are kept for the status.
const MAX_NOTES: usize = 8;
/// How often the certificate's end is looked at, and warned about.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(60 * 60);

type Looking = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Driver {
    means: Arc<Means>,
    machine: Machine,
    keeping: Keeping,
    disk: Disk,
    twin: Twin,
    requests: mpsc::Receiver<Request>,
    updates: mpsc::Sender<Update>,
    /// Desired properties that found no room among the updates. Only the newest matter.
    unread_desired: Option<Arc<Desired>>,
    answers: mpsc::Receiver<Answer>,
    answers_in: mpsc::Sender<Answer>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    desired: watch::Sender<Option<Arc<Desired>>>,
    attempt: Option<Attempt>,
    on_hub: Option<OnHub>,
    loading: Option<Loading>,
    connections: u64,
    suspect: Suspect,
    messages_wanted: bool,
    look_at_certificate: Instant,
    /// The credentials are being looked at. A connection may last for months, and a renewed certificate is told of before.
    looking: Option<Looking>,
    notes: VecDeque<(std::time::Instant, String)>,
    /// Something happened that the status shows.
    changed: bool,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let now = Instant::now();
            while let Some(action) = self.machine.next(now.into_std()) {
                self.act(action).await;
            }
            self.look_after(now);
            self.publish();
            let wake = self.wake();
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Stop) | None => break,
                    Some(request) => self.asked(request),
                },
                () = self.updates.closed() => break,
                outcome = ready(&mut self.attempt) => {
                    self.attempt = None;
                    self.attempted(outcome);
                }
                arrival = next(&mut self.on_hub) => match arrival {
                    Ok(arrival) => self.arrived(arrival),
                    Err(error) => self.ended(&error),
                },
                Some(answer) = self.answers.recv() => self.answered(answer),
                () = room(&self.updates), if self.waits_for_room() => self.offer_desired(),
                loaded = ready(&mut self.loading) => {
                    self.loading = None;
                    self.loaded(loaded);
                }
                () = self.keeping.progress() => {}
                () = ready(&mut self.looking) => {
                    self.looking = None;
                    self.identity_looked_at();
                }
                () = sleep_until(wake) => {}
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        self.requests.close();
        self.take_answers();
        if let Some(on_hub) = self.on_hub.take() {
            self.twin.lost();
            on_hub.session.close().await;
        }
        self.keeping.finish(&self.twin).await;
        self.disk.close().await;
    }

    /// Everything that is due on the hub and on the disk.
    fn look_after(&mut self, now: Instant) {
        if now >= self.look_at_certificate {
            self.look_at_certificate = now + CERTIFICATE_LOOK;
            let identity = self.means.identity.clone();
            self.looking = Some(Box::pin(async move { drop(identity.refresh().await) }));
        }
        if let Some(error) = self.on_hub.as_ref().and_then(|on_hub| on_hub.overdue(now)) {
            self.ended(&error);
        }
        self.sync_twin(now);
        self.keeping.start(&self.twin, now);
        let Some(on_hub) = &mut self.on_hub else { return };
        on_hub.attend_messages(self.messages_wanted, &self.updates, &self.answers_in);
        on_hub.forwarding.pass(now);
        let (places, unsent) = (on_hub.session.places(), on_hub.session.unsent());
        if self.loading.is_none()
            && let Some((behind, messages)) = on_hub.forwarding.wanted(places, unsent, &self.suspect)
        {
            self.loading = Some(Loading::start(&self.disk, behind, messages));
        }
    }

    /// Whether something could not be told because the owner has not read what was told before.
    fn waits_for_room(&self) -> bool {
        let offers = self.on_hub.as_ref().is_some_and(OnHub::has_offers) && self.updates.capacity() == 0;
        self.unread_desired.is_some() || offers
    }

    fn wake(&self) -> Instant {
        let machine = self.machine.wake().map(Instant::from_std);
        let on_hub = self.on_hub.as_ref().and_then(OnHub::wake);
        [machine, on_hub, self.keeping.wake()].into_iter().flatten().fold(self.look_at_certificate, Instant::min)
    }

    /// The connection ended.
    fn ended(&mut self, error: &Error) {
        if let Some(on_hub) = &self.on_hub {
            on_hub.forwarding.ended(error, &mut self.suspect, &self.disk);
        }
        self.fail(classify::of_hub(error));
    }

    fn fail(&mut self, failure: Failure) {
        if self.leave().is_some() {
            tracing::warn!(class = ?failure.class, instead = failure.instead, "the hub is lost: {}", failure.message);
            self.tell(Event::HubFailed(failure));
        }
    }

    fn leave(&mut self) -> Option<OnHub> {
        // What was read for that connection is read again for the next one.
        self.loading = None;
        self.twin.lost();
        self.on_hub.take()
    }

    /// Something went wrong that is not of the flow, for people to see.
    fn note(&mut self, what: String) {
        self.notes.push_front((Instant::now().into_std(), what));
        self.notes.truncate(MAX_NOTES);
    }

    fn tell(&mut self, event: Event) {
        self.changed = true;
        self.machine.on(event, Instant::now().into_std());
    }

    fn certificate(&self) -> Option<CertificateStatus> {
        let identity = &self.means.identity;
        CertificateStatus::of(&identity.credentials(), identity.complaint(), self.means.config.warn_before)
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.snapshot.send_replace(Arc::new(Snapshot {
                view: self.machine.view(),
                registration_id: self.means.identity.credentials().registration_id().map(ToString::to_string),
                certificate: self.certificate(),
                unacknowledged_report: self.twin.is_unacknowledged(),
                notes: self.notes.clone(),
            }));
        }
    }
}

/// Waits for a future, or for ever where there is none.
async fn ready<T>(future: &mut Option<impl Future<Output = T> + Unpin>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Waits until there is room for an update.
async fn room(updates: &mpsc::Sender<Update>) {
    // That nobody reads any more is noticed elsewhere.
    let _ = updates.reserve().await;
}

async fn next(on_hub: &mut Option<OnHub>) -> Result<Arrival, Error> {
    match on_hub {
        Some(OnHub { session, .. }) => Session::next(session).await,
        None => std::future::pending().await,
    }
}
