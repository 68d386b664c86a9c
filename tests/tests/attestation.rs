//! Who a certificate proves a device to be: enrollments, broken chains, TLS itself.

use std::process::Command;
use std::sync::Arc;

use firsthop_certs::{Authority, AuthorityCertificate, Defect, DeviceCertificate, Identity, KeyKind, Validity};
use firsthop_tests::packet::{self, Packet};
use firsthop_tests::*;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use serde_json::{Value, json};

fn register(service: &Service, pki: &Pki, identity: &Identity) -> Value {
    Dial::new(service, pki, identity).connect().register("{}")
}

fn expired() -> Validity {
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    let now = std::time::SystemTime::now();
    Validity::new((now - 2 * year).into(), (now - year).into())
}

#[test]
fn every_broken_device_certificate_is_refused_with_its_reason() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for defect in Defect::ALL {
        let code = match defect {
            Defect::Expired | Defect::NotYetValid => 401_003,
            Defect::ForeignCa | Defect::SelfSigned | Defect::SelfSignedCa => 401_002,
            // Forged: nobody that is enrolled signed it.
            Defect::ImpostorCa => 401_002,
            _ => 401_004,
        };
        let answer = register(&service, &pki, &pki.factory.broken_device("dev-1", defect).unwrap());
        assert_eq!((&answer["errorCode"], &answer["action"]), (&json!(code), &json!("stop")), "{defect}: {answer}");
        assert!(answer["message"].as_str().unwrap().len() > 10, "{defect}: {answer}");
    }
    assert_eq!(register(&service, &pki, &pki.device("dev-1"))["status"], 200);
}

#[test]
fn devices_below_a_broken_authority_are_refused() {
    let pki = Pki::new();
    let service = ServiceConfig::without_entries(&pki).hub("only", "").group("root", &pki.root, "").start();
    let below = |authority: AuthorityCertificate| authority.signed_by(&pki.factory).unwrap().device("dev-1").unwrap();
    let broken = [
        (below(AuthorityCertificate::new("No CA").not_a_ca()), 401_004),
        (below(AuthorityCertificate::new("No signer").without_key_cert_sign()), 401_004),
        (below(AuthorityCertificate::new("Old").validity(expired())), 401_003),
    ];
    for (device, code) in broken {
        let answer = register(&service, &pki, &device);
        assert_eq!(answer["errorCode"], code, "{answer}");
    }
    let narrow = AuthorityCertificate::new("Narrow").path_length(0).signed_by(&pki.root).unwrap();
    let too_deep = narrow.intermediate("Deeper").unwrap().device("dev-1").unwrap();
    assert_eq!(register(&service, &pki, &too_deep)["errorCode"], 401_004);
    assert_eq!(register(&service, &pki, &narrow.device("dev-1").unwrap())["status"], 200);
}

#[test]
fn an_enrolled_authority_that_has_expired_or_allows_no_further_one_is_held_to_it() {
    let pki = Pki::new();
    let old = AuthorityCertificate::new("Old").validity(expired()).self_signed().unwrap();
    let narrow = AuthorityCertificate::new("Narrow").path_length(0).self_signed().unwrap();
    let config =
        ServiceConfig::without_entries(&pki).hub("only", "").group("old", &old, "").group("narrow", &narrow, "");
    let service = config.start();
    assert_eq!(register(&service, &pki, &old.device("dev-1").unwrap())["errorCode"], 401_003);
    let deeper = narrow.intermediate("Deeper").unwrap();
    assert_eq!(register(&service, &pki, &deeper.device("dev-2").unwrap())["errorCode"], 401_004);
    assert_eq!(register(&service, &pki, &narrow.device("dev-2").unwrap())["status"], 200);
}

