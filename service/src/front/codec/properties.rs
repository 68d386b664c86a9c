//! A walk over an MQTT 5 property section: bounds, types, values, and nothing twice.
//!
//! rumqttd's readers take the last of two equal properties and read past the end of a section that
//! announces less than it holds; after this walk neither can happen.

use super::{
    error::DecodeReason::{Malformed, ProtocolError, TopicAliasInvalid},
    guard::{Fault, Walk},
    text,
};

/// Where a property section stands, which decides what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Connect,
    Will,
    Publish,
    Ack,
    Subscribe,
    Unsubscribe,
    Disconnect,
}

mod id {
    pub(super) const PAYLOAD_FORMAT_INDICATOR: u8 = 1;
    pub(super) const MESSAGE_EXPIRY_INTERVAL: u8 = 2;
    pub(super) const CONTENT_TYPE: u8 = 3;
    pub(super) const RESPONSE_TOPIC: u8 = 8;
    pub(super) const CORRELATION_DATA: u8 = 9;
    pub(super) const SUBSCRIPTION_IDENTIFIER: u8 = 11;
    pub(super) const SESSION_EXPIRY_INTERVAL: u8 = 17;
    pub(super) const AUTHENTICATION_METHOD: u8 = 21;
    pub(super) const AUTHENTICATION_DATA: u8 = 22;
    pub(super) const REQUEST_PROBLEM_INFORMATION: u8 = 23;
    pub(super) const WILL_DELAY_INTERVAL: u8 = 24;
    pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 25;
    pub(super) const REASON_STRING: u8 = 31;
    pub(super) const RECEIVE_MAXIMUM: u8 = 33;
    pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 34;
    pub(super) const TOPIC_ALIAS: u8 = 35;
    pub(super) const USER_PROPERTY: u8 = 38;
    pub(super) const MAXIMUM_PACKET_SIZE: u8 = 39;
}

/// The properties a client may put into each section.
const fn allowed(section: Section) -> &'static [u8] {
    match section {
        Section::Connect => &[
            id::SESSION_EXPIRY_INTERVAL,
            id::RECEIVE_MAXIMUM,
            id::MAXIMUM_PACKET_SIZE,
            id::TOPIC_ALIAS_MAXIMUM,
            id::REQUEST_RESPONSE_INFORMATION,
            id::REQUEST_PROBLEM_INFORMATION,
            id::USER_PROPERTY,
            id::AUTHENTICATION_METHOD,
            id::AUTHENTICATION_DATA,
        ],
        Section::Will => &[
            id::WILL_DELAY_INTERVAL,
            id::PAYLOAD_FORMAT_INDICATOR,
            id::MESSAGE_EXPIRY_INTERVAL,
            id::CONTENT_TYPE,
            id::RESPONSE_TOPIC,
            id::CORRELATION_DATA,
            id::USER_PROPERTY,
        ],
        Section::Publish => &[
            id::PAYLOAD_FORMAT_INDICATOR,
            id::MESSAGE_EXPIRY_INTERVAL,
            id::CONTENT_TYPE,
            id::RESPONSE_TOPIC,
            id::CORRELATION_DATA,
            id::USER_PROPERTY,
            // Known here only to be refused with their own reasons.
            id::TOPIC_ALIAS,
            id::SUBSCRIPTION_IDENTIFIER,
        ],
        Section::Ack => &[id::REASON_STRING, id::USER_PROPERTY],
        Section::Subscribe => &[id::SUBSCRIPTION_IDENTIFIER, id::USER_PROPERTY],
        Section::Unsubscribe => &[id::USER_PROPERTY],
        Section::Disconnect => &[id::SESSION_EXPIRY_INTERVAL, id::REASON_STRING, id::USER_PROPERTY],
    }
}

/// Walks the section at the front of `walk`, its length included.
pub(super) fn check(walk: &mut Walk<'_>, section: Section) -> Result<(), Fault> {
    let len = walk.varint()?;
    let mut walk = walk.split(len)?;
    let mut seen = 0_u64;
    while !walk.is_empty() {
        let property = walk.u8()?;
        if !allowed(section).contains(&property) {
            return Err(Fault::new(Malformed, "a property that this packet does not have"));
        }
        let bit = 1_u64 << property;
        if seen & bit != 0 && property != id::USER_PROPERTY {
            return Err(Fault::new(ProtocolError, "a property that may appear once appears twice"));
        }
        seen |= bit;
        check_value(&mut walk, property, section)?;
    }
    let has = |property: u8| seen & (1_u64 << property) != 0;
    if has(id::AUTHENTICATION_DATA) && !has(id::AUTHENTICATION_METHOD) {
        return Err(Fault::new(ProtocolError, "authentication data without a method"));
    }
    Ok(())
}

fn check_value(walk: &mut Walk<'_>, property: u8, section: Section) -> Result<(), Fault> {
    match property {
        id::PAYLOAD_FORMAT_INDICATOR | id::REQUEST_PROBLEM_INFORMATION | id::REQUEST_RESPONSE_INFORMATION => {
            if walk.u8()? > 1 {
                return Err(Fault::new(ProtocolError, "a property of 0 or 1 has another value"));
            }
        }
        id::MESSAGE_EXPIRY_INTERVAL | id::SESSION_EXPIRY_INTERVAL | id::WILL_DELAY_INTERVAL => {
            walk.u32()?;
        }
        id::MAXIMUM_PACKET_SIZE => {
            if walk.u32()? == 0 {
                return Err(Fault::new(ProtocolError, "the maximum packet size is 0"));
            }
        }
        id::RECEIVE_MAXIMUM => {
            if walk.u16()? == 0 {
                return Err(Fault::new(ProtocolError, "the receive maximum is 0"));
            }
        }
        id::TOPIC_ALIAS_MAXIMUM => {
            walk.u16()?;
        }
        id::TOPIC_ALIAS => {
            walk.u16()?;
            return Err(Fault::new(TopicAliasInvalid, "topic aliases are not offered"));
        }
        id::SUBSCRIPTION_IDENTIFIER => {
            let identifier = walk.varint()?;
            if section == Section::Publish {
                return Err(Fault::new(ProtocolError, "a client sent a subscription identifier"));
            }
            if identifier == 0 {
                return Err(Fault::new(ProtocolError, "the subscription identifier is 0"));
            }
        }
        id::RESPONSE_TOPIC => {
            if text::topic_name(walk.text()?).is_err() {
                return Err(Fault::new(ProtocolError, "the response topic is no topic name"));
            }
        }
        id::CONTENT_TYPE | id::AUTHENTICATION_METHOD | id::REASON_STRING => {
            walk.text()?;
        }
        id::CORRELATION_DATA | id::AUTHENTICATION_DATA => {
            walk.binary()?;
        }
        id::USER_PROPERTY => {
            walk.text()?;
            walk.text()?;
        }
        _ => return Err(Fault::new(Malformed, "an unknown property")),
    }
    Ok(())
}
