//! What an operator can choose of the flow.

use std::time::Duration;

/// When a device registers although it has an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// When its hub refuses it (rule D3), when it is told to, and when what it would say of itself has changed.
    #[default]
    Dynamic,
    /// When its hub refuses it (rule D3), and when a person asks.
    OnErrorOnly,
    /// As `Dynamic`, and at each start. The saved assignment still serves while the service is away.
    AlwaysOnStartup,
}

/// Times and choices of the flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// When to register although there is an assignment.
    pub mode: Mode,
    /// Ask the service at start whether the saved assignment still holds, before connecting by it.
    pub look_up_first: bool,
    /// The shortest wait after a 5xx, and the first step of the back-off. Less than five seconds is taken for five (rule D3).
    pub first_wait: Duration,
    /// The cap of the back-off.
    pub longest_wait: Duration,
    /// How long to sleep, about, after the service refused for good (rule D4): between half of it and one and a half times as long.
    pub refused_wait: Duration,
    /// How long a hub may be out of reach before the service is asked, by a look-up, whether the device still belongs there;
    /// up to half as long again, at random.
    pub patience: Duration,
    /// Hosts that a hub may send the device to by itself (Server Reference): `hub.example.com` for that
    /// one, `.example.com` for all below.
    pub allowed_hubs: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            look_up_first: false,
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_secs(5 * 60),
            refused_wait: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(15 * 60),
            allowed_hubs: Vec::new(),
        }
    }
}
