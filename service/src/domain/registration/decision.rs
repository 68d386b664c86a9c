//! The decision (rules B8, C1 to C4).
//!
//! | is the device on a hub? | policy | hub | state |
//! |---|---|---|---|
//! | no | any | allocated | initial |
//! | yes | migrate | allocated again | moves along when the hub changes |
//! | yes | reset | allocated again | initial, also when the hub stays |
//! | yes | never | stays | stays |
//! | its hub is not linked any more | any | allocated again | as with migrate, unless the policy is reset |
//!
//! A device whose hub is linked keeps it when no hub can be allocated: it works where it is. An initial twin that the webhook answered
//! takes the place of the entry's; with migrate it takes the place of the data that would have moved, and nothing happens to a device
//! that does not move: a webhook is called at every registration, and would otherwise undo what a device reported in between.

use firsthop_protocol::body::Substatus;
use firsthop_protocol::{DeviceId, ErrorCode, HubName};

use super::{Operation, Registered, Registration, State, bound_elsewhere};
use crate::domain::allocation::{AllocationError, AllocationPolicy, Choice, Verdict};
use crate::domain::attestation::Proof;
use crate::domain::hub::{Hub, Hubs, Keeps};
use crate::domain::hub_device::{DeviceState, Identity};
use crate::domain::identity;
use crate::domain::ports::HubPlacement;
use crate::domain::refusal::Refusal;
use crate::domain::reprovision::ReprovisionPolicy;
use crate::domain::transfer::{self, Transfer, TransferData};

/// What a decision is made from.
#[derive(Debug)]
pub struct Situation<'a> {
    pub stored: Option<&'a Registered>,
    pub proof: &'a Proof,
    pub hubs: &'a Hubs,
    /// In force for this client.
    pub policy: ReprovisionPolicy,
    pub choice: Choice<'a>,
    /// The hub turned out not to have the device.
    pub lost: bool,
    /// What the webhook of the custom policy answered, when it was asked.
    pub webhook: Option<&'a Verdict>,
    pub operation: &'a Operation,
}

/// What to do about a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing changes: answer with what is stored.
    Keep(Registered),
    /// Store this, then answer with it.
    Write(Box<Write>),
    /// Hubs on other machines are concerned: a journaled move.
    Transfer(Box<Transfer>),
    /// Store the failure, if it is a new one, then refuse.
    Fail { registration: Option<Registration>, refusal: Refusal },
}

/// A change that takes one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    pub registration: Registration,
    pub placement: Option<HubPlacement>,
    /// A hub on another machine that is told first who the device is now.
    pub tell: Option<(HubName, Identity)>,
    /// The session that ends with it.
    pub close: Option<Closing>,
}

/// A device's session on an embedded hub that is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub hub: HubName,
    pub device: DeviceId,
    /// `host:port` of its new hub, when it has one.
    pub moved_to: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    First,
    Migrate,
    Reset,
    Stay,
}

/// Decides.
pub fn decide(situation: &Situation<'_>) -> Step {
    let Situation { stored, proof, .. } = *situation;
    if let Some(refusal) = stored.and_then(|stored| bound_elsewhere(&stored.registration, proof)) {
        return Step::Fail { registration: None, refusal };
    }
    let current = situation.current();
    let target = match situation.target(current) {
        Ok(target) => target,
        Err(error) => return failed(stored, proof, situation.operation, no_hub(&error)),
    };
    let change = situation.change(current, target);
    let registration = situation.registration(target, change);
    situation.effects(current, target, change, registration)
}

/// The step of a request that cannot be granted. A failure that is stored already, or that would hide an assignment, is not written.
pub fn failed(stored: Option<&Registered>, proof: &Proof, operation: &Operation, refusal: Refusal) -> Step {
    let refusal = refusal.by(&proof.enrollment.name);
    let state = State::Failed { code: refusal.code, message: refusal.message.clone() };
    let stored = stored.map(|stored| &stored.registration);
    let registration = stored
        .is_none_or(|stored| matches!(&stored.state, State::Failed { .. }) && stored.state != state)
        .then(|| fresh(stored, proof, operation, state));
    Step::Fail { registration, refusal }
}

