//! Devices are asked to register again (rule C7).

use std::sync::Arc;
use std::time::Duration;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{HubName, RegistrationId};
use futures_util::{StreamExt, stream};

use super::AdminError;
use crate::domain::attestation::Principal;
use crate::domain::ports::{Notice, SessionCommand, Sessions, StoreError};
use crate::domain::registration::{Registration, State};
use crate::provisioner::Provisioner;

/// Devices that are told together; a pause follows, so that not all of a fleet hear it in one moment.
const WAVE: usize = 128;
const PAUSE: Duration = Duration::from_millis(100);
/// Hubs that are called at a time.
const AT_A_TIME: usize = 16;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Registration(RegistrationId),
    /// All devices of an enrollment.
    Enrollment(EnrollmentName),
    /// All devices of a hub.
    Hub(HubName),
}

/// How many were reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TriggerReport {
    pub told: u64,
    pub not_connected: u64,
}

impl Provisioner {
    /// The way to sessions at the provisioning endpoint. Set once, when the endpoint is there.
    pub fn set_sessions(&self, sessions: Arc<dyn Sessions>) {
        if self.sessions.set(sessions).is_err() {
            tracing::warn!("the way to provisioning sessions is set already");
        }
    }

    /// Tells devices, wherever they have a session. Returns when all were told.
    pub async fn trigger(&self, target: Target, notice: Notice) -> Result<TriggerReport, AdminError> {
        let mut report = TriggerReport::default();
        if let Target::Registration(id) = &target {
            if self.store.registration(id)?.is_none() {
                return Err(unknown(&target));
            }
            self.tell(vec![id.clone()], &notice, &mut report).await?;
            return Ok(report);
        }
        let mut after = None;
        loop {
            let wave = self.wave(&target, after)?;
            let Some((position, _)) = wave.last() else {
                return if after.is_some() || self.knows(&target) { Ok(report) } else { Err(unknown(&target)) };
            };
            after = Some(*position);
            let last = wave.len() < WAVE;
            self.tell(wave.into_iter().map(|(_, id)| id).collect(), &notice, &mut report).await?;
            if last {
                return Ok(report);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether there is such a hub or enrollment, even if it has no devices.
    fn knows(&self, target: &Target) -> bool {
        match target {
            Target::Registration(_) => true,
            Target::Enrollment(name) => self.entries.load().book.entry(name).is_some(),
            Target::Hub(hub) => self.hubs.load().named(hub).is_some(),
        }
    }

    fn wave(&self, target: &Target, after: Option<u64>) -> Result<Vec<(u64, RegistrationId)>, StoreError> {
        match target {
            Target::Registration(_) => Ok(Vec::new()),
            Target::Enrollment(name) => self.store.under_enrollment(name, after, WAVE),
            Target::Hub(hub) => self.store.on_hub(hub, after, WAVE),
        }
    }

    async fn tell(
        &self,
        devices: Vec<RegistrationId>,
        notice: &Notice,
        report: &mut TriggerReport,
    ) -> Result<(), StoreError> {
        let mut found = Vec::with_capacity(devices.len());
        for id in devices {
            found.extend(self.store.registration(&id)?.map(|stored| stored.registration));
        }
        let calls: Vec<_> = found.iter().map(|device| self.tell_one(device, notice)).collect();
        let mut told = stream::iter(calls).buffer_unordered(AT_A_TIME);
        while let Some(told) = told.next().await {
            if told {
                report.told += 1;
            } else {
                report.not_connected += 1;
            }
        }
        Ok(())
    }

    /// At the provisioning endpoint and on its hub; a device may have a session at both.
    async fn tell_one(&self, device: &Registration, notice: &Notice) -> bool {
        let principal = Principal { id: device.id.clone(), enrollment: device.enrollment.clone() };
        let here = self.sessions.get().is_some_and(|sessions| sessions.notify(&principal, notice));
        let State::Assigned { hub, .. } = &device.state else { return here };
        let Some(port) = self.moves.hub(hub) else { return here };
        match port.session(device.device_id.clone(), SessionCommand::Notify(notice.clone())).await {
            Ok(there) => there || here,
            Err(error) => {
                tracing::debug!(registration_id = %device.id, %error, "a device was not told on its hub");
                here
            }
        }
    }
}

fn unknown(target: &Target) -> AdminError {
    AdminError::Unknown(match target {
        Target::Registration(id) => format!("{id} is not registered"),
        Target::Enrollment(name) => format!("there is no enrollment {name}"),
        Target::Hub(hub) => format!("there is no hub {hub}"),
    })
}
