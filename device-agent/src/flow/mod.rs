//! What a device does next, decided: a machine without I/O, a clock or randomness of its own.
//!
//! ```text
//! events in ──▶ Machine::on(event, now)       Machine::next(now) ──▶ the one action to take now, if any
//!                                             Machine::wake()    ──▶ when to ask again
//! ```
//!
//! An action that is an attempt (connect, look up, register) is answered by exactly one event before another attempt is given out.
//!
//! ```text
//!                     no assignment, or the question has changed
//!             ┌──────────────────────── start ─────────────────────────┐
//!             ▼                                                        ▼ an assignment was saved
//!         register ──assigned──▶ (saved as the candidate) ──────────▶ connect ◀──────────────────────┐
//!          ▲  ▲  └─pending─▶ look up ─▲                                │   │ throttled, unavailable:  │
//!          │  │                                                        │   └─ after a wait ──────────▶┤
//!          │  └──────────── any other error of the hub ────────────────┤                              │
//!          │                                                           ▼                              │
//!          └── persons, notices, another question ──────────────── connected ──connection ended──────▶┘
//! ```
//!
//! The service and the hub are waited for apart: while the service is away or refuses, the hub is tried on; while the device is on its
//! hub, the service is asked beside it. The two rules that everything else serves: the proven assignment is kept until a newer one was
//! proven by connecting (D4), and something is always due, under way or connected.

mod assignment;
pub mod classify;
mod event;
mod failure;
mod machine;
mod policy;
mod reference;
mod retry;
#[cfg(test)]
mod tests;
mod view;

pub use assignment::{Assignment, Known};
pub use event::{Action, Event, LookedUp, Trigger};
pub use failure::{Class, Failure};
pub use machine::Machine;
pub use policy::{Mode, Policy};
pub(crate) use retry::{Server, Steps};
pub use view::{Next, State, View};
