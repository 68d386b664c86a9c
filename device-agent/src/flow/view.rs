//! The machine as people see it: state, and what comes next and why.

use std::collections::VecDeque;
use std::time::Instant;

use super::Known;

/// What the device is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// On its hub.
    Connected,
    /// An attempt to connect to a hub is under way.
    Connecting,
    /// A look-up is under way.
    LookingUp,
    /// A registration is under way.
    Registering,
    /// Nothing is under way.
    Waiting,
}

/// What the machine will do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// `connect`, `look-up` or `register`.
    pub action: &'static str,
    /// When.
    pub at: Instant,
    /// Why, in one line.
    pub why: String,
}

/// A look at the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the device is at.
    pub state: State,
    /// Whether it has a connection to its hub, whatever else it is at.
    pub on_hub: bool,
    /// Since when it is at that.
    pub since: Instant,
    /// The assignments it knows.
    pub known: Known,
    /// What comes next; `None` while connected with nothing planned, or while an attempt is under way.
    pub next: Option<Next>,
    /// What the mode leaves undone although it was asked for: a notice, or that what the device would say of itself has changed.
    pub ignored: Option<String>,
    /// The last failures, newest first, with their time: eight at most.
    pub failures: VecDeque<(Instant, String)>,
}
