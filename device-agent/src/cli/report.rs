//! `firsthop-agent report`: properties for the device's twin.

use firsthop_protocol::document::Document;
use serde_json::json;

use super::socket::{Agent, Failure, SocketArgs};
use super::{exit, input};

/// Report properties of the device: a merge patch, null removes. Done when the agent has it on its disk.
///
/// Example: firsthop-agent report '{"door":"open","battery":null}'
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// A JSON object, or a file with one.
    #[arg(value_name = "JSON|@FILE", value_parser = input::patch)]
    patch: Document,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    Agent::connect(&args.socket)?.ask(&json!({ "op": "report", "patch": *args.patch }))?;
    Ok(exit::OK)
}