impl<'a> Situation<'a> {
    /// Where the device is, linked or not.
    fn current(&self) -> Option<&'a HubName> {
        match &self.stored?.registration.state {
            State::Assigned { hub, .. } => Some(hub),
            State::Failed { .. } => None,
        }
    }

    fn target(&self, current: Option<&HubName>) -> Result<&'a Hub, AllocationError> {
        let linked = current.filter(|hub| self.choice.excluded != Some(hub)).and_then(|hub| self.hubs.named(hub));
        match linked {
            Some(hub) if self.operation.repeated || !self.policy.updates_hub_assignment() => Ok(hub),
            Some(hub) => Ok(self.choice.hub().unwrap_or(hub)),
            None => self.choice.hub(),
        }
    }

    fn change(&self, current: Option<&HubName>, target: &Hub) -> Change {
        let replaced = self.webhook.is_some_and(|verdict| verdict.initial_twin.is_some());
        match (current, self.policy) {
            (None, _) => Change::First,
            (Some(hub), ReprovisionPolicy::Reset) if *hub == target.name && !self.operation.repeated => Change::Reset,
            (Some(hub), _) if *hub == target.name => Change::Stay,
            (Some(_), ReprovisionPolicy::Reset) => Change::Reset,
            // Nobody has its state any more.
            (Some(hub), _) if self.hubs.is_lost(hub) => Change::Reset,
            (Some(_), ReprovisionPolicy::Migrate) if replaced => Change::Reset,
            (Some(_), _) => Change::Migrate,
        }
    }

    fn registration(&self, target: &Hub, change: Change) -> Registration {
        let stored = self.stored.map(|stored| &stored.registration);
        let substatus = match (change, stored.map(|stored| &stored.state)) {
            (Change::Migrate, _) => Substatus::DeviceDataMigrated,
            (Change::Reset, _) => Substatus::DeviceDataReset,
            (Change::Stay, Some(State::Assigned { substatus, .. })) => *substatus,
            (Change::Stay | Change::First, _) => Substatus::InitialAssignment,
        };
        let state = State::Assigned { hub: target.name.clone(), substatus };
        let enrollment = &self.proof.enrollment;
        Registration {
            payload: match self.webhook {
                Some(verdict) => verdict.payload.clone(),
                None if enrollment.allocation == AllocationPolicy::Custom => {
                    stored.and_then(|stored| stored.payload.clone())
                }
                None => None,
            },
            told: told(enrollment.digest, self.hubs.keeps(&target.name)),
            ..fresh(stored, self.proof, self.operation, state)
        }
    }

    fn effects(&self, current: Option<&HubName>, target: &Hub, change: Change, registration: Registration) -> Step {
        let from = current.map_or(Keeps::Nothing, |hub| self.hubs.keeps(hub));
        let to = self.hubs.keeps(&target.name);
        if change == Change::Stay {
            return self.stay(target, to, registration);
        }
        if from == Keeps::Elsewhere || to == Keeps::Elsewhere {
            let data = match change {
                // What keeps no state has none to carry.
                Change::Migrate if from != Keeps::Nothing => TransferData::Carry,
                _ => TransferData::Replace(Box::new(self.initial_state())),
            };
            let from = current.filter(|_| from != Keeps::Nothing).cloned();
            return Step::Transfer(Box::new(self.transfer(from, target, data, registration)));
        }
        let (hub, identity, at) = (target.name.clone(), self.identity(), self.operation.now);
        let placement = match (from, to) {
            (Keeps::Here, Keeps::Here) if change == Change::Migrate => {
                Some(HubPlacement::Carry { hub, identity, otherwise: self.initial_state(), at })
            }
            (_, Keeps::Here) => Some(HubPlacement::Assign { hub, identity, state: self.initial_state(), at }),
            (Keeps::Here, _) => Some(HubPlacement::Leave { to: Some(target.to_string()), at }),
            _ => None,
        };
        let close = self.closing(current.filter(|_| from == Keeps::Here), target);
        Step::Write(Box::new(Write { registration, placement, tell: None, close }))
    }

    /// The device keeps hub and state; the hub may have to be told anew who it is.
    fn stay(&self, target: &Hub, keeps: Keeps, registration: Registration) -> Step {
        let Some(record) = self.stored else { return self.write_as_is(registration) };
        let stored = &record.registration;
        let unchanged = Registration {
            operation: stored.operation,
            rid: stored.rid.clone(),
            updated: stored.updated,
            ..registration.clone()
        };
        if unchanged == *stored {
            return Step::Keep(record.clone());
        }
        let renamed = stored.device_id != registration.device_id;
        if stored.told == registration.told && !renamed {
            return self.write_as_is(registration);
        }
        let (hub, identity, at) = (target.name.clone(), self.identity(), self.operation.now);
        match keeps {
            Keeps::Nothing => self.write_as_is(registration),
            Keeps::Here => {
                let otherwise = self.initial_state();
                // A session was let in by what the hub was told before.
                let close = self.closing(Some(&hub).filter(|_| stored.told != 0), target);
                let placement = Some(HubPlacement::Carry { hub: target.name.clone(), identity, otherwise, at });
                Step::Write(Box::new(Write { registration, placement, tell: None, close }))
            }
            Keeps::Elsewhere if self.lost => {
                let data = TransferData::Replace(Box::new(self.initial_state()));
                Step::Transfer(Box::new(self.transfer(None, target, data, registration)))
            }
            // Also where nothing was told yet: only the hub knows whether it has the device, whose state must not be written over.
            Keeps::Elsewhere => {
                Step::Write(Box::new(Write { registration, placement: None, tell: Some((hub, identity)), close: None }))
            }
        }
    }

    fn write_as_is(&self, registration: Registration) -> Step {
        Step::Write(Box::new(Write { registration, placement: None, tell: None, close: None }))
    }

    fn transfer(
        &self,
        from: Option<HubName>,
        target: &Hub,
        data: TransferData,
        registration: Registration,
    ) -> Transfer {
        Transfer {
            id: self.operation.id,
            registration_id: self.proof.id.clone(),
            from,
            to: target.name.clone(),
            data,
            identity: self.identity(),
            registration,
            expected: self.stored.map(|stored| stored.etag),
            step: transfer::Step::Planned,
            started: self.operation.now,
        }
    }

    fn closing(&self, hub: Option<&HubName>, target: &Hub) -> Option<Closing> {
        let (hub, stored) = (hub?, self.stored?);
        let moved_to = (*hub != target.name).then(|| target.to_string());
        Some(Closing { hub: hub.clone(), device: stored.registration.device_id.clone(), moved_to })
    }

    fn initial_state(&self) -> DeviceState {
        let given = self.webhook.and_then(|verdict| verdict.initial_twin.as_ref());
        DeviceState::initial(given.unwrap_or(&self.proof.enrollment.initial_twin), self.operation.now)
    }

    fn identity(&self) -> Identity {
        identity::of(&self.proof.enrollment, &self.proof.id, device_id(self.proof))
    }
}

