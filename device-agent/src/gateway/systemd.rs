//! What the service manager is told. Without one, nothing is told and nothing fails.

use std::time::Duration;

use firsthop_agent::device::Status;
use sd_notify::NotifyState;

/// Longest line of state.
const MAX_LINE: usize = 300;

/// The service manager, and what it was told last.
#[derive(Debug, Default)]
pub struct ServiceManager {
    line: String,
}

impl ServiceManager {
    /// The socket is up and the device has started; whether it is connected is a matter of its state.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    pub fn reloading(&self) {
        let now = NotifyState::monotonic_usec_now();
        match now {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    pub fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// The state in one line, if it is another one than before.
    pub fn status(&mut self, status: &Status) {
        let line = line(status);
        if line != self.line {
            tell(&[NotifyState::Status(&line)]);
            self.line = line;
        }
    }
}

/// How often to say that we are alive, if anybody wants to know.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|half| !half.is_zero())
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

fn line(status: &Status) -> String {
    let mut line = match (&status.hub, status.on_hub) {
        (Some(hub), true) => format!("on hub {} as {}", hub.address, hub.device_id),
        (Some(hub), false) => format!("{}, hub {}", status.state, hub.address),
        (None, _) => format!("{}, no hub yet", status.state),
    };
    if let (false, Some(next)) = (status.on_hub, &status.next) {
        line.push_str(&format!("; next: {} at {} ({})", next.action, next.at, next.why));
    }
    if let Some(warning) = status.certificate.as_ref().and_then(|certificate| certificate.warning.as_ref()) {
        line.push_str(&format!("; certificate: {warning}"));
    }
    // A new line would be another message.
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::tests::status;

    #[test]
    fn the_state_is_one_line_with_hub_next_step_and_warning() {
        assert_eq!(line(&status(true)), "on hub hub-1.example:8883 as dev-1");
        let mut away = status(false);
        let next = "waiting, hub hub-1.example:8883; next: connect at 2026-11-25T00:00:10.0000000Z (the hub was busy)";
        assert_eq!(line(&away), next);
        away.certificate.as_mut().unwrap().warning = Some("ends\nsoon".to_owned());
        assert!(line(&away).ends_with("; certificate: ends soon"), "{}", line(&away));
        away.hub = None;
        assert!(line(&away).starts_with("waiting, no hub yet; next"), "{}", line(&away));
    }
}
