//! Packets out of bytes: what both sides of the codec read with.

use super::{Message, Packet, Property, Version};

/// Takes a whole packet from the front of what was read.
pub fn take(version: Version, buffer: &mut Vec<u8>) -> Option<Packet> {
    frame(buffer).map(|(first, body)| parse(version, first, Reader(&body)))
}

/// The first byte and the body of a whole packet.
pub(super) fn frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
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
    let mut whole = std::mem::replace(buffer, rest);
    Some((first, whole.split_off(at)))
}

fn parse(version: Version, first: u8, mut reader: Reader<'_>) -> Packet {
    let v5 = version == Version::V5;
    match first >> 4 {
        2 => {
            let present = reader.byte() == 1;
            let code = reader.byte();
            Packet::ConnAck { present, code, properties: if v5 { reader.properties() } else { Vec::new() } }
        }
        3 => Packet::Publish(publication(version, first, reader)),
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

pub(super) fn publication(version: Version, first: u8, mut reader: Reader<'_>) -> Message {
    let topic = reader.text();
    let qos = first >> 1 & 3;
    let id = if qos > 0 { reader.number() } else { 0 };
    let properties = if version == Version::V5 { reader.properties() } else { Vec::new() };
    Message { topic, payload: reader.0.to_vec(), qos, retain: first & 1 == 1, id, properties }
}

pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("the packet is as long as it says");
        self.0 = rest;
        taken
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    pub fn byte_or_zero(&mut self) -> u8 {
        if self.0.is_empty() { 0 } else { self.byte() }
    }

    pub fn number(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number();
        self.take(length.into())
    }

    pub fn text(&mut self) -> String {
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

    pub fn properties(&mut self) -> Vec<Property> {
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
