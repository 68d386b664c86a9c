//! `firsthop-agent twin`: the desired properties.

use serde_json::{Value, json};

use super::exit;
use super::socket::{Agent, Failure, SocketArgs, say};

/// Print the desired properties and their version as one line of JSON, as last known, also without a connection.
///
/// Example: firsthop-agent twin --watch
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// Print them again, a line each, whenever they change.
    #[arg(long, env = "FIRSTHOP_AGENT_WATCH")]
    watch: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut agent = Agent::connect(&args.socket)?;
    if !args.watch {
        let twin = agent.ask(&json!({ "op": "twin" }))?;
        if twin.get("version").is_none_or(Value::is_null) {
            let message = "no hub has told the desired properties yet".to_owned();
            return Err(Failure::Refused { code: "stopping".to_owned(), message });
        }
        say(Value::Object(twin))?;
        return Ok(exit::OK);
    }
    let mut twin = agent.ask(&json!({ "op": "watch" }))?;
    agent.wait_for_ever()?;
    loop {
        let is_known = twin.get("version").is_some_and(|version| !version.is_null());
        if is_known && !say(Value::Object(twin))? {
            return Ok(exit::OK);
        }
        twin = agent.answer()?;
    }
}
