//! Answers and errors of the service (rule D4).

use firsthop_protocol::body::Substatus;

use super::*;

fn reset(hub: &str, etag: u64) -> Assignment {
    Assignment { etag: Some(ETag::new(etag)), substatus: Some(Substatus::DeviceDataReset), ..assignment(hub) }
}

/// A device without an assignment whose first registration is under way.
fn newborn(policy: Policy) -> Device {
    let mut device = Device::with(policy, Known::default());
    assert_eq!(device.acts(), [Action::Register { current: None }]);
    device
}

#[test]
fn an_assignment_is_saved_before_it_is_used_and_proven_by_the_connection() {
    let mut device = newborn(Policy::default());
    device.told(Event::Registered(assignment("a:1")));
    let candidate = Known { candidate: Some(assignment("a:1")), ..Known::default() };
    assert_eq!(device.acts(), [Action::Save(candidate), connect("a:1")]);
    device.told(Event::Connected);
    assert_eq!(device.acts(), [Action::Save(proven("a:1"))]);
}

#[test]
fn after_a_429_of_the_service_nothing_is_asked_of_it_before_its_retry_after() {
    let mut device = newborn(Policy::default());
    let mut waits = Vec::new();
    for _ in 0..12 {
        device.told(Event::ServiceFailed(throttled(40)));
        let (waited, action) = device.tries();
        assert_eq!(action, Action::Register { current: None });
        assert!(waited >= secs(40), "{waited:?}");
        waits.push(waited);
    }
    assert!(waits[0] <= secs(50));
    assert!(waits.iter().any(|wait| *wait > secs(100)), "the jitter on top grows: {waits:?}");
}

#[test]
fn a_service_that_is_away_is_asked_again_with_growing_waits() {
    let mut device = newborn(Policy::default());
    for _ in 0..20 {
        device.service_fails(Class::Unavailable);
        let (waited, action) = device.tries();
        assert_eq!(action, Action::Register { current: None });
        assert!(waited >= secs(5) && waited <= secs(300));
    }
}

#[test]
fn a_refusal_is_followed_by_a_long_jittered_sleep_and_stays_visible() {
    for seed in 0..50 {
        let mut device = Device::seeded(Policy::default(), Known::default(), seed);
        device.acts();
        device.service_fails(Class::Other);
        let view = device.machine.view();
        assert!(view.next.unwrap().why.contains("refused"));
        assert_eq!(view.failures.len(), 1);
        let (waited, _) = device.tries();
        assert!(waited >= secs(15 * 60) && waited <= secs(45 * 60), "{waited:?}");
    }
}

#[test]
fn a_device_on_its_hub_stays_there_whatever_the_service_says() {
    for class in [Class::Throttled, Class::Unavailable, Class::Other] {
        let mut device = Device::on_hub(Policy::default());
        device.told(person(false));
        assert_eq!(device.acts(), [register("a:1")]);
        device.service_fails(class);
        assert_eq!(device.acts(), []);
        assert!(device.machine.view().on_hub);
        assert_eq!(device.tries().1, register("a:1"));
    }
}

#[test]
fn a_registration_that_names_the_same_hub_leaves_the_connection_alone() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), []);
}

#[test]
fn a_new_version_of_the_same_assignment_is_saved_as_proven() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    let newer = Assignment { etag: Some(ETag::new(2)), ..assignment("a:1") };
    device.told(Event::Registered(newer.clone()));
    assert_eq!(device.acts(), [Action::Save(Known { proven: Some(newer), ..Known::default() })]);
}

#[test]
fn a_reset_on_the_same_hub_has_the_twin_read_again_once() {
    let mut device = Device::on_hub(Policy::default());
    for (etag, reads) in [(2, true), (2, false), (3, true)] {
        device.told(person(false));
        device.acts();
        device.told(Event::Registered(reset("a:1", etag)));
        assert_eq!(device.acts().contains(&Action::ReadTwin), reads, "{etag}");
    }
}

#[test]
fn another_hub_is_gone_to_after_the_save() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    device.told(Event::Registered(assignment("b:1")));
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    assert_eq!(device.acts(), [Action::Save(known), Action::Disconnect, connect("b:1")]);
    device.told(Event::Connected);
    assert_eq!(device.acts(), [Action::Save(proven("b:1"))]);
}

#[test]
fn a_device_that_has_another_name_on_the_same_hub_connects_anew() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    let renamed = Assignment { device_id: DeviceId::parse("dev-2").unwrap(), ..assignment("a:1") };
    device.told(Event::Registered(renamed.clone()));
    let actions = device.acts();
    assert_eq!(actions[1..], [Action::Disconnect, Action::Connect(renamed)]);
}

#[test]
fn a_pending_registration_is_looked_up_after_the_wait_that_the_service_asked_for() {
    let mut device = newborn(Policy::default());
    device.told(Event::Pending { retry_after: secs(20) });
    let (waited, action) = device.tries();
    assert_eq!(action, Action::LookUp);
    assert!(waited >= secs(20) && waited <= secs(21));
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("a:1"))));
    assert_eq!(device.acts().last(), Some(&connect("a:1")));
}

#[test]
fn an_operation_that_takes_long_is_looked_up_less_and_less_often() {
    let mut device = newborn(Policy::default());
    device.told(Event::Pending { retry_after: secs(0) });
    for at in 0..12 {
        let (waited, action) = device.tries();
        assert_eq!(action, Action::LookUp);
        let step = secs(1 << at.min(6));
        assert!(waited >= step && waited <= step * 2, "{waited:?}");
        device.told(Event::LookedUp(LookedUp::Assigning { retry_after: secs(1) }));
    }
}

#[test]
fn an_assignment_keeps_what_it_was_asked_with_also_when_it_comes_by_a_look_up() {
    let mut device = newborn(Policy::default());
    device.told(Event::Pending { retry_after: secs(1) });
    device.told(Event::Changed { asked_with: "v2".into() });
    device.tries();
    device.told(Event::LookedUp(LookedUp::Assigned(Assignment { asked_with: "whatever".into(), ..assignment("a:1") })));
    assert_eq!(device.machine.view().known.candidate, Some(assignment("a:1")));
}

#[test]
fn a_look_up_of_an_operation_that_fails_is_made_again_by_its_class() {
    let mut device = newborn(Policy::default());
    device.told(Event::Pending { retry_after: secs(1) });
    device.tries();
    device.told(Event::ServiceFailed(throttled(90)));
    let (waited, action) = device.tries();
    assert_eq!(action, Action::LookUp);
    assert!(waited >= secs(90));
    device.service_fails(Class::Other);
    let (waited, action) = device.tries();
    assert_eq!(action, Action::Register { current: None });
    assert!(waited >= secs(15 * 60));
}

#[test]
fn answers_that_nothing_waits_for_change_nothing() {
    let mut device = Device::on_hub(Policy::default());
    device.told(Event::Registered(assignment("b:1")));
    device.told(Event::Pending { retry_after: secs(1) });
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("b:1"))));
    device.told(Event::ServiceFailed(failure(Class::Other)));
    device.told(Event::Connected);
    assert_eq!((device.acts(), device.machine.wake()), (vec![], None));
    assert_eq!(device.machine.view().failures.len(), 0);
}
