//! `firsthop registration`: where a device is assigned.

use firsthop_protocol::RegistrationId;

use super::Exit;
use super::client::{self, Client, Connection, Failure, Request};
use super::output::{self, Column};
use super::trigger::{self, Notice};

/// Registrations: where devices are assigned.
///
/// Example: firsthop registration show dev-0001
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show a device's registration, and the move that is under way.
    ///
    /// Example: firsthop registration show dev-0001
    Show { id: RegistrationId },
    /// Ask the device to register again.
    ///
    /// Example: firsthop registration reprovision dev-0001 --reason "new site"
    Reprovision {
        id: RegistrationId,
        #[command(flatten)]
        notice: Notice,
    },
}

pub const COLUMNS: &[Column] = &[
    ("REGISTRATION", "/registrationId"),
    ("DEVICE", "/deviceId"),
    ("STATUS", "/status"),
    ("SUBSTATUS", "/substatus"),
    ("HUB", "/hub"),
    ("STEP", "/move/step"),
    ("UPDATED", "/lastUpdatedDateTimeUtc"),
];

pub fn run(arguments: &Arguments) -> Exit {
    client::run(&arguments.connection, |client| ask(client, arguments))
}

async fn ask(client: Client, arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.connection.output;
    match &arguments.command {
        Command::Show { id } => {
            output::object(output, &client.ask(Request::get(format!("/registrations/{id}"))).await?.body);
            Ok(())
        }
        Command::Reprovision { id, notice } => {
            trigger::tell(&client, format!("/registrations/{id}/reprovision"), notice, output).await
        }
    }
}
