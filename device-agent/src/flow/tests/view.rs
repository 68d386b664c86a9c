//! The machine as people see it.

use super::*;

#[test]
fn the_view_tells_what_the_device_is_at_and_since_when() {
    let mut device = Device::new(proven("a:1"));
    let view = device.machine.view();
    assert_eq!((view.state, view.on_hub), (State::Waiting, false));
    assert_eq!(view.next.map(|next| (next.action, next.why)), Some(("connect", "the saved assignment to a:1".into())));
    device.acts();
    assert_eq!(device.machine.view().state, State::Connecting);
    device.pass(3);
    device.told(Event::Connected);
    let connected = device.now;
    device.pass(100);
    device.told(person(false));
    device.acts();
    let view = device.machine.view();
    assert_eq!((view.state, view.on_hub, view.since), (State::Registering, true, device.now));
    device.told(Event::Registered(assignment("a:1")));
    let view = device.machine.view();
    assert_eq!((view.state, view.since, view.next), (State::Connected, connected, None));
}

#[test]
fn the_reason_of_what_comes_next_names_the_failures_before() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.hub_fails(Class::Unavailable);
    device.tries();
    device.hub_fails(Class::Unavailable);
    let why = device.machine.view().next.unwrap().why;
    assert_eq!(why, "the saved assignment to a:1; the hub was not available (2 × in a row, backing off)");
}

#[test]
fn the_last_eight_failures_are_kept_newest_first_and_cut() {
    let mut device = Device::with(Policy { patience: secs(DAY), ..Policy::default() }, proven("a:1"));
    device.acts();
    for at in 0..20 {
        let message = format!("{at}\n{}", "x".repeat(5000));
        device.told(Event::HubFailed(Failure { message, ..failure(Class::Unavailable) }));
        assert_eq!(device.tries().1, connect("a:1"));
    }
    let failures = device.machine.view().failures;
    assert_eq!(failures.len(), 8);
    assert!(failures.iter().all(|(_, message)| message.len() == 512 && !message.contains('\n')));
    assert!(failures.iter().zip(failures.iter().skip(1)).all(|(newer, older)| newer.0 >= older.0));
}

#[test]
fn a_clock_that_goes_back_does_no_harm() {
    let mut device = Device::new(proven("a:1"));
    device.acts();
    device.pass(100);
    device.hub_fails(Class::Unavailable);
    let early = device.now - secs(100);
    device.machine.on(person(false), early);
    assert!(device.machine.wake().unwrap() >= device.now);
}
