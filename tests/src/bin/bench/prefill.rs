//! Fills a store with registrations through the store's own port, in a process of its own.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, bail};
use firsthop::domain::attestation::Thumbprint;
use firsthop::domain::device::Device;
use firsthop::domain::ports::{Decision, Store};
use firsthop::domain::registration::{Registration, State};
use firsthop::store::{Config, RedbStore};
use firsthop_protocol::body::{EnrollmentName, Substatus};
use firsthop_protocol::{DeviceId, GroupId, HubName, OperationId, RegistrationId, Timestamp};
use tokio::task::JoinSet;

use crate::process::Process;
use crate::world::{GROUP, HUBS, World, device_id};

/// Decisions in one commit.
const BATCH: u16 = u16::MAX;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The store's file.
    path: PathBuf,
    /// How many registrations.
    count: u64,
}

/// Fills a store of the world; returns when it is closed.
pub fn fill(world: &World, store: &str, count: u64, cores: &[usize]) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("prefill").arg(world.path(store)).arg(count.to_string()).stdin(Stdio::null());
    let mut process = Process::spawn("the filling of a store", command, cores)?;
    let status = process.child().wait()?;
    if !status.success() {
        bail!("the filling of a store failed ({status})");
    }
    Ok(())
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(commit_all(arguments))
}

async fn commit_all(arguments: &Arguments) -> anyhow::Result<()> {
    let tuning = Config {
        cache_size: firsthop_config::Size::mib(1024),
        max_batch: NonZeroU16::new(BATCH).context("not zero")?,
        queue_length: NonZeroU32::new(u32::from(BATCH)).context("not zero")?,
    };
    let store = Arc::new(RedbStore::open(&arguments.path, &tuning)?);
    let hubs = HUBS.map(HubName::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
    let enrollment = EnrollmentName::Group(GroupId::parse(GROUP)?);
    let now = Timestamp::now();
    for first in (0..arguments.count).step_by(BATCH.into()) {
        let mut batch = JoinSet::new();
        for number in first..(first + u64::from(BATCH)).min(arguments.count) {
            let id = RegistrationId::parse(&device_id(number))?;
            let registration = Registration {
                device_id: DeviceId::from(&id),
                id,
                enrollment: enrollment.clone(),
                state: State::Assigned {
                    hub: hubs[number as usize % hubs.len()].clone(),
                    substatus: Substatus::InitialAssignment,
                },
                thumbprint: Thumbprint([number as u8; 32]),
                operation: OperationId::random(),
                rid: None,
                payload: None,
                told: 0,
                created: now,
                updated: now,
            };
            let device =
                Device { metadata: Default::default(), endpoints: Default::default(), model: None, updated: now };
            let (store, decision) = (
                store.clone(),
                Decision { registration, expected: None, device: Some(device), hub: None, journal: None },
            );
            batch.spawn(async move { store.commit(decision).await });
        }
        while let Some(committed) = batch.join_next().await {
            committed??;
        }
    }
    store.close().await;
    Ok(())
}
