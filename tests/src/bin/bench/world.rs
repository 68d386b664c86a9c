//! What the servers under test are started with: a folder, a PKI, a configuration; and the devices that come to them.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use firsthop_certs::{Authority, Identity};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::device::Device;
use crate::process::Process;

/// The enrollment group of all devices.
pub const GROUP: &str = "bench";
/// The name in the certificate by which the service calls hubs.
const CALLER: &str = "provisioning.bench";
pub const HUBS: [&str; 3] = ["hub-a", "hub-b", "hub-c"];

pub struct World {
    dir: TempDir,
    root: Authority,
    group: Authority,
    server: Identity,
    program: PathBuf,
    pub server_cores: Vec<usize>,
    next_device: Cell<u64>,
    next_server: Cell<u32>,
}

/// A running server and its address.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
    /// Its hubs' own ports.
    pub hubs: Vec<SocketAddr>,
    /// Its management socket.
    pub socket: PathBuf,
}

/// What the service's hubs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hubs {
    /// In its own process: each device is given to its hub with its registration.
    Embedded,
    /// Addresses that devices are told.
    Addresses,
    /// The first one in its own process, the second one in another.
    Remote { hub_port: u16, device_port: u16 },
}

/// How a service is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub hubs: Hubs,
    /// Further keys of the enrollment group.
    pub group: &'static str,
    pub log: Option<&'static str>,
}

impl Setup {
    pub const PLAIN: Self = Self { hubs: Hubs::Embedded, group: "", log: None };
}

/// The id with that number. Numbers that follow each other give ids that are far apart in order, as ids of a real fleet are: a store
/// that keeps them sorted must not look better than it is.
pub fn device_id(number: u64) -> String {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("device-{:016x}", mixed ^ (mixed >> 31))
}

/// Devices with numbers from here on are registered by the load; those below are in stores from the beginning.
const FIRST_OF_LOAD: u64 = 1 << 32;

impl World {
    pub fn new(folder: &Path, program: PathBuf, server_cores: Vec<usize>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("firsthop-bench-").tempdir_in(folder).context("temporary folder")?;
        let root = Authority::root("Benchmark Root")?;
        let group = root.intermediate("Benchmark Line")?;
        let server = root.server(&["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        root.write(dir.path(), "root")?;
        group.write(dir.path(), "group")?;
        server.write(dir.path(), "server")?;
        root.device(CALLER)?.write(dir.path(), "caller")?;
        let (next_device, next_server) = (Cell::new(FIRST_OF_LOAD), Cell::new(0));
        Ok(Self { dir, root, group, server, program, server_cores, next_device, next_server })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    fn server_certificate(&self) -> anyhow::Result<&CertificateDer<'static>> {
        self.server.chain.first().context("the server has a certificate")
    }

    /// The root's certificate and the group's, for servers that want the whole path.
    pub fn authorities_pem(&self) -> String {
        self.root.certificate_pem() + &self.group.certificate_pem()
    }

    /// A device of the group.
    pub fn device(&self, id: &str) -> anyhow::Result<Device> {
        Device::new(self.group.device(id)?, id, self.server_certificate()?)
    }

    /// The files of a device of the group: its certificate chain and its key.
    pub fn device_files(&self, id: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
        let written = self.group.device(id)?.write(self.dir.path(), id)?;
        Ok((written.certificate, written.key))
    }

    /// So many devices that were never seen before.
    pub fn fresh_devices(&self, count: usize) -> anyhow::Result<Vec<Device>> {
        let first = self.next_device.get();
        let last = first + count as u64;
        self.next_device.set(last);
        (first..last).map(|number| self.device(&device_id(number))).collect()
    }

    /// Starts the service on a store, new or filled.
    pub async fn serve(&self, store: &str, setup: Setup) -> anyhow::Result<Server> {
        let server = self.spawn_service(store, setup, free_port()?)?;
        server.ready().await
    }

    /// Starts a process that has one hub and nothing else.
    pub async fn serve_hub(&self, store: &str, hub_port: u16, device_port: u16) -> anyhow::Result<Server> {
        let text = format!(
            "[provisioning]\nenabled = false\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n[store]\npath = \"{store}\"\n\
             [hub_port]\nlisten = \"127.0.0.1:{hub_port}\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
             client_ca = \"root.pem\"\nclients = [\"{CALLER}\"]\n\
             [[hubs]]\nname = \"{}\"\nhost = \"localhost\"\nlisten = \"127.0.0.1:{device_port}\"\n",
            HUBS[1]
        );
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, device_port));
        let (process, socket) = self.spawn(&text, None)?;
        Server { process, address, hubs: vec![address], socket }.ready().await
    }

    /// The same without waiting until it can be reached.
    pub fn spawn_service(&self, store: &str, setup: Setup, port: u16) -> anyhow::Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut text = format!(
            "[listener]\naddress = \"{address}\"\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n[store]\npath = \"{store}\"\n\
             [[groups]]\nid = \"{GROUP}\"\nprimary = \"group.pem\"\n{}\n",
            setup.group
        );
        let mut hubs = Vec::new();
        for (at, name) in HUBS.iter().enumerate() {
            let own = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            text += &format!("[[hubs]]\nname = \"{name}\"\n");
            text += &match setup.hubs {
                Hubs::Remote { hub_port, device_port } if at == 1 => {
                    format!("host = \"localhost\"\nport = {device_port}\nremote = \"https://localhost:{hub_port}\"\n")
                }
                Hubs::Addresses => format!("host = \"{name}.example\"\nport = {}\n", 8884 + at),
                _ => format!("host = \"localhost\"\nlisten = \"{own}\"\n"),
            };
            hubs.push(own);
        }
        if let Hubs::Remote { .. } = setup.hubs {
            text += "[hub_client]\ncertificate = \"caller.pem\"\nkey = \"caller.key\"\nca = \"root.pem\"\n";
        }
        let (process, socket) = self.spawn(&text, setup.log)?;
        Ok(Server { process, address, hubs, socket })
    }

    /// Starts the program with that configuration and a management socket.
    fn spawn(&self, text: &str, log: Option<&str>) -> anyhow::Result<(Process, PathBuf)> {
        let number = self.next_server.get();
        self.next_server.set(number + 1);
        let socket = self.path(&format!("firsthop-{number}.sock"));
        let text = format!("{text}[admin]\nsocket = \"{}\"\n", socket.display());
        let config = self.path(&format!("firsthop-{number}.toml"));
        std::fs::write(&config, text)?;
        let log_file = std::fs::File::create(self.path(&format!("firsthop-{number}.log")))?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "-c"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        if let Some(filter) = log {
            command.args(["--log", filter]);
        }
        Ok((Process::spawn("firsthop serve", command, &self.server_cores)?, socket))
    }
}

impl Server {
    /// One that is no service of ours.
    pub fn plain(process: Process, address: SocketAddr) -> Self {
        Self { process, address, hubs: Vec::new(), socket: PathBuf::new() }
    }

    /// Waits until the server takes connections.
    pub async fn ready(mut self) -> anyhow::Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.address).await.is_err() {
            self.process.check()?;
            if Instant::now() > deadline {
                bail!("the server does not listen on {}", self.address);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(self)
    }
}

/// A port of the loopback interface that nobody uses at this moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
