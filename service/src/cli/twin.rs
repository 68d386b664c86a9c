//! `firsthop twin`: device twins.

use std::fs;

use firsthop_protocol::DeviceId;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Exit;
use super::client::{self, Client, Connection, Failure, Request};
use super::output;

/// Device twins: tags, desired and reported properties.
///
/// Example: firsthop twin show dev-0001
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show a device's twin.
    ///
    /// Example: firsthop twin show dev-0001 --output json
    Show { device: DeviceId },
    /// Merge a patch into tags or desired properties; null removes.
    ///
    /// Example: firsthop twin update dev-0001 --desired '{"interval": 30, "old": null}'
    Update(Change),
    /// Replace tags or desired properties as a whole.
    ///
    /// Example: firsthop twin replace dev-0001 --tags '{"site": "lisbon"}' --if-match 4
    Replace(Change),
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("part").required(true).multiple(true)))]
struct Change {
    device: DeviceId,
    /// Tags, as a JSON object or @FILE.
    #[arg(long, env = "FIRSTHOP_TAGS", value_name = "JSON", value_parser = document, group = "part")]
    tags: Option<Value>,
    /// Desired properties, as a JSON object or @FILE.
    #[arg(long, env = "FIRSTHOP_DESIRED", value_name = "JSON", value_parser = document, group = "part")]
    desired: Option<Value>,
    /// Only if the twin is at this version (its etag).
    #[arg(long, env = "FIRSTHOP_IF_MATCH", value_name = "ETAG")]
    if_match: Option<u64>,
}

/// JSON of the command line, or of the file after an `@`.
pub fn json_text(text: &str) -> Result<Value, String> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
    };
    serde_json::from_str(&text).map_err(|error| format!("no JSON: {error}"))
}

fn document(text: &str) -> Result<Value, String> {
    match json_text(text)? {
        value @ Value::Object(_) => Ok(value),
        _ => Err("must be a JSON object".to_owned()),
    }
}

pub fn run(arguments: &Arguments) -> Exit {
    client::run(&arguments.connection, |client| ask(client, arguments))
}

async fn ask(client: Client, arguments: &Arguments) -> Result<(), Failure> {
    let request = match &arguments.command {
        Command::Show { device } => Request::get(format!("/twins/{device}")),
        Command::Update(change) => request(Method::PATCH, change),
        Command::Replace(change) => request(Method::PUT, change),
    };
    output::object(arguments.connection.output, &client.ask(request).await?.body);
    Ok(())
}

fn request(method: Method, change: &Change) -> Request {
    let mut body = Map::new();
    if let Some(tags) = &change.tags {
        body.insert("tags".to_owned(), tags.clone());
    }
    if let Some(desired) = &change.desired {
        body.insert("properties".to_owned(), json!({ "desired": desired }));
    }
    let request = Request::new(method, format!("/twins/{}", change.device)).json(&Value::Object(body));
    match change.if_match {
        Some(version) => request.header("if-match", format!("\"{version}\"")),
        None => request,
    }
}
