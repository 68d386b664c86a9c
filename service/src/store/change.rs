//! What the writer is asked to change, encoded as far as possible by who asks so that the writer need not, and the way back of the answers.

use firsthop_protocol::{DeviceId, ETag, HubName, OperationId, RegistrationId, Timestamp};
use tokio::sync::oneshot;

use super::fault::Fault;
use super::row::{self, IdentityV1, RowError, StateV1, TwinRow};
use crate::domain::hub_device::{DeviceState, Identity, Subscription};
use crate::domain::ports::{
    CommitError, Decision, HubPlacement, HubSettings, HubWrite, HubWriteError, JournalWrite, StoreError,
};
use crate::domain::registration::Registration;
use crate::domain::transfer::{Transfer, TransferData};

/// One change of a batch.
pub(super) enum Change {
    Registration(Box<Asked<RegistrationRequest, ETag, CommitError>>),
    Journal(Asked<JournalRequest, (), CommitError>),
    Settings(Asked<SettingsRequest, (), StoreError>),
    Hub(Asked<HubRequest, u64, HubWriteError>),
}

impl Change {
    /// Says what became of it; to be called once the batch is durable.
    pub fn answer(self) {
        match self {
            Self::Registration(asked) => asked.answer(),
            Self::Journal(asked) => asked.answer(),
            Self::Settings(asked) => asked.answer(),
            Self::Hub(asked) => asked.answer(),
        }
    }

    /// Says that it was not made.
    pub fn refuse(self, error: StoreError) {
        match self {
            Self::Registration(asked) => asked.refuse(error),
            Self::Journal(asked) => asked.refuse(error),
            Self::Settings(asked) => asked.refuse(error),
            Self::Hub(asked) => asked.refuse(error),
        }
    }
}

/// A request, the verdict on it if the batch is committed, and who waits for that.
pub(super) struct Asked<R, T, E> {
    pub request: R,
    pub verdict: Result<T, E>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<R, T, E: From<StoreError>> Asked<R, T, E> {
    pub fn new(request: R) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, verdict) = oneshot::channel();
        (Self { request, verdict: Err(StoreError::Closed.into()), answer }, verdict)
    }

    fn answer(self) {
        // Who asked may be gone; the change stands.
        let _ = self.answer.send(self.verdict);
    }

    fn refuse(self, error: StoreError) {
        let _ = self.answer.send(Err(error.into()));
    }
}

/// A decision about a registration.
#[derive(Debug)]
pub(super) struct RegistrationRequest {
    pub registration: Registration,
    pub payload: Option<Vec<u8>>,
    pub expected: Option<ETag>,
    pub device: Option<Vec<u8>>,
    pub placement: Option<Placement>,
    pub journal: Option<JournalRequest>,
}

#[derive(Debug)]
pub(super) enum Placement {
    Assign(Place),
    Carry(Place),
    Leave { to: Option<String>, at: Timestamp },
}

/// A device for a hub: in a placement, or from the hub port.
#[derive(Debug)]
pub(super) struct Place {
    pub hub: HubName,
    pub identity: Identity,
    pub state: StateV1,
    pub at: Timestamp,
}

#[derive(Debug)]
pub(super) enum JournalRequest {
    Put { transfer: Box<Transfer>, payload: Option<Vec<u8>>, state: Option<StateV1> },
    Delete(RegistrationId),
}

#[derive(Debug)]
pub(super) struct SettingsRequest {
    pub hub: HubName,
    /// `None`: nothing is set any more.
    pub row: Option<Vec<u8>>,
}

/// A change of a device on a hub.
#[derive(Debug)]
pub(super) struct HubRequest {
    pub hub: HubName,
    pub device: DeviceId,
    pub change: HubChange,
}

/// A [`HubWrite`] in rows.
#[derive(Debug)]
pub(super) enum HubChange {
    Device(DeviceChange),
    Port(OperationId, PortChange),
}

/// What needs the device active.
#[derive(Debug)]
pub(super) enum DeviceChange {
    Twin { row: Vec<u8>, expected: u64, revision: u64 },
    Subscriptions(Vec<Subscription>),
    Enqueue(Vec<u8>),
    Delivered(Vec<u64>),
    Dequeue(Vec<u64>),
    Event(Vec<u8>),
}

/// What an operation of the hub port does.
#[derive(Debug)]
pub(super) enum PortChange {
    Provision(Box<Place>),
    Identity(Box<Identity>),
    Fence(RegistrationId),
    Release(RegistrationId),
    Remove { registration: RegistrationId, to: Option<String>, at: Timestamp },
}

