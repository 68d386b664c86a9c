//! The bus over a real router, and what happens when the router dies.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::front::codec::{PublishProperties, QoS, RetainHandling};

fn bus() -> RouterBus {
    with(Config::default())
}

fn with(config: Config) -> RouterBus {
    RouterBus::start(config).expect("a valid configuration")
}

async fn open(bus: &RouterBus) -> RouterLink {
    bus.open("test").await.expect("links are free")
}

fn filter(path: &str, qos: QoS) -> Filter {
    Filter {
        path: path.into(),
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::OnEverySubscribe,
    }
}

fn at_most_once(path: &str) -> Filter {
    filter(path, QoS::AtMostOnce)
}

fn message(topic: &str, payload: &str) -> Publish {
    Publish { topic: topic.into(), payload: Bytes::copy_from_slice(payload.as_bytes()), ..Publish::default() }
}

fn retained(topic: &str, payload: &str) -> Publish {
    Publish { retain: true, ..message(topic, payload) }
}

async fn subscribe(link: &mut RouterLink, path: &str) -> Subscribed {
    link.subscribe(&at_most_once(path), None).await.expect("room for a subscription")
}

async fn publish(link: &mut RouterLink, message: &Publish) -> Reach {
    link.publish(message).await.expect("room for a message")
}

async fn recv(link: &mut RouterLink) -> Delivery {
    let waited = timeout(Duration::from_secs(10), link.recv()).await;
    waited.expect("a message comes").expect("the router lives")
}

/// What is there for the link, in order, up to a mark that is published now.
async fn drain(bus: &RouterBus, link: &mut RouterLink) -> Vec<String> {
    subscribe(link, "mark").await;
    publish(&mut open(bus).await, &message("mark", "mark")).await;
    let mut got = Vec::new();
    loop {
        let delivery = recv(link).await;
        if delivery.topic == "mark" {
            link.unsubscribe("mark").await.expect("the router lives");
            return got;
        }
        got.push(String::from_utf8_lossy(&delivery.payload).into_owned());
    }
}

/// Kills the router as one PUBLISH to a topic with a leading umlaut kills every bare one.
async fn kill(bus: &RouterBus) {
    let router = bus.router().expect("a router runs");
    router.publish_raw("é/x");
    while !router.is_lost() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_reaches_all_who_match_and_nobody_else() {
    let bus = bus();
    let (mut exact, mut wild, mut other, mut publisher) =
        (open(&bus).await, open(&bus).await, open(&bus).await, open(&bus).await);
    subscribe(&mut exact, "a/b").await;
    subscribe(&mut wild, "a/+").await;
    subscribe(&mut other, "b/#").await;
    assert_eq!(publish(&mut publisher, &message("a/b", "1")).await, Reach::Subscribers);
    assert_eq!(publish(&mut publisher, &message("a/c", "2")).await, Reach::Subscribers);
    assert_eq!(publish(&mut publisher, &message("c", "3")).await, Reach::Nobody);
    assert_eq!(drain(&bus, &mut exact).await, ["1"]);
    assert_eq!(drain(&bus, &mut wild).await, ["1", "2"]);
    assert_eq!(drain(&bus, &mut other).await, [""; 0]);
}

#[tokio::test]
async fn a_link_that_only_publishes_has_no_connection_to_the_router() {
    let bus = bus();
    let mut publisher = open(&bus).await;
    assert_eq!(publish(&mut publisher, &message("a", "1")).await, Reach::Nobody);
    assert!(bus.router().is_none(), "nobody has subscribed: there is no router at all");
    let mut subscriber = open(&bus).await;
    subscribe(&mut subscriber, "a").await;
    publish(&mut publisher, &message("a", "2")).await;
    assert_eq!(recv(&mut subscriber).await.payload, "2");
    assert_eq!(bus.links(), 1);
}

#[tokio::test]
async fn messages_come_in_order_and_at_the_lower_qos_with_their_properties() {
    let bus = bus();
    let mut link = open(&bus).await;
    link.subscribe(&filter("q", QoS::AtLeastOnce), Some(300)).await.expect("room");
    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(3600),
        content_type: Some("text".into()),
        response_topic: Some("r".into()),
        correlation_data: Some(Bytes::from_static(b"c")),
        user_properties: vec![("k".into(), "v".into())],
        subscription_identifiers: Vec::new(),
    };
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let sent =
            Publish { qos, pkid: 7, dup: true, properties: Some(Box::new(properties.clone())), ..message("q", "p") };
        publish(&mut link, &sent).await;
    }
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtLeastOnce] {
        let got = recv(&mut link).await;
        assert_eq!((got.qos, got.pkid, got.dup, got.retain), (qos, 0, false, false));
        let expected = PublishProperties { subscription_identifiers: vec![300], ..properties.clone() };
        assert_eq!(got.properties.as_deref(), Some(&expected));
    }
}