#[test]
fn a_chain_without_its_intermediate_is_refused_below_a_root_and_enough_below_the_intermediate() {
    let pki = Pki::new();
    let by_root = ServiceConfig::without_entries(&pki).hub("only", "").group("root", &pki.root, "").start();
    let short = pki.device("dev-1").without_intermediates();
    let answer = register(&by_root, &pki, &short);
    assert_eq!(answer["errorCode"], 401_002, "{answer}");
    assert!(
        answer["message"].as_str().unwrap().contains("Test factory"),
        "it names the issuer that is missing: {answer}"
    );
    assert_eq!(register(&by_root, &pki, &pki.device("dev-1"))["enrollment"], json!({"group": "root"}));
    let by_intermediate = ServiceConfig::new(&pki).start();
    assert_eq!(register(&by_intermediate, &pki, &short)["enrollment"], json!({"group": "factory"}));
}

#[test]
fn the_nearest_enrolled_authority_decides_also_when_it_is_disabled() {
    let pki = Pki::new();
    let line = pki.factory.intermediate("Line 7").unwrap();
    let closed = pki.factory.intermediate("Closed line").unwrap();
    let config = ServiceConfig::new(&pki).group("root", &pki.root, "").group("line", &line, "").group(
        "closed",
        &closed,
        "enabled = false",
    );
    let service = config.start();
    assert_eq!(register(&service, &pki, &pki.root.device("dev-1").unwrap())["enrollment"], json!({"group": "root"}));
    assert_eq!(register(&service, &pki, &pki.device("dev-2"))["enrollment"], json!({"group": "factory"}));
    assert_eq!(register(&service, &pki, &line.device("dev-3").unwrap())["enrollment"], json!({"group": "line"}));
    assert_eq!(register(&service, &pki, &closed.device("dev-4").unwrap())["errorCode"], 403_001);
}

#[test]
fn a_groups_secondary_authority_counts_as_well() {
    let pki = Pki::new();
    let next = Authority::root("Next root").unwrap();
    let config = ServiceConfig::without_entries(&pki).hub("only", "");
    let secondary = config.certificate(&next.certificate_pem());
    let service = config.group("factory", &pki.factory, &format!("secondary = \"{secondary}\"")).start();
    let first = register(&service, &pki, &pki.device("dev-1"));
    let renewed = register(&service, &pki, &next.device("dev-1").unwrap());
    assert_eq!((&renewed["assignedHub"], &renewed["enrollment"]), (&first["assignedHub"], &first["enrollment"]));
}

#[test]
fn an_individual_enrollment_comes_before_its_group() {
    let pki = Pki::new();
    let own = pki.device("Dev-1");
    let service = ServiceConfig::new(&pki).individual("dev-1", &own, "device_id = \"pump-1\"").start();
    let answer = register(&service, &pki, &own);
    assert_eq!(
        (&answer["enrollment"], &answer["deviceId"]),
        (&json!({"individual": "dev-1"}), &json!("pump-1")),
        "{answer}"
    );
    // Another certificate with that name, of the same enrolled factory.
    let other = register(&service, &pki, &pki.device("dev-1"));
    assert_eq!(other["errorCode"], 401_002, "{other}");
}

#[test]
fn a_self_signed_certificate_can_be_enrolled_for_one_device_and_rolled_over() {
    let pki = Pki::new();
    let [now, next, third] = [(); 3].map(|()| DeviceCertificate::new("dev-1").self_signed().unwrap());
    let config = ServiceConfig::without_entries(&pki).hub("only", "");
    let secondary = config.certificate(&next.chain_pem());
    let service = config.individual("dev-1", &now, &format!("secondary = \"{secondary}\"")).start();
    let first = register(&service, &pki, &now);
    assert_eq!(first["status"], 200, "{first}");
    assert_eq!(register(&service, &pki, &next)["assignedHub"], first["assignedHub"]);
    assert_eq!(register(&service, &pki, &third)["errorCode"], 401_002);
}

#[test]
fn a_disabled_individual_enrollment_decides_over_an_enabled_group() {
    let pki = Pki::new();
    let device = pki.device("dev-1");
    let service = ServiceConfig::new(&pki).individual("dev-1", &device, "enabled = false").start();
    assert_eq!(register(&service, &pki, &device)["errorCode"], 403_001);
    // Nobody but the holder of the enrolled certificate learns of the entry.
    assert_eq!(register(&service, &pki, &pki.device("dev-1"))["errorCode"], 401_002);
    assert_eq!(register(&service, &pki, &pki.device("dev-2"))["status"], 200);
}

