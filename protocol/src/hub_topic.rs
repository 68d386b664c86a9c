//! The grammar of a hub's topics, those of Azure IoT Hub's device protocol: twin, direct methods, telemetry, device-bound messages.
//!
//! Which device is meant says the connection; only `devices/{deviceId}/messages/…` names it, and then it has to be the connection's own.

mod device_side;

pub use device_side::{
    FEEDS, Incoming, device_bound_filter, incoming, method_answer, telemetry, twin_get, twin_report,
};

use std::fmt::Write;

use crate::topic::NOTIFY;
use crate::{DeviceId, property_bag};

/// Longest `$rid` of a request, in bytes.
pub const MAX_RID_LEN: usize = 64;

const TWIN_GET: &str = "$iothub/twin/GET/";
const TWIN_REPORT: &str = "$iothub/twin/PATCH/properties/reported/";
const TWIN_ANSWER: &str = "$iothub/twin/res/";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/";
const METHOD: &str = "$iothub/methods/POST/";
const METHOD_ANSWER: &str = "$iothub/methods/res/";

/// What a device publishes to its hub below `$iothub/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Read the twin.
    TwinGet {
        /// The client's name for the request.
        rid: &'a str,
    },
    /// Merge a patch into the reported properties.
    TwinReport {
        /// The client's name for the request.
        rid: &'a str,
        /// The `$version` that the reported properties must be at.
        expected: Option<u64>,
    },
    /// The answer to a direct method.
    MethodAnswer {
        /// The hub's name for the call.
        rid: u64,
        /// What the device says became of it.
        status: i32,
    },
}

/// Why a topic below `$iothub/` is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Nothing is published there.
    #[error("no such topic on a hub")]
    Unknown,
    /// The request has no name, or more than one.
    #[error("the topic needs exactly one $rid, as in ?$rid=1")]
    NoRid,
    /// The request's name would not be the same in the answer's topic.
    #[error("$rid must be 1 to {MAX_RID_LEN} visible ASCII characters without / + # & ?")]
    Rid,
    /// The version is no number.
    #[error("$version must be a whole number, not {0:?}")]
    Version(String),
    /// The status of a method's answer is no number.
    #[error("the status of a method's answer must be a whole number, not {0:?}")]
    Status(String),
    /// No method is called by that name.
    #[error("$rid of a method's answer must be that of the call")]
    Call,
}

impl<'a> Request<'a> {
    /// The request that a publication's topic names.
    pub fn parse(topic: &'a str) -> Result<Self, TopicError> {
        if let Some(query) = topic.strip_prefix(TWIN_GET) {
            return Ok(Self::TwinGet { rid: Query::parse(query)?.rid });
        }
        if let Some(query) = topic.strip_prefix(TWIN_REPORT) {
            let Query { rid, version } = Query::parse(query)?;
            let number = |text: &str| text.parse().map_err(|_| TopicError::Version(cut(text)));
            return Ok(Self::TwinReport { rid, expected: version.map(number).transpose()? });
        }
        if let Some((status, query)) = topic.strip_prefix(METHOD_ANSWER).and_then(|rest| rest.split_once('/')) {
            let rid = Query::parse(query)?.rid;
            return Ok(Self::MethodAnswer {
                status: status.parse().map_err(|_| TopicError::Status(cut(status)))?,
                rid: rid.parse().map_err(|_| TopicError::Call)?,
            });
        }
        Err(TopicError::Unknown)
    }
}

