//! The device agent on a gateway: its size, its memory, what it costs while nothing happens, and how soon it is back on its hub. Beside
//! it the Python device SDK of Azure, where a Python that has it is named, doing the same against the same hub.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::Process;
use crate::report::{Budget, Report};
use crate::sizes::Sizes;
use crate::world::{Server, Setup, World};

/// What the SDK does: connect by the same certificate, and stay.
const PYTHON: &str = include_str!("agent_sdk.py");
/// The id of the device.
const DEVICE: &str = "gateway-1";

/// What is measured, as the command line names it.
pub struct Programs<'a> {
    /// The agent.
    pub agent: PathBuf,
    /// A Python with the package azure-iot-device.
    pub python: Option<&'a Path>,
}

pub async fn run(
    world: &World,
    programs: &Programs<'_>,
    sizes: &Sizes,
    cores: &[usize],
    report: &mut Report,
) -> anyhow::Result<()> {
    report.section("(j) the device agent");
    let service = world.serve("agent.redb", Setup::PLAIN).await?;
    let (certificate, key) = world.device_files(DEVICE)?;
    let size = fs::metadata(&programs.agent).context("the agent's program")?.len();
    report.fact("agent", programs.agent.display().to_string());
    report.figure("agent.size", "its program", size as f64 / 1e6, "MB");

    let config = world.path("agent.toml");
    fs::write(&config, configuration(&service, &certificate, &key))?;
    let agent = || {
        let mut command = Command::new(&programs.agent);
        command.args(["run", "-c"]).arg(&config);
        command
    };
    // The first start registers; the others are by the saved assignment.
    let first = Resident::start("firsthop-agent", agent(), cores)?;
    report.figure("agent.first", "from its first start to its hub, registering", millis(first.took), "ms");
    first.process.terminate()?;
    let (took, resident) = started_often("firsthop-agent", agent, cores, sizes.agent_starts)?;
    report.figure("agent.start", "from its start to its hub, by the saved assignment", millis(took), "ms");
    let memory = resident.process.resident()?;
    report.budgeted(
        "agent.memory",
        "resident memory, connected",
        memory as f64 / MIB,
        "MiB",
        Budget::AtMost(8.0, None),
    );
    let per_hour = idle_cost(&resident, sizes.agent_idle).await?;
    report.figure("agent.idle", "CPU time in an hour in which nothing happens", per_hour, "s");
    resident.process.terminate()?;

    // Without any server: what an agent takes that waits.
    drop(service);
    let waiting = Resident::start_until("firsthop-agent", agent(), cores, "cannot be used")?;
    let memory = waiting.process.resident()?;
    report.budgeted(
        "agent.waiting",
        "resident memory, no hub there",
        memory as f64 / MIB,
        "MiB",
        Budget::AtMost(8.0, None),
    );
    waiting.process.terminate()?;

    match programs.python {
        Some(python) => sdk(world, python, (&certificate, &key), sizes, cores, report).await?,
        None => report.fact("SDK", "no --python with azure-iot-device; not compared"),
    }
    Ok(())
}

async fn sdk(
    world: &World,
    python: &Path,
    (certificate, key): (&Path, &Path),
    sizes: &Sizes,
    cores: &[usize],
    report: &mut Report,
) -> anyhow::Result<()> {
    let service = world.serve("agent.redb", Setup::PLAIN).await?;
    let script = world.path("agent_sdk.py");
    fs::write(&script, PYTHON)?;
    let hubs = service.hubs.iter().map(|hub| hub.port().to_string()).collect::<Vec<_>>().join(",");
    let command = |hubs: &str| {
        let mut command = Command::new(python);
        command.arg(&script).args([hubs, DEVICE]).arg(certificate).arg(key).arg(world.path("root.pem"));
        command
    };
    // The SDK has no saved assignment of its own: which hub it is, is found out first.
    let found = Resident::start("the SDK", command(&hubs), cores)?;
    let hub = found.said.rsplit(' ').next().unwrap_or_default().trim().to_owned();
    found.process.kill()?;
    let (took, resident) = started_often("the SDK", || command(&hub), cores, sizes.agent_starts.min(5))?;
    report.figure("sdk.start", "the Python SDK, from its start to the hub", millis(took), "ms");
    report.figure("sdk.memory", "its resident memory, connected", resident.process.resident()? as f64 / MIB, "MiB");
    let per_hour = idle_cost(&resident, sizes.agent_idle).await?;
    report.figure("sdk.idle", "its CPU time in an hour in which nothing happens", per_hour, "s");
    Ok(())
}

const MIB: f64 = 1024.0 * 1024.0;

fn configuration(service: &Server, certificate: &Path, key: &Path) -> String {
    format!(
        "[service]\nhost = \"localhost\"\nport = {}\nca = \"root.pem\"\n[identity]\ncertificate = \"{}\"\nkey = \"{}\"\n\
         [state]\nfolder = \"agent\"\n[local]\nsocket = \"agent.sock\"\n[log]\nformat = \"text\"\n",
        service.address.port(),
        certificate.display(),
        key.display()
    )
}

/// A process that said it is there.
struct Resident {
    process: Process,
    took: Duration,
    /// The line that said so.
    said: String,
}

impl Resident {
    fn start(name: &'static str, command: Command, cores: &[usize]) -> anyhow::Result<Self> {
        Self::start_until(name, command, cores, "on the hub")
    }

    /// Starts a process and waits until it says so on standard error.
    fn start_until(name: &'static str, mut command: Command, cores: &[usize], says: &str) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut process = Process::spawn(name, command, cores)?;
        let mut said = String::new();
        let mut lines = BufReader::new(process.child().stderr.take().context("its errors are piped")?);
        loop {
            let from = said.len();
            if lines.read_line(&mut said)? == 0 {
                bail!("{name} ended before it was {says:?}: {said}");
            }
            if said.get(from..).is_some_and(|line| line.contains(says)) {
                let took = begun.elapsed();
                let said = said.split_off(from);
                // It may go on talking to nobody; what it says must not stop it.
                std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                return Ok(Self { process, took, said });
            }
        }
    }
}

/// The median time to the hub of so many starts, and the last process.
fn started_often(
    name: &'static str,
    command: impl Fn() -> Command,
    cores: &[usize],
    starts: usize,
) -> anyhow::Result<(Duration, Resident)> {
    let mut times = Vec::new();
    loop {
        let resident = Resident::start(name, command(), cores)?;
        times.push(resident.took);
        if times.len() >= starts {
            times.sort_unstable();
            return Ok((times[times.len() / 2], resident));
        }
        resident.process.kill()?;
    }
}

/// Seconds of CPU time that an hour of idling would cost.
async fn idle_cost(resident: &Resident, watched: Duration) -> anyhow::Result<f64> {
    tokio::time::sleep(Duration::from_secs(2).min(watched)).await;
    let before = resident.process.cpu_time()?;
    tokio::time::sleep(watched).await;
    let spent = resident.process.cpu_time()?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 3600.0 / watched.as_secs_f64())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
