//! A device that is assigned already registers again: the table of rule C2 through real MQTT, with the values of rule C9.

use firsthop_certs::Identity;
use firsthop_tests::hub::{dial, dial_at};
use firsthop_tests::packet::property::SERVER_REFERENCE;
use firsthop_tests::packet::text_of;
use firsthop_tests::*;
use serde_json::{Value, json};

/// What becomes of hub and state, as the table says it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Hub {
    Same,
    ChosenAgain,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// As the device left it, or carried along.
    Kept,
    Initial,
}

struct Row {
    policy: Option<&'static str>,
    client: Option<&'static str>,
    hub: Hub,
    /// When the allocation policy names the same hub again, and when it names another one.
    state: [State; 2],
    substatus: [&'static str; 2],
}

const UNCHANGED: &str = "initialAssignment";
const MIGRATED: &str = "deviceDataMigrated";
const RESET: &str = "deviceDataReset";

const TABLE: [Row; 9] = {
    use State::{Initial, Kept};
    const fn row(
        policy: Option<&'static str>,
        client: Option<&'static str>,
        hub: Hub,
        state: [State; 2],
        substatus: [&'static str; 2],
    ) -> Row {
        Row { policy, client, hub, state, substatus }
    }
    const MIGRATE: ([State; 2], [&str; 2]) = ([Kept, Kept], [UNCHANGED, MIGRATED]);
    const STAY: ([State; 2], [&str; 2]) = ([Kept, Kept], [UNCHANGED, UNCHANGED]);
    const AGAIN: ([State; 2], [&str; 2]) = ([Initial, Initial], [RESET, RESET]);
    [
        // No policy stored: by the client's API version (rule C3).
        row(None, Some("2018-04-01"), Hub::Same, STAY.0, STAY.1),
        row(None, Some("2018-09-01-preview"), Hub::ChosenAgain, MIGRATE.0, MIGRATE.1),
        row(None, None, Hub::ChosenAgain, MIGRATE.0, MIGRATE.1),
        // A stored policy wins whatever the client speaks.
        row(Some("migrate"), Some("2018-04-01"), Hub::ChosenAgain, MIGRATE.0, MIGRATE.1),
        row(Some("migrate"), None, Hub::ChosenAgain, MIGRATE.0, MIGRATE.1),
        row(Some("reset"), Some("2018-04-01"), Hub::ChosenAgain, AGAIN.0, AGAIN.1),
        row(Some("reset"), None, Hub::ChosenAgain, AGAIN.0, AGAIN.1),
        row(Some("never"), Some("2018-04-01"), Hub::Same, STAY.0, STAY.1),
        row(Some("never"), None, Hub::Same, STAY.0, STAY.1),
    ]
};

/// The device's own measurements choose its hub, so that a test can.
fn nearest(hub: &str) -> Value {
    let far = if hub == "hub-a" { "hub-b" } else { "hub-a" };
    json!({ "latencies": { hub: 5, far: 90 } })
}

fn request(hub: &str, client: Option<&str>) -> String {
    let mut body = nearest(hub);
    if let Some(version) = client {
        body["apiVersion"] = json!(version);
    }
    body.to_string()
}

fn entry(policy: Option<&str>) -> String {
    let policy = policy.map(|policy| format!("reprovision = \"{policy}\"\n")).unwrap_or_default();
    format!(
        "allocation = \"geoLatency\"\n{policy}initial_twin = {{ tags = {{ site = \"x\" }}, desired = {{ interval = 60 }} }}\n"
    )
}

/// Where an answer sends the device, by name.
fn hub_of(service: &Service, answer: &Value) -> &'static str {
    let assigned = answer["assignedHub"].as_str().unwrap_or_else(|| panic!("no hub in {answer}"));
    let listens = |name: &str| {
        service.log.count(|line| {
            line["message"] == "hub listening"
                && line["hub"] == name
                && line["address"].as_str().and_then(|address| address.rsplit(':').next())
                    == assigned.rsplit(':').next()
        })
    };
    ["hub-a", "hub-b"].into_iter().find(|name| listens(name) > 0).expect("a hub of this test")
}

/// Every row for devices of groups and for devices with entries of their own, with the hub named again and with another one.
#[test]
fn the_policy_the_client_and_the_choice_of_hub_decide_what_moves() {
    let pki = Pki::new();
    let mut config = ServiceConfig::without_entries(&pki).embedded("hub-a", "").embedded("hub-b", "");
    let mut devices: Vec<(String, Identity, usize, usize)> = Vec::new();
    for (at, row) in TABLE.iter().enumerate() {
        let authority = pki.root.intermediate(&format!("Factory {at}")).unwrap();
        config = config.group(&format!("group-{at}"), &authority, &entry(row.policy));
        for choice in 0..2 {
            let id = format!("of-group-{at}-{choice}");
            devices.push((id.clone(), authority.device(&id).unwrap(), at, choice));
            let id = format!("individual-{at}-{choice}");
            let identity = pki.device(&id);
            config = config.individual(&id, &identity, &entry(row.policy));
            devices.push((id, identity, at, choice));
        }
    }
    let service = config.start();
    for (id, identity, at, choice) in devices {
        let row = &TABLE[at];
        let what = format!("{id}: policy {:?}, client {:?}, choice {choice}", row.policy, row.client);
        let answer = Dial::new(&service, &pki, &identity).connect().register(nearest("hub-a").to_string());
        assert_eq!((&answer["status"], &answer["substatus"]), (&json!(200), &json!(UNCHANGED)), "{what}: {answer}");
        assert_eq!(hub_of(&service, &answer), "hub-a", "{what}");

        // C9: a fresh twin has version 1; one reported update makes it 2.
        let mut device = HubClient::connect(&service, &pki, &identity, &id, "hub-a");
        let twin = device.twin();
        assert_eq!(twin, json!({"desired": {"interval": 60, "$version": 1}, "reported": {"$version": 1}}), "{what}");
        assert_eq!(device.report(&json!({"color": "red"})), 2, "{what}");
        drop(device);

        let named = ["hub-a", "hub-b"][choice];
        let answer = Dial::new(&service, &pki, &identity).connect().register(request(named, row.client));
        assert_eq!((&answer["status"], &answer["state"]), (&json!(200), &json!("assigned")), "{what}: {answer}");
        assert_eq!(answer["substatus"], row.substatus[choice], "{what}: {answer}");
        let expected = if row.hub == Hub::ChosenAgain { named } else { "hub-a" };
        assert_eq!(hub_of(&service, &answer), expected, "{what}");

        let twin = HubClient::connect(&service, &pki, &identity, &id, expected).twin();
        let reported = match row.state[choice] {
            State::Kept => json!({"color": "red", "$version": 2}),
            State::Initial => json!({"$version": 1}),
        };
        assert_eq!(twin["reported"], reported, "{what}");
        if expected == "hub-b" {
            // Active on one hub at most.
            let (_, refused) = dial(&service, &pki, &identity, &id, "hub-a").version(Version::V311).try_connect();
            assert!(matches!(refused, Some(Packet::ConnAck { code: 5, .. })), "{what}: {refused:?}");
        }
    }
}

#[test]
fn the_old_hub_closes_the_session_and_says_where_the_device_lives_now() {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, &entry(None)).start();
    let identity = pki.device("dev-1");
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(provisioning.register(nearest("hub-a").to_string())["status"], 200);
    let mut device = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a");
    let moved = provisioning.register(nearest("hub-b").to_string());
    let address = moved["assignedHub"].as_str().unwrap().to_owned();

