//! A device that registers again: values of rule C9 on embedded hubs and on other machines, what a hub that is down does, who waits.

use super::*;
use crate::domain::ports::SessionCommand;
use crate::domain::transfer::Step;
use ReprovisionPolicy::{Migrate, Never, Reset};
use Substatus::{DeviceDataMigrated, DeviceDataReset, InitialAssignment};

const FAR: &[&str] = &["far1", "far2"];

fn plan(hubs: &'static [&'static str], policy: ReprovisionPolicy) -> Plan {
    Plan { hubs, reprovision: Some(policy), ..Plan::default() }
}

/// A device on `far1`.
async fn on_far1(world: &World, plan: &Plan) {
    let service = world.start(plan.listing(&["far1"]));
    assert_eq!(place(&service.register(RegisterRequest::default()).await), ("far1".into(), InitialAssignment));
    service.settled().await;
}

/// `reported.$version` on the device's embedded hub.
fn reported_here(world: &World) -> u64 {
    world.store.rows().placed[&id()].1.twin.reported.version
}

#[tokio::test]
async fn between_embedded_hubs_state_goes_by_the_policy_in_one_commit() {
    for (policy, hub, version, substatus) in
        [(Migrate, "h2", 2, DeviceDataMigrated), (Reset, "h2", 1, DeviceDataReset), (Never, "h1", 2, InitialAssignment)]
    {
        let (world, plan) = (World::new(), plan(&["h1", "h2"], policy));
        let first = world.start(plan.listing(&["h1"])).register(RegisterRequest::default()).await;
        assert_eq!((place(&first), reported_here(&world)), (("h1".into(), InitialAssignment), 1));
        hubs::report(&mut world.store.rows().placed.get_mut(&id()).unwrap().1);
        let commits = world.commits();
        let again = world.start(plan.listing(&["h2"])).register(RegisterRequest::default()).await;
        assert_eq!((place(&again), reported_here(&world)), ((hub.into(), substatus), version), "{policy:?}");
        assert_eq!(world.commits() - commits, usize::from(policy != Never));
        let told = world.hub("h1").inner().commands.clone();
        let close = SessionCommand::Close { moved_to: Some("h2.example:8883".into()) };
        let closed = if policy == Never { vec![] } else { vec![(device_id(), close)] };
        assert_eq!(told, closed, "the old session ends once the device lives elsewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn between_other_machines_state_goes_by_the_policy_in_a_journaled_move() {
    for (policy, hub, version, substatus) in [
        (Migrate, "far2", 2, DeviceDataMigrated),
        (Reset, "far2", 1, DeviceDataReset),
        (Never, "far1", 2, InitialAssignment),
    ] {
        let (world, plan) = (World::new(), plan(FAR, policy));
        on_far1(&world, &plan).await;
        world.hub("far1").report(&device_id());
        let service = world.start(plan.listing(&["far2"]));
        assert_eq!(place(&service.register(RegisterRequest::default()).await), (hub.into(), substatus), "{policy:?}");
        service.settled().await;
        assert_eq!(world.hub(hub).reported(&device_id()), Some(version), "{policy:?}");
        assert!(world.hub(hub).is_active(&device_id()));
        assert_eq!(world.hub("far1").inner().devices.len() + world.hub("far2").inner().devices.len(), 1);
        assert!(world.store.rows().transfers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_where_the_device_is_is_done_once_for_one_rid() {
    let world = World::new();
    let service = world.start(plan(&["far1"], Reset));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    world.hub("far1").report(&device_id());
    let reset = || request(json!({"rid": "factory-reset"}));
    assert_eq!(place(&service.register(reset()).await), ("far1".into(), DeviceDataReset));
    service.settled().await;
    assert_eq!(world.hub("far1").reported(&device_id()), Some(1));
    world.hub("far1").report(&device_id());
    service.register(reset()).await.unwrap();
    service.settled().await;
    assert_eq!(world.hub("far1").reported(&device_id()), Some(2), "the same rid is the same operation");
}

#[tokio::test(start_paused = true)]
async fn a_move_to_a_hub_that_is_down_is_refused_and_nothing_changes() {
    let (world, plan) = (World::new(), plan(FAR, Migrate));
    on_far1(&world, &plan).await;
    world.hub("far2").down(true);
    let service = world.start(plan.listing(&["far2"]));
    let refusal = service.register(RegisterRequest::default()).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::HubUnreachable);
    assert!(refusal.message.contains("far2"), "{refusal:?}");
    assert!(world.hub("far1").is_active(&device_id()) && world.store.rows().transfers.is_empty());
    assert_eq!(service.look_up().unwrap().assigned_hub.as_deref(), Some("far1.example:8883"));
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_hub_goes_down_waits_shows_its_step_and_goes_on() {
    let (world, plan) = (World::new(), plan(FAR, Migrate));
    on_far1(&world, &plan).await;
    world.store.halt_at("fenced", false);
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    registering.abort();
    drop(service);
    world.hub("far2").down(true);
    world.store.rows().halt = None;
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!registering.is_finished());
    let found = service.look_up().unwrap();
    assert_eq!((found.moving, found.assigned_hub), (Some(Step::Fenced), None));
    assert_eq!(service.provisioner.step(&service.proof().principal()), "fenced");
    assert!(!world.hub("far1").is_active(&device_id()), "nothing more is acknowledged there");
    world.hub("far2").down(false);
    assert_eq!(place(&registering.await.unwrap()), ("far2".into(), DeviceDataMigrated));
    assert_eq!(service.look_up().unwrap().moving, None);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_answered_before_its_old_hub_has_forgotten_it() {
    let (world, plan) = (World::new(), plan(FAR, Migrate));
    on_far1(&world, &plan).await;
    let service = world.start(plan.listing(&["far2"]));
    world.store.halt_at("removed", true);
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far2");
    let again = service.register(RegisterRequest::default()).await;
    assert_eq!(place(&again).0, "far2", "what changes nothing does not wait for that either");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_refuses_a_device_leaves_it_where_it_was() {
    let (world, plan) = (World::new(), plan(FAR, Migrate));
    on_far1(&world, &plan).await;
    world.hub("far2").inner().refuses = true;
    let service = world.start(plan.listing(&["far2"]));
    assert_eq!(code(&service.register(RegisterRequest::default()).await), ErrorCode::HubUnreachable);
    service.settled().await;
    assert!(world.hub("far1").is_active(&device_id()) && world.store.rows().transfers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_not_declared_any_more_gives_its_devices_away() {
    let (world, plan) = (World::new(), plan(FAR, Never));
    on_far1(&world, &plan).await;
    world.store.rows().settings.entry(hub_name("far1")).or_default().remote = Some("https://far1.example".into());
    world.hub("far1").report(&device_id());
    let left = Plan { hubs: &["far2"], former: &["far1"], ..plan.listing(&[]) };
    world.hub("far1").down(true);
    let service = world.start(left);
    let waiting = tokio::time::timeout(Duration::from_secs(600), service.register(RegisterRequest::default())).await;
    assert!(waiting.is_err(), "its data is there, so it is waited for: {waiting:?}");
    world.hub("far1").down(false);
    assert_eq!(place(&service.register(RegisterRequest::default()).await), ("far2".into(), DeviceDataMigrated));
    assert_eq!(world.hub("far2").reported(&device_id()), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_lost_the_device_gets_it_again() {
    let world = World::new();
    let service = world.start(plan(&["far1"], Migrate));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    world.hub("far1").inner().devices.clear();
    world.store.rows().registered.get_mut(&id()).unwrap().registration.told = 5;
    service.register(RegisterRequest::default()).await.unwrap();
    assert!(world.hub("far1").is_active(&device_id()));
}
