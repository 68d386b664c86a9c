//! The command line. Every option has an environment variable of the same name behind `FIRSTHOP_AGENT_`.

mod check;
pub mod exit;
mod input;
mod messages;
mod output;
mod publish;
mod report;
mod reprovision;
mod run;
mod service;
mod service_args;
mod socket;
mod status;
mod twin;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::gateway::logging;

/// The device agent of Firsthop: keeps a gateway registered and on its hub, and lets local programs use it.
#[derive(Debug, Parser)]
#[command(name = "firsthop-agent", version, after_help = exit::HELP)]
pub struct Args {
    /// What is logged, as a tracing filter: `run` follows its configuration, the others say warnings.
    #[arg(long, global = true, env = "FIRSTHOP_AGENT_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(after_help = exit::HELP)]
    Run(run::Args),
    #[command(after_help = exit::HELP)]
    Check(check::Args),
    #[command(after_help = exit::HELP)]
    Status(status::Args),
    #[command(after_help = exit::HELP)]
    Publish(publish::Args),
    #[command(after_help = exit::HELP)]
    Report(report::Args),
    #[command(after_help = exit::HELP)]
    Twin(twin::Args),
    #[command(after_help = exit::HELP)]
    Messages(messages::Args),
    #[command(after_help = exit::HELP)]
    Reprovision(reprovision::Args),
    #[command(after_help = exit::HELP)]
    Register(Box<service_args::RegisterArgs>),
    #[command(after_help = exit::HELP)]
    Lookup(service_args::LookupArgs),
}

/// Runs the command; gives its exit code.
pub fn run(args: Args) -> u8 {
    if let Command::Run(run) = &args.command {
        return run::run(run, args.log.clone());
    }
    let log = args.log.as_deref().unwrap_or("warn");
    match EnvFilter::try_new(log) {
        Ok(filter) => tracing_subscriber::fmt()
            .with_env_filter(filter)
            .fmt_fields(logging::fields())
            .with_writer(std::io::stderr)
            // It would tell a closed standard error on standard error, and end the process over that.
            .log_internal_errors(false)
            .init(),
        Err(error) => return fail(exit::USAGE, &format!("--log {log:?}: {error}")),
    }
    let ended = match &args.command {
        Command::Run(args) => return run::run(args, None),
        Command::Check(args) => return check::run(args),
        Command::Register(args) => return service::register(args),
        Command::Lookup(args) => return service::look_up(args),
        Command::Status(args) => status::run(args),
        Command::Publish(args) => publish::run(args),
        Command::Report(args) => report::run(args),
        Command::Twin(args) => twin::run(args),
        Command::Messages(args) => messages::run(args),
        Command::Reprovision(args) => reprovision::run(args),
    };
    ended.unwrap_or_else(|error| fail(error.exit(), &error))
}

/// Says on standard error what went wrong.
fn fail(exit: u8, error: &dyn std::fmt::Display) -> u8 {
    output::tell(&format!("error: {error}"));
    exit
}

/// One thread is enough for a device. Names are resolved on threads of their own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()
}

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;
