//! The walk over a complete frame before rumqttd's reader sees it.
//!
//! Borrowed and without allocation: it proves that every field lies inside the frame, that nothing
//! follows the last one, and the rules that rumqttd does not check (text, topics, filters, packet
//! id 0, reserved bits, empty lists).

use std::ops::Range;

use super::{
    QoS, Version,
    error::{
        DecodeError,
        DecodeReason::{self, Malformed, ProtocolError, TopicFilterInvalid, TopicNameInvalid},
    },
    frame::Kind,
    properties::{self, Section},
    text,
};

/// A broken rule, before the packet's name is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    reason: DecodeReason,
    detail: &'static str,
}

impl Fault {
    pub(super) fn new(reason: DecodeReason, detail: &'static str) -> Self {
        Self { reason, detail }
    }

    pub(super) fn in_packet(self, kind: Kind) -> DecodeError {
        kind.error(self.reason, self.detail)
    }
}

/// What the walk learned that rumqttd's packet does not tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    /// 0 where the packet has none.
    pub(super) pkid: u16,
    pub(super) has_user_name: bool,
    /// Where the password's bytes lie in the body of a CONNECT.
    pub(super) password: Option<Range<usize>>,
}

/// Which version the body of a CONNECT speaks.
pub(super) fn sniff(body: &[u8]) -> Result<Version, Fault> {
    let mut walk = Walk::new(body);
    let name = walk.binary()?;
    let level = walk.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        // Bridges set the top bit of an old level; what comes after 5 will read an answer of 5.
        (b"MQTT", 6..=0x7F) => Err(Fault::new(
            DecodeReason::UnsupportedVersion { answer_in: Version::V5 },
            "MQTT 3.1.1 (level 4) and 5 are spoken here; the client asks for a later one",
        )),
        _ => Err(Fault::new(
            DecodeReason::UnsupportedVersion { answer_in: Version::V311 },
            "MQTT 3.1.1 (level 4) and 5 are spoken here; the client asks for another protocol",
        )),
    }
}

/// Walks the body of a packet.
pub(super) fn check(kind: Kind, flags: u8, version: Version, body: &[u8]) -> Result<Shape, Fault> {
    let mut walk = Walk::new(body);
    let shape = match kind {
        Kind::Connect => connect(&mut walk, version)?,
        Kind::Publish => publish(&mut walk, flags, version)?,
        Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => ack(&mut walk, version)?,
        Kind::Subscribe => subscribe(&mut walk, version)?,
        Kind::Unsubscribe => unsubscribe(&mut walk, version)?,
        Kind::PingReq => Shape::default(),
        Kind::Disconnect => disconnect(&mut walk, version)?,
    };
    if !walk.is_empty() {
        return Err(Fault::new(Malformed, "bytes after the last field"));
    }
    Ok(shape)
}

fn connect(walk: &mut Walk<'_>, version: Version) -> Result<Shape, Fault> {
    walk.binary()?;
    walk.u8()?;
    let flags = walk.u8()?;
    let has = |bit: u8| flags & bit != 0;
    let will = has(0x04);
    if has(0x01) {
        return Err(Fault::new(Malformed, "the reserved connect flag is set"));
    }
    if !will && has(0x38) {
        return Err(Fault::new(Malformed, "will QoS or will retain without a will"));
    }
    if flags & 0x18 == 0x18 {
        return Err(Fault::new(Malformed, "will QoS 3 does not exist"));
    }
    if version == Version::V311 && has(0x40) && !has(0x80) {
        return Err(Fault::new(Malformed, "a password without a user name"));
    }
    walk.u16()?;
    if version == Version::V5 {
        properties::check(walk, Section::Connect)?;
    }
    walk.text()?;
    if will {
        if version == Version::V5 {
            properties::check(walk, Section::Will)?;
        }
        topic_name(walk.text()?)?;
        walk.binary()?;
    }
    if has(0x80) {
        walk.text()?;
    }
    let password = if has(0x40) {
        let len = walk.binary()?.len();
        Some(walk.at() - len..walk.at())
    } else {
        None
    };
    Ok(Shape { pkid: 0, has_user_name: has(0x80), password })
}

