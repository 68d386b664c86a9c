//! What the machine is told, and what it says to do.

use std::time::Duration;

use super::{Assignment, Failure, Known};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Answers [`Action::Connect`]: the hub took the device.
    Connected,
    /// Answers [`Action::Connect`] when that failed; later, the connection ended.
    HubFailed(Failure),
    /// Answers [`Action::Register`].
    Registered(Assignment),
    /// Answers [`Action::Register`]: the service is still at it and said when to look.
    Pending {
        /// The wait that it asked for.
        retry_after: Duration,
    },
    /// Answers [`Action::LookUp`].
    LookedUp(LookedUp),
    /// Answers [`Action::Register`] and [`Action::LookUp`] when they failed or were refused.
    ServiceFailed(Failure),
    /// Somebody wants the device to register again.
    Asked(Trigger),
    /// The device was configured anew, and may have other things to say of itself: another service, certificate or metadata.
    Changed {
        /// The digest as of now.
        asked_with: String,
    },
}

/// What a look-up said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// Where the device belongs.
    Assigned(Assignment),
    /// It is being moved.
    Assigning {
        /// When to look again.
        retry_after: Duration,
    },
}

/// Who wants the device to register again (rule C7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A person at the gateway. Works at any time and waits for nothing.
    Person {
        /// Begin anew: what is kept of the twin is dropped, once the new assignment is proven.
        reset: bool,
    },
    /// The service, directly or through the hub.
    Notice {
        /// Not before that much time has passed.
        not_before: Duration,
        /// And a random part of this.
        spread: Duration,
        /// For people.
        reason: String,
    },
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to a hub. An attempt: [`Event::Connected`] or [`Event::HubFailed`] answers.
    Connect(Assignment),
    /// End the connection to the hub, which causes no event.
    Disconnect,
    /// Ask the service where the device belongs. An attempt.
    LookUp,
    /// Register. An attempt. `current` is what the device believes.
    Register {
        /// The assignment that is held.
        current: Option<Assignment>,
    },
    /// Keep these through restarts.
    Save(Known),
    /// The device begins anew: drop what is kept of its twin.
    ForgetTwin,
    /// The device's state on its hub was reset while it is connected: read the twin again.
    ReadTwin,
}
