//! Running operations, triggers, and where devices live.

use super::*;
use crate::domain::ports::{Notice, SessionCommand};
use crate::domain::transfer::Step;
use crate::provisioner::operator::{AdminError, Target, TriggerReport};

/// A device whose move waits for a hub that went down, after that step.
async fn waiting(world: &World, halted: &'static str) -> Started {
    let plan = Plan { hubs: &["far1", "far2"], ..Plan::default() };
    let service = world.start(plan.listing(&["far1"]));
    service.register(RegisterRequest::default()).await.unwrap();
    service.settled().await;
    world.store.halt_at(halted, false);
    let service = world.start(plan.listing(&["far2"]));
    let registering = service.registering(RegisterRequest::default());
    world.store.halted.notified().await;
    registering.abort();
    drop(service);
    world.hub("far2").down(true);
    world.store.rows().halt = None;
    let service = world.start(plan.listing(&["far2"]));
    tokio::time::sleep(Duration::from_secs(30)).await;
    service
}

#[tokio::test(start_paused = true)]
async fn a_move_that_waits_is_shown_with_its_step_and_why_and_can_be_cancelled() {
    let world = World::new();
    let service = waiting(&world, "fenced").await;
    let running = service.provisioner.operations(None, 10);
    let [operation, ..] = running.as_slice() else { panic!("none") };
    assert_eq!((operation.step, operation.ended), (Some(Step::Fenced), None));
    assert!(operation.retries > 0 && operation.error.as_ref().unwrap().contains("far2"), "{operation:?}");
    let view = service.provisioner.registration_view(&id()).unwrap();
    assert_eq!(view.transfer.unwrap().step, Step::Fenced);
    world.hub("far2").down(false);
    service.provisioner.cancel_operation(operation.id).await.unwrap();
    assert!(world.hub("far1").is_active(&device_id()) && world.hub("far2").inner().devices.is_empty());
    assert_eq!(service.look_up().unwrap().assigned_hub.as_deref(), Some("far1.example:8883"));
    let ended = service.provisioner.operation(operation.id).unwrap();
    assert!(ended.ended.is_some() && ended.error.unwrap().contains("undone"));
    assert!(matches!(service.provisioner.cancel_operation(operation.id).await, Err(AdminError::Conflict(_))));
}

#[tokio::test(start_paused = true)]
async fn a_committed_move_cannot_be_cancelled() {
    let world = World::new();
    let service = waiting(&world, "committed").await;
    let operation = service.provisioner.operations(None, 1)[0].id;
    let (provisioner, far) = (service.provisioner.clone(), world.hub("far2"));
    let cancelling = tokio::spawn(async move { provisioner.cancel_operation(operation).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    far.down(false);
    assert!(matches!(cancelling.await.unwrap(), Err(AdminError::Conflict(_))));
    assert!(far.is_active(&device_id()));
}

#[tokio::test]
async fn operations_are_listed_in_pages() {
    let world = World::new();
    let service = world.start(Plan { hubs: &["h1", "h2"], ..Plan::default() });
    service.register_fleet(5).await;
    for stored in world.store.rows().registered.values_mut() {
        let substatus = Substatus::InitialAssignment;
        stored.registration.state = State::Assigned { hub: hub_name("gone"), substatus };
    }
    service.register_fleet(5).await;
    let listed =
        |after, limit| service.provisioner.operations(after, limit).iter().map(|view| view.id).collect::<Vec<_>>();
    let all = listed(None, 10);
    assert_eq!(all.len(), 5, "moves are remembered");
    assert_eq!((listed(None, 2), listed(Some(all[1]), 10)), (all[..2].to_vec(), all[2..].to_vec()));
    assert_eq!(listed(Some(OperationId::random()), 10), []);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_reaches_one_device_a_group_or_a_hub() {
    let world = World::new();
    let service = world.start(Plan { hubs: &["h1", "far1"], ..Plan::default() });
    service.register_fleet(300).await;
    world.hub("h1").inner().connected = true;
    world.hub("h1").inner().commands.clear();
    let notice = Notice { reason: "new hubs".into(), not_before: None, spread: 60 };
    let tell = |target| service.provisioner.trigger(target, notice.clone());
    let group = EnrollmentName::Group(GroupId::parse("line").unwrap());
    let report = tell(Target::Enrollment(group)).await.unwrap();
    assert_eq!(report.told + report.not_connected, 300);
    let commands = world.hub("h1").inner().commands.clone();
    assert_eq!(commands.len() as u64, report.told);
    assert!(commands.iter().all(|(_, command)| *command == SessionCommand::Notify(notice.clone())));
    let far = tell(Target::Hub(hub_name("far1"))).await.unwrap();
    assert_eq!(far, TriggerReport { told: 0, not_connected: report.not_connected });
    let one = tell(Target::Registration(id())).await.unwrap();
    assert_eq!(one.told + one.not_connected, 1);
    let nobody = RegistrationId::parse("nobody").unwrap();
    assert!(matches!(tell(Target::Registration(nobody)).await, Err(AdminError::Unknown(_))));
}

#[tokio::test]
async fn a_device_is_found_on_its_hub_and_an_address_only_has_none() {
    let world = World::new();
    let service = world.start(Plan::default());
    assert!(matches!(service.provisioner.home(&device_id()), Err(AdminError::Unknown(_))));
    service.register(RegisterRequest::default()).await.unwrap();
    assert_eq!(service.provisioner.home(&device_id()).unwrap().0, hub_name("h1"));
    let world = World::new();
    let service = world.start(Plan { hubs: &["plain1"], ..Plan::default() });
    service.register(RegisterRequest::default()).await.unwrap();
    assert!(matches!(service.provisioner.home(&device_id()), Err(AdminError::Conflict(_))));
}
