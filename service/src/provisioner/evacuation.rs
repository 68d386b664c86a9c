//! A hub is emptied: its devices are moved away one by one, at a rate, by the policies of their enrollments. Goes on after a restart and
//! ends by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use firsthop_protocol::{ErrorCode, HubName, OperationId, RegisterRequest, RegistrationId, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Provisioner;
use super::assign::Assignment;
use super::operations::Part;
use super::operator::EvacuationView;
use crate::domain::attestation::Proof;
use crate::domain::enrollment::Enrollment;
use crate::domain::ports::{HubSettings, StoreError};
use crate::domain::registration::{Registration, State};
use crate::domain::reprovision::ReprovisionPolicy;

/// Registrations that are read at a time.
const PAGE: usize = 64;
/// How long it is waited before those are tried again that did not move.
const PAUSE: Duration = Duration::from_secs(30);

/// What overrides the declaration's `drained`.
pub(super) fn drained(settings: &HubSettings) -> Option<bool> {
    if settings.evacuation.is_some() { Some(true) } else { settings.drained }
}

pub(super) struct Evacuations {
    running: Mutex<BTreeMap<HubName, Evacuation>>,
    tasks: TaskTracker,
    /// Settings of hubs are read, changed and written by one at a time.
    pub turn: Semaphore,
}

#[derive(Clone)]
struct Evacuation {
    stop: CancellationToken,
    view: Arc<Mutex<EvacuationView>>,
}

/// What became of one device.
enum Fate {
    Moved,
    /// Its policy keeps it, or there is nowhere to go.
    Stays,
    /// It left by itself.
    Gone,
    Failed(String),
}

impl Default for Evacuations {
    fn default() -> Self {
        Self { running: Mutex::default(), tasks: TaskTracker::new(), turn: Semaphore::new(1) }
    }
}

impl Evacuations {
    /// Begins, or goes on at another rate.
    pub fn begin(&self, provisioner: &Arc<Provisioner>, hub: &HubName, per_minute: u32) {
        let view = EvacuationView { per_minute, moved: 0, staying: 0, last_error: None };
        let evacuation = Evacuation { stop: provisioner.stopping.child_token(), view: Arc::new(Mutex::new(view)) };
        if let Some(earlier) = lock(&self.running).insert(hub.clone(), evacuation.clone()) {
            earlier.stop.cancel();
        }
        tracing::info!(%hub, per_minute, "the hub is being evacuated");
        let (weak, hub) = (Arc::downgrade(provisioner), hub.clone());
        self.tasks.spawn(async move {
            let stop = evacuation.stop.clone();
            stop.run_until_cancelled(run(weak, hub, evacuation)).await;
        });
    }

    /// Begins no further move.
    pub fn end(&self, hub: &HubName) {
        if let Some(evacuation) = lock(&self.running).remove(hub) {
            evacuation.stop.cancel();
        }
    }

    /// One that came to its end; another may have begun since.
    fn forget(&self, hub: &HubName, ended: &Evacuation) {
        let mut running = lock(&self.running);
        if running.get(hub).is_some_and(|running| Arc::ptr_eq(&running.view, &ended.view)) {
            running.remove(hub);
        }
    }

    pub fn view(&self, hub: &HubName) -> Option<EvacuationView> {
        let evacuation = lock(&self.running).get(hub).cloned()?;
        let view = lock(&evacuation.view).clone();
        Some(view)
    }

