//! The same topics as a device uses them: those that it publishes to, and those on which its hub speaks to it.

use super::{DESIRED, METHOD, METHOD_ANSWER, TWIN_ANSWER, TWIN_GET, TWIN_REPORT};
use crate::DeviceId;
use crate::topic::NOTIFY;

/// Filters of everything that a hub sends a device outside its command queue: twin answers, desired changes, method calls, notices.
pub const FEEDS: [&str; 4] =
    ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#", NOTIFY];

/// The filter of the device's command queue.
pub fn device_bound_filter(device: &DeviceId) -> String {
    format!("devices/{device}/messages/devicebound/#")
}

/// Where the twin is asked for.
pub fn twin_get(rid: &str) -> String {
    format!("{TWIN_GET}?$rid={rid}")
}

/// Where reported properties are patched.
pub fn twin_report(rid: &str) -> String {
    format!("{TWIN_REPORT}?$rid={rid}")
}

/// Where a direct method is answered.
pub fn method_answer(status: i32, rid: &str) -> String {
    format!("{METHOD_ANSWER}{status}/?$rid={rid}")
}

/// Where telemetry goes, with its property bag.
pub fn telemetry(device: &DeviceId, bag: &str) -> String {
    format!("devices/{device}/messages/events/{bag}")
}

/// What a hub says on a topic that does not name the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The answer to a twin request.
    TwinAnswer {
        /// The answer's status.
        status: u16,
        /// The request's own name.
        rid: &'a str,
        /// The version of the reported properties, where they were changed.
        version: Option<u64>,
    },
    /// The desired properties changed.
    Desired {
        /// Their version since.
        version: u64,
    },
    /// A direct method is called.
    Method {
        /// The method.
        name: &'a str,
        /// The hub's name for the call.
        rid: &'a str,
    },
    /// The device should register again.
    Notice,
}

/// Reads a topic of a hub; `None` when a device has nothing to do with it.
pub fn incoming(topic: &str) -> Option<Incoming<'_>> {
    if topic == NOTIFY {
        return Some(Incoming::Notice);
    }
    if let Some((status, query)) = topic.strip_prefix(TWIN_ANSWER).and_then(|rest| rest.split_once("/?")) {
        let version = value(query, "$version").map(str::parse).transpose().ok()?;
        return Some(Incoming::TwinAnswer { status: status.parse().ok()?, rid: value(query, "$rid")?, version });
    }
    if let Some(query) = topic.strip_prefix(DESIRED).and_then(|rest| rest.strip_prefix('?')) {
        return Some(Incoming::Desired { version: value(query, "$version")?.parse().ok()? });
    }
    let (name, query) = topic.strip_prefix(METHOD)?.split_once("/?")?;
    let named = !name.is_empty() && !name.contains('/');
    named.then_some(Incoming::Method { name, rid: value(query, "$rid")? })
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|item| item.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Feed, Messages, Request, desired, method, telemetry_bag, twin_answer};
    use super::*;

    fn device() -> DeviceId {
        DeviceId::parse("Pump-1").unwrap()
    }

    #[test]
    fn what_the_device_publishes_is_what_the_hub_reads() {
        assert_eq!(Request::parse(&twin_get("7")), Ok(Request::TwinGet { rid: "7" }));
        assert_eq!(Request::parse(&twin_report("7")), Ok(Request::TwinReport { rid: "7", expected: None }));
        assert_eq!(Request::parse(&method_answer(-1, "12")), Ok(Request::MethodAnswer { rid: 12, status: -1 }));
        let topic = telemetry(&device(), "site=x");
        assert_eq!(Messages::parse(&topic, &device()), Some(Messages::Events("site=x")));
        assert_eq!(telemetry_bag("site=x"), Ok("site=x"));
    }

    #[test]
    fn what_the_hub_publishes_is_what_the_device_reads() {
        let answer = |version| Some(Incoming::TwinAnswer { status: 204, rid: "a-1", version });
        assert_eq!(incoming(&twin_answer(204, "a-1", Some(9))), answer(Some(9)));
        assert_eq!(incoming(&twin_answer(204, "a-1", None)), answer(None));
        assert_eq!(incoming(&desired(3)), Some(Incoming::Desired { version: 3 }));
        assert_eq!(incoming(&method("reboot", 5)), Some(Incoming::Method { name: "reboot", rid: "5" }));
        assert_eq!(incoming(NOTIFY), Some(Incoming::Notice));
    }

    #[test]
    fn every_filter_of_a_device_is_a_feed_of_its_hub() {
        for filter in FEEDS {
            assert!(Feed::of_filter(filter, &device()).is_some(), "{filter}");
        }
        assert_eq!(Feed::of_filter(&device_bound_filter(&device()), &device()), Some(Feed::DeviceBound));
    }

    #[test]
    fn other_topics_say_nothing_to_a_device() {
        for topic in [
            "",
            "$iothub/twin/res/200",
            "$iothub/twin/res/x/?$rid=1",
            "$iothub/twin/res/200/?$version=1",
            "$iothub/twin/res/200/?$rid=1&$version=x",
            "$iothub/twin/PATCH/properties/desired/?$rid=1",
            "$iothub/methods/POST//?$rid=1",
            "$iothub/methods/POST/a/b/?$rid=1",
            "$iothub/methods/POST/a",
        ] {
            assert_eq!(incoming(topic), None, "{topic}");
        }
    }

    proptest! {
        #[test]
        fn no_topic_makes_the_reader_panic(topic in "(\\$iothub/(twin/(res|PATCH/properties/desired)|methods/POST)/)?\\PC{0,80}") {
            let _ = incoming(&topic);
        }
    }
}
