//! What the demo makes on disk: a PKI, a configuration, and a folder of client options for each device.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use firsthop_certs::{Authority, Defect, Identity};

use super::report::Report;

/// The hubs that devices are spread over. Each has a port of its own.
pub const HUBS: [&str; 3] = ["hub-lisbon", "hub-berlin", "hub-austin"];

/// The hubs' ports: those after the service's, or any free ones where it takes any free one.
pub fn hub_ports(port: u16) -> [u16; HUBS.len()] {
    if port == 0 { [0; HUBS.len()] } else { [1, 2, 3].map(|next: u16| port.saturating_add(next)) }
}

/// How the configuration of a demo begins: a folder without it is somebody else's.
const MARK: &str = "# Written by `firsthop demo`";

/// A device and what is expected to happen to it.
pub struct DemoDevice {
    pub name: String,
    pub identity: Identity,
    pub refusal: Option<&'static str>,
}

pub struct World {
    dir: PathBuf,
    root: Authority,
    pub devices: Vec<DemoDevice>,
}

impl World {
    /// Makes the folder, or renews one that an earlier demo made. What is registered stays.
    pub fn make(dir: &Path, port: u16, devices: u32, report: &mut Report) -> anyhow::Result<Self> {
        let step = Instant::now();
        let marker = dir.join("firsthop.toml");
        if dir.exists()
            && !marker.exists()
            && fs::read_dir(dir).with_context(|| format!("{}", dir.display()))?.next().is_some()
        {
            bail!("{} holds other things than a demo: choose another folder with --dir", dir.display());
        }
        fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
        remove_old_devices(dir).with_context(|| format!("{}", dir.display()))?;
        let dir = fs::canonicalize(dir).with_context(|| format!("{}", dir.display()))?;
        let certs = dir.join("certs");
        let root = Authority::root("Firsthop demo root")?;
        let factory = root.intermediate("Firsthop demo factory")?;
        let closed = root.intermediate("Firsthop demo closed line")?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        root.replace(&certs, "root")?;
        factory.replace(&certs, "factory")?;
        closed.replace(&certs, "closed")?;
        root.server(&names)?.replace(&certs, "server")?;
        report.step("root CA, server certificate", step.elapsed(), &certs);

        let step = Instant::now();
        let mut fleet = Vec::with_capacity(devices as usize + 3);
        for number in 1..=devices {
            let name = format!("dev-{number:04}");
            fleet.push(DemoDevice { identity: factory.device(&name)?, name, refusal: None });
        }
        let broken =
            |name: &str, refusal, identity| DemoDevice { name: name.to_owned(), identity, refusal: Some(refusal) };
        fleet.push(broken("dev-expired", "expired", factory.broken_device("dev-expired", Defect::Expired)?));
        fleet.push(broken("dev-stranger", "unknown issuer", factory.broken_device("dev-stranger", Defect::ForeignCa)?));
        fleet.push(broken("dev-closed", "enrollment disabled", closed.device("dev-closed")?));
        report.step(&format!("{} device certificates", fleet.len()), step.elapsed(), &dir.join("dev-0001"));

        let step = Instant::now();
        fs::write(&marker, configuration(port)).with_context(|| format!("{}", marker.display()))?;
        report.step(&format!("2 enrollment groups, {} hubs", HUBS.len()), step.elapsed(), &marker);
        Ok(Self { dir, root, devices: fleet })
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.join("firsthop.toml")
    }

    pub fn log_file(&self) -> PathBuf {
        self.dir.join("firsthop.log")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn root(&self) -> &Authority {
        &self.root
    }

    /// Writes, for each device, a folder that mosquitto's clients take their options from: `XDG_CONFIG_HOME=demo/dev-0001`.
    pub fn write_client_folders(&mut self, port: u16) -> anyhow::Result<()> {
        let root = self.dir.join("certs/root.pem");
        for device in &self.devices {
            let folder = self.dir.join(&device.name);
            device.identity.replace(&folder, "device")?;
            let options = format!(
                "-h localhost\n-p {port}\n-V mqttv5\n--cafile {}\n--cert {}\n--key {}\n",
                root.display(),
                folder.join("device.pem").display(),
                folder.join("device.key").display()
            );
            for client in ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"] {
                let file = folder.join(client);
                fs::write(&file, &options).with_context(|| format!("{}", file.display()))?;
            }
        }
        Ok(())
    }
}

/// The folders of an earlier demo's devices: their certificates are of a CA that is no more.
fn remove_old_devices(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("dev-") && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn configuration(port: u16) -> String {
    let mut text = format!(
        r#"{MARK}. `firsthop serve -c` runs with it, too.

[listener]
address = "127.0.0.1:{port}"

[tls]
certificate = "certs/server.pem"
key = "certs/server.key"

[store]
path = "registry.redb"

# For `firsthop hub list --socket admin.sock` and its like.
[admin]
socket = "admin.sock"
"#
    );
    for (name, hub_port) in HUBS.iter().zip(hub_ports(port)) {
        write!(text, "\n[[hubs]]\nname = \"{name}\"\nhost = \"localhost\"\nlisten = \"127.0.0.1:{hub_port}\"\n")
            .expect("a String takes all text");
    }
    text.push_str(
        r#"
# Devices whose certificate the factory's CA issued.
[[groups]]
id = "factory"
primary = "certs/factory.pem"
# The nearest hub by what a device measured; spread over all where it measured nothing.
allocation = "geoLatency"
initial_twin = { tags = { line = "demo" }, desired = { interval = 60 } }

# A line that was closed: its devices are refused.
[[groups]]
id = "closed-line"
primary = "certs/closed.pem"
enabled = false
"#,
    );
    text
}
