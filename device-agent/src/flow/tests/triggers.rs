//! Persons, notices and other things to say (rule C7).

use super::*;

#[test]
fn a_person_does_not_wait_for_a_back_off_or_a_sleep() {
    for class in [Class::Unavailable, Class::Other] {
        let mut device = Device::new(Known::default());
        device.acts();
        for _ in 0..5 {
            device.service_fails(class);
            assert_eq!(device.acts(), []);
            device.told(person(false));
            assert_eq!(device.acts(), [Action::Register { current: None }], "{class:?}");
        }
    }
}

#[test]
fn a_person_waits_for_a_retry_after_and_is_told_why() {
    let mut device = Device::new(Known::default());
    device.acts();
    device.told(Event::ServiceFailed(throttled(100)));
    device.told(person(false));
    let next = device.machine.view().next.unwrap();
    assert_eq!(next.at, device.now + secs(100));
    assert_eq!(next.why, "a person asked for it; not before the service allows it (1 × throttled)");
    assert_eq!(device.tries().0, secs(100));
}

#[test]
fn a_person_who_asks_during_an_attempt_is_served_after_it() {
    let mut device = Device::new(proven("a:1"));
    assert_eq!(device.acts(), [connect("a:1")]);
    device.told(person(false));
    device.told(person(false));
    assert_eq!(device.acts(), []);
    device.told(Event::Connected);
    assert_eq!(device.acts(), [register("a:1")]);
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!((device.acts(), device.machine.wake()), (vec![], None), "one is enough");
}

#[test]
fn after_a_persons_registration_the_hub_is_tried_at_once() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    for _ in 0..6 {
        device.hub_fails(Class::Unavailable);
        device.tries();
    }
    device.hub_fails(Class::Unavailable);
    device.told(person(false));
    assert_eq!(device.acts(), [register("a:1")]);
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), [connect("a:1")]);
}

#[test]
fn a_person_works_in_every_mode() {
    for mode in [Mode::Dynamic, Mode::OnErrorOnly, Mode::AlwaysOnStartup] {
        let mut device = Device::on_hub(Policy::default());
        device.machine.set_policy(Policy { mode, ..Policy::default() });
        device.told(person(false));
        assert_eq!(device.acts(), [register("a:1")], "{mode:?}");
    }
}

#[test]
fn beginning_anew_drops_the_twin_only_when_the_new_assignment_is_proven() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(true));
    let asked = Known { reset_asked: true, ..proven("a:1") };
    assert_eq!(device.acts(), [Action::Save(asked), register("a:1")]);
    device.service_fails(Class::Unavailable);
    assert_eq!(device.tries().1, register("a:1"), "it is still wanted");
    device.told(Event::Registered(assignment("b:1")));
    assert!(!device.acts().contains(&Action::ForgetTwin));
    device.hub_fails(Class::Unavailable);
    device.tries();
    device.told(Event::Connected);
    assert_eq!(device.acts(), [Action::ForgetTwin, Action::Save(proven("b:1"))]);
}

#[test]
fn beginning_anew_on_the_same_hub_drops_the_twin_and_reads_it_again() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(true));
    device.acts();
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), [Action::ForgetTwin, Action::Save(proven("a:1")), Action::ReadTwin]);
}

#[test]
fn beginning_anew_is_not_mistaken_for_a_connection_before_the_registration() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.told(person(true));
    device.acts();
    device.told(Event::Connected);
    assert_eq!(device.acts(), [register("a:1")], "nothing is dropped yet");
}

#[test]
fn a_notice_is_followed_after_its_time_and_a_random_part_of_its_spread() {
    let mut waits = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut device = Device::seeded(Policy::default(), proven("a:1"), seed);
        device.acts();
        device.told(Event::Connected);
        device.told(notice(100, 600));
        let (waited, action) = device.tries();
        assert_eq!(action, register("a:1"));
        assert!(waited >= secs(100) && waited <= secs(700));
        waits.insert(waited);
    }
    assert!(waits.len() > 40);
}

#[test]
fn a_second_notice_does_not_postpone_the_first() {
    let mut device = Device::on_hub(Policy::default());
    device.told(notice(100, 0));
    device.pass(50);
    device.told(notice(1000, 0));
    assert_eq!(device.tries().0, secs(50));
}

#[test]
fn a_notice_of_years_is_one_of_two_days() {
    let mut device = Device::on_hub(Policy::default());
    device.told(notice(u64::MAX, u64::MAX));
    assert!(device.tries().0 <= secs(2 * DAY));
}

#[test]
fn notices_in_a_row_are_followed_less_and_less_often() {
    let mut device = Device::on_hub(Policy::default());
    for _ in 0..20 {
        device.told(notice(0, 0));
        assert_eq!(device.tries().1, register("a:1"));
        device.told(Event::Registered(assignment("a:1")));
        device.acts();
    }
    assert!(device.age() > secs(300));
}

#[test]
fn a_notice_ends_the_sleep_after_a_refusal_but_not_a_retry_after() {
    let mut device = Device::on_hub(Policy::default());
    device.told(notice(0, 0));
    device.tries();
    device.service_fails(Class::Other);
    device.told(notice(0, 0));
    assert!(device.tries().0 <= secs(10));
    device.told(Event::ServiceFailed(throttled(500)));
    device.told(notice(0, 0));
    assert!(device.tries().0 >= secs(500));
}

#[test]
fn on_error_only_ignores_notices_and_changes_and_shows_them() {
    let mut device = Device::on_hub(Policy { mode: Mode::OnErrorOnly, ..Policy::default() });
    device.told(notice(0, 0));
    assert_eq!((device.acts(), device.machine.wake()), (vec![], None));
    assert_eq!(device.machine.view().ignored.unwrap(), "the service asked for a registration: drain");
    device.told(Event::Changed { asked_with: "v2".into() });
    assert_eq!((device.acts(), device.machine.wake()), (vec![], None));
    assert!(device.machine.view().ignored.unwrap().contains("has changed"));
    device.hub_fails(Class::Other);
    assert!(matches!(device.tries().1, Action::Register { .. }), "rule D3 holds");
}

#[test]
fn a_device_that_would_say_something_else_registers_while_it_is_connected() {
    let mut device = Device::on_hub(Policy::default());
    device.told(Event::Changed { asked_with: "v2".into() });
    let (waited, action) = device.tries();
    assert_eq!(action, register("a:1"));
    assert!(waited <= secs(5));
    device.told(Event::Registered(assignment("a:1")));
    device.acts();
    assert_eq!(device.machine.view().known.proven.unwrap().asked_with, "v2");
    assert_eq!(device.machine.wake(), None);
}

#[test]
fn what_changes_during_a_registration_causes_another() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    device.told(Event::Changed { asked_with: "v2".into() });
    device.told(Event::Registered(assignment("a:1")));
    device.acts();
    assert!(matches!(device.tries().1, Action::Register { .. }));
}

#[test]
fn another_configuration_ends_the_sleep_after_a_refusal_also_with_the_same_to_say() {
    for digest in ["v1", "v2"] {
        let mut device = Device::new(Known::default());
        device.acts();
        device.service_fails(Class::Other);
        device.told(Event::Changed { asked_with: digest.into() });
        assert!(device.tries().0 <= secs(10), "{digest}");
    }
}
