//! Errors of a hub (rule D3), candidates and Server References.

use super::*;

fn references(allowed: &str) -> Policy {
    Policy { allowed_hubs: vec![allowed.into()], ..Policy::default() }
}

fn moved(to: &str) -> Event {
    Event::HubFailed(Failure { instead: Some(to.into()), ..failure(Class::Other) })
}

fn referred(to: &str) -> Assignment {
    Assignment { etag: None, ..assignment(to) }
}

#[test]
fn after_a_429_the_agent_stays_silent_until_retry_after_has_passed() {
    for seed in 0..100 {
        let mut device = Device::seeded(Policy::default(), proven("a:1"), seed);
        device.acts();
        device.told(Event::HubFailed(throttled(120)));
        let (waited, action) = device.tries();
        assert_eq!(action, connect("a:1"));
        assert!(waited >= secs(120) && waited <= secs(130), "{waited:?}");
    }
}

#[test]
fn a_429_without_a_retry_after_means_a_minute() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.hub_fails(Class::Throttled);
    assert!(device.tries().0 >= secs(60));
}

#[test]
fn a_hub_that_is_not_available_is_tried_again_with_growing_waits_of_at_least_five_seconds() {
    let mut device = Device::with(Policy { patience: secs(DAY), ..Policy::default() }, proven("a:1"));
    device.acts();
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        device.hub_fails(Class::Unavailable);
        let (waited, action) = device.tries();
        assert_eq!(action, connect("a:1"));
        assert!(waited >= secs(5) && waited <= secs(300), "{waited:?}");
        longest = longest.max(waited);
    }
    assert!(longest > secs(200));
}

#[test]
fn the_hub_of_a_fleet_is_not_tried_again_by_all_at_once() {
    let waits: std::collections::BTreeSet<Duration> = (0..50)
        .map(|seed| {
            let mut device = Device::seeded(Policy::default(), proven("a:1"), seed);
            device.acts();
            device.hub_fails(Class::Unavailable);
            device.tries().0
        })
        .collect();
    assert!(waits.len() > 40);
}

#[test]
fn a_connection_that_lasts_starts_the_back_off_anew_and_a_short_one_does_not() {
    for (lasts, most) in [(3600, secs(10)), (2, secs(300))] {
        let mut device = Device::with(Policy { patience: secs(DAY), ..Policy::default() }, proven("a:1"));
        device.acts();
        let mut longest = Duration::ZERO;
        for _ in 0..40 {
            device.told(Event::Connected);
            device.pass(lasts);
            device.hub_fails(Class::Unavailable);
            let (waited, action) = device.tries();
            assert_eq!(action, connect("a:1"));
            assert!(waited >= secs(5) && waited <= most, "{waited:?}");
            longest = longest.max(waited);
        }
        assert_eq!(longest > secs(100), lasts == 2);
    }
}

#[test]
fn any_other_error_of_the_hub_leads_to_a_registration_and_the_hub_is_left_alone() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.hub_fails(Class::Other);
    let (waited, action) = device.tries();
    assert_eq!(action, register("a:1"));
    assert!(waited <= secs(5));
}

#[test]
fn a_hub_that_refuses_again_and_again_after_registrations_that_succeed_is_asked_for_less_and_less_often() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    let mut last = Duration::ZERO;
    for _ in 0..12 {
        device.hub_fails(Class::Other);
        let (waited, action) = device.tries();
        assert_eq!(action, register("a:1"));
        last = waited;
        device.told(Event::Registered(assignment("a:1")));
        assert_eq!(device.acts(), [connect("a:1")]);
    }
    assert!(last >= secs(5));
    assert!(device.age() > secs(300), "{:?}", device.age());
}

#[test]
fn a_hub_that_refused_is_tried_on_while_the_service_is_away() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.hub_fails(Class::Other);
    let (mut hubs, mut services) = (0, 0);
    for _ in 0..40 {
        match device.tries().1 {
            Action::Connect(_) => {
                hubs += 1;
                device.hub_fails(Class::Other);
            }
            _ => {
                services += 1;
                device.service_fails(Class::Unavailable);
            }
        }
    }
    assert!(hubs > 10 && services > 10, "{hubs} {services}");
}

#[test]
fn a_hub_out_of_reach_causes_one_look_up_and_no_registration() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    let mut look_ups = Vec::new();
    while device.age() < secs(3600) {
        device.hub_fails(Class::Unavailable);
        match device.tries().1 {
            Action::LookUp => {
                look_ups.push(device.age());
                device.told(Event::LookedUp(LookedUp::Assigned(assignment("a:1"))));
                assert_eq!(device.tries().1, connect("a:1"));
            }
            action => assert_eq!(action, connect("a:1")),
        }
    }
    assert!((2..=4).contains(&look_ups.len()), "{look_ups:?}");
    assert!(look_ups[0] >= secs(15 * 60) && look_ups[0] <= secs(23 * 60));
}

