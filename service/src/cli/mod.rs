//! The command line. One command, one file.

mod cert;
mod check;
mod demo;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failure
  2  wrong usage
  4  refused: the certificate would not be accepted
  78 the configuration is wrong; starting again will not help

Every flag has an environment variable, shown with it. Settings of the configuration file can be overridden by
FIRSTHOP__SECTION__KEY, as FIRSTHOP__LISTENER__ADDRESS=127.0.0.1:8883.";

/// Device provisioning over MQTT.
///
/// A device with a certificate and one address connects, publishes to $provisioning/register, and learns which hub it belongs to.
#[derive(Debug, Parser)]
#[command(name = "firsthop", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Check(check::Arguments),
    #[command(subcommand)]
    Cert(cert::Command),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failure = 1,
    Refused = 4,
    Configuration = 78,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let exit = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Cert(command) => cert::run(&command),
    };
    ExitCode::from(exit as u8)
}

/// Says on standard error what went wrong.
pub(crate) fn fail(exit: Exit, error: &dyn std::fmt::Display) -> Exit {
    eprintln!("firsthop: {error}");
    exit
}

/// The runtime that a service runs on.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
