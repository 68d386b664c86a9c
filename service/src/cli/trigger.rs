//! What the commands that ask devices to register again have in common.

use std::time::Duration;

use firsthop_config::duration;
use firsthop_protocol::Timestamp;
use serde_json::json;

use super::client::{Client, Failure, Request};
use super::output::{self, Output};

/// What devices are told.
#[derive(Debug, clap::Args)]
pub struct Notice {
    /// Why, in words for the device's log.
    #[arg(long, env = "FIRSTHOP_REASON", value_name = "TEXT", default_value = "asked by the operator")]
    reason: String,
    /// Devices register no earlier than this, as 2026-11-24T22:00:00Z.
    #[arg(long, env = "FIRSTHOP_NOT_BEFORE", value_name = "TIME", value_parser = time)]
    not_before: Option<Timestamp>,
    /// Each device waits a random part of this time first, so that they do not all come at once.
    #[arg(long, env = "FIRSTHOP_SPREAD", value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    spread: Duration,
}

/// A point in time.
pub fn time(text: &str) -> Result<Timestamp, String> {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    let parsed: Result<_, serde::de::value::Error> = Timestamp::deserialize(text.into_deserializer());
    parsed.map_err(|error| error.to_string())
}

/// Tells the devices below that path.
pub async fn tell(client: &Client, path: String, notice: &Notice, output: Output) -> Result<(), Failure> {
    let mut body = json!({ "reason": notice.reason, "spread": notice.spread.as_secs() });
    if let Some(time) = notice.not_before {
        body["notBefore"] = json!(time);
    }
    let answer = client.ask(Request::post(path).json(&body)).await?;
    output::object(output, &answer.body);
    Ok(())
}