#[test]
fn an_expired_individual_certificate_is_refused() {
    let pki = Pki::new();
    let device = DeviceCertificate::new("dev-1").validity(expired()).self_signed().unwrap();
    let service = ServiceConfig::without_entries(&pki).hub("only", "").individual("dev-1", &device, "").start();
    assert_eq!(register(&service, &pki, &device)["errorCode"], 401_003);
}

#[test]
fn every_kind_of_key_registers_over_tls_1_2_and_1_3() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for kind in KeyKind::ALL {
        let device = DeviceCertificate::new("dev-1").key_kind(kind).signed_by(&pki.factory).unwrap();
        for (version, wanted) in
            [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
        {
            let mut client = Dial::new(&service, &pki, &device).tls(version).connect();
            assert_eq!(client.register("{}")["status"], 200, "{kind} {wanted:?}");
            assert_eq!(client.stream.conn.protocol_version(), Some(wanted));
        }
    }
}

#[test]
fn groups_with_rsa_and_ed25519_authorities_work() {
    let pki = Pki::new();
    let rsa = AuthorityCertificate::new("RSA").key_kind(KeyKind::Rsa2048).self_signed().unwrap();
    let edwards = AuthorityCertificate::new("Ed25519").key_kind(KeyKind::Ed25519).self_signed().unwrap();
    let service = ServiceConfig::without_entries(&pki)
        .hub("only", "")
        .group("rsa", &rsa, "")
        .group("edwards", &edwards, "")
        .start();
    assert_eq!(register(&service, &pki, &rsa.device("dev-1").unwrap())["enrollment"], json!({"group": "rsa"}));
    assert_eq!(register(&service, &pki, &edwards.device("dev-2").unwrap())["enrollment"], json!({"group": "edwards"}));
}

#[test]
fn the_hybrid_post_quantum_key_exchange_is_agreed_on() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let client = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(
        client.stream.conn.negotiated_key_exchange_group().map(|group| group.name()),
        Some(NamedGroup::X25519MLKEM768)
    );
    // Who does not know it gets a classical one.
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1];
    let client = Dial::new(&service, &pki, &pki.device("dev-1")).provider(provider).connect();
    assert_eq!(
        client.stream.conn.negotiated_key_exchange_group().map(|group| group.name()),
        Some(NamedGroup::secp256r1)
    );
}

#[test]
fn a_certificate_without_its_key_ends_in_tls() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut stolen = pki.device("dev-1");
    stolen.key = pki.device("dev-1").key;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let dial = Dial::new(&service, &pki, &stolen).tls(version);
        let connected = dial.open_with(Arc::new(dial.config())).map(|mut client| {
            // In TLS 1.3 the client is done before the server has judged.
            client.send(&packet::connect(Version::V5, &dial.connect));
            client.try_next()
        });
        assert!(!matches!(connected, Ok(Some(_))), "{connected:?}");
        service.log.wait_for_message("TLS handshake failed");
    }
    assert_eq!(register(&service, &pki, &pki.device("dev-1"))["status"], 200);
}

#[test]
fn no_session_is_resumed() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let dial =
            Dial::new(&service, &pki, &pki.device("dev-1")).tls(version).resumption(Resumption::in_memory_sessions(8));
        let config = Arc::new(dial.config());
        for _ in 0..3 {
            let mut client = dial.open_with(config.clone()).unwrap();
            client.send(&packet::connect(Version::V5, &dial.connect));
            assert!(matches!(client.next_packet(), Packet::ConnAck { code: 0, .. }));
            client.ping();
            let kind = client.stream.conn.handshake_kind();
            assert!(matches!(kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)), "{kind:?}");
            assert_eq!(client.stream.conn.tls13_tickets_received(), 0);
            client.disconnect();
        }
    }
}

