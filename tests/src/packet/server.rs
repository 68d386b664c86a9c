//! The server's side of the codec: what a client sends, and what it is answered.

use super::reading::{Reader, frame, publication};
use super::{Connect, Message, Property, Version, framed, no_properties, with_length};

/// A packet from a client.
#[derive(Debug, Clone)]
pub enum Request {
    Connect(Version, Connect),
    Publish(Message),
    PubAck { id: u16, code: u8 },
    Subscribe { id: u16, filters: Vec<(String, u8)> },
    Unsubscribe { id: u16, filters: Vec<String> },
    PingReq,
    Disconnect { code: u8 },
}

/// Takes a whole packet from the front of what was read. A CONNECT says its version itself.
pub fn take(version: Version, buffer: &mut Vec<u8>) -> Option<Request> {
    let (first, body) = frame(buffer)?;
    let mut reader = Reader(&body);
    Some(match first >> 4 {
        1 => connect(reader),
        3 => Request::Publish(publication(version, first, reader)),
        4 => Request::PubAck { id: reader.number(), code: reader.byte_or_zero() },
        kind @ (8 | 10) => {
            let id = reader.number();
            if version == Version::V5 {
                reader.properties();
            }
            let (mut subscribed, mut given_up) = (Vec::new(), Vec::new());
            while !reader.0.is_empty() {
                let filter = reader.text();
                if kind == 8 {
                    subscribed.push((filter, reader.byte() & 3));
                } else {
                    given_up.push(filter);
                }
            }
            if kind == 8 {
                Request::Subscribe { id, filters: subscribed }
            } else {
                Request::Unsubscribe { id, filters: given_up }
            }
        }
        12 => Request::PingReq,
        14 => Request::Disconnect { code: reader.byte_or_zero() },
        other => panic!("a client of this kind does not send packets of type {other}"),
    })
}

fn connect(mut reader: Reader<'_>) -> Request {
    assert_eq!(reader.text(), "MQTT");
    let version = if reader.byte() == 5 { Version::V5 } else { Version::V311 };
    let flags = reader.byte();
    let keep_alive = reader.number();
    if version == Version::V5 {
        reader.properties();
    }
    let client_id = reader.text();
    assert_eq!(flags & 4, 0, "a device of this kind has no will");
    let user_name = (flags & 0x80 != 0).then(|| reader.text());
    Request::Connect(version, Connect { client_id, user_name, keep_alive, will: None, clean: flags & 2 != 0 })
}

/// CONNACK without a session.
pub fn connack(version: Version, code: u8, properties: &[Property]) -> Vec<u8> {
    let mut body = vec![0, code];
    if version == Version::V5 {
        body.extend(with_length(properties));
    }
    framed(0x20, &body)
}

pub fn suback(version: Version, id: u16, codes: &[u8]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    no_properties(version, &mut body);
    body.extend(codes);
    framed(0x90, &body)
}

pub fn unsuback(version: Version, id: u16, filters: usize) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        no_properties(version, &mut body);
        body.resize(body.len() + filters, 0);
    }
    framed(0xb0, &body)
}

/// PUBACK; MQTT 3.1.1 knows no code.
pub fn puback(version: Version, id: u16, code: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 && code != 0 {
        body.push(code);
    }
    framed(0x40, &body)
}

/// DISCONNECT of MQTT 5; a server of MQTT 3.1.1 has none.
pub fn disconnect(code: u8, properties: &[Property]) -> Vec<u8> {
    let mut body = vec![code];
    body.extend(with_length(properties));
    framed(0xe0, &body)
}

pub const PINGRESP: [u8; 2] = [0xd0, 0];
