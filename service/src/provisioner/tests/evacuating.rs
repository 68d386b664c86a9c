//! Draining and evacuating hubs.

use super::*;
use crate::provisioner::operator::AdminError;

const HUBS: &[&str] = &["h1", "h2"];

/// A service with so many devices, all on `h1`.
async fn fleet(world: &World, plan: &Plan, devices: usize) -> Started {
    world.start(plan.listing(&["h1"])).register_fleet(devices).await;
    world.start(plan.clone())
}

fn plan() -> Plan {
    Plan { hubs: HUBS, ..Plan::default() }
}

fn count(world: &World, hub: &str) -> u64 {
    let counts = world.store.hub_counts().unwrap();
    counts.into_iter().find(|(name, _)| name.as_str() == hub).map_or(0, |(_, count)| count)
}

#[tokio::test]
async fn a_drained_hub_takes_no_new_device_also_after_a_restart() {
    let world = World::new();
    let service = world.start(plan());
    service.provisioner.set_drained(&hub_name("h1"), true).await.unwrap();
    for service in [service, world.start(plan())] {
        assert_eq!(place(&service.register(RegisterRequest::default()).await).0, "h2");
        let hubs = service.provisioner.hubs_overview().await.unwrap();
        assert_eq!(hubs.iter().map(|hub| hub.drained).collect::<Vec<_>>(), [true, false]);
    }
    let service = world.start(plan());
    assert!(matches!(service.provisioner.set_drained(&hub_name("h9"), true).await, Err(AdminError::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn an_evacuated_hub_is_emptied_at_the_rate_and_stays_drained() {
    let world = World::new();
    let service = fleet(&world, &plan(), 10).await;
    service.provisioner.evacuate(&hub_name("h1"), Some(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!((count(&world, "h1"), count(&world, "h2")), (5, 5), "one each second");
    assert!(matches!(service.provisioner.set_drained(&hub_name("h1"), false).await, Err(AdminError::Conflict(_))));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(count(&world, "h1"), 0);
    let overview = service.provisioner.hubs_overview().await.unwrap();
    assert_eq!((overview[0].drained, overview[0].evacuation.as_ref()), (true, None));
    assert_eq!(world.store.rows().settings[&hub_name("h1")].evacuation, None);
}

#[tokio::test(start_paused = true)]
async fn an_evacuation_goes_on_after_a_restart() {
    let world = World::new();
    let service = fleet(&world, &plan(), 6).await;
    service.provisioner.evacuate(&hub_name("h1"), Some(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    drop(service);
    let left = count(&world, "h1");
    assert!((1..6).contains(&left), "{left}");
    let _service = world.start(plan());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(count(&world, "h1"), 0);
}

#[tokio::test(start_paused = true)]
async fn devices_that_never_move_or_have_nowhere_to_go_stay_and_the_evacuation_ends() {
    for plan in [Plan { reprovision: Some(ReprovisionPolicy::Never), ..plan() }, Plan { hubs: &["h1"], ..plan() }] {
        let world = World::new();
        let service = fleet(&world, &plan, 3).await;
        service.provisioner.evacuate(&hub_name("h1"), Some(600)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(count(&world, "h1"), 3);
        assert_eq!(service.provisioner.hubs_overview().await.unwrap()[0].evacuation, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_evacuation_that_is_ended_leaves_the_rest_where_they_are() {
    let world = World::new();
    let service = fleet(&world, &plan(), 6).await;
    service.provisioner.evacuate(&hub_name("h1"), Some(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    service.provisioner.evacuate(&hub_name("h1"), None).await.unwrap();
    let left = count(&world, "h1");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(count(&world, "h1"), left);
    assert!(service.provisioner.hubs_overview().await.unwrap()[0].drained);
    assert!(matches!(service.provisioner.evacuate(&hub_name("h1"), Some(0)).await, Err(AdminError::Conflict(_))));
}
