//! The demo's fleet: simulated devices that register through the agent library over real sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use firsthop_agent::{Client, Credentials, Endpoint, Options, TrustedRoots};
use firsthop_protocol::{Answer, RegisterRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::report::Report;
use super::world::World;

pub struct Fleet {
    devices: Vec<Device>,
    started: Instant,
}

struct Device {
    name: String,
    client: Client,
    refusal: Option<&'static str>,
}

/// What happened to one device.
pub struct Registered {
    pub name: String,
    pub took: Duration,
    pub result: Result<Answer, String>,
    pub refusal: Option<&'static str>,
}

/// What happened to the fleet.
pub struct Outcome {
    /// Devices by assigned hub.
    pub hubs: BTreeMap<String, usize>,
    /// Deliberate refusals: what was wrong, and what the device was told.
    pub refused: Vec<(&'static str, String)>,
    /// What should not have happened.
    pub surprises: Vec<String>,
    pub first_assigned: Option<Duration>,
    /// A device to try things with, and its hub: the first by name.
    pub example: Option<(String, String)>,
    pub took: Duration,
    /// Sorted.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    pub fn is_as_expected(&self) -> bool {
        self.surprises.is_empty()
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

impl Fleet {
    pub fn new(world: &World, port: u16, started: Instant) -> anyhow::Result<Self> {
        let roots = TrustedRoots::from_der(vec![world.root().certificate_der().clone()])?;
        let endpoint = Endpoint::new("localhost", port, roots)?;
        let device = |device: &super::world::DemoDevice| {
            let credentials = Credentials::from_der(device.identity.chain.clone(), device.identity.key.clone_key())?;
            let client = Client::new(&endpoint, &credentials, Options::default())?;
            Ok(Device { name: device.name.clone(), client, refusal: device.refusal })
        };
        let devices = world
            .devices
            .iter()
            .map(device)
            .collect::<anyhow::Result<_>>()
            .context("the agent refuses its credentials")?;
        Ok(Self { devices, started })
    }

    /// Registers every device, so many at a time.
    pub async fn register(self, at_once: usize, report: &mut Report) -> anyhow::Result<Outcome> {
        let total = self.devices.len();
        let places = Arc::new(Semaphore::new(at_once));
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for device in self.devices {
            let places = places.clone();
            running.spawn(async move {
                let _place = places.acquire_owned().await;
                device.register().await
            });
        }
        let mut outcome = Outcome {
            hubs: BTreeMap::new(),
            refused: Vec::new(),
            surprises: Vec::new(),
            first_assigned: None,
            example: None,
            took: Duration::ZERO,
            latencies: Vec::with_capacity(total),
        };
        report.progress_begins(total);
        while let Some(registered) = running.join_next().await {
            let registered = registered.context("a simulated device panicked")?;
            outcome.latencies.push(registered.took);
            report.progress(&registered);
            outcome.add(registered, self.started.elapsed());
        }
        outcome.took = begun.elapsed();
        outcome.latencies.sort_unstable();
        report.progress_ends();
        Ok(outcome)
    }
}

impl Device {
    async fn register(self) -> Registered {
        let begun = Instant::now();
        let result = async {
            let mut connection = self.client.connect().await?;
            let answer = connection.register(&RegisterRequest::default()).await?;
            connection.close().await;
            Ok::<_, firsthop_agent::Error>(answer)
        };
        let result = result.await.map_err(|error| error.to_string());
        Registered { took: begun.elapsed(), name: self.name, result, refusal: self.refusal }
    }
}

impl Outcome {
    fn add(&mut self, registered: Registered, since_start: Duration) {
        let Registered { name, result, refusal, .. } = registered;
        match (result, refusal) {
            (Ok(Answer::Accepted(answer)), None) => {
                self.first_assigned.get_or_insert(since_start);
                let hub = answer.assigned_hub.unwrap_or_default();
                if self.example.as_ref().is_none_or(|(first, _)| name < *first) {
                    self.example = Some((name, hub.clone()));
                }
                *self.hubs.entry(hub).or_default() += 1;
            }
            (Ok(Answer::Rejected(answer)), Some(refusal)) => {
                self.refused.push((refusal, format!("{name}: {} {}", answer.status, answer.message)));
            }
            (Ok(answer), _) => self.surprises.push(format!("{name}: unexpected answer {}", answer.status())),
            (Err(error), _) => self.surprises.push(format!("{name}: {error}")),
        }
    }
}