#[tokio::test]
async fn overlapping_filters_give_one_copy_at_the_highest_qos() {
    let bus = bus();
    let mut link = open(&bus).await;
    link.subscribe(&filter("a/#", QoS::AtMostOnce), Some(1)).await.expect("room");
    link.subscribe(&filter("a/+", QoS::AtLeastOnce), Some(2)).await.expect("room");
    let sent = Publish { qos: QoS::AtLeastOnce, ..message("a/b", "once") };
    publish(&mut link, &sent).await;
    let got = recv(&mut link).await;
    assert_eq!(got.qos, QoS::AtLeastOnce);
    assert_eq!(got.properties.map(|it| it.subscription_identifiers), Some(vec![1, 2]));
    assert_eq!(drain(&bus, &mut link).await, [""; 0]);
}

#[tokio::test]
async fn a_new_subscribe_to_the_same_filter_changes_its_options() {
    let bus = bus();
    let mut link = open(&bus).await;
    assert!(!subscribe(&mut link, "a").await.replaced);
    assert!(link.subscribe(&filter("a", QoS::ExactlyOnce), None).await.expect("room").replaced);
    publish(&mut link, &Publish { qos: QoS::ExactlyOnce, ..message("a", "x") }).await;
    assert_eq!(recv(&mut link).await.qos, QoS::ExactlyOnce);
    assert_eq!((link.subscriptions(), bus.filters()), (1, 1));
}

#[tokio::test]
async fn after_an_unsubscribe_nothing_comes_and_the_filter_is_free() {
    let bus = bus();
    let (mut link, mut other) = (open(&bus).await, open(&bus).await);
    subscribe(&mut link, "a").await;
    subscribe(&mut other, "a").await;
    assert_eq!(link.unsubscribe("a").await, Ok(true));
    assert_eq!(link.unsubscribe("a").await, Ok(false));
    publish(&mut link, &message("a", "x")).await;
    assert_eq!(recv(&mut other).await.payload, "x");
    assert_eq!(drain(&bus, &mut link).await, [""; 0]);
    assert_eq!(bus.filters(), 1);
    drop(other);
    assert_eq!(bus.filters(), 0);
    // The channel of "a" is used again, by another filter of the same link.
    subscribe(&mut link, "b").await;
    publish(&mut link, &message("b", "y")).await;
    assert_eq!(drain(&bus, &mut link).await, ["y"]);
}

#[tokio::test]
async fn no_local_keeps_a_links_own_messages_from_it() {
    let bus = bus();
    let (mut link, mut other) = (open(&bus).await, open(&bus).await);
    link.subscribe(&Filter { no_local: true, ..at_most_once("a") }, None).await.expect("room");
    publish(&mut link, &message("a", "own")).await;
    publish(&mut other, &message("a", "other")).await;
    assert_eq!(drain(&bus, &mut link).await, ["other"]);
}

#[tokio::test]
async fn retained_messages_come_with_a_subscription_as_it_asks() {
    let bus = bus();
    let mut link = open(&bus).await;
    publish(&mut link, &retained("r/1", "old")).await;
    publish(&mut link, &retained("r/1", "one")).await;
    publish(&mut link, &retained("r/2", "two")).await;
    // Only an empty message with the flag deletes; without it is an ordinary one.
    publish(&mut link, &message("r/1", "")).await;
    assert_eq!(bus.retained(), 2);

    let got = subscribe(&mut link, "r/+").await;
    let mut payloads: Vec<_> = got.retained.iter().map(|it| (it.payload.clone(), it.retain)).collect();
    payloads.sort();
    assert_eq!(payloads, [(Bytes::from("one"), true), (Bytes::from("two"), true)]);
    assert_eq!(subscribe(&mut link, "r/1").await.retained.len(), 1);

    let new_only = Filter { retain_handling: RetainHandling::OnNewSubscribe, ..at_most_once("r/1") };
    assert_eq!(link.subscribe(&new_only, None).await.expect("room").retained, []);
    let never = Filter { retain_handling: RetainHandling::Never, ..at_most_once("r/2") };
    assert_eq!(link.subscribe(&never, None).await.expect("room").retained, []);

    publish(&mut link, &retained("r/1", "")).await;
    assert_eq!(bus.retained(), 1);
    assert_eq!(subscribe(&mut link, "r/1").await.retained, []);
}

