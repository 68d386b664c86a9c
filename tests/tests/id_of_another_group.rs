//! An id belongs to the enrollment group that registered it first. The owner of another enrolled authority can issue the same name, but
//! must not get at what is its owner's: registration, answers, sessions, messages.

use firsthop_tests::packet::Packet;
use firsthop_tests::*;

struct House {
    pki: Pki,
    service: Service,
    owner: Dial,
    impostor: Dial,
}

impl House {
    /// `dev-1` of the factory is registered; the rival has a certificate with the same name.
    fn new() -> Self {
        let pki = Pki::new();
        let rival = pki.root.intermediate("Rival").unwrap();
        let service = ServiceConfig::new(&pki).group("rival", &rival, "").limit("sessions_per_identity", 2).start();
        let owner = Dial::new(&service, &pki, &pki.device("dev-1"));
        let impostor = Dial::new(&service, &pki, &rival.device("dev-1").unwrap());
        assert_eq!(owner.connect().register("{}")["status"], 200);
        Self { pki, service, owner, impostor }
    }
}

#[test]
fn a_look_up_learns_nothing() {
    let house = House::new();
    let answer = house.impostor.connect().status("{}");
    assert_ne!(answer["status"], 200, "{answer}");
    assert!(answer.get("assignedHub").is_none(), "{answer}");
}

#[test]
fn an_answer_that_was_kept_is_not_given_away() {
    let house = House::new();
    house.owner.connect().publish(&Message::new(STATUS, r#"{"rid":"mine"}"#));
    let mut impostor = house.impostor.connect();
    impostor.subscribe(&[("$provisioning/status/#", 0), ("$provisioning/register/#", 0)]);
    assert_eq!(impostor.ping(), []);
}

#[test]
fn a_session_is_neither_taken_over_nor_pushed_out() {
    let house = House::new();
    let mut owner = house.owner.clone().client_id("dev-1").connect();
    let _same_client_id = house.impostor.clone().client_id("dev-1").connect();
    let _more = [house.impostor.connect(), house.impostor.connect()];
    let stays = {
        owner.send(&firsthop_tests::packet::PINGREQ);
        matches!(owner.try_next(), Some(Packet::PingResp))
    };
    assert!(stays, "the owner's session was ended");
    assert_eq!(
        Dial::new(&house.service, &house.pki, &house.pki.device("dev-2")).connect().register("{}")["status"],
        200
    );
}

#[test]
fn messages_below_the_id_are_not_heard() {
    let house = House::new();
    let mut impostor = house.impostor.connect();
    impostor.subscribe(&[("devices/dev-1/#", 0)]);
    let mut owner = house.owner.connect();
    owner.publish(&Message::new("devices/dev-1/secret", "x"));
    assert_eq!(impostor.ping(), []);
}