fn device_id(proof: &Proof) -> DeviceId {
    proof.enrollment.device_id.clone().unwrap_or_else(|| DeviceId::from(&proof.id))
}

fn fresh(stored: Option<&Registration>, proof: &Proof, operation: &Operation, state: State) -> Registration {
    Registration {
        id: proof.id.clone(),
        device_id: device_id(proof),
        enrollment: proof.enrollment.name.clone(),
        state,
        thumbprint: proof.thumbprint,
        operation: operation.id,
        rid: operation.rid.clone(),
        payload: None,
        told: 0,
        created: stored.map_or(operation.now, |stored| stored.created),
        updated: operation.now,
    }
}

/// What is remembered of what the hub was told. The same hub on another machine has to be told again.
fn told(digest: u64, keeps: Keeps) -> u64 {
    match keeps {
        Keeps::Nothing => 0,
        Keeps::Here => digest,
        Keeps::Elsewhere => digest.rotate_left(32),
    }
}

fn no_hub(error: &AllocationError) -> Refusal {
    Refusal::new(ErrorCode::NoHub, "no hub can take this device now")
        .detail(error.to_string())
        .retry_after(NO_HUB_RETRY)
}

/// Seconds after which a device that no hub can take should ask again.
const NO_HUB_RETRY: u32 = 30;
