//! Tests of the store, most of them over a simulated disk.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use firsthop_config::Size;
use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{
    DeviceId, ETag, ErrorCode, GroupId, HubName, OperationId, RegistrationId, RequestId, Timestamp,
};
use serde_json::json;

use self::disk::{Disk, DiskSource};
use super::{Config, OpenError, RedbStore};
use crate::domain::attestation::Thumbprint;
use crate::domain::device::{Device, ModelInstance};
use crate::domain::ports::{CommitError, Decision, Store};
use crate::domain::registration::{Registration, State};

mod checking;
mod concurrency;
mod disk;
mod faults;
mod fixtures;
mod hub_faults;
mod hub_model;
mod hub_port;
mod hub_rows;
mod journal;
mod model;
mod opening;
mod placements;
mod rows;
mod upgrade;

fn id(text: &str) -> RegistrationId {
    RegistrationId::parse(text).unwrap()
}

fn hub(text: &str) -> HubName {
    HubName::parse(text).unwrap()
}

fn group(text: &str) -> EnrollmentName {
    EnrollmentName::Group(GroupId::parse(text).unwrap())
}

fn assigned_to(name: &str) -> State {
    State::Assigned { hub: hub(name), substatus: Substatus::InitialAssignment }
}

fn failed(message: &str) -> State {
    State::Failed { code: ErrorCode::NoHub, message: message.to_owned() }
}

/// A registration that `version` tells from others of the same id.
fn registration(name: &str, version: u64) -> Registration {
    Registration {
        id: id(name),
        device_id: DeviceId::parse(name).unwrap(),
        enrollment: group("line-7"),
        state: assigned_to("lisbon"),
        thumbprint: Thumbprint([7; 32]),
        operation: OperationId::from_bytes([9; 16]),
        rid: Some(RequestId::parse(&format!("v{version}")).unwrap()),
        payload: None,
        told: 0,
        created: Timestamp::from_secs(1_795_000_000),
        updated: Timestamp::from_secs(1_795_000_000 + version),
    }
}

fn device(serial: u64) -> Device {
    Device {
        metadata: json!({"serial": serial, "site": {"country": "pt"}}).as_object().unwrap().clone(),
        endpoints: [("coap".to_owned(), "coap://[::1]".to_owned())].into(),
        model: Some(ModelInstance {
            model: "pump".to_owned(),
            values: json!({"interval": 60}).as_object().unwrap().clone(),
        }),
        updated: Timestamp::from_secs(serial),
    }
}

fn decision(registration: Registration, expected: Option<ETag>) -> Decision {
    Decision { registration, expected, device: None, hub: None, journal: None }
}

fn small() -> Config {
    Config {
        cache_size: Size::mib(1),
        max_batch: NonZeroU16::new(64).unwrap(),
        queue_length: NonZeroU32::new(64).unwrap(),
    }
}

/// A store on that disk, which tries again at once after a failure.
fn open_on(disk: &Arc<Disk>) -> Result<RedbStore, OpenError> {
    RedbStore::start(Box::new(DiskSource(disk.clone())), &small(), Duration::ZERO)
}

/// Commits on a thread without a runtime.
fn commit(store: &RedbStore, decision: Decision) -> Result<ETag, CommitError> {
    block_on(store.commit(decision))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
