//! `firsthop hub`: hubs, draining them, moving their devices away.

use firsthop_protocol::HubName;
use serde_json::json;

use super::client::{self, Client, Connection, Failure, Request};
use super::output::{self, Column};
use super::trigger::{self, Notice};
use super::{Exit, registration};

/// Hubs: how they are, draining them, moving their devices away.
///
/// Example: firsthop hub list
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the hubs: those that are declared, and those that devices are still registered on.
    ///
    /// Example: firsthop hub list --output json
    List,
    /// Show one hub.
    ///
    /// Example: firsthop hub show hub-lisbon
    Show { name: HubName },
    /// Let the hub take no new devices; those it has stay. Outlives restarts.
    ///
    /// Example: firsthop hub drain hub-lisbon
    Drain { name: HubName },
    /// Let the hub take new devices again.
    ///
    /// Example: firsthop hub undrain hub-lisbon
    Undrain { name: HubName },
    /// Drain the hub and move its devices to others, so many each minute.
    ///
    /// Example: firsthop hub evacuate hub-lisbon --per-minute 600
    Evacuate(Evacuate),
    /// List the devices that are registered on the hub.
    ///
    /// Example: firsthop hub devices hub-lisbon --limit 1000
    Devices {
        name: HubName,
        /// How many to list at most.
        #[arg(long, env = "FIRSTHOP_LIMIT", value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
    /// Ask all devices of the hub to register again.
    ///
    /// Example: firsthop hub reprovision hub-lisbon --spread 10m
    Reprovision {
        name: HubName,
        #[command(flatten)]
        notice: Notice,
    },
}

#[derive(Debug, clap::Args)]
struct Evacuate {
    name: HubName,
    /// Devices each minute.
    #[arg(long, env = "FIRSTHOP_PER_MINUTE", value_name = "NUMBER", required_unless_present = "stop")]
    per_minute: Option<u32>,
    /// End it: devices that are still there stay, and the hub stays drained.
    #[arg(long, env = "FIRSTHOP_STOP", conflicts_with = "per_minute")]
    stop: bool,
}

const COLUMNS: &[Column] = &[
    ("HUB", "/name"),
    ("KIND", "/kind"),
    ("ADDRESS", "/address"),
    ("WEIGHT", "/weight"),
    ("DRAINED", "/drained"),
    ("REGISTRATIONS", "/registrations"),
    ("SESSIONS", "/status/sessions"),
    ("FAULT", "/status/error"),
];

pub fn run(arguments: &Arguments) -> Exit {
    client::run(&arguments.connection, |client| ask(client, arguments))
}

async fn ask(client: Client, arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.connection.output;
    let request = match &arguments.command {
        Command::List => {
            let (items, more) = client.list("/hubs", usize::MAX).await?;
            output::list(output, COLUMNS, &items, more);
            return Ok(());
        }
        Command::Devices { name, limit } => {
            let (items, more) = client.list(&format!("/hubs/{name}/devices"), *limit).await?;
            output::list(output, registration::COLUMNS, &items, more);
            return Ok(());
        }
        Command::Reprovision { name, notice } => {
            return trigger::tell(&client, format!("/hubs/{name}/reprovision"), notice, output).await;
        }
        Command::Show { name } => Request::get(format!("/hubs/{name}")),
        Command::Drain { name } => Request::post(format!("/hubs/{name}/drain")),
        Command::Undrain { name } => Request::post(format!("/hubs/{name}/undrain")),
        Command::Evacuate(Evacuate { name, per_minute: Some(rate), .. }) => {
            Request::post(format!("/hubs/{name}/evacuate")).json(&json!({ "perMinute": rate }))
        }
        Command::Evacuate(Evacuate { name, per_minute: None, .. }) => {
            Request::post(format!("/hubs/{name}/evacuate/stop"))
        }
    };
    output::object(output, &client.ask(request).await?.body);
    Ok(())
}
