//! Where a device belongs, as it remembers it.

use firsthop_protocol::body::Substatus;
use firsthop_protocol::{DeviceId, ETag, Timestamp};
use serde::{Deserialize, Serialize};

/// One assignment, as the service told it, or a hub by its Server Reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// `host:port` of the hub.
    pub hub: String,
    /// The device's name on the hub.
    pub device_id: DeviceId,
    /// The version of the registration; `None` where a hub named another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    /// How the device came there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<Substatus>,
    /// When it was told, by the device's own clock: for people only.
    pub told: Timestamp,
    /// A digest of what it was asked for with (service, identity, metadata). Another one now means that the question has changed.
    pub asked_with: String,
}

/// The assignments that a device knows and keeps through restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// The last one by which the device was on a hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<Assignment>,
    /// A newer one, by which it was not yet. It becomes the proven one when the device is on its hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Assignment>,
    /// A person wants to begin anew, and no registration that says so was answered.
    #[serde(default, skip_serializing_if = "is_not")]
    pub reset_asked: bool,
    /// It was answered: what is kept of the twin is dropped when the assignment is proven.
    #[serde(default, skip_serializing_if = "is_not")]
    pub reset_due: bool,
}

fn is_not(said: &bool) -> bool {
    !said
}

impl Assignment {
    /// Whether both lead to the same device on the same hub.
    pub(super) fn same_place(&self, other: &Self) -> bool {
        self.hub.eq_ignore_ascii_case(&other.hub) && self.device_id == other.device_id
    }

    /// Whether both say the same, whenever they were told.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        self.same_place(other)
            && self.etag == other.etag
            && self.substatus == other.substatus
            && self.asked_with == other.asked_with
    }
}

impl Known {
    /// Where the device belongs as far as it knows, proven or not.
    pub fn current(&self) -> Option<&Assignment> {
        self.candidate.as_ref().or(self.proven.as_ref())
    }
}
