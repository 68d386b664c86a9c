//! Moves that are undone, and what hubs still have of moves that are over.

use super::*;
use crate::domain::hub_device::Standing;
use crate::domain::transfer::Step;
use ReprovisionPolicy::Migrate;

const FAR: &[&str] = &["far1", "far2"];

/// A device on `far1` that has reported, and what is configured.
async fn on_far1() -> (World, Plan) {
    let (world, plan) = (World::new(), Plan { hubs: FAR, reprovision: Some(Migrate), ..Plan::default() });
    let service = world.start(plan.listing(&["far1"]));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    world.hub("far1").report(&device_id());
    (world, plan)
}

/// A process that ended when the device was fenced on its way to `far2`.
async fn fenced() -> (World, Plan) {
    let (world, plan) = on_far1().await;
    world.store.halt_at("fenced", false);
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    registering.abort();
    drop(service);
    world.store.rows().halt = None;
    assert!(!world.hub("far1").is_active(&device_id()));
    (world, plan)
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_cancelled_frees_its_device_at_once_also_when_its_new_hub_is_away() {
    let (world, plan) = fenced().await;
    world.hub("far2").down(true);
    let service = world.start(plan.listing(&["far2"]));
    let running = service.provisioner.moves.of(&id()).unwrap();
    service.provisioner.cancel_operation(running.transfer.id).await.unwrap();
    world.hub("far1").report(&device_id());
    let found = service.look_up().unwrap();
    assert_eq!((found.moving, found.assigned_hub.as_deref()), (None, Some("far1.example:8883")));
    // What the new hub was given is taken back when it can be.
    assert_eq!(service.provisioner.moves.of(&id()).map(|running| running.stage().step), Some(Step::Undoing));
    world.hub("far2").down(false);
    service.settled().await;
    assert!(world.store.rows().transfers.is_empty());
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far2");
    assert_eq!(world.hub("far2").reported(&device_id()), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_move_to_a_hub_that_is_not_declared_any_more_is_undone_at_the_start() {
    let (world, plan) = fenced().await;
    world.hub("far2").down(true);
    let service = world.start(Plan { hubs: &["far1"], former: &["far2"], ..plan.listing(&[]) });
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far1");
    world.hub("far1").report(&device_id());
}

#[tokio::test(start_paused = true)]
async fn a_move_takes_its_own_device_and_not_one_that_has_its_name_now() {
    let (world, plan) = on_far1().await;
    // The hub lost the device, and another registration's took the name.
    let other = RegistrationId::parse("dev-9").unwrap();
    world.hub("far1").inner().devices.get_mut(&device_id()).unwrap().1.registration_id = other;
    let service = world.start(plan.listing(&["far2"]));
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far2");
    service.settled().await;
    assert_eq!(world.hub("far2").reported(&device_id()), Some(1), "it begins anew");
    world.hub("far1").report(&device_id());
}

#[tokio::test(start_paused = true)]
async fn a_fence_and_a_copy_of_a_move_that_is_over_do_not_stand_in_the_way() {
    let (world, plan) = on_far1().await;
    let over = Standing::Fenced(OperationId::random());
    let (_, identity, state) = world.hub("far1").inner().devices[&device_id()].clone();
    world.hub("far1").inner().devices.get_mut(&device_id()).unwrap().0 = over.clone();
    let stale = crate::domain::hub_device::DeviceState::initial(&Default::default(), world.clock.now());
    world.hub("far2").inner().devices.insert(device_id(), (over, identity, stale));
    let service = world.start(plan.listing(&["far2"]));
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far2");
    service.settled().await;
    assert_eq!(world.hub("far2").reported(&device_id()), Some(state.twin.reported.version));
    assert!(world.hub("far1").inner().devices.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_early_copy_that_came_late_does_not_take_the_place_of_the_committed_one() {
    let (world, plan) = on_far1().await;
    world.store.halt_at("committed", false);
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    registering.abort();
    drop(service);
    world.store.rows().halt = None;
    let stale = crate::domain::hub_device::DeviceState::initial(&Default::default(), world.clock.now());
    {
        let far2 = world.hub("far2");
        let mut inner = far2.inner();
        let held = inner.devices.get_mut(&device_id()).unwrap();
        (held.0, held.2) = (Standing::Held(OperationId::random()), stale);
    }
    let service = world.start(plan.listing(&["far2"]));
    assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "far2");
    assert_eq!(world.hub("far2").reported(&device_id()), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_was_an_address_only_for_a_while_keeps_what_its_devices_have() {
    let (world, plan) = on_far1().await;
    world.store.rows().registered.get_mut(&id()).unwrap().registration.told = 0;
    let service = world.start(plan.listing(&["far1"]));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    assert_eq!(world.hub("far1").reported(&device_id()), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_rid_of_a_move_that_is_done_names_a_new_one_when_its_hub_is_gone() {
    let (world, plan) = (World::new(), Plan { hubs: FAR, reprovision: Some(Migrate), ..Plan::default() });
    let service = world.start(plan.listing(&["far1"]));
    let asked = || request(json!({"rid": "1"}));
    let first = service.register(asked()).await.unwrap().operation;
    service.settled().await;
    world.store.rows().settings.entry(hub_name("far1")).or_default().remote = Some("https://far1.example".into());
    let service = world.start(Plan { hubs: &["far2"], former: &["far1"], ..plan.listing(&[]) });
    let granted = service.register(asked()).await;
    assert_eq!(place(&granted).0, "far2");
    assert_ne!(granted.unwrap().operation, first);
}

#[tokio::test(start_paused = true)]
async fn states_on_their_way_are_not_kept_in_memory_while_a_hub_is_away() {
    let (world, plan) = fenced().await;
    world.hub("far2").down(true);
    let service = world.start(plan.listing(&["far2"]));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(service.provisioner.moves.states_at_hand(), 0);
    // And with none at hand the move goes on with what the old hub has.
    world.hub("far2").down(false);
    service.settled().await;
    assert_eq!(world.hub("far2").reported(&device_id()), Some(2));
}