fn publish(walk: &mut Walk<'_>, flags: u8, version: Version) -> Result<Shape, Fault> {
    let topic = walk.text()?;
    let pkid = if flags & 0b0110 == 0 { 0 } else { walk.pkid()? };
    if version == Version::V5 {
        // Before the topic: an alias goes with an empty one, and is what is wrong then.
        properties::check(walk, Section::Publish)?;
    }
    topic_name(topic)?;
    walk.take_rest();
    Ok(Shape { pkid, ..Shape::default() })
}

fn ack(walk: &mut Walk<'_>, version: Version) -> Result<Shape, Fault> {
    let pkid = walk.pkid()?;
    // MQTT 5 may leave out the properties, and the reason before them.
    if version == Version::V5 && !walk.is_empty() {
        walk.u8()?;
        if !walk.is_empty() {
            properties::check(walk, Section::Ack)?;
        }
    }
    Ok(Shape { pkid, ..Shape::default() })
}

fn subscribe(walk: &mut Walk<'_>, version: Version) -> Result<Shape, Fault> {
    let pkid = walk.pkid()?;
    if version == Version::V5 {
        properties::check(walk, Section::Subscribe)?;
    }
    if walk.is_empty() {
        return Err(Fault::new(ProtocolError, "no topic filter"));
    }
    while !walk.is_empty() {
        let filter = topic_filter(walk.text()?)?;
        let options = walk.u8()?;
        let reserved = match version {
            Version::V311 => 0xFC,
            Version::V5 => 0xC0,
        };
        if options & reserved != 0 {
            return Err(Fault::new(Malformed, "reserved subscription options are set"));
        }
        if QoS::from_bits(options & 0x03).is_none() {
            return Err(Fault::new(Malformed, "QoS 3 does not exist"));
        }
        if options & 0x30 == 0x30 {
            return Err(Fault::new(ProtocolError, "retain handling 3 does not exist"));
        }
        if options & 0x04 != 0 && filter.starts_with("$share/") {
            return Err(Fault::new(ProtocolError, "no local on a shared subscription"));
        }
    }
    Ok(Shape { pkid, ..Shape::default() })
}

fn unsubscribe(walk: &mut Walk<'_>, version: Version) -> Result<Shape, Fault> {
    let pkid = walk.pkid()?;
    if version == Version::V5 {
        properties::check(walk, Section::Unsubscribe)?;
    }
    if walk.is_empty() {
        return Err(Fault::new(ProtocolError, "no topic filter"));
    }
    while !walk.is_empty() {
        topic_filter(walk.text()?)?;
    }
    Ok(Shape { pkid, ..Shape::default() })
}

fn disconnect(walk: &mut Walk<'_>, version: Version) -> Result<Shape, Fault> {
    if version == Version::V5 && !walk.is_empty() {
        match walk.u8()? {
            0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x97 | 0x99 => {}
            _ => {
                return Err(Fault::new(ProtocolError, "a reason code that a client has not"));
            }
        }
        if !walk.is_empty() {
            properties::check(walk, Section::Disconnect)?;
        }
    }
    Ok(Shape::default())
}

fn topic_name(topic: &str) -> Result<(), Fault> {
    text::topic_name(topic).map_err(|detail| Fault::new(TopicNameInvalid, detail))
}

fn topic_filter(filter: &str) -> Result<&str, Fault> {
    match text::topic_filter(filter) {
        Ok(()) => Ok(filter),
        Err(detail) => Err(Fault::new(TopicFilterInvalid, detail)),
    }
}

/// A cursor over a body that cannot leave it.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body, at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes walked so far.
    fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                self.at += len;
                Ok(taken)
            }
            None => Err(Fault::new(Malformed, "a field reaches beyond the end of the packet")),
        }
    }

    fn take_rest(&mut self) {
        self.at += self.rest.len();
        self.rest = &[];
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next `len` bytes as a walk of their own.
    pub(super) fn split(&mut self, len: usize) -> Result<Walk<'a>, Fault> {
        self.take(len).map(Walk::new)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    fn pkid(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::new(Malformed, "packet id 0")),
            pkid => Ok(pkid),
        }
    }

    /// A variable byte integer of MQTT 5, in as few bytes as it needs.
    pub(super) fn varint(&mut self) -> Result<usize, Fault> {
        let mut value = 0;
        for at in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 != 0 {
                continue;
            }
            if at > 0 && byte == 0 {
                break;
            }
            return Ok(value);
        }
        Err(Fault::new(Malformed, "a variable byte integer is overlong"))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        text::utf8(self.binary()?).map_err(|detail| Fault::new(Malformed, detail))
    }
}
