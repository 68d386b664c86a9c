//! The device's side of its twin: what is desired, and what it reports and no hub has acknowledged yet. Pure.
//!
//! ```text
//! report ──▶ waiting ──take──▶ in flight ──acknowledged──▶ gone
//!               ▲                  │
//!               └──── lost ────────┘        (a merge patch twice is a merge patch once)
//! ```

mod compose;

use std::collections::VecDeque;

use firsthop_protocol::twin::limits::{self, LimitError, Part};
use firsthop_protocol::twin::merge;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const VERSION: &str = "$version";
/// Most bytes that are not acknowledged: what the reported properties may have in all.
const MAX_UNACKNOWLEDGED: usize = Part::Reported.max_bytes();

/// Properties, or a merge patch to them (RFC 7396).
pub type Properties = Map<String, Value>;

/// What is kept through restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The desired properties as last known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Desired>,
    /// The merge patches that no hub has acknowledged, in their order: one, except where one cannot say what they do together.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub unacknowledged: VecDeque<Properties>,
}

/// The desired properties.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// Their version.
    pub version: u64,
    /// The properties, without `$version`.
    pub properties: Properties,
}

/// Why a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It can never be accepted by a hub.
    #[error(transparent)]
    Invalid(#[from] LimitError),
    /// With what waits already it would be larger than a hub takes.
    #[error(
        "reported: what no hub has acknowledged would have {len} bytes, and {limit} are allowed; report less, or later"
    )]
    TooLarge {
        /// Bytes, as a hub counts them.
        len: usize,
        /// The most.
        limit: usize,
    },
}

/// What a change of the desired properties did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in.
    Applied,
    /// It was in already.
    Known,
    /// Changes before it are missing: the twin has to be read.
    Gap,
}

/// The device's side of its twin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Twin {
    desired: Option<Desired>,
    /// Without the one in flight. Patches that one can stand for are one.
    waiting: VecDeque<Properties>,
    in_flight: Option<Properties>,
}

impl Twin {
    /// From what was kept.
    pub fn new(kept: Kept) -> Self {
        Self { desired: kept.desired, waiting: kept.unacknowledged, in_flight: None }
    }

    /// What has to be kept now.
    pub fn kept(&self) -> Kept {
        Kept { desired: self.desired.clone(), unacknowledged: self.unacknowledged() }
    }

    /// The desired properties as last known.
    pub fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    /// Takes a merge patch of reported properties, behind those that wait. On an error nothing changes.
    pub fn report(&mut self, patch: Properties) -> Result<(), ReportError> {
        limits::judge_patch(Part::Reported, &patch)?;
        // What it removes needs no room at the hub.
        limits::judge(Part::Reported, &merge::without_nulls(&patch))?;
        if patch.is_empty() {
            return Ok(());
        }
        let mut unacknowledged = self.unacknowledged();
        push(&mut unacknowledged, patch.clone());
        match unacknowledged.iter().map(limits::size).sum() {
            len if len > MAX_UNACKNOWLEDGED => Err(ReportError::TooLarge { len, limit: MAX_UNACKNOWLEDGED }),
            _ => {
                push(&mut self.waiting, patch);
                Ok(())
            }
        }
    }

    /// The patch to send now; `None` when one is in flight or none waits.
    pub fn take(&mut self) -> Option<Properties> {
        if self.in_flight.is_some() {
            return None;
        }
        self.in_flight = self.waiting.pop_front();
        self.in_flight.clone()
    }

    /// The hub has the patch in flight on its disk.
    pub fn acknowledged(&mut self) {
        self.in_flight = None;
    }

    /// The hub refused the patch in flight for good: it is dropped, and given for people to see.
    pub fn refused(&mut self) -> Properties {
        self.in_flight.take().unwrap_or_default()
    }

    /// The connection is lost, or the hub cannot take the patch now: what is in flight waits again, before what came later.
    pub fn lost(&mut self) {
        self.waiting = self.unacknowledged();
        self.in_flight = None;
    }

    /// The twin was read. True if the desired properties are others than before. Their version may be lower than the one known: the twin
    /// was reset at the hub, or this is another hub.
    pub fn read(&mut self, mut desired: Desired) -> bool {
        desired.properties.remove(VERSION);
        let changed = self.desired.as_ref() != Some(&desired);
        self.desired = Some(desired);
        changed
    }

    /// A change of the desired properties came.
    pub fn changed(&mut self, version: u64, patch: &Properties) -> Change {
        let Some(known) = &mut self.desired else { return Change::Gap };
        if version <= known.version {
            return Change::Known;
        }
        if version - known.version > 1 {
            return Change::Gap;
        }
        let mut properties = merge::merged(&known.properties, patch);
        properties.remove(VERSION);
        // No hub lets them become so large. Read as a whole they are as large as a packet at most.
        if limits::judge(Part::Desired, &properties).is_err() {
            return Change::Gap;
        }
        *known = Desired { version, properties };
        Change::Applied
    }

    /// Whether a report waits or is in flight.
    pub fn is_unacknowledged(&self) -> bool {
        self.in_flight.is_some() || !self.waiting.is_empty()
    }

    /// What is in flight, and behind it what waits.
    fn unacknowledged(&self) -> VecDeque<Properties> {
        let mut all = VecDeque::new();
        for patch in self.in_flight.iter().chain(&self.waiting) {
            push(&mut all, patch.clone());
        }
        all
    }
}

/// Puts a patch behind the others, as part of the last one where that is possible.
fn push(patches: &mut VecDeque<Properties>, patch: Properties) {
    match patches.back_mut() {
        Some(last) if compose::composes(last, &patch) => compose::compose(last, patch),
        _ => patches.push_back(patch),
    }
}

#[cfg(test)]
mod tests;