    let goodbye = device.client.until_end();
    let Some(Packet::Disconnect { code, properties }) = goodbye.last() else { panic!("no DISCONNECT: {goodbye:?}") };
    assert_eq!((*code, text_of(properties, SERVER_REFERENCE)), (0x9d, Some(address.clone())));

    let (_, refused) = dial(&service, &pki, &identity, "dev-1", "hub-a").try_connect();
    let Some(Packet::ConnAck { code, properties, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((code, text_of(&properties, SERVER_REFERENCE)), (0x9d, Some(address)));

    // Another device of the same factory learns nothing of it.
    let other = dial_at(&service, &pki, &pki.device("dev-2"), "dev-1", "hub-a", service.hub("hub-a"));
    let (_, refused) = other.try_connect();
    let Some(Packet::ConnAck { code, properties, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((code, text_of(&properties, SERVER_REFERENCE)), (0x87, None));
}

#[test]
fn a_reset_is_done_once_for_each_request_name() {
    let pki = Pki::new();
    let service = ServiceConfig::with_hubs(&pki, &entry(Some("reset"))).start();
    let identity = pki.device("dev-1");
    let mut provisioning = Dial::new(&service, &pki, &identity).connect();
    assert_eq!(provisioning.register(nearest("hub-a").to_string())["status"], 200);
    let named = json!({"rid": "once", "latencies": {"hub-a": 1, "hub-b": 9}}).to_string();
    let first = provisioning.register(&named);
    assert_eq!(first["substatus"], RESET);
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").report(&json!({"on": true}));
    let again = provisioning.register(&named);
    assert_eq!((&again["operationId"], &again["etag"]), (&first["operationId"], &first["etag"]));
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").twin();
    assert_eq!(twin["reported"], json!({"on": true, "$version": 2}));
}

#[test]
fn never_keeps_a_hub_that_the_entry_no_longer_lists_also_after_a_restart() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki);
    let hubs = |config: ServiceConfig| config.embedded("hub-a", "").embedded("hub-b", "");
    let listed = |config: ServiceConfig, hub: &str| {
        hubs(config).group(
            "factory",
            &pki.factory,
            &format!("reprovision = \"never\"\nallocation = \"static\"\nhubs = [\"{hub}\"]"),
        )
    };
    let identity = pki.device("dev-1");
    let service = listed(config.clone(), "hub-a").start();
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!(hub_of(&service, &answer), "hub-a");
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").report(&json!({"n": 1}));
    assert_eq!(service.terminate().code(), Some(0));

    let service = listed(config, "hub-b").start();
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!(hub_of(&service, &answer), "hub-a");
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").twin();
    assert_eq!(twin["reported"], json!({"n": 1, "$version": 2}));
}

#[test]
fn a_hub_that_is_no_longer_declared_keeps_its_devices_until_they_register_again() {
    let pki = Pki::new();
    let config = ServiceConfig::without_entries(&pki);
    let identity = pki.device("dev-1");
    let service = config.clone().embedded("hub-a", "").group("factory", &pki.factory, "").start();
    assert_eq!(Dial::new(&service, &pki, &identity).connect().register("{}")["status"], 200);
    HubClient::connect(&service, &pki, &identity, "dev-1", "hub-a").report(&json!({"n": 1}));
    assert_eq!(service.terminate().code(), Some(0));

    let service = config.embedded("hub-b", "").group("factory", &pki.factory, "").start();
    let warning = service.log.wait_for("about hub-a", |line| line["level"] == "WARN" && line["hub"] == "hub-a");
    assert_eq!(warning["devices"], 1, "{warning}");
    let answer = Dial::new(&service, &pki, &identity).connect().register("{}");
    assert_eq!((hub_of(&service, &answer), &answer["substatus"]), ("hub-b", &json!(MIGRATED)));
    let twin = HubClient::connect(&service, &pki, &identity, "dev-1", "hub-b").twin();
    assert_eq!(twin["reported"], json!({"n": 1, "$version": 2}));
}
