//! A device for tests: what it is asked for goes to a channel.

use std::sync::Arc;

use firsthop_agent::device::{
    CertificateStatus, FailureStatus, HubStatus, NextStatus, PublishError, ReportRefused, Status, Stopped,
};
use firsthop_agent::disk::{DiskError, OutboxState, Telemetry};
use firsthop_agent::twin::{Desired, Properties};
use firsthop_protocol::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::port::DevicePort;

/// What the device was asked for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    Publish(String, Vec<u8>),
    Report(Properties),
    RegisterAgain(bool),
    WantMessages(bool),
}

#[derive(Debug, Clone)]
pub struct FakeDevice {
    asked: mpsc::UnboundedSender<Asked>,
}

impl FakeDevice {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Asked>) {
        let (asked, told) = mpsc::unbounded_channel();
        (Self { asked }, told)
    }

    fn tell(&self, asked: Asked) -> Result<(), Stopped> {
        self.asked.send(asked).map_err(|_| Stopped)
    }
}

impl DevicePort for FakeDevice {
    fn status(&self) -> Status {
        status(true)
    }

    fn desired(&self) -> Option<Arc<Desired>> {
        let properties = json!({ "interval": 5 }).as_object().cloned().unwrap();
        Some(Arc::new(Desired { version: 7, properties }))
    }

    async fn publish(&self, message: Telemetry) -> Result<(), PublishError> {
        if message.body == b"too much" {
            return Err(PublishError::Disk(DiskError::OutboxFull { messages: 1, bytes: 8 }));
        }
        let stopped = |_| PublishError::Disk(DiskError::Stopped);
        self.tell(Asked::Publish(message.properties, message.body)).map_err(stopped)
    }

    async fn report(&self, patch: Properties) -> Result<(), ReportRefused> {
        self.tell(Asked::Report(patch)).map_err(|_| ReportRefused::Disk(Arc::new(DiskError::Stopped)))
    }

    async fn register_again(&self, reset: bool) -> Result<(), Stopped> {
        self.tell(Asked::RegisterAgain(reset))
    }

    async fn want_messages(&self, want: bool) -> Result<(), Stopped> {
        self.tell(Asked::WantMessages(want))
    }
}

/// A device on its hub, or waiting for it.
pub fn status(on_hub: bool) -> Status {
    let at = |secs: u64| Timestamp::from_secs(1_795_564_800 + secs);
    let next = NextStatus { action: "connect".to_owned(), at: at(10), why: "the hub was busy".to_owned() };
    Status {
        state: if on_hub { "connected" } else { "waiting" }.to_owned(),
        since: at(0),
        registration_id: Some("dev-1".to_owned()),
        hub: Some(HubStatus { address: "hub-1.example:8883".to_owned(), device_id: "dev-1".to_owned(), told: at(0) }),
        candidate: None,
        on_hub,
        next: (!on_hub).then_some(next),
        ignored: None,
        failures: vec![FailureStatus { at: at(1), message: "the hub was busy".to_owned() }],
        certificate: Some(CertificateStatus { not_after: at(86_400), warning: None }),
        unacknowledged_report: false,
        outbox: OutboxState { waiting: 2, bytes: 300, dropped: 0 },
    }
}
