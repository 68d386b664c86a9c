//! `firsthop demo`: everything in one process, with nothing prepared.

mod fleet;
mod report;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;

use super::{Exit, fail, runtime};
use crate::logging;
use crate::service::Service;
use crate::settings::Settings;
use fleet::Fleet;
use report::{Output, Report};
use world::{World, hub_ports};

/// Make a development PKI and a configuration in ./demo, start the service, register a fleet, and keep running.
///
/// Example: firsthop demo --devices 1000
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder for everything; delete it to start over.
    #[arg(long, env = "FIRSTHOP_DEMO_DIR", value_name = "DIR", default_value = "demo")]
    dir: PathBuf,
    /// How many devices register.
    #[arg(long, env = "FIRSTHOP_DEMO_DEVICES", value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    devices: u32,
    /// The port on 127.0.0.1, with those of the three hubs after it; 0 takes free ones.
    #[arg(long, env = "FIRSTHOP_DEMO_PORT", value_name = "PORT", default_value_t = 8883)]
    port: u16,
    /// How many devices register at the same time.
    #[arg(long, env = "FIRSTHOP_DEMO_AT_ONCE", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// End after the fleet has registered.
    #[arg(long)]
    exit: bool,
    /// How to print.
    #[arg(short, long, env = "FIRSTHOP_OUTPUT", value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub fn run(arguments: &Arguments) -> Exit {
    match runtime() {
        Ok(runtime) => {
            runtime.block_on(demo(arguments)).unwrap_or_else(|error| fail(Exit::Failure, &format!("{error:#}")))
        }
        Err(error) => fail(Exit::Failure, &error),
    }
}

async fn demo(arguments: &Arguments) -> anyhow::Result<Exit> {
    let started = Instant::now();
    // Before anything is made: a demo that runs already keeps its certificates.
    for port in std::iter::once(arguments.port).chain(hub_ports(arguments.port)) {
        std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| {
            format!("cannot listen on 127.0.0.1:{port} (does another demo or broker run? choose another --port)")
        })?;
    }
    let mut report = Report::new(arguments.output);
    report.begin(&arguments.dir);
    let mut world = World::make(&arguments.dir, arguments.port, arguments.devices, &mut report)?;
    logging::install_to_file(&world.log_file()).map_err(anyhow::Error::msg)?;
    let settings = Settings::load(&world.config_file())?;
    let step = Instant::now();
    let service = Service::start(settings).await?;
    let address = service.address();
    report.step(&format!("store and service at mqtts://{address}"), step.elapsed(), &world.config_file());
    world.write_client_folders(address.port())?;
    let outcome =
        Fleet::new(&world, address.port(), started)?.register(usize::from(arguments.at_once), &mut report).await?;
    report.outcome(&outcome, service.hubs());
    let exit = if outcome.is_as_expected() { Exit::Done } else { Exit::Failure };
    if !arguments.exit {
        report.invite(&world, address.port(), &outcome);
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = tokio::signal::ctrl_c() => interrupted?,
        }
    }
    service.stop().await;
    Ok(exit)
}
