//! `firsthop-agent reprovision`: a person at the gateway wants the device registered again.

use serde_json::json;

use super::exit;
use super::output::tell;
use super::socket::{Agent, Failure, SocketArgs};

/// Register the device again, now; for the agent's own user and those of local.managers.
///
/// Example: firsthop-agent reprovision --reset
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// Begin anew: what is kept of the device's twin is dropped, as soon as the new assignment is proven.
    #[arg(long, env = "FIRSTHOP_AGENT_RESET")]
    reset: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    Agent::connect(&args.socket)?.ask(&json!({ "op": "reprovision", "reset": args.reset }))?;
    tell("the device registers again; `firsthop-agent status` tells how it goes");
    Ok(exit::OK)
}