#[tokio::test]
async fn a_live_message_has_the_retain_flag_only_for_those_who_want_it_as_published() {
    let bus = bus();
    let (mut plain, mut published) = (open(&bus).await, open(&bus).await);
    subscribe(&mut plain, "r").await;
    published.subscribe(&Filter { retain_as_published: true, ..at_most_once("r") }, None).await.expect("room");
    publish(&mut plain, &retained("r", "x")).await;
    assert!(!recv(&mut plain).await.retain);
    assert!(recv(&mut published).await.retain);
}

#[tokio::test]
async fn the_retained_store_is_bounded() {
    let bus = with(Config { retained: 1, ..Config::default() });
    let mut link = open(&bus).await;
    publish(&mut link, &retained("a", "x")).await;
    assert_eq!(link.publish(&retained("b", "x")).await, Err(BusError::RetainedFull));
    publish(&mut link, &retained("a", "y")).await;
    assert_eq!(subscribe(&mut link, "#").await.retained.len(), 1);
}

#[tokio::test]
async fn what_is_not_for_the_bus_is_refused_with_its_reason() {
    let bus = bus();
    let mut link = open(&bus).await;
    let deep = "a/".repeat(200);
    for (path, expected) in [
        ("$share/g/a", BusError::SharedSubscription),
        ("$SYS/#", BusError::Reserved),
        ("a#", BusError::Invalid("in a topic filter `#` stands alone in the last level")),
        (&deep, BusError::TooManyLevels(filters::MAX_LEVELS)),
    ] {
        assert_eq!(link.subscribe(&at_most_once(path), None).await, Err(expected));
    }
    assert_eq!(link.publish(&message("$SYS/x", "")).await, Err(BusError::Reserved));
    assert_eq!(link.publish(&retained("a/+", "x")).await, Err(BusError::Invalid("the topic name holds a wildcard")));
    // A topic may be as deep as it likes.
    subscribe(&mut link, "#").await;
    assert_eq!(publish(&mut link, &message(&"/".repeat(65_535), "x")).await, Reach::Subscribers);
    assert_eq!(recv(&mut link).await.topic.len(), 65_535);
    assert!(RouterBus::start(Config { links: 0, ..Config::default() }).is_err());
}

#[tokio::test]
async fn filters_and_links_are_limited_and_free_again_when_they_are_left() {
    let bus = with(Config { filters: 3, filters_per_link: 2, links: 2, ..Config::default() });
    let (mut first, mut second, mut third) = (open(&bus).await, open(&bus).await, open(&bus).await);
    subscribe(&mut first, "a").await;
    subscribe(&mut first, "b").await;
    assert_eq!(first.subscribe(&at_most_once("c"), None).await, Err(BusError::TooManySubscriptions(2)));
    subscribe(&mut second, "c").await;
    assert_eq!(second.subscribe(&at_most_once("d"), None).await, Err(BusError::TooManyFilters(3)));
    assert_eq!(third.subscribe(&at_most_once("a"), None).await, Err(BusError::TooManyLinks(2)));
    subscribe(&mut second, "a").await;
    drop(first);
    assert_eq!((bus.filters(), bus.links()), (2, 1));
    subscribe(&mut third, "d").await;
    publish(&mut second, &message("a", "still")).await;
    assert_eq!(recv(&mut second).await.payload, "still");
}

#[tokio::test]
async fn ten_thousand_filters_one_after_another_leave_nothing_behind() {
    let bus = with(Config { filters: 4, ..Config::default() });
    let mut link = open(&bus).await;
    for number in 0..10_000 {
        let path = format!("devices/{number}/#");
        subscribe(&mut link, &path).await;
        assert_eq!(link.unsubscribe(&path).await, Ok(true));
    }
    assert_eq!(bus.filters(), 0);
    subscribe(&mut link, "last").await;
    publish(&mut link, &message("last", "x")).await;
    assert_eq!(recv(&mut link).await.payload, "x");
}

