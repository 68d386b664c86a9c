//! The command `firsthop-agent`: the daemon of a gateway, its clients for scripts and people, and single requests to the service.

mod cli;
mod gateway;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    ExitCode::from(cli::run(cli::Args::parse()))
}
