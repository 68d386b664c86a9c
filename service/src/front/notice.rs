//! `$provisioning/notify`: a device is asked to register again (rule C7).

use bytes::Bytes;
use firsthop_protocol::Format;
use firsthop_protocol::codec;
use firsthop_protocol::notify::Notification;
use firsthop_protocol::topic::NOTIFY;

use super::codec::{Publish, PublishProperties, QoS, Version};
use crate::domain::ports::Notice;

/// The body, for all sessions of the device.
pub fn body(notice: &Notice) -> Bytes {
    let notification =
        Notification { reason: notice.reason.clone(), not_before: notice.not_before, spread: notice.spread };
    codec::encode(&notification, Format::Json).into()
}

/// The message to one session.
pub fn publication(body: Bytes, qos: QoS, version: Version, subscription_identifiers: Vec<u32>) -> Publish {
    let properties = (version == Version::V5).then(|| {
        Box::new(PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some(Format::Json.content_type().to_owned()),
            subscription_identifiers,
            ..PublishProperties::default()
        })
    });
    Publish { qos, topic: NOTIFY.to_owned(), payload: body, properties, ..Publish::default() }
}
