//! Which hub a device is assigned to (rule B5).
//!
//! The hashed policy is weighted rendezvous hashing: each hub draws a score from the registration id and its own name, the lowest wins.
//! A hub that is added takes only the devices for which it now has the lowest score, its share; all others stay.

pub mod webhook;

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use firsthop_protocol::{HubName, RegistrationId};
use serde::Deserialize;

use super::enrollment::Enrollment;
use super::hub::{Hub, Hubs};
pub use webhook::Verdict;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AllocationPolicy {
    /// Exactly one hub.
    Static,
    /// A weighted hash over the hubs.
    #[default]
    Hashed,
    /// The hub with the lowest latency that the device measured.
    GeoLatency,
    /// A webhook decides (rule B6).
    Custom,
}

/// Why no hub was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    #[error("no hub is linked")]
    NoneLinked,
    #[error("every hub that the enrollment may use is drained")]
    AllDrained,
    #[error("the static policy needs exactly one hub, but there are {0}")]
    NotOne(usize),
    #[error("hub {0} is not linked")]
    Unknown(HubName),
    #[error("the custom policy's webhook was not asked")]
    NotNamed,
    #[error("hub {0} takes no new devices, or is not among those that the enrollment may use")]
    NotOffered(HubName),
}

/// What a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    pub id: &'a RegistrationId,
    pub policy: AllocationPolicy,
    /// The entry's hubs; all linked hubs when empty.
    pub entry: &'a [HubName],
    pub linked: &'a Hubs,
    /// Where the device is. Counts although it is drained: a drained hub keeps what it has.
    pub current: Option<&'a HubName>,
    /// A hub that the device is to leave.
    pub excluded: Option<&'a HubName>,
    /// What the device measured, in milliseconds.
    pub latencies: Option<&'a BTreeMap<HubName, u32>>,
    /// Where the device says it is.
    pub region: Option<&'a str>,
    /// What the webhook of the custom policy named.
    pub named: Option<&'a HubName>,
}

impl<'a> Choice<'a> {
    /// For a device of that entry, of which nothing more is known.
    pub fn new(id: &'a RegistrationId, enrollment: &'a Enrollment, linked: &'a Hubs) -> Self {
        Self {
            id,
            policy: enrollment.allocation,
            entry: &enrollment.hubs,
            linked,
            current: None,
            excluded: None,
            latencies: None,
            region: None,
            named: None,
        }
    }

    /// The hubs that the device may be assigned to: the entry's, or all linked ones when the entry names none. Drained hubs take no new
    /// devices.
    pub fn candidates(&self) -> Result<Vec<&'a Hub>, AllocationError> {
        let hubs: Vec<&Hub> = if self.entry.is_empty() {
            self.linked.iter().collect()
        } else {
            let named = |name: &HubName| self.linked.named(name).ok_or_else(|| AllocationError::Unknown(name.clone()));
            self.entry.iter().map(named).collect::<Result<_, _>>()?
        };
        if hubs.is_empty() {
            return Err(AllocationError::NoneLinked);
        }
        if self.policy == AllocationPolicy::Static && hubs.len() != 1 {
            return Err(AllocationError::NotOne(hubs.len()));
        }
        let takes = |hub: &&Hub| {
            (!hub.drained || self.current == Some(&hub.name)) && self.excluded.is_none_or(|left| *left != hub.name)
        };
        let hubs: Vec<&Hub> = hubs.into_iter().filter(takes).collect();
        if hubs.is_empty() { Err(AllocationError::AllDrained) } else { Ok(hubs) }
    }

    /// Chooses.
    pub fn hub(&self) -> Result<&'a Hub, AllocationError> {
        let candidates = self.candidates()?;
        match self.policy {
            AllocationPolicy::Static | AllocationPolicy::Hashed => self.hashed(candidates),
            AllocationPolicy::GeoLatency => self.nearest(candidates),
            AllocationPolicy::Custom => {
                let named = self.named.ok_or(AllocationError::NotNamed)?;
                let hub = candidates.into_iter().find(|hub| hub.name == *named);
                hub.ok_or_else(|| AllocationError::NotOffered(named.clone()))
            }
        }
    }

    /// The hub with the least latency, the hash decides among equals. A device that measured none of them stays where it is, if that is
    /// in its region: that it did not measure this time is no reason to move it.
    fn nearest(&self, candidates: Vec<&'a Hub>) -> Result<&'a Hub, AllocationError> {
        let latency = |hub: &Hub| self.latencies.and_then(|measured| measured.get(&hub.name)).copied();
        if let Some(least) = candidates.iter().filter_map(|hub| latency(hub)).min() {
            return self.hashed(candidates.into_iter().filter(|hub| latency(hub) == Some(least)).collect());
        }
        let regional: Vec<&Hub> = match self.region {
            Some(region) => candidates.iter().copied().filter(|hub| hub.region() == Some(region)).collect(),
            None => Vec::new(),
        };
        let candidates = if regional.is_empty() { candidates } else { regional };
        let current = candidates.iter().copied().find(|hub| self.current == Some(&hub.name));
        current.map_or_else(|| self.hashed(candidates), Ok)
    }

    fn hashed(&self, candidates: Vec<&'a Hub>) -> Result<&'a Hub, AllocationError> {
        let device = fold(self.id.as_str());
        let score = |hub: &Hub| -unit(mix(device ^ fold(hub.name.as_str()))).ln() / f64::from(hub.weight.max(1));
        candidates.into_iter().min_by(|a, b| score(a).total_cmp(&score(b))).ok_or(AllocationError::AllDrained)
    }
}

/// 64 bits of a name that no version of a library will change.
fn fold(name: &str) -> u64 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |folded, byte| (folded << 8) | u64::from(*byte))
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number above 0 and at most 1.
fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