#[test]
fn openssl_is_not_given_a_session_either() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let (certificate, key) = service.config.device_files("dev-1", &pki.device("dev-1"));
    let mut command = Command::new("openssl");
    command.args(["s_client", "-reconnect", "-tls1_2", "-connect"]).arg(service.address().to_string());
    command.arg("-cert").arg(certificate).arg("-key").arg(key).arg("-CAfile").arg(service.config.root_file());
    let ended = run(&mut command);
    assert!(ended.text().contains("New, TLSv1.2"), "{ended:?}");
    assert!(!ended.text().contains("Reused"), "{ended:?}");
}

#[test]
fn a_common_name_that_is_no_registration_id_is_refused() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let long = "x".repeat(129);
    for name in [
        "dev/1",
        "dev+1",
        "#",
        "a/../b",
        "dev\u{0}1",
        "dev-1\u{0}",
        "dév",
        "裝置",
        "dev 1",
        "dev.",
        "\u{202e}1-ved",
        "",
        long.as_str(),
    ] {
        let answer = register(&service, &pki, &DeviceCertificate::new(name).signed_by(&pki.factory).unwrap());
        assert_eq!(answer["errorCode"], 401_004, "{name:?}: {answer}");
        assert!(!answer["message"].as_str().unwrap().contains(['\u{0}', '\u{202e}']), "{answer}");
    }
    let longest = "x".repeat(128);
    assert_eq!(register(&service, &pki, &pki.device(&longest))["registrationId"], longest.as_str());
}

#[test]
fn a_client_id_of_another_identity_does_not_touch_that_ones_session() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for version in Version::BOTH {
        let mut victim = Dial::new(&service, &pki, &pki.device("dev-1")).version(version).client_id("dev-1").connect();
        let mut thief = Dial::new(&service, &pki, &pki.device("dev-2")).version(version).client_id("dev-1").connect();
        assert_eq!(thief.register("{}")["errorCode"], 401_005);
        thief.until_end();
        let mut nobody = Dial::stranger(&service, &pki).version(version).client_id("dev-1").connect();
        assert_eq!(nobody.register("{}")["errorCode"], 401_001);
        nobody.until_end();
        assert_eq!(victim.register("{}")["status"], 200);
    }
}

#[test]
fn an_unproven_session_ends_with_its_refusal() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut client = Dial::stranger(&service, &pki).connect();
    assert_eq!(client.register("{}")["errorCode"], 401_001);
    let Some(Packet::Disconnect { code: 0x87, .. }) = client.until_end().pop() else {
        panic!("DISCONNECT 0x87 is the last word")
    };
    let mut client = Dial::stranger(&service, &pki).version(Version::V311).connect();
    assert_eq!(client.register("{}")["errorCode"], 401_001);
    assert_eq!(client.until_end(), []);
}

#[test]
fn an_unproven_session_may_do_nothing_else() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    for version in Version::BOTH {
        let dial = Dial::stranger(&service, &pki).version(version);
        let refused = if version == Version::V5 { 0x87 } else { 0x80 };
        let mut client = dial.connect();
        for filter in ["#", "devices/#", "devices/dev-1/a", "$SYS/#", "$provisioning/events/#"] {
            assert_eq!(client.subscribe(&[(filter, 0)]), [refused], "{filter}");
        }
        client.send(&packet::publish(version, &Message::new("devices/dev-1/a", "x")));
        let last = client.until_end();
        assert!(last.iter().all(|packet| matches!(packet, Packet::Disconnect { code: 0x87, .. })), "{last:?}");
        // A look-up tells nothing, and the connection ends.
        let mut client = dial.connect();
        assert_eq!(client.status("{}")["errorCode"], 401_001);
        client.until_end();
        // A will is never published.
        dial.clone().will(Message::new("devices/dev-1/a", "x")).connect().break_off();
    }
}

#[test]
fn an_unproven_session_that_does_nothing_ends_by_itself() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).limit("lobby", "\"50ms\"").start();
    let mut client = Dial::stranger(&service, &pki).connect();
    assert!(matches!(client.until_end().as_slice(), [Packet::Disconnect { code: 0x87, .. }]));
    // Nor is its life prolonged by pings, as a device's is.
    let mut client = Dial::stranger(&service, &pki).connect();
    while client.try_next().is_some() {
        client.send(&packet::PINGREQ);
    }
}
