//! A process that ends at any point of a move: the next one finishes it, for every policy, and the invariants of rule C8 hold.

use super::*;
use ReprovisionPolicy::{Migrate, Reset};

const HUBS: &[&str] = &["far1", "far2", "h1"];

/// Brings the device to its first hub and lets it report, moves it, ends the process at that point, and starts another one.
async fn interrupted(
    from: &'static [&'static str],
    to: &'static [&'static str],
    policy: ReprovisionPolicy,
    halt: store::Halt,
) {
    let what = format!("{from:?} to {to:?}, {policy:?}, {halt:?}");
    let (world, plan) = (World::new(), Plan { hubs: HUBS, reprovision: Some(policy), ..Plan::default() });
    if let Some(hub) = from.first() {
        let service = world.start(plan.listing(from));
        service.register(RegisterRequest::default()).await.unwrap();
        service.settled().await;
        world.hub(hub).report(&device_id());
    }
    world.store.rows().halt = Some(halt);
    let service = world.start(plan.listing(to));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    check(&world, &what);
    registering.abort();
    drop(service);
    tokio::task::yield_now().await;
    world.store.rows().halt = None;

    let service = world.start(plan.listing(to));
    service.settled().await;
    check(&world, &what);
    // Where the journal had nothing yet, nothing happened: the device asks again.
    let asked_again = service.register(request(json!({"rid": "again"}))).await;
    service.settled().await;
    assert_eq!(place(&asked_again).0, to[0], "{what}");
    check(&world, &what);
    assert!(world.hub(to[0]).is_active(&device_id()), "{what}");
    let version = if policy == Migrate && !from.is_empty() { 2 } else { 1 };
    assert_eq!(world.hub(to[0]).reported(&device_id()), Some(version), "{what}");
    let elsewhere = HUBS.iter().filter(|hub| **hub != to[0]).map(|hub| world.hub(hub).inner().devices.len());
    assert_eq!(elsewhere.sum::<usize>(), 0, "{what}");
    assert!(world.store.rows().transfers.is_empty(), "{what}");
    assert!(world.store.rows().devices.contains_key(&id()), "{what}: every registered device has an entry");
}

/// A device is active on at most one hub.
fn check(world: &World, what: &str) {
    let active = HUBS.iter().filter(|hub| world.hub(hub).is_active(&device_id())).count();
    assert!(active <= 1, "{what}: active on {active} hubs");
}

#[tokio::test(start_paused = true)]
async fn a_move_between_other_machines_is_finished_wherever_it_was_interrupted() {
    for policy in [Migrate, Reset] {
        for halt in store::points() {
            interrupted(&["far1"], &["far2"], policy, halt).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_assignment_to_another_machine_is_finished_wherever_it_was_interrupted() {
    for halt in store::points() {
        interrupted(&[], &["far1"], Migrate, halt).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_on_another_machine_is_finished_wherever_it_was_interrupted() {
    for halt in store::points() {
        interrupted(&["far1"], &["far1"], Reset, halt).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_of_which_half_was_undone_is_undone_and_not_resumed() {
    let (world, plan) = (World::new(), Plan { hubs: HUBS, ..Plan::default() });
    let service = world.start(plan.listing(&["far1"]));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    world.hub("far2").inner().refuses = true;
    world.store.halt_at("removed", true);
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    registering.abort();
    drop(service);
    // The device is let in again where it was, and goes on reporting.
    world.hub("far1").report(&device_id());
    world.store.rows().halt = None;
    world.hub("far2").inner().refuses = false;
    let service = world.start(plan.listing(&["far1"]));
    service.settled().await;
    assert!(world.hub("far1").is_active(&device_id()) && world.store.rows().transfers.is_empty());
    assert_eq!(world.hub("far1").reported(&device_id()), Some(2), "nothing that was acknowledged is lost");
}