impl RegistrationRequest {
    pub fn new(decision: Decision) -> Result<Self, Fault> {
        let Decision { registration, expected, device, hub, journal } = decision;
        let encode = || -> Result<_, RowError> {
            Ok((
                device.as_ref().map(row::encode_device).transpose()?,
                registration.payload.as_ref().map(row::encode_payload).transpose()?,
                hub.map(Placement::new).transpose()?,
            ))
        };
        let (device, payload, placement) = encode().map_err(|error| unstorable(&registration.id, &error))?;
        let journal = journal.map(JournalRequest::new).transpose()?;
        Ok(Self { registration, payload, expected, device, placement, journal })
    }
}

impl Placement {
    fn new(placement: HubPlacement) -> Result<Self, RowError> {
        Ok(match placement {
            HubPlacement::Assign { hub, identity, state, at } => Self::Assign(Place::new(hub, identity, &state, at)?),
            HubPlacement::Carry { hub, identity, otherwise, at } => {
                Self::Carry(Place::new(hub, identity, &otherwise, at)?)
            }
            HubPlacement::Leave { to, at } => {
                row::check_address(to.as_deref())?;
                Self::Leave { to, at }
            }
        })
    }
}

impl Place {
    fn new(hub: HubName, identity: Identity, state: &DeviceState, at: Timestamp) -> Result<Self, RowError> {
        IdentityV1::new(&identity).check()?;
        Ok(Self { hub, identity, state: StateV1::new(state)?, at })
    }
}

impl JournalRequest {
    pub fn new(write: JournalWrite) -> Result<Self, Fault> {
        let transfer = match write {
            JournalWrite::Put(transfer) => transfer,
            JournalWrite::Delete(id) => return Ok(Self::Delete(id)),
        };
        let encode = || -> Result<_, RowError> {
            IdentityV1::new(&transfer.identity).check()?;
            let state = match &transfer.data {
                TransferData::Carry => None,
                TransferData::Replace(state) => Some(StateV1::new(state)?),
            };
            Ok((transfer.registration.payload.as_ref().map(row::encode_payload).transpose()?, state))
        };
        let (payload, state) = encode().map_err(|error| unstorable(&transfer.registration_id, &error))?;
        Ok(Self::Put { transfer, payload, state })
    }
}

impl SettingsRequest {
    pub fn new(hub: &HubName, settings: &HubSettings) -> Result<Self, Fault> {
        let set = *settings != HubSettings::default();
        let row = set.then(|| row::encode_hub_settings(settings)).transpose();
        Ok(Self { hub: hub.clone(), row: row.map_err(|error| unstorable(hub, &error))? })
    }
}

impl HubRequest {
    pub fn new(hub: &HubName, device: &DeviceId, write: HubWrite) -> Result<Self, Fault> {
        let change = HubChange::new(hub, write).map_err(|error| unstorable(device, &error))?;
        Ok(Self { hub: hub.clone(), device: device.clone(), change })
    }
}

impl HubChange {
    fn new(hub: &HubName, write: HubWrite) -> Result<Self, RowError> {
        Ok(match write {
            HubWrite::Twin { twin, expected, revision } => {
                Self::Device(DeviceChange::Twin { row: TwinRow::row(&twin)?, expected, revision })
            }
            HubWrite::Subscriptions(subscriptions) => {
                row::check_subscriptions(&subscriptions)?;
                Self::Device(DeviceChange::Subscriptions(subscriptions))
            }
            HubWrite::Enqueue(message) => Self::Device(DeviceChange::Enqueue(row::encode_message(&message)?)),
            HubWrite::Delivered(numbers) => Self::Device(DeviceChange::Delivered(numbers)),
            HubWrite::Dequeue(numbers) => Self::Device(DeviceChange::Dequeue(numbers)),
            HubWrite::Event(event) => Self::Device(DeviceChange::Event(row::encode_event(&event)?)),
            HubWrite::Provision { operation, identity, state, at } => {
                let place = Place::new(hub.clone(), identity, &state, at)?;
                Self::Port(operation, PortChange::Provision(Box::new(place)))
            }
            HubWrite::Identity { operation, identity } => {
                IdentityV1::new(&identity).check()?;
                Self::Port(operation, PortChange::Identity(Box::new(identity)))
            }
            HubWrite::Fence { operation, registration } => Self::Port(operation, PortChange::Fence(registration)),
            HubWrite::Release { operation, registration } => Self::Port(operation, PortChange::Release(registration)),
            HubWrite::Remove { operation, registration, to, at } => {
                row::check_address(to.as_deref())?;
                Self::Port(operation, PortChange::Remove { registration, to, at })
            }
        })
    }
}

fn unstorable(what: impl std::fmt::Display, error: &RowError) -> Fault {
    Fault::Damaged(format!("what is to be kept of {what} cannot be stored: {error}"))
}