#[test]
fn a_look_up_that_fails_while_the_hub_is_away_changes_nothing() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    let mut look_ups = 0;
    while device.age() < secs(3 * 3600) {
        device.hub_fails(Class::Unavailable);
        while device.tries().1 == Action::LookUp {
            look_ups += 1;
            device.service_fails([Class::Other, Class::Unavailable, Class::Throttled][look_ups % 3]);
        }
    }
    assert!((3..=12).contains(&look_ups), "{look_ups}");
}

#[test]
fn a_decommissioned_hub_does_not_strand_the_device() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    while device.tries_after_unavailable() != Action::LookUp {}
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("b:1"))));
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    assert_eq!(device.acts(), [Action::Save(known), connect("b:1")]);
    device.told(Event::Connected);
    assert_eq!(device.acts(), [Action::Save(proven("b:1"))]);
}

#[test]
fn a_device_whose_registration_is_gone_registers_when_its_hub_is_out_of_reach() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    while device.tries_after_unavailable() != Action::LookUp {}
    device.told(Event::ServiceFailed(Failure { register: true, ..failure(Class::Other) }));
    assert_eq!(device.tries().1, register("a:1"));
}

#[test]
fn the_proven_assignment_is_kept_until_the_candidate_has_connected() {
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    let mut device = Device::new(known.clone());
    device.acts();
    for _ in 0..10 {
        device.hub_fails(Class::Unavailable);
        device.tries();
        assert_eq!(device.machine.view().known, known);
    }
}

#[test]
fn the_proven_hub_is_tried_in_between_once_the_candidate_has_failed_a_few_times() {
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    let mut device = Device::new(known);
    assert_eq!(device.acts(), [connect("b:1")]);
    let mut tried = Vec::new();
    for _ in 0..8 {
        device.hub_fails(Class::Unavailable);
        tried.push(device.tries().1);
    }
    assert_eq!(tried[..2], [connect("b:1"), connect("b:1")]);
    assert!(tried[2..].contains(&connect("a:1")) && tried[2..].contains(&connect("b:1")), "{tried:?}");
}

#[test]
fn a_device_at_work_by_its_older_assignment_asks_later_which_one_holds() {
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    let mut device = Device::new(known);
    device.acts();
    while device.tries_after_unavailable() != connect("a:1") {}
    device.told(Event::Connected);
    let (waited, action) = device.tries();
    assert_eq!(action, Action::LookUp);
    assert!(waited >= secs(15 * 60));
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("a:1"))));
    assert_eq!(device.acts(), [Action::Save(proven("a:1"))]);
    assert_eq!(device.machine.wake(), None);
}

#[test]
fn a_hub_that_is_to_be_left_alone_for_hours_does_not_cost_the_connection_to_another() {
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    let mut device = Device::new(known);
    device.acts();
    device.told(Event::HubFailed(throttled(7200)));
    assert_eq!(device.acts(), [connect("a:1")]);
    device.told(Event::Connected);
    assert_eq!(device.tries().1, Action::LookUp);
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("b:1"))));
    assert_eq!(device.acts(), []);
    assert!(device.machine.view().on_hub);
}

#[test]
fn an_allowed_reference_is_followed_without_a_registration() {
    let mut device = Device::with(references(".hubs"), proven("a.hubs:1"));
    device.acts();
    device.told(moved("B.hubs:1"));
    let known = Known { candidate: Some(referred("B.hubs:1")), ..proven("a.hubs:1") };
    assert_eq!(device.acts(), [Action::Save(known), Action::Connect(referred("B.hubs:1"))]);
    device.told(Event::Connected);
    let known = Known { proven: Some(referred("B.hubs:1")), ..Known::default() };
    assert_eq!(device.acts(), [Action::Save(known)]);
}

#[test]
fn a_reference_beyond_the_allow_list_leads_to_a_registration_and_is_shown() {
    let mut device = Device::with(references(".hubs"), proven("a.hubs:1"));
    device.acts();
    device.told(moved("evil.org:1"));
    assert_eq!(device.tries().1, register("a.hubs:1"));
    assert!(device.machine.view().failures[0].1.contains("evil.org:1"));
}

#[test]
fn a_hub_that_a_reference_named_and_that_refuses_leads_to_a_registration() {
    let mut device = Device::with(references(".hubs"), proven("a.hubs:1"));
    device.acts();
    device.told(moved("b.hubs:1"));
    device.acts();
    device.hub_fails(Class::Other);
    assert_eq!(device.tries().1, Action::Register { current: Some(referred("b.hubs:1")) });
}

#[test]
fn references_in_a_circle_end_in_a_registration() {
    let mut device = Device::with(references(".hubs"), proven("a.hubs:1"));
    device.acts();
    let mut connections = 1;
    let mut at = 0;
    loop {
        at = 1 - at;
        device.told(moved(["a.hubs:1", "b.hubs:1"][at]));
        match device.tries().1 {
            Action::Connect(_) => connections += 1,
            action => break assert!(matches!(action, Action::Register { .. })),
        }
    }
    assert_eq!(connections, 4);
}

impl Device {
    fn tries_after_unavailable(&mut self) -> Action {
        self.hub_fails(Class::Unavailable);
        self.tries().1
    }
}
