//! How a message travels through the router: as a payload that it never looks into.
//!
//! One allocation of exactly its size, so that the log holds no read buffers, counts what it keeps, and copies nothing
//! but a pointer per subscriber. rumqttd would carry topic and properties itself, but it breaks on the one and does not
//! count the other.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::front::codec::{Publish, PublishProperties, QoS};

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Packet id and DUP say nothing here.
    pub(super) message: Publish,
    /// The link that published it, for "no local".
    pub(super) publisher: u64,
    /// Milliseconds of the bus's clock after which nobody gets it.
    pub(super) expires: Option<u64>,
}

const RETAIN: u8 = 0b0000_0100;
const EXPIRES: u8 = 0b0000_1000;
const PROPERTIES: u8 = 0b0001_0000;

const FORMAT: u8 = 0b0000_0001;
const FORMAT_TEXT: u8 = 0b0000_0010;
const CONTENT_TYPE: u8 = 0b0000_0100;
const RESPONSE_TOPIC: u8 = 0b0000_1000;
const CORRELATION: u8 = 0b0001_0000;

/// The bytes of a message; `None` when a part of it does not fit its length field.
pub(super) fn seal(message: &Publish, publisher: u64, expires: Option<u64>) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(sealed_len(message));
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let properties = message.properties.as_deref();
    out.put_u8(
        message.qos as u8
            | flag(message.retain, RETAIN)
            | flag(expires.is_some(), EXPIRES)
            | flag(properties.is_some(), PROPERTIES),
    );
    out.put_u64(publisher);
    if let Some(expires) = expires {
        out.put_u64(expires);
    }
    put(&mut out, message.topic.as_bytes())?;
    if let Some(it) = properties {
        out.put_u8(
            flag(it.payload_format_indicator.is_some(), FORMAT)
                | flag(it.payload_format_indicator == Some(1), FORMAT_TEXT)
                | flag(it.content_type.is_some(), CONTENT_TYPE)
                | flag(it.response_topic.is_some(), RESPONSE_TOPIC)
                | flag(it.correlation_data.is_some(), CORRELATION),
        );
        for part in [
            it.content_type.as_ref().map(|text| text.as_bytes()),
            it.response_topic.as_ref().map(|text| text.as_bytes()),
            it.correlation_data.as_deref(),
        ]
        .into_iter()
        .flatten()
        {
            put(&mut out, part)?;
        }
        out.put_u32(u32::try_from(it.user_properties.len()).ok()?);
        for (name, value) in &it.user_properties {
            put(&mut out, name.as_bytes())?;
            put(&mut out, value.as_bytes())?;
        }
    }
    out.put_slice(&message.payload);
    Some(out.freeze())
}

/// What `seal` will write, or a little more.
fn sealed_len(message: &Publish) -> usize {
    let properties = message.properties.as_deref().map_or(0, |it| {
        let texts = it.content_type.as_ref().map_or(0, String::len) + it.response_topic.as_ref().map_or(0, String::len);
        let user: usize = it.user_properties.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
        11 + texts + it.correlation_data.as_ref().map_or(0, Bytes::len) + user
    });
    1 + 8 + 8 + 2 + message.topic.len() + properties + message.payload.len()
}

fn put(out: &mut BytesMut, part: &[u8]) -> Option<()> {
    out.put_u16(u16::try_from(part.len()).ok()?);
    out.put_slice(part);
    Some(())
}

/// The message in the bytes; `None` for anything that `seal` has not written.
pub(super) fn open(mut bytes: Bytes) -> Option<Envelope> {
    let flags = bytes.try_get_u8().ok()?;
    let publisher = bytes.try_get_u64().ok()?;
    let expires = if flags & EXPIRES == 0 { None } else { Some(bytes.try_get_u64().ok()?) };
    let topic = text(&mut bytes)?;
    let properties = if flags & PROPERTIES == 0 { None } else { Some(Box::new(open_properties(&mut bytes)?)) };
    let message = Publish {
        dup: false,
        qos: QoS::from_bits(flags & 0b11)?,
        retain: flags & RETAIN != 0,
        pkid: 0,
        topic,
        payload: bytes,
        properties,
    };
    Some(Envelope { message, publisher, expires })
}

fn open_properties(bytes: &mut Bytes) -> Option<PublishProperties> {
    let present = bytes.try_get_u8().ok()?;
    let has = |flag: u8| present & flag != 0;
    let content_type = if has(CONTENT_TYPE) { Some(text(bytes)?) } else { None };
    let response_topic = if has(RESPONSE_TOPIC) { Some(text(bytes)?) } else { None };
    let correlation_data = if has(CORRELATION) { Some(take(bytes)?) } else { None };
    let mut user_properties = Vec::new();
    for _ in 0..bytes.try_get_u32().ok()? {
        user_properties.push((text(bytes)?, text(bytes)?));
    }
    Some(PublishProperties {
        payload_format_indicator: has(FORMAT).then(|| u8::from(has(FORMAT_TEXT))),
        // What is left of it is known on delivery.
        message_expiry_interval: None,
        content_type,
        response_topic,
        correlation_data,
        user_properties,
        subscription_identifiers: Vec::new(),
    })
}

fn take(bytes: &mut Bytes) -> Option<Bytes> {
    let len = usize::from(bytes.try_get_u16().ok()?);
    (len <= bytes.len()).then(|| bytes.split_to(len))
}

fn text(bytes: &mut Bytes) -> Option<String> {
    String::from_utf8(take(bytes)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Publish {
        Publish {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: true,
            pkid: 0,
            topic: "é/x".into(),
            payload: Bytes::from_static(b"body"),
            properties: Some(Box::new(PublishProperties {
                payload_format_indicator: Some(1),
                content_type: Some("text".into()),
                response_topic: Some("r/t".into()),
                correlation_data: Some(Bytes::from_static(&[0, 255])),
                user_properties: vec![("k".into(), "v".into()), (String::new(), "w".into())],
                ..PublishProperties::default()
            })),
        }
    }

    #[test]
    fn what_is_sealed_comes_out_again() {
        let plain = Publish { topic: "a".into(), ..Publish::default() };
        for (message, expires) in [(message(), Some(7)), (plain, None)] {
            let sealed = seal(&message, 42, expires).expect("it fits");
            assert!(sealed.len() <= sealed_len(&message));
            assert_eq!(open(sealed), Some(Envelope { message, publisher: 42, expires }));
        }
    }

    #[test]
    fn a_cut_envelope_never_panics() {
        let mut whole = message();
        whole.payload = Bytes::new();
        let sealed = seal(&whole, 1, Some(2)).expect("it fits");
        for at in 0..sealed.len() {
            assert_eq!(open(sealed.slice(..at)), None, "cut at {at}");
        }
    }

    #[test]
    fn a_part_above_its_length_field_is_refused() {
        let topic = "x".repeat(65_536);
        assert_eq!(seal(&Publish { topic, ..Publish::default() }, 0, None), None);
    }
}
