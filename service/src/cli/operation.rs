//! `firsthop operation`: what runs, and what ran last.

use firsthop_protocol::OperationId;
use reqwest::Method;

use super::Exit;
use super::client::{self, Client, Connection, Failure, Request};
use super::output::{self, Column};

/// Operations: registrations and moves that run, and the last ones that ended.
///
/// Example: firsthop operation list
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List operations, the newest first.
    ///
    /// Example: firsthop operation list --limit 20
    List {
        /// How many to list at most.
        #[arg(long, env = "FIRSTHOP_LIMIT", value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
    /// Show one operation, with what its allocation webhook was asked and answered.
    ///
    /// Example: firsthop operation show 6f1c1f0e-3a52-4f0b-9b9e-0a6f0c9f4e11
    Show {
        #[arg(value_parser = operation)]
        id: OperationId,
    },
    /// Undo a move that is not committed yet: the device stays where it was.
    ///
    /// Example: firsthop operation cancel 6f1c1f0e-3a52-4f0b-9b9e-0a6f0c9f4e11
    Cancel {
        #[arg(value_parser = operation)]
        id: OperationId,
    },
}

fn operation(text: &str) -> Result<OperationId, String> {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    let parsed: Result<_, serde::de::value::Error> = OperationId::deserialize(text.into_deserializer());
    parsed.map_err(|error| error.to_string())
}

const COLUMNS: &[Column] = &[
    ("OPERATION", "/operationId"),
    ("REGISTRATION", "/registrationId"),
    ("STATUS", "/status"),
    ("FROM", "/from"),
    ("TO", "/to"),
    ("STEP", "/step"),
    ("STARTED", "/startedDateTimeUtc"),
    ("RETRIES", "/retries"),
    ("ERROR", "/error"),
];

pub fn run(arguments: &Arguments) -> Exit {
    client::run(&arguments.connection, |client| ask(client, arguments))
}

async fn ask(client: Client, arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.connection.output;
    let request = match &arguments.command {
        Command::List { limit } => {
            let (items, more) = client.list("/operations", *limit).await?;
            output::list(output, COLUMNS, &items, more);
            return Ok(());
        }
        Command::Show { id } => Request::get(format!("/operations/{id}")),
        Command::Cancel { id } => Request::new(Method::DELETE, format!("/operations/{id}")),
    };
    output::object(output, &client.ask(request).await?.body);
    Ok(())
}
