//! No device sees what is another's.

use firsthop_tests::*;

/// Every filter of the reserved tree that a device may have.
const ALLOWED: [&str; 12] = [
    "$provisioning/register/accepted",
    "$provisioning/register/rejected",
    "$provisioning/register/pending",
    "$provisioning/register/response",
    "$provisioning/register/+",
    "$provisioning/register/#",
    "$provisioning/status/accepted",
    "$provisioning/status/rejected",
    "$provisioning/status/pending",
    "$provisioning/status/response",
    "$provisioning/status/+",
    "$provisioning/status/#",
];

#[test]
fn answers_reach_their_own_device_only() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let rounds = 20;
    for version in Version::BOTH {
        let mut devices =
            ["dev-1", "dev-2"].map(|id| (id, Dial::new(&service, &pki, &pki.device(id)).version(version).connect()));
        for (_, client) in &mut devices {
            let filters = ALLOWED.map(|filter| (filter, 1));
            assert!(client.subscribe(&filters).iter().all(|code| *code == 1));
        }
        for round in 0..rounds {
            for (id, client) in &mut devices {
                client.tell(&Message::new(REGISTER, format!(r#"{{"rid":"{id} {round}","wait":0}}"#)));
                client.tell(&Message::new(STATUS, format!(r#"{{"rid":"{id} {round}"}}"#)));
            }
        }
        for (id, client) in &mut devices {
            let mut finals = 0;
            while finals < 2 * rounds {
                let message = client.message();
                let answer = message.json();
                assert!(answer["rid"].as_str().unwrap().starts_with(*id), "{id} got {answer}");
                assert!(answer.get("registrationId").is_none_or(|found| *found == *id), "{id} got {answer}");
                finals += u32::from(!message.topic.ends_with("/pending"));
            }
            assert_eq!(client.ping(), []);
        }
    }
}

#[test]
fn a_kept_answer_is_not_for_another_device() {
    let pki = Pki::new();
    let service = ServiceConfig::new(&pki).start();
    let mut asking = Dial::new(&service, &pki, &pki.device("dev-1")).connect();
    assert_eq!(asking.publish(&Message::new(STATUS, "{}")), 0x10);
    let mut others =
        [Dial::new(&service, &pki, &pki.device("dev-10")).connect(), Dial::stranger(&service, &pki).connect()];
    for other in &mut others {
        for filter in ALLOWED {
            other.subscribe(&[(filter, 0)]);
        }
        assert_eq!(other.ping(), []);
    }
}
