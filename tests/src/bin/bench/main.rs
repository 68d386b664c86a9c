//! The benchmark: what the service costs, beside the budgets it has.
//!
//! The service runs as a process of its own, with its configuration, its log and a store on a real file system; so do the servers it
//! is compared with. Server and load are kept on different cores. What is compared is measured in alternating rounds of one run,
//! because machines change their speed, and the median of the rounds' ratios counts.
//!
//! `cargo run --release -p firsthop-tests --bin bench`

mod agent;
mod baseline;
mod demo;
mod device;
mod fresh;
mod hubs;
mod idle;
mod live;
mod machine;
mod mosquitto;
mod mqtt;
mod prefill;
mod process;
mod program;
mod report;
mod round;
mod scale;
mod sizes;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use report::Report;
use sizes::Sizes;
use world::World;

/// Measure the service against its budgets. Takes some minutes; ends by itself.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure only these, separated by commas.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Small numbers: shows that everything works, in less than half a minute.
    #[arg(long)]
    quick: bool,
    /// A built firsthop to measure, instead of building it here.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A built firsthop-agent to measure, instead of the one beside the service's program.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// A Python that has the package azure-iot-device, to compare the agent with.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Where stores are written. By default beside the benchmark's own program, because /tmp is often in memory.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    helper: Option<Helper>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// (a) bare handshakes, (b) first registrations on fresh connections.
    Fresh,
    /// (c) requests on live connections.
    Live,
    /// (d) memory of idle sessions.
    Idle,
    /// (e) many stored registrations, (f) start after a kill.
    Scale,
    /// (g) moves between hubs, (h) twins, (i) changes for many devices.
    Hubs,
    /// The demo's first device.
    Demo,
    /// (j) the device agent.
    Agent,
}

/// What the benchmark starts itself as.
#[derive(Debug, clap::Subcommand)]
#[command(hide = true)]
enum Helper {
    #[command(hide = true)]
    BareServer(baseline::Arguments),
    #[command(hide = true)]
    Prefill(prefill::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.helper {
        Some(Helper::BareServer(arguments)) => baseline::run(arguments),
        Some(Helper::Prefill(arguments)) => prefill::run(arguments),
        None => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let sizes = if arguments.quick { Sizes::QUICK } else { Sizes::FULL };
    let mut report = Report::new(arguments.json);
    machine::raise_descriptor_limit(sizes.idle as u64 + 1000)?;
    let program = match &arguments.program {
        Some(program) => program.canonicalize().with_context(|| program.display().to_string())?,
        None => program::built()?,
    };
    let own = std::env::current_exe()?;
    let folder = arguments.folder.as_deref().or(own.parent()).context("the benchmark's program lies in a folder")?;

    let cores = machine::cores();
    let (server_cores, client_cores) = match cores.as_slice() {
        [server, client, ..] => (vec![*server], vec![*client]),
        all => (all.to_vec(), all.to_vec()),
    };
    machine::pin(&client_cores).context("the load cannot be kept on its core")?;
    let world = World::new(folder, program, server_cores.clone())?;
    report.fact("machine", format!("{}, {} cores, load {:.1}", machine::processor(), cores.len(), machine::load()));
    report.fact(
        "pinned",
        match cores.len() {
            0 | 1 => "no: there is one core, which the load shares with the server".to_owned(),
            _ => format!("server on core {}, load on core {}", server_cores[0], client_cores[0]),
        },
    );
    let sync = machine::sync_cost(folder)?;
    report.fact(
        "disk",
        format!("{}: a synced write of 4 KiB takes {:.2} ms", folder.display(), sync.as_secs_f64() * 1e3),
    );
    if cfg!(debug_assertions) {
        report.fact("build", "debug: the figures mean nothing");
    } else if arguments.quick {
        report.fact("sizes", "--quick: the figures mean nothing");
    }

    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if wanted(Part::Fresh) {
            fresh::run(&world, &sizes, &mut report).await.context("fresh connections")?;
        }
        if wanted(Part::Live) {
            live::run(&world, &sizes, &mut report).await.context("live connections")?;
        }
        if wanted(Part::Idle) {
            idle::run(&world, &sizes, &mut report).await.context("idle sessions")?;
        }
        if wanted(Part::Scale) {
            scale::run(&world, &sizes, &cores, &mut report).await.context("many registrations")?;
        }
        if wanted(Part::Hubs) {
            hubs::run(&world, &sizes, &mut report).await.context("hubs")?;
        }
        if wanted(Part::Demo) {
            demo::run(&world, &cores, &mut report).context("demo")?;
        }
        if wanted(Part::Agent) {
            let agent = arguments.agent.clone().unwrap_or_else(|| world.program().with_file_name("firsthop-agent"));
            let programs = agent::Programs { agent, python: arguments.python.as_deref() };
            agent::run(&world, &programs, &sizes, &client_cores, &mut report).await.context("device agent")?;
        }
        anyhow::Ok(())
    })?;
    if arguments.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    Ok(())
}
