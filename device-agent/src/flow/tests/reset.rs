//! A person's wish to begin anew is kept until it is done.

use super::*;

fn saved(actions: &[Action]) -> Known {
    let saved = actions.iter().rev().find_map(|action| match action {
        Action::Save(known) => Some(known.clone()),
        _ => None,
    });
    saved.expect("something is saved")
}

#[test]
fn the_wish_to_begin_anew_outlasts_a_restart_before_the_registration() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(true));
    let actions = device.acts();
    assert_eq!(actions.last(), Some(&register("a:1")));

    for mode in [Mode::Dynamic, Mode::OnErrorOnly] {
        let mut device = Device::with(Policy { mode, ..Policy::default() }, saved(&actions));
        assert_eq!(device.acts(), [register("a:1")], "{mode:?}");
        device.told(Event::Registered(assignment("a:1")));
        assert_eq!(saved(&device.acts()), Known { reset_due: true, ..proven("a:1") });
        device.told(Event::Connected);
        assert_eq!(device.acts(), [Action::ForgetTwin, Action::Save(proven("a:1"))]);
    }
}

#[test]
fn the_wish_to_begin_anew_outlasts_a_restart_before_the_assignment_is_proven() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(true));
    device.acts();
    device.told(Event::Registered(assignment("b:1")));
    let known = saved(&device.acts());
    assert_eq!(known, Known { candidate: Some(assignment("b:1")), reset_due: true, ..proven("a:1") });

    let mut device = Device::new(known);
    assert_eq!(device.acts(), [connect("b:1")], "it was registered");
    device.told(Event::Connected);
    assert_eq!(device.acts(), [Action::ForgetTwin, Action::Save(proven("b:1"))]);
}

#[test]
fn the_wish_to_begin_anew_is_not_lost_when_another_registration_takes_the_place_of_a_pending_one() {
    for answer in [Event::Registered(assignment("b:1")), Event::Pending { retry_after: secs(1) }] {
        let mut device = Device::on_hub(Policy::default());
        device.told(person(true));
        device.acts();
        device.told(Event::Pending { retry_after: secs(3000) });
        device.told(person(false));
        assert_eq!(device.acts(), [register("a:1")]);
        device.told(answer.clone());
        if matches!(answer, Event::Pending { .. }) {
            assert_eq!(device.tries().1, Action::LookUp);
            device.told(Event::LookedUp(LookedUp::Assigned(assignment("b:1"))));
        }
        assert!(device.acts().contains(&connect("b:1")));
        device.told(Event::Connected);
        assert!(device.acts().contains(&Action::ForgetTwin), "{answer:?}");
    }
}

#[test]
fn who_asks_to_begin_anew_during_a_registration_causes_another() {
    let mut device = Device::on_hub(Policy::default());
    device.told(person(false));
    device.acts();
    device.told(person(true));
    device.told(Event::Registered(assignment("a:1")));
    let actions = device.acts();
    assert!(saved(&actions).reset_asked && !actions.contains(&Action::ForgetTwin), "{actions:?}");
    assert_eq!(actions.last(), Some(&register("a:1")));
    device.told(Event::Registered(assignment("a:1")));
    assert_eq!(device.acts(), [Action::ForgetTwin, Action::Save(proven("a:1")), Action::ReadTwin]);
}
