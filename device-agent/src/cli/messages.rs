//! `firsthop-agent messages`: device-bound messages, for a program that reads our output.

use serde_json::{Value, json};

use super::exit;
use super::socket::{Agent, Failure, SocketArgs, say};

/// Take device-bound messages: each is printed as one line of JSON, and then accepted. One program at a time can.
///
/// Example: firsthop-agent messages --count 1
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// End after so many; otherwise never.
    #[arg(long, env = "FIRSTHOP_AGENT_COUNT", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut agent = Agent::connect(&args.socket)?;
    agent.ask(&json!({ "op": "messages" }))?;
    agent.wait_for_ever()?;
    let mut taken = 0;
    while args.count.is_none_or(|count| taken < count) {
        let mut message = agent.answer()?;
        let number = message.remove("message").unwrap_or_default();
        // What could not be printed is left to the next program.
        if !say(Value::Object(message))? {
            break;
        }
        agent.send(&json!({ "accept": number }))?;
        taken += 1;
    }
    Ok(exit::OK)
}