/// `?$rid={rid}[&$version={version}]`; what else a newer client adds is passed over.
struct Query<'a> {
    rid: &'a str,
    version: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn parse(text: &'a str) -> Result<Self, TopicError> {
        let items = match text.strip_prefix('?') {
            Some(items) => items,
            None if text.is_empty() => return Err(TopicError::NoRid),
            None => return Err(TopicError::Unknown),
        };
        let (mut rid, mut version) = (None, None);
        for item in items.split('&') {
            match item.split_once('=') {
                Some(("$rid", text)) if rid.is_none() => rid = Some(text),
                Some(("$rid", _)) => return Err(TopicError::NoRid),
                Some(("$version", text)) => version = Some(text),
                _ => {}
            }
        }
        let rid = rid.ok_or(TopicError::NoRid)?;
        let fits = (1..=MAX_RID_LEN).contains(&rid.len());
        if !fits || !rid.bytes().all(|byte| byte.is_ascii_graphic() && !b"/+#?".contains(&byte)) {
            return Err(TopicError::Rid);
        }
        Ok(Self { rid, version })
    }
}

/// What a client sent, short enough to be told back.
fn cut(text: &str) -> String {
    text.chars().take(32).collect()
}

/// The topic of an answer to a twin request.
pub fn twin_answer(status: u16, rid: &str, version: Option<u64>) -> String {
    let mut topic = format!("{TWIN_ANSWER}{status}/?$rid={rid}");
    if let Some(version) = version {
        // Writing to a String cannot fail.
        let _ = write!(topic, "&$version={version}");
    }
    topic
}

/// The topic on which a change of the desired properties is pushed.
pub fn desired(version: u64) -> String {
    format!("{DESIRED}?$version={version}")
}

/// The topic of a direct method's call. The name is of the alphabet of ids, so it is safe there.
pub fn method(name: &str, rid: u64) -> String {
    format!("{METHOD}{name}/?$rid={rid}")
}

/// The topic of a device-bound message with that property bag.
pub fn device_bound(device: &DeviceId, bag: &str) -> String {
    format!("devices/{device}/messages/devicebound/{bag}")
}

/// A topic below `devices/{deviceId}/messages/` that the hub itself attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages<'a> {
    /// Telemetry with this property bag.
    Events(&'a str),
    /// Device-bound; the rest of the topic.
    DeviceBound(&'a str),
}

impl<'a> Messages<'a> {
    /// `None`: an ordinary topic.
    pub fn parse(topic: &'a str, device: &DeviceId) -> Option<Self> {
        let rest = topic.strip_prefix("devices/")?.strip_prefix(device.as_str())?.strip_prefix("/messages/")?;
        let below = |name: &str| match rest.strip_prefix(name)? {
            "" => Some(""),
            below => below.strip_prefix('/'),
        };
        below("events").map(Self::Events).or_else(|| below("devicebound").map(Self::DeviceBound))
    }
}

/// What a device can subscribe to that the hub itself sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Answers to twin requests: all, or one exact topic for clients that can listen to one only.
    TwinAnswers,
    /// Changes of the desired properties.
    Desired,
    /// Calls of direct methods.
    Methods,
    /// Messages from the command queue.
    DeviceBound,
    /// That the device should register again.
    Notices,
}

impl Feed {
    /// The feed that a filter subscribes to; `None`: none.
    pub fn of_filter(filter: &str, device: &DeviceId) -> Option<Self> {
        if filter == NOTIFY {
            return Some(Self::Notices);
        }
        if let Some(rest) = filter.strip_prefix(TWIN_ANSWER) {
            let exact = !rest.is_empty() && !rest.contains(['+', '#']);
            return (exact || rest == "#").then_some(Self::TwinAnswers);
        }
        if let Some(Messages::DeviceBound("#")) = Messages::parse(filter, device) {
            return Some(Self::DeviceBound);
        }
        let all = |root: &str| filter.strip_prefix(root) == Some("#");
        (all(DESIRED).then_some(Self::Desired)).or_else(|| all(METHOD).then_some(Self::Methods))
    }
}

/// Whether a telemetry topic's property bag, with or without a slash behind it, is one; gives it as it is to be kept.
pub fn telemetry_bag(bag: &str) -> Result<&str, property_bag::BagError> {
    let bag = bag.strip_suffix('/').unwrap_or(bag);
    property_bag::check(bag).map(|()| bag)
}

#[cfg(test)]
mod tests;
