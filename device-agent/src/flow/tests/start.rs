//! What is done first (rule D2).

use super::*;

#[test]
fn a_device_without_an_assignment_registers() {
    let mut device = Device::new(Known::default());
    assert_eq!(device.acts(), [Action::Register { current: None }]);
}

#[test]
fn a_device_with_an_assignment_connects_and_does_not_register() {
    let mut device = Device::new(proven("a:1"));
    assert_eq!(device.acts(), [connect("a:1")]);
    device.told(Event::Connected);
    assert_eq!((device.acts(), device.machine.wake()), (vec![], None));
}

#[test]
fn the_candidate_is_connected_to_before_the_proven_assignment() {
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    assert_eq!(Device::new(known).acts(), [connect("b:1")]);
}

#[test]
fn always_on_startup_registers_first() {
    let policy = Policy { mode: Mode::AlwaysOnStartup, ..Policy::default() };
    let mut device = Device::with(policy, proven("a:1"));
    assert_eq!(device.acts(), [register("a:1")]);
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), [connect("a:1")]);
}

#[test]
fn always_on_startup_falls_back_to_the_saved_assignment_and_registers_later() {
    for class in [Class::Throttled, Class::Unavailable, Class::Other] {
        let policy = Policy { mode: Mode::AlwaysOnStartup, ..Policy::default() };
        let mut device = Device::with(policy, proven("a:1"));
        assert_eq!(device.acts(), [register("a:1")]);
        device.service_fails(class);
        assert_eq!(device.acts(), [connect("a:1")], "{class:?}");
        device.told(Event::Connected);
        assert_eq!(device.tries().1, register("a:1"), "while it is connected");
        assert!(device.machine.view().on_hub);
    }
}

#[test]
fn a_look_up_first_comes_before_the_connection_and_does_not_keep_it_up() {
    let policy = Policy { look_up_first: true, ..Policy::default() };
    for answer in [
        Event::LookedUp(LookedUp::Assigned(assignment("a:1"))),
        Event::LookedUp(LookedUp::Assigning { retry_after: secs(30) }),
        Event::ServiceFailed(failure(Class::Unavailable)),
        Event::ServiceFailed(failure(Class::Other)),
    ] {
        let mut device = Device::with(policy.clone(), proven("a:1"));
        assert_eq!(device.acts(), [Action::LookUp]);
        device.told(answer);
        assert_eq!(device.acts(), [connect("a:1")]);
    }
}

#[test]
fn a_look_up_first_that_names_another_hub_leads_there() {
    let mut device = Device::with(Policy { look_up_first: true, ..Policy::default() }, proven("a:1"));
    assert_eq!(device.acts(), [Action::LookUp]);
    device.told(Event::LookedUp(LookedUp::Assigned(assignment("b:1"))));
    let known = Known { candidate: Some(assignment("b:1")), ..proven("a:1") };
    assert_eq!(device.acts(), [Action::Save(known), connect("b:1")]);
}

#[test]
fn a_look_up_first_that_knows_no_such_device_leads_to_a_registration() {
    let mut device = Device::with(Policy { look_up_first: true, ..Policy::default() }, proven("a:1"));
    assert_eq!(device.acts(), [Action::LookUp]);
    device.told(Event::ServiceFailed(Failure { register: true, ..failure(Class::Other) }));
    let (waited, action) = device.tries();
    assert_eq!(action, register("a:1"));
    assert!(waited <= secs(5));
}

#[test]
fn a_device_that_would_say_something_else_now_registers_first_and_falls_back() {
    let asked_before =
        Known { proven: Some(Assignment { asked_with: "v0".into(), ..assignment("a:1") }), ..Known::default() };
    let mut device = Device::new(asked_before.clone());
    assert_eq!(device.acts(), [Action::Register { current: asked_before.proven.clone() }]);
    device.service_fails(Class::Unavailable);
    assert_eq!(device.acts(), [Action::Connect(asked_before.proven.clone().unwrap())]);
    device.told(Event::Connected);
    assert!(matches!(device.tries().1, Action::Register { .. }));
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), [Action::Save(proven("a:1"))], "and it stays connected");
}

#[test]
fn on_error_only_does_not_ask_because_it_would_say_something_else() {
    let policy = Policy { mode: Mode::OnErrorOnly, ..Policy::default() };
    let asked_before = Assignment { asked_with: "v0".into(), ..assignment("a:1") };
    let mut device = Device::with(policy, Known { proven: Some(asked_before.clone()), ..Known::default() });
    assert_eq!(device.acts(), [Action::Connect(asked_before)]);
    assert!(device.machine.view().ignored.unwrap().contains("has changed"));
}

#[test]
fn a_fleet_that_boots_with_the_service_away_is_on_its_hubs_without_a_registration() {
    for seed in 0..50 {
        let mut device = Device::seeded(Policy::default(), proven("a:1"), seed);
        assert_eq!(device.acts(), [connect("a:1")]);
    }
}
