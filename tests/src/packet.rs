//! MQTT packets as bytes, both versions: enough of a codec to say anything to a server, right or wrong, and to read what it says.

mod reading;
pub mod server;

pub use reading::take;

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

impl Version {
    pub const BOTH: [Self; 2] = [Self::V311, Self::V5];

    /// Checks something in both versions at the same time.
    pub fn in_both(check: impl Fn(Self) + Sync) {
        std::thread::scope(|scope| {
            for version in Self::BOTH {
                let check = &check;
                scope.spawn(move || check(version));
            }
        });
    }
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
        body.extend(with_length(&message.properties));
    }
    body.extend(&message.payload);
    framed(0x30 | message.qos << 1 | u8::from(message.retain), &body)
}

/// Properties as MQTT 5 packets carry them. Numbers take four bytes, except where the identifier says two.
fn with_length(properties: &[Property]) -> Vec<u8> {
    let mut inner = Vec::new();
    for property in properties {
        match property {
            Property::Number(id @ (19 | 33..=35), value) => {
                inner.push(*id);
                inner.extend(u16::try_from(*value).expect("a number of two bytes").to_be_bytes());
            }
            Property::Number(id, value) => {
                inner.push(*id);
                inner.extend(value.to_be_bytes());
            }
            Property::Bytes(id, value) => {
                inner.push(*id);
                inner.extend(bytes(value));
            }
            Property::Pair(id, key, value) => {
                inner.push(*id);
                inner.extend(text(key));
                inner.extend(text(value));
            }
        }
    }
    let mut out = variable(inner.len());
    out.extend(inner);
    out
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
