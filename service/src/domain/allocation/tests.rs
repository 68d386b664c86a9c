//! The choice as properties: shares, stability, drained hubs, measurements.

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
        kind: Default::default(),
    }
}

fn id(number: usize) -> RegistrationId {
    RegistrationId::parse(&format!("dev-{number}")).unwrap()
}

fn hashed(number: usize, hubs: &Hubs) -> &HubName {
    let chosen = choice(AllocationPolicy::Hashed, &id(number), &[], hubs).hub().unwrap().name.clone();
    &hubs.named(&chosen).unwrap().name
}

fn choice<'a>(policy: AllocationPolicy, id: &'a RegistrationId, entry: &'a [HubName], linked: &'a Hubs) -> Choice<'a> {
    Choice { id, policy, entry, linked, current: None, excluded: None, latencies: None, region: None, named: None }
}

fn name(number: usize) -> HubName {
    hub(number, 1).name
}

/// Hubs by number with their regions.
fn regional(regions: &[&str]) -> Hubs {
    let labels = |region: &str| [("region".to_owned(), region.to_owned())].into();
    regions.iter().enumerate().map(|(n, region)| Hub { labels: labels(region), ..hub(n, 1) }).collect()
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
    let (id, one) = (id(1), [name(1)]);
    let by = |entry, hubs| choice(AllocationPolicy::Static, &id, entry, hubs).hub().map(|hub| hub.name.clone());
    assert_eq!(by(&one, &hubs), Ok(name(1)));
    assert_eq!(by(&[], &hubs), Err(AllocationError::NotOne(2)));
    let drained: Hubs = [Hub { drained: true, ..hub(1, 1) }].into_iter().collect();
    assert_eq!(by(&one, &drained), Err(AllocationError::AllDrained));
    assert_eq!(by(&[], &Hubs::default()), Err(AllocationError::NoneLinked));
}

#[test]
fn the_hub_that_a_device_is_on_counts_although_it_is_drained_and_one_that_it_is_to_leave_does_not() {
    let hubs: Hubs = [Hub { drained: true, ..hub(0, 1) }].into_iter().collect();
    let (id, zero) = (id(1), name(0));
    let there = Choice { current: Some(&zero), ..choice(AllocationPolicy::Hashed, &id, &[], &hubs) };
    assert_eq!(there.hub().map(|hub| &hub.name), Ok(&zero));
    assert_eq!(Choice { excluded: Some(&zero), ..there }.hub(), Err(AllocationError::AllDrained));
}

#[test]
fn the_lowest_latency_wins_among_the_hubs_that_the_entry_may_use() {
    let hubs: Hubs = (0..4).map(|n| Hub { drained: n == 0, ..hub(n, 1) }).collect();
    let (id, entry) = (id(1), [name(0), name(1), name(2)]);
    let measured = BTreeMap::from([(name(0), 1), (name(1), 80), (name(2), 20), (name(3), 5)]);
    let choice = Choice { latencies: Some(&measured), ..choice(AllocationPolicy::GeoLatency, &id, &entry, &hubs) };
    assert_eq!(choice.hub().unwrap().name, name(2), "hub-0 is drained, hub-3 is not the entry's");
    assert_eq!(Choice { current: Some(&name(0)), ..choice }.hub().unwrap().name, name(0), "it is there already");
}

#[test]
fn a_device_that_measured_nothing_gets_a_hub_of_its_region_and_stays_on_it() {
    let hubs = regional(&["eu", "us", "eu", "us"]);
    let (ids, one): (Vec<RegistrationId>, _) = ((0..50).map(id).collect(), name(1));
    let of = |region, id| Choice { region, ..choice(AllocationPolicy::GeoLatency, id, &[], &hubs) };
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(of(Some("us"), id).hub().unwrap().region(), Some("us"));
        assert_eq!(&of(Some("mars"), id).hub().unwrap().name, hashed(n, &hubs), "no hub is there: any");
        assert_eq!(&of(None, id).hub().unwrap().name, hashed(n, &hubs));
        assert_eq!(Choice { current: Some(&one), ..of(Some("us"), id) }.hub().unwrap().name, one);
        assert_eq!(Choice { current: Some(&one), ..of(Some("eu"), id) }.hub().unwrap().region(), Some("eu"));
    }
}

#[test]
fn the_custom_policy_takes_what_its_webhook_named_if_that_was_offered() {
    let hubs: Hubs = (0..3).map(|n| Hub { drained: n == 2, ..hub(n, 1) }).collect();
    let (id, one, two) = (id(1), name(1), name(2));
    let plain = choice(AllocationPolicy::Custom, &id, &[], &hubs);
    assert_eq!(plain.hub(), Err(AllocationError::NotNamed));
    assert_eq!(Choice { named: Some(&one), ..plain }.hub().unwrap().name, one);
    assert_eq!(Choice { named: Some(&two), ..plain }.hub(), Err(AllocationError::NotOffered(two.clone())));
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

    #[test]
    fn no_hub_is_nearer_than_the_one_chosen_and_equals_are_hashed(latencies in proptest::collection::vec(0u32..5, 1..10), device in 0usize..10_000) {
        let hubs: Hubs = (0..latencies.len()).map(|n| hub(n, 1)).collect();
        let measured: BTreeMap<HubName, u32> = latencies.iter().enumerate().map(|(n, latency)| (name(n), *latency)).collect();
        let id = id(device);
        let chosen = Choice { latencies: Some(&measured), ..choice(AllocationPolicy::GeoLatency, &id, &[], &hubs) }.hub().unwrap();
        let least = latencies.iter().min().unwrap();
        prop_assert_eq!(&measured[&chosen.name], least);
        let equals: Hubs = (0..latencies.len()).filter(|n| latencies[*n] == *least).map(|n| hub(n, 1)).collect();
        prop_assert_eq!(&chosen.name, hashed(device, &equals));
    }
}
