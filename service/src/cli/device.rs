//! `firsthop device`: devices on their hubs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use firsthop_config::duration;
use firsthop_protocol::{DeviceId, Timestamp};
use serde_json::{Value, json};

use super::Exit;
use super::client::{self, Client, Connection, Failure, Request};
use super::output::{self, Column};
use super::twin::json_text;

/// Devices on their hubs: direct methods, messages to them, telemetry that is kept for them.
///
/// Example: firsthop device show dev-0001
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how a device stands with its hub.
    ///
    /// Example: firsthop device show dev-0001
    Show { device: DeviceId },
    /// Call a direct method, and print the device's answer.
    ///
    /// Example: firsthop device invoke dev-0001 reboot --payload '{"delay": 5}'
    Invoke(Invoke),
    /// Put a message into the device's command queue. It waits there while the device is offline.
    ///
    /// Example: firsthop device send dev-0001 "open" --property color=red --expires-in 10m
    Send(Send),
    /// List the telemetry that is kept for the device, the oldest first. Bodies are base64.
    ///
    /// Example: firsthop device events dev-0001 --limit 20
    Events {
        device: DeviceId,
        /// How many to list at most.
        #[arg(long, env = "FIRSTHOP_LIMIT", value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
}

#[derive(Debug, clap::Args)]
struct Invoke {
    device: DeviceId,
    method: String,
    /// For the method, as JSON or @FILE.
    #[arg(long, env = "FIRSTHOP_PAYLOAD", value_name = "JSON", default_value = "null", value_parser = json_text)]
    payload: Value,
    /// How long the device may take, 5s to 5m.
    #[arg(long, env = "FIRSTHOP_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
    /// How long to wait for a device that is not connected, at most 5m.
    #[arg(long, env = "FIRSTHOP_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    connect_timeout: Duration,
}

#[derive(Debug, clap::Args)]
struct Send {
    device: DeviceId,
    /// The message.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    text: Option<String>,
    /// The file with the message.
    #[arg(long, env = "FIRSTHOP_FILE", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A property, which may be given more than once. Those of the system begin with "$.", as '$.mid=42'.
    #[arg(long, env = "FIRSTHOP_PROPERTY", value_name = "NAME=VALUE", value_parser = property, value_delimiter = None)]
    property: Vec<(String, String)>,
    /// How long the message waits; as long as the device's enrollment says when absent.
    #[arg(long, env = "FIRSTHOP_EXPIRES_IN", value_name = "DURATION", value_parser = duration::parse)]
    expires_in: Option<Duration>,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    if name.is_empty() {
        return Err("must have a name before the =".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

const EVENTS: &[Column] =
    &[("NUMBER", "/eventNumber"), ("TIME", "/enqueuedTimeUtc"), ("PROPERTIES", "/properties"), ("BODY", "/body")];

pub fn run(arguments: &Arguments) -> Exit {
    client::run(&arguments.connection, |client| ask(client, arguments))
}

async fn ask(client: Client, arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.connection.output;
    let request = match &arguments.command {
        Command::Events { device, limit } => {
            let (items, more) = client.list(&format!("/devices/{device}/events"), *limit).await?;
            output::list(output, EVENTS, &items, more);
            return Ok(());
        }
        Command::Show { device } => Request::get(format!("/devices/{device}")),
        Command::Invoke(invoke) => Request::post(format!("/twins/{}/methods", invoke.device)).json(&json!({
            "methodName": invoke.method,
            "payload": invoke.payload,
            "responseTimeoutInSeconds": invoke.timeout.as_secs(),
            "connectTimeoutInSeconds": invoke.connect_timeout.as_secs(),
        })),
        Command::Send(send) => message(send)?,
    };
    output::object(output, &client.ask(request).await?.body);
    Ok(())
}

fn message(send: &Send) -> Result<Request, Failure> {
    let payload = match (&send.text, &send.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => fs::read(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?,
        (None, None) => Vec::new(),
    };
    let request = Request::post(format!("/devices/{}/messages", send.device)).query(send.property.clone());
    let request = request.bytes(payload);
    Ok(match send.expires_in {
        Some(time) => request.header("iothub-expiry", Timestamp::now().plus(time).to_string()),
        None => request,
    })
}
