use proptest::prelude::*;

use super::*;

fn device() -> DeviceId {
    DeviceId::parse("Pump-1").unwrap()
}

#[test]
fn requests_are_those_of_the_device_sdks() {
    assert_eq!(Request::parse("$iothub/twin/GET/?$rid=0ab-1"), Ok(Request::TwinGet { rid: "0ab-1" }));
    let report = |expected| Ok(Request::TwinReport { rid: "7", expected });
    assert_eq!(Request::parse("$iothub/twin/PATCH/properties/reported/?$rid=7"), report(None));
    assert_eq!(Request::parse("$iothub/twin/PATCH/properties/reported/?$rid=7&$version=4"), report(Some(4)));
    assert_eq!(Request::parse("$iothub/twin/PATCH/properties/reported/?$version=4&$rid=7&x"), report(Some(4)));
    assert_eq!(Request::parse("$iothub/methods/res/-1/?$rid=12"), Ok(Request::MethodAnswer { rid: 12, status: -1 }));
}

#[test]
fn a_request_without_exactly_one_usable_rid_is_refused() {
    for query in ["", "?", "?rid=1", "?$version=1", "?$rid", "?$rid=1&$rid=2"] {
        assert_eq!(Request::parse(&format!("$iothub/twin/GET/{query}")), Err(TopicError::NoRid), "{query}");
    }
    let long = "x".repeat(MAX_RID_LEN + 1);
    for rid in ["", "a/b", "a#", "+", "a b", "é", &long] {
        assert_eq!(Request::parse(&format!("$iothub/twin/GET/?$rid={rid}")), Err(TopicError::Rid), "{rid}");
    }
}

#[test]
fn what_is_wrong_with_a_number_is_said() {
    let version = Request::parse("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=-1");
    assert_eq!(version, Err(TopicError::Version("-1".into())));
    assert_eq!(Request::parse("$iothub/methods/res/ok/?$rid=1"), Err(TopicError::Status("ok".into())));
    assert_eq!(Request::parse("$iothub/methods/res/200/?$rid=x"), Err(TopicError::Call));
}

#[test]
fn other_topics_are_no_requests() {
    for topic in [
        "$iothub",
        "$iothub/twin/GET",
        "$iothub/twin/GET/x",
        "$iothub/twin/POST/?$rid=1",
        "$iothub/twin/PATCH/properties/desired/?$rid=1",
        "$iothub/twin/res/200/?$rid=1",
        "$iothub/methods/POST/reboot/?$rid=1",
        "$iothub/methods/res/200",
        "iothub/twin/GET/?$rid=1",
    ] {
        assert_eq!(Request::parse(topic), Err(TopicError::Unknown), "{topic}");
    }
}

#[test]
fn topics_to_the_device_have_the_rid_first() {
    assert_eq!(twin_answer(200, "a-1", None), "$iothub/twin/res/200/?$rid=a-1");
    assert_eq!(twin_answer(204, "a-1", Some(9)), "$iothub/twin/res/204/?$rid=a-1&$version=9");
    assert_eq!(desired(3), "$iothub/twin/PATCH/properties/desired/?$version=3");
    assert_eq!(method("reboot", 5), "$iothub/methods/POST/reboot/?$rid=5");
    assert_eq!(device_bound(&device(), "%24.mid=1"), "devices/Pump-1/messages/devicebound/%24.mid=1");
}

#[test]
fn a_feed_has_its_one_filter_and_twin_answers_also_exact_ones() {
    for (filter, feed) in [
        ("$iothub/twin/res/#", Feed::TwinAnswers),
        ("$iothub/twin/res/200/?$rid=1", Feed::TwinAnswers),
        ("$iothub/twin/PATCH/properties/desired/#", Feed::Desired),
        ("$iothub/methods/POST/#", Feed::Methods),
        ("devices/Pump-1/messages/devicebound/#", Feed::DeviceBound),
        ("$provisioning/notify", Feed::Notices),
    ] {
        assert_eq!(Feed::of_filter(filter, &device()), Some(feed), "{filter}");
    }
    for filter in [
        "#",
        "$iothub/#",
        "$iothub/twin/#",
        "$iothub/twin/res/",
        "$iothub/twin/res/+/#",
        "$iothub/methods/POST/reboot/#",
        "$provisioning/#",
        "devices/Pump-2/messages/devicebound/#",
        "devices/Pump-1/messages/devicebound/x",
        "devices/Pump-1/messages/#",
        "devices/Pump-1/messages/events/#",
    ] {
        assert_eq!(Feed::of_filter(filter, &device()), None, "{filter}");
    }
}

#[test]
fn telemetry_is_what_the_device_publishes_below_its_own_events() {
    let parse = |topic| Messages::parse(topic, &device());
    assert_eq!(parse("devices/Pump-1/messages/events"), Some(Messages::Events("")));
    assert_eq!(parse("devices/Pump-1/messages/events/"), Some(Messages::Events("")));
    assert_eq!(parse("devices/Pump-1/messages/events/a=b&c=d"), Some(Messages::Events("a=b&c=d")));
    assert_eq!(parse("devices/Pump-1/messages/devicebound/x"), Some(Messages::DeviceBound("x")));
    for topic in [
        "devices/Pump-10/messages/events/",
        "devices/pump-1/messages/events/",
        "devices/Pump-1/messages/eventsx",
        "devices/Pump-1/messages",
        "devices/Pump-1/events/",
    ] {
        assert_eq!(parse(topic), None, "{topic}");
    }
}

#[test]
fn a_telemetry_topic_may_end_with_a_slash() {
    assert_eq!(telemetry_bag("a=b/"), Ok("a=b"));
    assert_eq!(telemetry_bag(""), Ok(""));
    assert!(telemetry_bag("a=b/c").is_err());
}

proptest! {
    #[test]
    fn no_topic_makes_the_parser_panic(topic in "(\\$iothub/(twin/(GET|PATCH/properties/reported)|methods/res/2)/)?\\PC{0,80}") {
        let _ = Request::parse(&topic);
        let _ = Messages::parse(&topic, &device());
        let _ = Feed::of_filter(&topic, &device());
    }

    #[test]
    fn an_accepted_rid_stands_in_the_answer_as_one_level_of_its_topic(rid in "\\PC{0,70}") {
        if let Ok(Request::TwinGet { rid: accepted }) = Request::parse(&format!("$iothub/twin/GET/?$rid={rid}")) {
            let answer = twin_answer(200, accepted, Some(1));
            prop_assert_eq!(answer.split('/').count(), 5);
            prop_assert!(!answer.contains(['+', '#']));
            prop_assert!(Feed::of_filter(&answer, &device()) == Some(Feed::TwinAnswers));
        }
    }
}
