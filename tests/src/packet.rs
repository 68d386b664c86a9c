//! MQTT packets as bytes, both versions: enough of a codec to say anything to a server, right or wrong, and to read what it says.

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::V311, Self::V5];
}

/// An MQTT 5 property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    Number(u8, u32),
    Bytes(u8, Vec<u8>),
    Pair(u8, String, String),
}

pub mod property {
    //! Identifiers of properties (MQTT 5 section 2.2.2.2).
    pub const CONTENT_TYPE: u8 = 3;
    pub const RESPONSE_TOPIC: u8 = 8;
    pub const CORRELATION_DATA: u8 = 9;
    pub const ASSIGNED_CLIENT_ID: u8 = 18;
    pub const SERVER_KEEP_ALIVE: u8 = 19;
    pub const SERVER_REFERENCE: u8 = 28;
    pub const REASON_STRING: u8 = 31;
    pub const USER: u8 = 38;
}

/// A packet from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    ConnAck { present: bool, code: u8, properties: Vec<Property> },
    Publish(Message),
    PubAck { id: u16, code: u8 },
    PubRec { id: u16, code: u8 },
    PubRel { id: u16 },
    PubComp { id: u16, code: u8 },
    SubAck { id: u16, codes: Vec<u8> },
    UnsubAck { id: u16, codes: Vec<u8> },
    PingResp,
    Disconnect { code: u8, properties: Vec<Property> },
}

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub id: u16,
    pub properties: Vec<Property>,
}

impl Message {
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self { topic: topic.to_owned(), payload: payload.as_ref().to_vec(), qos: 1, id: 1, ..Self::default() }
    }

    #[must_use]
    pub fn qos(mut self, qos: u8) -> Self {
        self.qos = qos;
        self
    }

    #[must_use]
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    #[must_use]
    pub fn property(mut self, id: u8, value: impl AsRef<[u8]>) -> Self {
        self.properties.push(Property::Bytes(id, value.as_ref().to_vec()));
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    pub fn cbor(&self) -> Value {
        serde_cbor::from_slice(&self.payload).unwrap_or_else(|error| panic!("no CBOR ({error}): {self:?}"))
    }

    pub fn user_property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find_map(|property| match property {
            Property::Pair(_, key, value) if key == name => Some(value.as_str()),
            _ => None,
        })
    }

    pub fn bytes_property(&self, wanted: u8) -> Option<&[u8]> {
        self.properties.iter().find_map(|property| match property {
            Property::Bytes(id, value) if *id == wanted => Some(value.as_slice()),
            _ => None,
        })
    }
}

/// The text of a property.
pub fn text_of(properties: &[Property], wanted: u8) -> Option<String> {
    properties.iter().find_map(|property| match property {
        Property::Bytes(id, value) if *id == wanted => Some(String::from_utf8_lossy(value).into_owned()),
        _ => None,
    })
}

/// The number of a property.
pub fn number_of(properties: &[Property], wanted: u8) -> Option<u32> {
    properties.iter().find_map(|property| match property {
        Property::Number(id, value) if *id == wanted => Some(*value),
        _ => None,
    })
}

/// What a CONNECT says.
#[derive(Debug, Clone)]
pub struct Connect {
    pub client_id: String,
    pub user_name: Option<String>,
    pub keep_alive: u16,
    pub will: Option<Message>,
    /// Nothing of an earlier session, and nothing after this one. Without it: clean session 0, or a session that expires in a day.
    pub clean: bool,
}

pub fn connect(version: Version, connect: &Connect) -> Vec<u8> {
    let mut body = text("MQTT");
    body.push(if version == Version::V5 { 5 } else { 4 });
    let mut flags = if connect.clean { 2 } else { 0 };
    if let Some(will) = &connect.will {
        flags |= 4 | will.qos << 3 | u8::from(will.retain) << 5;
    }
    if connect.user_name.is_some() {
        flags |= 0x80;
    }
    body.push(flags);
    body.extend(connect.keep_alive.to_be_bytes());
    match version {
        // Session Expiry Interval.
        Version::V5 if !connect.clean => body.extend([5, 17, 0, 1, 0x51, 0x80]),
        _ => no_properties(version, &mut body),
    }
    body.extend(text(&connect.client_id));
    if let Some(will) = &connect.will {
        no_properties(version, &mut body);
        body.extend(text(&will.topic));
        body.extend(bytes(&will.payload));
    }
    if let Some(user_name) = &connect.user_name {
        body.extend(text(user_name));
    }
    framed(0x10, &body)
}

