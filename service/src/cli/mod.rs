//! The command line. One command, one file.

mod cert;
mod check;
mod client;
mod demo;
mod device;
mod group;
mod hub;
mod operation;
mod output;
mod registration;
mod serve;
mod trigger;
mod twin;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failure
  2  wrong usage
  3  there is no such hub, registration, operation or device, or the device is not connected
  4  refused: the request is not as it must be, or the certificate would not be accepted
  5  conflict: it changed meanwhile, or cannot be done as things are
  6  the service, a hub or the device cannot be reached, or cannot do it now
  7  too much at a time: try again later
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
    Hub(hub::Arguments),
    Group(group::Arguments),
    Registration(registration::Arguments),
    Operation(operation::Arguments),
    Twin(twin::Arguments),
    Device(device::Arguments),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failure = 1,
    NotFound = 3,
    Refused = 4,
    Conflict = 5,
    Unreachable = 6,
    Throttled = 7,
    Configuration = 78,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    ExitCode::from(Arguments::parse().command.run() as u8)
}

impl Command {
    fn run(&self) -> Exit {
        match self {
            Self::Serve(arguments) => serve::run(arguments),
            Self::Demo(arguments) => demo::run(arguments),
            Self::Check(arguments) => check::run(arguments),
            Self::Cert(command) => cert::run(command),
            Self::Hub(arguments) => hub::run(arguments),
            Self::Group(arguments) => group::run(arguments),
            Self::Registration(arguments) => registration::run(arguments),
            Self::Operation(arguments) => operation::run(arguments),
            Self::Twin(arguments) => twin::run(arguments),
            Self::Device(arguments) => device::run(arguments),
        }
    }
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

#[cfg(test)]
mod tests;
