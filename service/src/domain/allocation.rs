//! Which hub a device is assigned to (rule B5).
//!
//! The hashed policy is weighted rendezvous hashing: each hub draws a score from the registration id and its own name, the lowest wins.
//! A hub that is added takes only the devices for which it now has the lowest score, its share; all others stay.

use aws_lc_rs::digest;
use firsthop_protocol::{HubName, RegistrationId};
use serde::Deserialize;

use super::hub::{Hub, Hubs};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AllocationPolicy {
    /// Exactly one hub.
    Static,
    /// A weighted hash over the hubs.
    #[default]
    Hashed,
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
}

/// Chooses among the entry's hubs, or among all linked hubs when the entry names none. Drained hubs take no new devices.
pub fn choose<'a>(
    policy: AllocationPolicy,
    id: &RegistrationId,
    entry: &[HubName],
    linked: &'a Hubs,
) -> Result<&'a Hub, AllocationError> {
    let hubs: Vec<&Hub> = if entry.is_empty() {
        linked.iter().collect()
    } else {
        entry
            .iter()
            .map(|name| linked.named(name).ok_or_else(|| AllocationError::Unknown(name.clone())))
            .collect::<Result<_, _>>()?
    };
    if hubs.is_empty() {
        return Err(AllocationError::NoneLinked);
    }
    if policy == AllocationPolicy::Static && hubs.len() != 1 {
        return Err(AllocationError::NotOne(hubs.len()));
    }
    let device = fold(id.as_str());
    let score = |hub: &Hub| -unit(mix(device ^ fold(hub.name.as_str()))).ln() / f64::from(hub.weight.max(1));
    hubs.into_iter()
        .filter(|hub| !hub.drained)
        .min_by(|a, b| score(a).total_cmp(&score(b)))
        .ok_or(AllocationError::AllDrained)
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn hub(number: usize, weight: u16) -> Hub {
        Hub {
            name: HubName::parse(&format!("hub-{number}")).unwrap(),
            host: "h".into(),
            port: 1,
            weight,
            labels: BTreeMap::new(),
            drained: false,
        }
    }

    fn id(number: usize) -> RegistrationId {
        RegistrationId::parse(&format!("dev-{number}")).unwrap()
    }

    fn hashed(number: usize, hubs: &Hubs) -> &HubName {
        &choose(AllocationPolicy::Hashed, &id(number), &[], hubs).unwrap().name
    }

    #[test]
    fn the_same_device_and_hubs_give_the_same_hub_in_every_version() {
        let hubs: Hubs = (0..5).map(|n| hub(n, 1)).collect();
        let chosen: Vec<&str> = (0..8).map(|n| hashed(n, &hubs).as_str()).collect();
        assert_eq!(chosen, PINNED);
    }

    const PINNED: [&str; 8] = ["hub-1", "hub-2", "hub-2", "hub-4", "hub-1", "hub-4", "hub-3", "hub-0"];

    #[test]
    fn shares_follow_the_weights() {
        let hubs: Hubs = [hub(0, 1), hub(1, 2), hub(2, 7)].into_iter().collect();
        let mut counts = BTreeMap::<&HubName, usize>::new();
        for n in 0..20_000 {
            *counts.entry(hashed(n, &hubs)).or_default() += 1;
        }
        for (count, weight) in counts.values().zip([1.0, 2.0, 7.0]) {
            let expected = 2_000.0 * weight;
            assert!((*count as f64 - expected).abs() < expected * 0.1, "{counts:?}");
        }
    }

    #[test]
    fn a_drained_hub_takes_no_device_and_the_others_keep_theirs() {
        let hubs: Hubs = (0..4).map(|n| hub(n, 1)).collect();
        let drained: Hubs = (0..4).map(|n| Hub { drained: n == 2, ..hub(n, 1) }).collect();
        for n in 0..500 {
            let (before, after) = (hashed(n, &hubs), hashed(n, &drained));
            assert_ne!(after.as_str(), "hub-2");
            assert!(before == after || before.as_str() == "hub-2");
        }
    }

    #[test]
    fn static_needs_exactly_one_hub() {
        let hubs: Hubs = (0..2).map(|n| hub(n, 1)).collect();
        let one = [hub(1, 1).name];
        assert_eq!(choose(AllocationPolicy::Static, &id(1), &one, &hubs).unwrap().name, one[0]);
        assert_eq!(choose(AllocationPolicy::Static, &id(1), &[], &hubs), Err(AllocationError::NotOne(2)));
        let drained: Hubs = [Hub { drained: true, ..hub(1, 1) }].into_iter().collect();
        assert_eq!(choose(AllocationPolicy::Static, &id(1), &one, &drained), Err(AllocationError::AllDrained));
        assert_eq!(choose(AllocationPolicy::Hashed, &id(1), &[], &Hubs::default()), Err(AllocationError::NoneLinked));
    }

    proptest! {
        #[test]
        fn adding_a_hub_moves_only_its_share(weights in proptest::collection::vec(1u16..=1000, 1..12), added in 1u16..=1000, from in 0usize..1_000_000) {
            let before: Hubs = weights.iter().enumerate().map(|(n, weight)| hub(n, *weight)).collect();
            let after: Hubs = weights.iter().copied().chain([added]).enumerate().map(|(n, weight)| hub(n, weight)).collect();
            let newcomer = hub(weights.len(), added).name;
            let total: f64 = weights.iter().map(|w| f64::from(*w)).sum::<f64>() + f64::from(added);
            let mut moved = 0;
            for n in from..from + 400 {
                let (old, new) = (hashed(n, &before), hashed(n, &after));
                if old != new {
                    prop_assert_eq!(new, &newcomer, "a device moved between two old hubs");
                    moved += 1;
                }
            }
            let share = f64::from(added) / total;
            let slack = 6.0 * (400.0 * share * (1.0 - share)).sqrt() + 1.0;
            prop_assert!((f64::from(moved) - 400.0 * share).abs() <= slack, "{} moved, share {}", moved, share);
        }
    }
}
