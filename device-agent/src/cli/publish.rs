//! `firsthop-agent publish`: telemetry from scripts.

use std::fs::File;
use std::io::{self, BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firsthop_agent::disk::Telemetry;
use serde_json::{Map, Value, json};

use super::socket::{Agent, Failure, SocketArgs};
use super::{exit, input};

/// Hand telemetry to the agent. Done when it has it on its disk; it is sent as soon as there is a hub.
///
/// Example: firsthop-agent publish --property site=lisbon '{"temperature":21}'
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// A property of the message; may be given several times (in the variable: one). NAME alone has no value.
    #[arg(long = "property", env = "FIRSTHOP_AGENT_PROPERTY", value_name = "NAME=VALUE", value_parser = input::property)]
    properties: Vec<(String, Option<String>)>,
    /// Send each line of standard input as one message.
    #[arg(long, env = "FIRSTHOP_AGENT_LINES", conflicts_with = "body")]
    lines: bool,
    /// The body: text, a file (@FILE), or standard input (-).
    #[arg(value_name = "BODY|@FILE|-", required_unless_present = "lines", allow_hyphen_values = true)]
    body: Option<String>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut agent = Agent::connect(&args.socket)?;
    if args.lines {
        return each_line(args, &mut agent, io::stdin().lock());
    }
    let body = match args.body.as_deref().unwrap_or_default() {
        "-" => read(io::stdin().lock()).map_err(|error| Failure::Input(format!("standard input: {error}")))?,
        argument => match argument.strip_prefix('@') {
            Some(path) => File::open(path)
                .and_then(read)
                .map_err(|error| Failure::Input(format!("cannot read {path}: {error}")))?,
            None => argument.as_bytes().to_vec(),
        },
    };
    agent.ask(&args.request(&body))?;
    Ok(exit::OK)
}

/// A line that is refused ends it, so that the caller knows what is not on the disk.
fn each_line(args: &Args, agent: &mut Agent, mut lines: impl BufRead) -> Result<u8, Failure> {
    for number in 1_u64.. {
        let mut line = Vec::new();
        // One byte for the line's end, and one to tell that there is more.
        let limit = Telemetry::MAX_BODY as u64 + 2;
        let read = lines.by_ref().take(limit).read_until(b'\n', &mut line);
        if read.map_err(|error| Failure::Input(format!("standard input: {error}")))? == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() > Telemetry::MAX_BODY {
            return Err(Failure::Input(format!(
                "line {number} is longer than the {} bytes allowed",
                Telemetry::MAX_BODY
            )));
        }
        agent.ask(&args.request(&line)).map_err(|error| match error {
            Failure::Refused { code, message } => {
                Failure::Refused { code, message: format!("line {number}: {message}") }
            }
            other => other,
        })?;
    }
    Ok(exit::OK)
}

fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if from.take(Telemetry::MAX_BODY as u64 + 1).read_to_end(&mut body)? > Telemetry::MAX_BODY {
        let message = format!("larger than the {} bytes allowed", Telemetry::MAX_BODY);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(body)
}

impl Args {
    fn request(&self, body: &[u8]) -> Value {
        let properties: Map<String, Value> =
            self.properties.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let base64 = STANDARD.encode(body);
        // Text that is all quotes or line ends is longer as JSON, and the largest would not fit into a line of the socket.
        let text =
            std::str::from_utf8(body).ok().map(Value::from).filter(|text| text.to_string().len() <= base64.len());
        match text {
            Some(text) => json!({ "op": "publish", "properties": properties, "body": text }),
            None => json!({ "op": "publish", "properties": properties, "bodyBase64": base64 }),
        }
    }
}
