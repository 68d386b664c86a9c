//! What one client, and all of them, may take.

use std::net::TcpStream;

use firsthop_tests::packet::property::SERVER_KEEP_ALIVE;
use firsthop_tests::packet::{self, Packet, number_of};
use firsthop_tests::*;

fn is_disconnect(packets: &[Packet], wanted: u8) -> bool {
    matches!(packets.last(), Some(Packet::Disconnect { code, .. }) if *code == wanted)
}

#[test]
fn half_open_handshakes_end_in_time_and_hold_no_place_for_ever() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("handshakes", 8).limit("time_to_connect", "\"2s\"").start();
    let mut idle: Vec<_> = (0..12).map(|_| TcpStream::connect(service.address()).unwrap()).collect();
    for socket in &mut idle {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // Some are closed at once: one address may have half of the places. The others when their time is over.
        let end = std::io::Read::read(socket, &mut [0; 8]);
        assert!(
            matches!(end, Ok(0) | Err(_))
                && !matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "{end:?}"
        );
    }
    service.log.wait_for_message("TLS handshake took too long");
    service.log.wait_for_message("too many handshakes under way from this address");
    assert_eq!(Dial::new(&service, &pki, &pki.device("dev-1")).connect().register("{}")["status"], 200);
}

#[test]
fn a_client_that_sends_no_connect_is_sent_away() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("time_to_connect", "\"2s\"").start();
    let mut silent = Dial::new(&service, &pki, &pki.device("dev-1")).open();
    assert_eq!(silent.until_end(), []);
    service.log.wait_for_message("no CONNECT in time");
}

#[test]
fn past_the_limit_of_sessions_a_client_is_told_that_the_server_is_busy() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("sessions", 2).start();
    let first = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    let mut second = Dial::new(&service, &pki, &pki.device("dev-2")).connect();
    let third = Dial::new(&service, &pki, &pki.device("dev-3"));
    let (_, answer) = third.try_connect();
    assert!(matches!(answer, Some(Packet::ConnAck { code: 0x89, .. })), "{answer:?}");
    let (_, answer) = third.clone().version(Version::V311).try_connect();
    assert!(matches!(answer, Some(Packet::ConnAck { code: 3, .. })), "{answer:?}");
    second.ping();
    first.disconnect();
    service.log.wait_for_message("session ends");
    // The place is free once the session's task has ended.
    let mut free = None;
    for _ in 0..100 {
        if let (client, Some(Packet::ConnAck { code: 0, .. })) = third.try_connect() {
            free = Some(client);
            break;
        }
    }
    assert_eq!(free.expect("a place").register("{}")["status"], 200);
}

#[test]
fn a_further_session_of_an_identity_ends_its_oldest() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("sessions_per_identity", 2).start();
    let device = pki.device("dev-1");
    let dial = |label: &str| Dial::new(&service, &pki, &device).client_id(&format!("dev-1/{label}"));
    let mut witness = Dial::new(&service, &pki, &pki.device("dev-2")).connect();
    let mut oldest = dial("1").connect();
    let mut second = dial("2").version(Version::V311).connect();
    let mut third = dial("3").connect();
    assert!(is_disconnect(&oldest.until_end(), 0x97));
    let mut fourth = dial("4").connect();
    assert_eq!(second.until_end(), []);
    for client in [&mut third, &mut fourth, &mut witness] {
        client.ping();
    }
}

#[test]
fn the_same_identity_with_the_same_client_id_takes_its_session_over() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let dial = Dial::new(&service, &pki, &pki.device("dev-1")).client_id("dev-1");
    let mut old = dial.connect();
    let mut new = dial.clone().version(Version::V311).connect();
    assert!(is_disconnect(&old.until_end(), 0x8e));
    let mut newest = dial.connect();
    assert_eq!(new.until_end(), []);
    assert_eq!(newest.register("{}")["status"], 200);
}

#[test]
fn a_session_may_have_so_many_subscriptions() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("subscriptions", 3).start();
    let device = pki.device("dev-1");
    assert_eq!(Dial::new(&service, &pki, &device).connect().register("{}")["status"], 200);
    for version in Version::BOTH {
        let mut client = Dial::new(&service, &pki, &device).version(version).connect();
        let accepted = "$provisioning/register/accepted";
        assert_eq!(client.subscribe(&[(REGISTER_RESPONSE, 0), (STATUS_RESPONSE, 0), (accepted, 0)]), [0, 0, 0]);
        let refused = if version == Version::V5 { 0x97 } else { 0x80 };
        assert_eq!(client.subscribe(&[("$provisioning/register/rejected", 0)]), [refused]);
        assert_eq!(client.subscribe(&[("devices/dev-1/a", 0)]), [refused]);
        // One that is there already takes no further place; one that is given up leaves its own.
        assert_eq!(client.subscribe(&[(accepted, 1)]), [1]);
        client.unsubscribe(&[accepted]);
        assert_eq!(client.subscribe(&[("$provisioning/register/rejected", 0)]), [0]);
    }
}

#[test]
fn a_client_that_falls_silent_is_ended_after_one_and_a_half_keep_alives() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("keep_alive", "\"1s\"").start();
    // Longer ones and none are cut, and MQTT 5 is told.
    for wanted in [0, 600] {
        let dial = Dial::new(&service, &pki, &pki.device("dev-1")).keep_alive(wanted);
        let (_client, answer) = dial.try_connect();
        let Some(Packet::ConnAck { code: 0, properties, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(number_of(&properties, SERVER_KEEP_ALIVE), Some(1));
    }
    let mut silent = Dial::new(&service, &pki, &pki.device("dev-2")).keep_alive(1).connect();
    let mut old = Dial::new(&service, &pki, &pki.device("dev-3")).keep_alive(1).version(Version::V311).connect();
    assert!(is_disconnect(&silent.until_end(), 0x8d));
    assert_eq!(old.until_end(), []);
}

#[test]
fn requests_past_the_limit_under_way_wait_and_all_are_answered() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("in_flight", 2).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    client.subscribe(&[(REGISTER_RESPONSE, 0)]);
    let mut burst = Vec::new();
    for id in 1..=50 {
        burst.extend(packet::publish(
            Version::V5,
            &Message::new(REGISTER, format!(r#"{{"rid":"{id}","metadata":{{"n":{id}}}}}"#)).id(id),
        ));
    }
    client.send(&burst);
    let mut seen: Vec<u32> =
        (1..=50).map(|_| client.message().json()["rid"].as_str().unwrap().parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

#[test]
fn more_qos_2_messages_than_the_receive_maximum_end_the_connection() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("in_flight", 2).start();
    let mut client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    for id in 1..=3 {
        client.send(&packet::publish(Version::V5, &Message::new(STATUS, "{}").qos(2).id(id)));
    }
    assert!(is_disconnect(&client.until_end(), 0x93));
}