#[tokio::test]
async fn a_bare_router_dies_of_a_topic_that_the_bus_carries() {
    let bus = bus();
    let (mut link, mut publisher) = (open(&bus).await, open(&bus).await);
    subscribe(&mut link, "#").await;
    for topic in ["é/x", "é", "日本/語", "\u{1F600}"] {
        publish(&mut publisher, &message(topic, "plain")).await;
        publish(&mut publisher, &retained(topic, "kept")).await;
        publish(&mut publisher, &retained(topic, "")).await;
        for payload in ["plain", "kept", ""] {
            let got = recv(&mut link).await;
            assert_eq!((&*got.topic, &*got.payload), (topic, payload.as_bytes()));
        }
    }
    assert_eq!(subscribe(&mut link, "é/#").await.retained, []);
    assert_eq!(bus.restarts(), 0);

    // The same topic without the bus.
    kill(&bus).await;
    assert_eq!(link.recv().await, Err(BusError::RouterLost));
    assert_eq!(bus.restarts(), 1);
}

#[tokio::test]
async fn a_dead_router_is_replaced_and_only_its_subscribers_end() {
    let bus = bus();
    let (mut subscriber, mut idle, mut publisher) = (open(&bus).await, open(&bus).await, open(&bus).await);
    subscribe(&mut subscriber, "a").await;
    subscribe(&mut idle, "b").await;
    publish(&mut publisher, &retained("a", "kept")).await;
    recv(&mut subscriber).await;

    for round in 1..=3 {
        kill(&bus).await;
        // Nobody hears it, and the publisher is not to blame.
        assert_eq!(publish(&mut publisher, &message("a", "lost")).await, Reach::Nobody);
        assert_eq!(subscriber.recv().await, Err(BusError::RouterLost));
        assert_eq!(subscriber.subscribe(&at_most_once("c"), None).await, Err(BusError::RouterLost));
        assert_eq!(idle.recv().await, Err(BusError::RouterLost));
        assert_eq!(idle.unsubscribe("b").await, Err(BusError::RouterLost));
        assert_eq!(bus.restarts(), round, "counted once");

        (subscriber, idle) = (open(&bus).await, open(&bus).await);
        assert_eq!(subscribe(&mut subscriber, "a").await.retained.len(), 1, "retained messages are ours");
        subscribe(&mut idle, "b").await;
        assert_eq!(publish(&mut publisher, &message("a", "again")).await, Reach::Subscribers);
        assert_eq!(recv(&mut subscriber).await.payload, "again");
        assert_eq!((bus.links(), bus.filters()), (2, 2));
    }
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_stops_nobody_and_holds_a_bounded_number() {
    let bus = with(Config { log_size: firsthop_config::Size::kib(16), ..Config::default() });
    let (mut slow, mut publisher) = (open(&bus).await, open(&bus).await);
    subscribe(&mut slow, "a").await;
    for number in 0..20_000 {
        publish(&mut publisher, &message("a", &format!("{number:010}"))).await;
    }
    let mut got = vec![recv(&mut slow).await.payload];
    while got.last().is_some_and(|last| last != "0000019999") {
        got.push(recv(&mut slow).await.payload);
    }
    assert!(got.len() < 2_000, "{} of 20000 were held", got.len());
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "what comes is in order");
    assert_eq!(bus.restarts(), 0);
}

#[tokio::test]
async fn a_reader_that_keeps_up_gets_everything() {
    let bus = bus();
    let (mut reader, mut publisher) = (open(&bus).await, open(&bus).await);
    subscribe(&mut reader, "a").await;
    for batch in 0..50 {
        for number in 0..100 {
            publish(&mut publisher, &message("a", &format!("{batch} {number}"))).await;
        }
        for number in 0..100 {
            assert_eq!(recv(&mut reader).await.payload, format!("{batch} {number}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_come_and_go_under_load_never_kill_the_router() {
    let bus = std::sync::Arc::new(with(Config { links: 64, ..Config::default() }));
    let mut tasks = Vec::new();
    for task in 0..8 {
        let bus = bus.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..40 {
                let mut link = open(&bus).await;
                subscribe(&mut link, "load/#").await;
                for number in 0..300 {
                    publish(&mut link, &message(&format!("load/{task}/{number}"), "x")).await;
                }
                // Some read and are woken up after pauses, some leave with a full buffer, some in the middle of a request.
                for _ in 0..(round % 3) * 125 {
                    recv(&mut link).await;
                }
                if round % 4 == 0 {
                    let more = at_most_once("more/+");
                    let _ = timeout(Duration::ZERO, link.subscribe(&more, None)).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!(bus.restarts(), 0);
    while bus.links() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bus.filters(), 0);
    let mut link = open(&bus).await;
    subscribe(&mut link, "after").await;
    publish(&mut link, &message("after", "x")).await;
    assert_eq!(recv(&mut link).await.payload, "x");
}
