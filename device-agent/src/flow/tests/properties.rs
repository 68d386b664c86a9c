//! What holds whatever servers answer, persons want and clocks do.

use proptest::prelude::*;

use super::world::{Answer, HUBS, Step, World};
use super::*;

/// Attempts in an hour, by an adversary who answers at once as suits him best. With the shortest waits that a policy can have, each
/// server is asked every five seconds or a little more; a registration is followed by a connection, and by as many as references allow.
const MOST_PER_HOUR: usize = 5 * 3600 / 5;

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Throttled), Just(Class::Unavailable), Just(Class::Other)]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..10u64, 0..1000u64, 0..2 * DAY, Just(10 * 365 * DAY)]
}

fn answer() -> impl Strategy<Value = Answer> {
    let failed = (
        class(),
        prop::option::of(prop_oneof![time(), Just(u64::MAX)]),
        any::<bool>(),
        prop::option::of(0..HUBS.len()),
    );
    prop_oneof![
        4 => (0..HUBS.len(), 0..4u64, any::<bool>()).prop_map(|(hub, etag, reset)| Answer::Good { hub, etag, reset }),
        1 => time().prop_map(Answer::Pending),
        5 => failed.prop_map(|(class, retry_after, register, instead)| Answer::Failed { class, retry_after, register, instead }),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let mode = prop_oneof![Just(Mode::Dynamic), Just(Mode::OnErrorOnly), Just(Mode::AlwaysOnStartup)];
    (mode, any::<bool>(), time(), time(), time(), time()).prop_map(
        |(mode, look_up_first, first, longest, refused, patience)| Policy {
            mode,
            look_up_first,
            first_wait: secs(first),
            longest_wait: secs(longest),
            refused_wait: secs(refused),
            patience: secs(patience),
            allowed_hubs: vec![".hubs".into()],
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => answer().prop_map(Step::Answer),
        10 => Just(Step::Wait),
        4 => time().prop_map(Step::Pass),
        1 => any::<bool>().prop_map(|reset| Step::Person { reset }),
        2 => (time(), time()).prop_map(|(not_before, spread)| Step::Notice { not_before, spread }),
        1 => (0..3u8).prop_map(Step::Changed),
        1 => policy().prop_map(Step::Policy),
        2 => (0..6u8).prop_map(Step::Stray),
    ]
}

fn known() -> impl Strategy<Value = Known> {
    let one = || prop::option::of((0..HUBS.len()).prop_map(|hub| assignment(HUBS[hub])));
    (one(), one(), any::<bool>(), any::<bool>()).prop_map(|(proven, candidate, reset_asked, reset_due)| Known {
        proven,
        candidate,
        reset_asked,
        reset_due,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_whatever_happens(
        policy in policy(),
        known in known(),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let mut world = World::new(policy, known, seed);
        world.act();
        for step in &steps {
            world.take(step);
        }
    }

    /// Whatever was before: once the servers are well, the device is on its hub after the waits that it was told, and no more.
    #[test]
    fn a_device_whose_servers_get_well_is_on_its_hub_again(
        policy in policy(),
        known in known(),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(policy, known, seed);
        world.act();
        for step in &steps {
            world.take(step);
        }
        let end = world.now + secs(3 * DAY);
        loop {
            world.take(&Step::Answer(Answer::Good { hub: 0, etag: 9, reset: false }));
            if world.on_hub.is_some() {
                break;
            }
            world.take(&Step::Wait);
            prop_assert!(world.now < end, "stranded");
        }
    }

    /// Servers that answer at once, round and round, and notices with each answer: no hour has more attempts than the waits allow.
    #[test]
    fn no_sequence_of_answers_makes_a_busy_loop(
        policy in policy(),
        known in known(),
        seed in any::<u64>(),
        answers in prop::collection::vec(answer(), 1..6),
        notices in any::<bool>(),
        changes in any::<bool>(),
    ) {
        let mut world = World::new(policy, known, seed);
        world.act();
        let end = world.now + secs(3600);
        for (at, answer) in answers.iter().cycle().take(8000).enumerate() {
            if world.now > end {
                break;
            }
            world.take(&Step::Answer(answer.clone()));
            if notices {
                world.take(&Step::Notice { not_before: 0, spread: 0 });
            }
            if changes {
                world.take(&Step::Changed((at % 2) as u8));
            }
            if world.under_way.is_none() {
                world.take(&Step::Wait);
            }
        }
        prop_assert!(world.most_in_an_hour() <= MOST_PER_HOUR, "{} attempts in an hour", world.most_in_an_hour());
    }

    /// With the waits as they are by default the worst hour is a quiet one.
    #[test]
    fn by_default_flapping_servers_are_asked_a_few_hundred_times_an_hour_at_most(
        seed in any::<u64>(),
        answers in prop::collection::vec(answer(), 1..6),
    ) {
        let mut world = World::new(Policy::default(), proven(HUBS[0]), seed);
        world.act();
        let end = world.now + secs(3600);
        for answer in answers.iter().cycle().take(8000) {
            if world.now > end {
                break;
            }
            world.take(&Step::Answer(answer.clone()));
            world.take(&Step::Wait);
        }
        prop_assert!(world.most_in_an_hour() <= 300, "{} attempts in an hour", world.most_in_an_hour());
    }
}
