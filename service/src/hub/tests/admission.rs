//! Who is let in, and what those learn who are not.

use firsthop_certs::{DeviceCertificate, Identity as Leaf};
use firsthop_protocol::ErrorCode;

use super::*;

fn leaf(id: &str) -> Leaf {
    ROOT.device(id).unwrap()
}

fn admit(hub: &EmbeddedHub, leaf: &Leaf) -> Result<Admitted, Denied> {
    hub.admit(&leaf.chain, None)
}

#[track_caller]
fn refused(result: Result<Admitted, Denied>) -> crate::domain::refusal::Refusal {
    match result {
        Err(Denied::NotAuthorized(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_device_of_the_group_is_admitted_by_its_common_name_or_its_device_id() {
    let world = World::with(identity("dev-1")).await;
    for said in [None, Some(dev_1())] {
        let admitted = world.hub.admit(&leaf("dev-1").chain, said.as_ref()).unwrap();
        assert_eq!((admitted.device, admitted.registration_id.as_str()), (dev_1(), "dev-1"));
        assert!(admitted.valid_until > world.clock.now());
    }
}

#[tokio::test]
async fn an_individual_device_is_admitted_with_its_certificate_alone() {
    let mine = DeviceCertificate::new("serial-7").self_signed().unwrap();
    let mut told = identity("serial-7");
    told.device_id = dev_1();
    told.credential = Credential::Certificates(vec![thumbprint(&mine.chain[0])]);
    let world = World::with(told).await;
    assert_eq!(world.hub.admit(&mine.chain, Some(&dev_1())).unwrap().device, dev_1());
    let other = DeviceCertificate::new("serial-7").self_signed().unwrap();
    for chain in [&other.chain, &leaf("serial-7").chain, &leaf("dev-1").chain] {
        assert_eq!(refused(world.hub.admit(chain, Some(&dev_1()))).code, ErrorCode::NotEnrolled);
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_the_device() {
    let world = World::with(identity("dev-1")).await;
    world.assign(identity("moved")).await;
    world.assign(identity("busy")).await;
    let operation = OperationId::random();
    world.leave("moved", Some("x:1".into())).await;
    world.hub.fence(operation, identity("busy").registration_id).await.unwrap();
    let stranger = Ca::root("Root").unwrap();
    let told = |id: &str| {
        let refusal = refused(admit(&world.hub, &stranger.device(id).unwrap()));
        (refusal.code, refusal.message, refusal.retry_after, refusal.enrollment)
    };
    let unknown = told("nobody");
    for id in ["dev-1", "moved", "busy"] {
        assert_eq!(told(id), unknown, "{id}");
    }
    // A genuine device that says another's id is a stranger there.
    let refusal = refused(world.hub.admit(&leaf("dev-2").chain, Some(&dev_1())));
    assert_eq!((refusal.code, &refusal.message), (unknown.0, &unknown.1));
    assert!(refusal.detail.contains("dev-1"), "the log says more: {refusal:?}");
}

#[tokio::test]
async fn nothing_that_is_sent_makes_it_panic() {
    let world = World::with(identity("dev-1")).await;
    for said in [None, Some(dev_1())] {
        refused(world.hub.admit(&[], said.as_ref()));
        refused(world.hub.admit(&[vec![0x30, 0x80].into()], said.as_ref()));
    }
}

#[tokio::test]
async fn a_device_that_is_being_moved_is_asked_to_come_again() {
    let world = World::new();
    let (operation, leaf) = (OperationId::random(), leaf("dev-1"));
    world.hub.provision(operation, identity("dev-1"), fresh()).await.unwrap();
    assert!(matches!(admit(&world.hub, &leaf), Err(Denied::Unavailable(_))));
    world.hub.release(operation, reg_1()).await.unwrap();
    assert!(admit(&world.hub, &leaf).is_ok() && world.hub.still_admits(&dev_1()));
    world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    assert!(matches!(admit(&world.hub, &leaf), Err(Denied::Unavailable(_))));
    assert!(!world.hub.still_admits(&dev_1()));
}

#[tokio::test]
async fn a_device_that_left_is_told_where_to_when_that_is_known() {
    let world = World::with(identity("dev-1")).await;
    world.assign(identity("dev-2")).await;
    world.leave("dev-1", Some("porto.example:8884".into())).await;
    world.leave("dev-2", None).await;
    assert_eq!(admit(&world.hub, &leaf("dev-1")).unwrap_err(), Denied::Moved { to: "porto.example:8884".into() });
    assert_eq!(refused(admit(&world.hub, &leaf("dev-2"))).code, ErrorCode::NoDevice);
}

#[tokio::test]
async fn a_device_of_another_hub_of_this_process_is_told_its_address() {
    let world = World::with(identity("dev-1")).await;
    let porto = world.beside("porto");
    world.store.carry(&dev_1(), porto.name());
    assert_eq!(admit(&world.hub, &leaf("dev-1")).unwrap_err(), Denied::Moved { to: "porto.example:8884".into() });
    assert!(admit(&porto, &leaf("dev-1")).is_ok());
    let stranger = Ca::root("Root").unwrap();
    assert_eq!(refused(admit(&world.hub, &stranger.device("dev-1").unwrap())).code, ErrorCode::NotEnrolled);
}

#[tokio::test]
async fn without_the_store_a_device_is_asked_to_come_again() {
    let world = World::with(identity("dev-1")).await;
    world.store.set_unavailable(true);
    assert!(matches!(admit(&world.hub, &leaf("dev-1")), Err(Denied::Unavailable(_))));
    assert!(!world.hub.still_admits(&dev_1()));
}

#[tokio::test]
async fn a_session_that_comes_just_after_the_fence_is_closed() {
    let world = World::with(identity("dev-1")).await;
    world.hub.fence(OperationId::random(), reg_1()).await.unwrap();
    let (post, _) = world.connect();
    assert_eq!(mail(&post), [HubMail::Close { moved_to: None }]);
    assert_eq!(world.hub.status().await.unwrap().sessions, 0);
}

#[tokio::test]
async fn a_credential_that_cannot_be_used_lets_nobody_in() {
    let mut told = identity("dev-1");
    let mut broken = authority(&ROOT);
    broken.thumbprint = Thumbprint([7; 32]);
    told.credential = Credential::Authorities(vec![broken]);
    let world = World::with(told).await;
    assert!(refused(admit(&world.hub, &leaf("dev-1"))).detail.contains("came with another certificate"));
}