    pub async fn stop(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Holds the provisioner only while it works, so that waiting does not keep it alive.
async fn run(provisioner: Weak<Provisioner>, hub: HubName, evacuation: Evacuation) {
    let view = &evacuation.view;
    let pace = Duration::from_secs(60) / lock(view).per_minute.max(1);
    loop {
        let (mut after, mut staying, mut failed) = (None, 0, false);
        loop {
            let Some(service) = provisioner.upgrade() else { return };
            let page = match service.store.on_hub(&hub, after, PAGE) {
                Ok(page) => page,
                Err(error) => {
                    lock(view).last_error = Some(error.to_string());
                    failed = true;
                    break;
                }
            };
            drop(service);
            let Some((position, _)) = page.last() else { break };
            after = Some(*position);
            for (_, id) in page {
                let Some(service) = provisioner.upgrade() else { return };
                let fate = service.evacuate_device(&hub, &id).await;
                drop(service);
                match fate {
                    Fate::Moved => lock(view).moved += 1,
                    Fate::Failed(why) => {
                        tracing::warn!(%hub, registration_id = %id, error = why, "a device was not moved away");
                        lock(view).last_error = Some(why);
                        failed = true;
                    }
                    Fate::Stays => {
                        staying += 1;
                        continue;
                    }
                    Fate::Gone => continue,
                }
                tokio::time::sleep(pace).await;
            }
        }
        lock(view).staying = staying;
        if !failed {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Some(service) = provisioner.upgrade() {
        service.end_evacuation(&hub, &evacuation).await;
    }
}

impl Provisioner {
    async fn evacuate_device(&self, hub: &HubName, id: &RegistrationId) -> Fate {
        let registration = match self.store.registration(id) {
            Ok(Some(stored)) => stored.registration,
            Ok(None) => return Fate::Gone,
            Err(error) => return Fate::Failed(error.to_string()),
        };
        if !matches!(&registration.state, State::Assigned { hub: current, .. } if current == hub) {
            return Fate::Gone;
        }
        let Some(enrollment) = self.enrollment_of(&registration) else { return Fate::Stays };
        if ReprovisionPolicy::in_force(enrollment.reprovision, None) == ReprovisionPolicy::Never {
            return Fate::Stays;
        }
        let (valid_from, valid_until) = (self.clock.now(), Timestamp::from_micros(u64::MAX));
        let proof = Proof { id: id.clone(), enrollment, thumbprint: registration.thumbprint, valid_from, valid_until };
        let request = Arc::new(RegisterRequest::default());
        let Ok(Part::Lead(lead)) = self.operations.begin(&proof.principal(), &request) else {
            return Fate::Failed("it is registering at this moment".to_owned());
        };
        let operation = OperationId::random();
        let wish = Assignment { proof: &proof, request: None, operation, excluded: Some(hub), lead: &lead };
        let outcome = self.assign(&wish).await;
        lead.finish(&outcome);
        match outcome {
            Ok(_) => Fate::Moved,
            Err(refusal) if refusal.code == ErrorCode::NoHub => Fate::Stays,
            Err(refusal) => Fate::Failed(format!("{}: {}", refusal.message, refusal.detail)),
        }
    }

    /// The entry that decides about a registered device.
    pub(super) fn enrollment_of(&self, registration: &Registration) -> Option<Arc<Enrollment>> {
        let entries = self.entries.load();
        let own = entries.book.individual(&registration.id);
        own.or_else(|| entries.book.entry(&registration.enrollment)).cloned()
    }

    /// Everything that could leave has left. The hub stays drained.
    async fn end_evacuation(&self, hub: &HubName, evacuation: &Evacuation) {
        let view = lock(&evacuation.view).clone();
        let ended = |settings: HubSettings| HubSettings { drained: Some(true), evacuation: None, ..settings };
        if let Err(error) = self.change_hub_settings(hub, ended).await {
            // It ends again after the next start, having nothing to do.
            tracing::warn!(%hub, %error, "that the hub was evacuated cannot be stored");
        }
        self.evacuations.forget(hub, evacuation);
        tracing::info!(%hub, moved = view.moved, staying = view.staying, "the hub was evacuated");
    }

    /// Reads, changes and writes what operators set on a hub.
    pub(super) async fn change_hub_settings(
        &self,
        hub: &HubName,
        change: impl FnOnce(HubSettings) -> HubSettings,
    ) -> Result<(), StoreError> {
        // The semaphore is never closed.
        let _turn = self.evacuations.turn.acquire().await;
        let all = self.store.hub_settings()?;
        let before = all.into_iter().find(|(name, _)| name == hub).map(|(_, settings)| settings).unwrap_or_default();
        let settings = change(before);
        self.store.set_hub_settings(hub, settings.clone()).await?;
        if let Some(drained) = drained(&settings) {
            self.hubs.rcu(|hubs| (**hubs).clone().drained(hub, drained));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave half a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