pub fn publish(version: Version, message: &Message) -> Vec<u8> {
    let mut body = text(&message.topic);
    if message.qos > 0 {
        body.extend(message.id.to_be_bytes());
    }
    if version == Version::V5 {
        let mut properties = Vec::new();
        for property in &message.properties {
            match property {
                Property::Number(id, value) => {
                    properties.push(*id);
                    properties.extend(value.to_be_bytes());
                }
                Property::Bytes(id, value) => {
                    properties.push(*id);
                    properties.extend(bytes(value));
                }
                Property::Pair(id, key, value) => {
                    properties.push(*id);
                    properties.extend(text(key));
                    properties.extend(text(value));
                }
            }
        }
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    body.extend(&message.payload);
    framed(0x30 | message.qos << 1 | u8::from(message.retain), &body)
}

pub fn subscribe(version: Version, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    no_properties(version, &mut body);
    for (filter, qos) in filters {
        body.extend(text(filter));
        body.push(*qos);
    }
    framed(0x82, &body)
}

pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    no_properties(version, &mut body);
    for filter in filters {
        body.extend(text(filter));
    }
    framed(0xa2, &body)
}

pub fn puback(id: u16) -> Vec<u8> {
    framed(0x40, &id.to_be_bytes())
}

pub fn pubrec(id: u16) -> Vec<u8> {
    framed(0x50, &id.to_be_bytes())
}

pub fn pubrel(id: u16) -> Vec<u8> {
    framed(0x62, &id.to_be_bytes())
}

pub fn pubcomp(id: u16) -> Vec<u8> {
    framed(0x70, &id.to_be_bytes())
}

pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A packet with its length.
pub fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(variable(body.len()));
    packet.extend(body);
    packet
}

pub fn variable(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

pub fn text(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(bytes.len()).expect("a short text").to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

fn no_properties(version: Version, body: &mut Vec<u8>) {
    if version == Version::V5 {
        body.push(0);
    }
}

/// Takes a whole packet from the front of what was read.
pub fn take(version: Version, buffer: &mut Vec<u8>) -> Option<Packet> {
    let first = *buffer.first()?;
    let mut length = 0usize;
    let mut at = 1;
    loop {
        let byte = *buffer.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if buffer.len() < at + length {
        return None;
    }
    let rest = buffer.split_off(at + length);
    let whole = std::mem::replace(buffer, rest);
    Some(parse(version, first, Reader(&whole[at..])))
}

fn parse(version: Version, first: u8, mut reader: Reader<'_>) -> Packet {
    let v5 = version == Version::V5;
    match first >> 4 {
        2 => {
            let present = reader.byte() == 1;
            let code = reader.byte();
            Packet::ConnAck { present, code, properties: if v5 { reader.properties() } else { Vec::new() } }
        }
        3 => {
            let topic = reader.text();
            let qos = first >> 1 & 3;
            let id = if qos > 0 { reader.number() } else { 0 };
            let properties = if v5 { reader.properties() } else { Vec::new() };
            Packet::Publish(Message { topic, payload: reader.0.to_vec(), qos, retain: first & 1 == 1, id, properties })
        }
        4 => Packet::PubAck { id: reader.number(), code: reader.byte_or_zero() },
        5 => Packet::PubRec { id: reader.number(), code: reader.byte_or_zero() },
        6 => Packet::PubRel { id: reader.number() },
        7 => Packet::PubComp { id: reader.number(), code: reader.byte_or_zero() },
        kind @ (9 | 11) => {
            let id = reader.number();
            if v5 {
                reader.properties();
            }
            let codes = reader.0.to_vec();
            if kind == 9 { Packet::SubAck { id, codes } } else { Packet::UnsubAck { id, codes } }
        }
        13 => Packet::PingResp,
        14 => {
            let code = reader.byte_or_zero();
            Packet::Disconnect { code, properties: if reader.0.is_empty() { Vec::new() } else { reader.properties() } }
        }
        other => panic!("a server does not send packets of type {other}"),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("the packet is as long as it says");
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn byte_or_zero(&mut self) -> u8 {
        if self.0.is_empty() { 0 } else { self.byte() }
    }

    fn number(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number();
        self.take(length.into())
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("text is UTF-8")
    }

    fn variable(&mut self) -> u32 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn properties(&mut self) -> Vec<Property> {
        let length = self.variable();
        let mut inner = Reader(self.take(length as usize));
        let mut properties = Vec::new();
        while !inner.0.is_empty() {
            let id = inner.byte();
            properties.push(match id {
                1 | 23 | 25 | 36 | 37 | 40..=42 => Property::Number(id, inner.byte().into()),
                19 | 33..=35 => Property::Number(id, inner.number().into()),
                2 | 17 | 24 | 39 => Property::Number(id, u32::from(inner.number()) << 16 | u32::from(inner.number())),
                11 => Property::Number(id, inner.variable()),
                3 | 8 | 9 | 18 | 21 | 22 | 26 | 28 | 31 => Property::Bytes(id, inner.bytes().to_vec()),
                38 => Property::Pair(id, inner.text(), inner.text()),
                other => panic!("no property {other}"),
            });
        }
        properties
    }
}
