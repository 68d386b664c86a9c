//! `firsthop-agent status`: how the device stands.

use firsthop_agent::device::Status;
use serde_json::{Value, json};

use super::exit;
use super::output::{Line, line, print, table};
use super::service_args::Output;
use super::socket::{Agent, Failure, SocketArgs, say};

/// Tell how the device stands: state, hub, what comes next and why, last failures. Ends with 0 if it is on its hub, else with 6.
///
/// Example: firsthop-agent status --output json
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    socket: SocketArgs,
    /// How it is printed: for people, or as JSON.
    #[arg(long, env = "FIRSTHOP_AGENT_OUTPUT", default_value = "text")]
    output: Output,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut answer = Agent::connect(&args.socket)?.ask(&json!({ "op": "status" }))?;
    let told = answer.remove("status").unwrap_or(Value::Null);
    let on_hub = told.get("onHub") == Some(&Value::Bool(true));
    match args.output {
        // As the agent says it, with fields that this version may not know.
        Output::Json => drop(say(told)?),
        Output::Text => {
            let status = serde_json::from_value(told).map_err(|error| Failure::Malformed(error.to_string()))?;
            print(&table(&lines(&status)));
        }
    }
    Ok(if on_hub { exit::OK } else { exit::UNAVAILABLE })
}

fn lines(status: &Status) -> Vec<Line> {
    let mut lines = vec![("state", format!("{} since {}", line(&status.state), status.since))];
    lines.extend(status.registration_id.as_ref().map(|id| ("registration", line(id))));
    let hubs = [("hub", &status.hub), ("candidate", &status.candidate)];
    lines.extend(hubs.into_iter().filter_map(|(label, hub)| {
        let hub = hub.as_ref()?;
        Some((label, format!("{} as {}, told {}", line(&hub.address), line(&hub.device_id), hub.told)))
    }));
    lines.extend(
        status
            .next
            .as_ref()
            .map(|next| ("next", format!("{} at {}: {}", line(&next.action), next.at, line(&next.why)))),
    );
    lines.extend(status.ignored.as_ref().map(|ignored| ("ignored", line(ignored))));
    lines.extend(status.certificate.as_ref().map(|certificate| {
        let warning = certificate.warning.as_ref().map(|warning| format!(": {}", line(warning)));
        ("certificate", format!("until {}{}", certificate.not_after, warning.unwrap_or_default()))
    }));
    let outbox = &status.outbox;
    lines.push(("outbox", format!("{} messages, {} bytes, {} dropped", outbox.waiting, outbox.bytes, outbox.dropped)));
    if status.unacknowledged_report {
        lines.push(("report", "not acknowledged by a hub yet".to_owned()));
    }
    lines.extend(
        status.failures.iter().map(|failure| ("failure", format!("{} {}", failure.at, line(&failure.message)))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::tests::status;

    #[test]
    fn people_are_told_all_that_there_is() {
        let mut away = status(false);
        away.certificate.as_mut().unwrap().warning = Some("ends in a day".to_owned());
        away.unacknowledged_report = true;
        away.ignored = Some("the service asked for a registration: drain".to_owned());
        let expected = "\
state         waiting since 2026-11-25T00:00:00.0000000Z
registration  dev-1
hub           hub-1.example:8883 as dev-1, told 2026-11-25T00:00:00.0000000Z
next          connect at 2026-11-25T00:00:10.0000000Z: the hub was busy
ignored       the service asked for a registration: drain
certificate   until 2026-11-26T00:00:00.0000000Z: ends in a day
outbox        2 messages, 300 bytes, 0 dropped
report        not acknowledged by a hub yet
failure       2026-11-25T00:00:01.0000000Z the hub was busy
";
        assert_eq!(table(&lines(&away)), expected);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let mut away = status(false);
        away.failures[0].message = "\u{1b}[2Jgone\nnext".to_owned();
        assert!(table(&lines(&away)).contains(" [2Jgone next\n"));
    }
}
