//! How much of everything is measured.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Rounds that alternate between what is compared; the median of their ratios counts.
    pub rounds: usize,
    /// Fresh connections in one round.
    pub fresh: usize,
    /// Of them at once.
    pub at_once: usize,
    /// Live connections that register once each, in one round.
    pub live: usize,
    /// Requests in one round on live connections.
    pub requests: usize,
    /// Sessions that do nothing.
    pub idle: usize,
    /// Registrations in the smaller and the larger store.
    pub few: u64,
    pub many: u64,
    /// Devices whose desired properties change, all at once.
    pub fan_out: usize,
    /// Times that the service is killed.
    pub kills: usize,
    /// Times that the agent is started.
    pub agent_starts: usize,
    /// How long it is watched while nothing happens. It pings once a minute.
    pub agent_idle: Duration,
}

impl Sizes {
    pub const FULL: Self = Self {
        rounds: 5,
        fresh: 2000,
        at_once: 256,
        live: 1000,
        requests: 10_000,
        idle: 5000,
        few: 10_000,
        many: 1_000_000,
        fan_out: 10_000,
        kills: 3,
        agent_starts: 20,
        agent_idle: Duration::from_secs(120),
    };

    /// Shows that the benchmark works; its figures mean nothing.
    pub const QUICK: Self = Self {
        rounds: 2,
        fresh: 150,
        at_once: 32,
        live: 100,
        requests: 500,
        idle: 200,
        few: 1000,
        many: 20_000,
        fan_out: 200,
        kills: 1,
        agent_starts: 2,
        agent_idle: Duration::from_secs(1),
    };
}
