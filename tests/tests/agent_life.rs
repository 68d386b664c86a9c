//! The life of an agent with the real service and hubs: it registers once, and works on its hub whatever happens to the service.

use firsthop_tests::site::{DEVICE, registrations};
use firsthop_tests::*;
use serde_json::json;

#[test]
fn at_its_first_boot_a_device_registers_once_and_works_on_its_hub() {
    Version::in_both(|version| {
        let site = Site::new();
        let agent = site.agent().version(version).start();
        let status = agent.until_connected();
        assert_eq!((&status["state"], &status["registrationId"]), (&json!("connected"), &json!(DEVICE)), "{status}");
        assert_eq!(status["hub"]["deviceId"], DEVICE, "{status}");
        assert_eq!(status["hub"]["address"], site.address(&site.hub()), "{status}");
        agent.report(&json!({"firmware": 7}));
        agent.until_all_sent();
        assert_eq!(site.reported()["firmware"], 7);
        assert_eq!((site.registrations(), site.network.connections()), (1, 1));
        assert_eq!(agent.terminate().code(), Some(0));
    });
}

#[test]
fn at_a_reboot_the_service_is_not_even_connected_to() {
    let site = Site::new();
    let config = site.agent();
    let agent = config.start();
    let first = agent.until_connected();
    assert_eq!(agent.terminate().code(), Some(0));
    let mut agent = config.start();
    for _ in 0..3 {
        assert_eq!(agent.until_connected()["hub"], first["hub"]);
        agent = agent.killed_and_started();
    }
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
    assert_eq!((site.registrations(), site.network.connections()), (1, 1));
}

#[test]
fn a_service_that_is_down_all_the_time_keeps_no_device_from_its_work() {
    let pki = Pki::new();
    let remote = RemoteHub::new(&pki, "hub-r");
    let (hub, config) = (remote.start(), ServiceConfig::without_entries(&pki));
    let service = remote.declared(config, &pki).group("factory", &pki.factory, "").start();
    let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).start();
    agent.until_connected_to(&remote.told());
    service.kill();

    // Through a restart of the device, and through one of the hub.
    let agent = agent.killed_and_started();
    agent.until_connected_to(&remote.told());
    agent.report(&json!({"n": 1}));
    agent.until_all_sent();
    hub.kill();
    agent.until("off its hub", |status| status["onHub"] == false);
    agent.report(&json!({"n": 2}));
    let _hub = remote.start();
    let status = agent.until_all_sent();
    assert_eq!(status["hub"]["address"], remote.told(), "{status}");
}

#[test]
fn a_hub_that_goes_down_and_comes_back_is_waited_for_without_a_registration() {
    Version::in_both(|version| {
        let pki = Pki::new();
        let remote = RemoteHub::new(&pki, "hub-r");
        let (hub, config) = (remote.start(), ServiceConfig::without_entries(&pki));
        let service = remote.declared(config, &pki).group("factory", &pki.factory, "").start();
        let agent = AgentConfig::new(&pki, &pki.device(DEVICE), service.port()).version(version).start();
        agent.until_connected_to(&remote.told());
        hub.kill();
        let status = agent.until("waiting for its hub", |status| status["next"]["action"] == "connect");
        assert!(!status["failures"].as_array().expect("a list").is_empty(), "{status}");
        let _hub = remote.start();
        agent.until_connected_to(&remote.told());
        assert_eq!(registrations(&service), 1);
    });
}

#[test]
fn a_device_that_looks_up_first_does_not_register_and_works_when_nobody_answers() {
    let site = Site::new();
    let config = site.agent().set("provisioning", "look_up_first", true);
    let agent = config.start();
    let first = agent.until_connected();
    let looked_up = site.look_ups();
    let agent = agent.killed_and_started();
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
    assert_eq!((site.registrations(), site.look_ups()), (1, looked_up + 1));
    site.network.cut();
    let agent = agent.killed_and_started();
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
    assert_eq!(site.registrations(), 1);
}

#[test]
fn a_device_that_registers_at_each_start_works_by_what_it_knows_while_the_service_is_away() {
    let site = Site::new();
    let config = site.agent().set("provisioning", "mode", "\"always-on-startup\"");
    let agent = config.start();
    let first = agent.until_connected();
    assert_eq!(site.registrations(), 1);
    let agent = agent.killed_and_started();
    site.until_registered(2);
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
    site.network.cut();
    let agent = agent.killed_and_started();
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
    site.network.mend();
    site.until_registered(3);
    assert_eq!(agent.until_connected()["hub"], first["hub"]);
}

#[test]
fn a_device_that_registers_on_errors_only_does_not_follow_a_notice() {
    let site = Site::new();
    let agent = site.agent().set("provisioning", "mode", "\"on-error-only\"").start();
    agent.until_connected();
    let told =
        site.service.managed(&["hub", "reprovision", &site.hub(), "--reason", "the site closes", "--spread", "0s"]);
    assert_eq!(told["told"], 1, "{told}");
    // What came is seen; a person is obeyed.
    agent.until("aware of the notice", |status| status.to_string().contains("the site closes"));
    assert_eq!(site.registrations(), 1);
    agent.reprovision();
    site.until_registered(2);
}
