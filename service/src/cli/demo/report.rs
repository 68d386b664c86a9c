//! What the demo shows: a picture on a terminal, plain lines elsewhere, events as JSON when asked.

use std::io::{IsTerminal, Write, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use firsthop_protocol::{Answer, HubName};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::fleet::{Outcome, Registered};
use super::world::World;

/// A line for whoever still reads: `firsthop demo | head` is no fault of the demo.
macro_rules! say {
    ($($argument:tt)*) => {{
        let _ = writeln!(stdout(), $($argument)*);
    }};
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Text,
    /// One event a line.
    Json,
}

pub struct Report {
    output: Output,
    bar: Option<ProgressBar>,
}

/// Width of the bar of a hub, in characters.
const BAR: usize = 24;

impl Report {
    pub fn new(output: Output) -> Self {
        Self { output, bar: None }
    }

    fn event(&self, event: &serde_json::Value) {
        if self.output == Output::Json {
            say!("{event}");
        }
    }

    fn text(&self) -> bool {
        self.output == Output::Text
    }

    pub fn begin(&self, dir: &Path) {
        let version = env!("CARGO_PKG_VERSION");
        if self.text() {
            say!("firsthop {version} demo: everything lives in {} (delete it to start over)\n", dir.display());
        }
        self.event(&json!({"event": "begin", "version": version, "dir": dir}));
    }

    pub fn step(&self, what: &str, took: Duration, place: &Path) {
        if self.text() {
            say!(" ✓ {what:<44} {:>6.2} s   {}", took.as_secs_f64(), place.display());
        }
        self.event(&json!({"event": "step", "what": what, "seconds": took.as_secs_f64(), "path": place}));
    }

    pub fn progress_begins(&mut self, total: usize) {
        if !self.text() {
            return;
        }
        say!("");
        if stdout().is_terminal() {
            let bar = ProgressBar::new(total as u64);
            let style = ProgressStyle::with_template(" registering  [{bar:32}] {pos}/{len}   {per_sec}").ok();
            bar.set_style(style.unwrap_or_else(ProgressStyle::default_bar).progress_chars("█▉ "));
            self.bar = Some(bar);
        } else {
            say!(" registering {total} devices");
        }
    }

    pub fn progress(&self, registered: &Registered) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        if self.output == Output::Json {
            let (status, hub, message) = match &registered.result {
                Ok(Answer::Accepted(answer)) => (Some(answer.status), answer.assigned_hub.clone(), None),
                Ok(Answer::Rejected(answer)) => (Some(answer.status), None, Some(answer.message.clone())),
                Ok(Answer::Pending(answer)) => (Some(answer.status), None, None),
                Err(error) => (None, None, Some(error.clone())),
            };
            self.event(
                &json!({"event": "device", "registrationId": registered.name, "status": status, "assignedHub": hub,
                "message": message, "milliseconds": registered.took.as_secs_f64() * 1e3}),
            );
        }
    }

    pub fn progress_ends(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
            say!("");
        }
    }

    pub fn outcome(&self, outcome: &Outcome, hubs: &[(HubName, SocketAddr)]) {
        let assigned: usize = outcome.hubs.values().sum();
        let rate = outcome.latencies.len() as f64 / outcome.took.as_secs_f64().max(1e-9);
        let milliseconds = |percent| outcome.percentile(percent).as_secs_f64() * 1e3;
        let first = outcome.first_assigned.map(|time| time.as_secs_f64());
        self.event(&json!({"event": "outcome", "assigned": assigned, "hubs": outcome.hubs, "refused": outcome.refused,
            "surprises": outcome.surprises, "perSecond": rate, "p50Milliseconds": milliseconds(50), "p99Milliseconds": milliseconds(99),
            "secondsToFirstAssigned": first}));
        if !self.text() {
            return;
        }
        say!(
            " {assigned} assigned in {:.2} s: {rate:.0}/s, p50 {:.0} ms, p99 {:.0} ms; the first one {:.2} s after the start",
            outcome.took.as_secs_f64(),
            milliseconds(50),
            milliseconds(99),
            first.unwrap_or_default()
        );
        let most = outcome.hubs.values().copied().max().unwrap_or(1).max(1);
        for (name, address) in hubs {
            let address = format!("localhost:{}", address.port());
            let count = outcome.hubs.get(&address).copied().unwrap_or_default();
            say!("   {:<12} {:<BAR$} {count:>5}   {address}", name.as_str(), "█".repeat((count * BAR).div_ceil(most)));
        }
        say!(" {} refused, as they should be:", outcome.refused.len());
        for (what, message) in &outcome.refused {
            say!("   {what:<20} {message}");
        }
        for surprise in &outcome.surprises {
            say!(" ✗ {surprise}");
        }
    }

    pub fn invite(&self, world: &World, port: u16, outcome: &Outcome) {
        self.event(&json!({"event": "ready", "port": port}));
        if !self.text() {
            return;
        }
        let dir = std::env::current_dir()
            .ok()
            .and_then(|here| world.dir().strip_prefix(here).ok())
            .unwrap_or(world.dir())
            .display()
            .to_string();
        say!("\n Be a device yourself, in another terminal (Debian package mosquitto-clients):");
        say!(
            "   XDG_CONFIG_HOME={dir}/dev-0001 mosquitto_rr -t '$provisioning/register' -e '$provisioning/register/response' -m '{{}}'"
        );
        if let Some((name, hub)) = &outcome.example
            && let Some((_, port)) = hub.rsplit_once(':')
        {
            say!(" Read its twin on its hub:");
            say!(
                "   XDG_CONFIG_HOME={dir}/{name} mosquitto_rr -p {port} -i {name} -t '$iothub/twin/GET/?$rid=1' -e '$iothub/twin/res/200/?$rid=1' -m ' '"
            );
            say!(" Move it to another hub, with its state, by what it measured:");
            say!(
                "   XDG_CONFIG_HOME={dir}/{name} mosquitto_rr -t '$provisioning/register' -e '$provisioning/register/response' -m '{{\"latencies\":{{\"hub-austin\":1}}}}'"
            );
            say!(" See it as an operator does:");
            say!("   firsthop twin show {name} --socket {dir}/admin.sock");
        }
        say!(" Try one that is refused:");
        say!(
            "   XDG_CONFIG_HOME={dir}/dev-expired mosquitto_rr -t '$provisioning/register' -e '$provisioning/register/response' -m '{{}}'"
        );
        say!(" Ask why:");
        say!("   firsthop cert explain {dir}/dev-expired/device.pem -c {dir}/firsthop.toml");
        say!(" The log is {dir}/firsthop.log. Ctrl-C stops.");
    }
}
