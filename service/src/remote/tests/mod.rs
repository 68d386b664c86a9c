//! The hub port over real TLS on loopback: what a hub is asked arrives, what it answers comes back, and who may not call does not.

mod calls;
mod conformance;
mod hub;
mod refused;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use firsthop_certs::Authority;
use firsthop_protocol::{DeviceId, HubName, OperationId, RegistrationId};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::{Hubs, open};
use super::{ClientConfig, RemoteHub, ServerConfig};
use crate::domain::ports::Hub;
use hub::Scripted;

const CLIENT: &str = "provisioning.example";

/// One machine's certificates and files.
struct World {
    folder: TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), authority: Authority::root("Site Root").unwrap() }
    }

    fn ca(&self) -> PathBuf {
        self.authority.replace(self.folder.path(), "ca").unwrap().certificate
    }

    fn server(&self) -> ServerConfig {
        let identity = self.authority.server(&["127.0.0.1".to_owned()]).unwrap();
        let pair = identity.replace(self.folder.path(), "server").unwrap();
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate: pair.certificate,
            key: pair.key,
            client_ca: self.ca(),
            clients: vec!["Provisioning.Example".to_owned()],
            connections: 8,
            timeout: Duration::from_secs(10),
        }
    }

    /// A caller with a certificate of this authority.
    fn client(&self, name: &str) -> ClientConfig {
        let pair = self.authority.device(name).unwrap().replace(self.folder.path(), name).unwrap();
        ClientConfig {
            certificate: pair.certificate,
            key: pair.key,
            ca: self.ca(),
            timeout: Duration::from_secs(10),
            connections: 4,
        }
    }
}

/// A hub port with one hub behind it.
struct Port {
    address: SocketAddr,
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

fn serve(config: &ServerConfig, hub: Arc<dyn Hub>) -> Port {
    let stopping = CancellationToken::new();
    let hubs = Hubs::from([(lisbon(), hub)]);
    let (address, task) = open(config, hubs, stopping.clone()).unwrap();
    Port { address, task, stopping }
}

impl Port {
    fn hub(&self, config: &ClientConfig) -> Arc<RemoteHub> {
        RemoteHub::new(lisbon(), &format!("https://{}", self.address), config).unwrap()
    }

    async fn stop(self) {
        self.stopping.cancel();
        self.task.await.unwrap();
    }
}

fn lisbon() -> HubName {
    HubName::parse("hub-lisbon").unwrap()
}

fn registration() -> RegistrationId {
    RegistrationId::parse("dev-1").unwrap()
}

fn device() -> DeviceId {
    DeviceId::parse("Dev:1.a_b-c").unwrap()
}

fn operation() -> OperationId {
    OperationId::from_bytes([7; 16])
}
