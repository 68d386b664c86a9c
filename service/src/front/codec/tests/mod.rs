//! Packets byte by byte, in both directions and both versions, and bytes that are no packets.

mod arbitrary;
mod decode;
mod encode;
mod refused;

use bytes::BytesMut;

use super::*;

/// Bytes from hex digits; spaces and anything between quotes as itself help the reader.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<char> = part.chars().filter(|c| !c.is_whitespace()).collect();
        for pair in digits.chunks(2) {
            let pair: String = pair.iter().collect();
            out.push(u8::from_str_radix(&pair, 16).expect("hex digits in a test"));
        }
    }
    out
}

/// A frame whose remaining length is computed.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let more = rest >= 0x80;
        out.push((rest & 0x7F) as u8 | if more { 0x80 } else { 0 });
        rest >>= 7;
        if !more {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

fn connect_frame(version: Version) -> Vec<u8> {
    match version {
        Version::V311 => bytes("10 0C 0004 'MQTT' 04 02 003C 0000"),
        Version::V5 => bytes("10 0D 0004 'MQTT' 05 02 003C 00 0000"),
    }
}

/// A decoder that has seen its CONNECT.
fn connected(version: Version) -> Decoder {
    let mut decoder = Decoder::new(1024, 4096);
    let mut buf = BytesMut::from(&connect_frame(version)[..]);
    assert!(matches!(decoder.decode(&mut buf), Ok(Some(Packet::Connect(_)))));
    assert!(buf.is_empty());
    decoder
}

/// The packet in `input`, decoded by a connection that is new for a CONNECT and connected else.
fn decode(version: Version, input: &[u8]) -> Result<Packet, DecodeError> {
    let mut decoder = match input.first() {
        Some(0x10) => Decoder::new(4096, 4096),
        _ => connected(version),
    };
    let mut buf = BytesMut::from(input);
    let packet = decoder.decode(&mut buf)?.expect("the frame is complete");
    assert!(buf.is_empty(), "{} bytes left of {input:02X?}", buf.len());
    Ok(packet)
}

/// Why `input` is refused.
fn refused(version: Version, input: &[u8]) -> DecodeError {
    match decode(version, input) {
        Err(error) => error,
        Ok(packet) => panic!("{input:02X?} passed as {packet:?}"),
    }
}

/// One valid frame of everything that a client may send, with and without optional parts.
fn valid_frames(version: Version) -> Vec<Vec<u8>> {
    let texts: &[&str] = match version {
        Version::V311 => &[
            "10 0C 0004 'MQTT' 04 02 003C 0000",
            "10 26 0004 'MQTT' 04 EE 0000 0003 'dev' 0003 'w/t' 0004 'gone' 0004 'user' 0004 00FF80FE",
            "30 09 0003 'a/b' 'body'",
            "3B 0B 0003 'a/b' 0007 'body'",
            "34 07 0003 'a/b' FFFF",
            "40 02 0007",
            "50 02 0007",
            "62 02 0007",
            "70 02 0007",
            "82 0C 0001 0003 'a/#' 01 0001 '+' 02",
            "A2 0A 0001 0003 'a/#' 0001 '+'",
            "C0 00",
            "E0 00",
        ],
        Version::V5 => &[
            "10 0D 0004 'MQTT' 05 02 003C 00 0000",
            "10 69 0004 'MQTT' 05 EE 000A \
             1F 11 0000003C 21 0014 27 00001000 22 0005 19 01 17 00 26 0001 'k' 0001 'v' 15 0001 'm' \
             0003 'dev' \
             22 18 00000005 01 01 02 0000003C 03 0001 't' 08 0003 'r/t' 09 0002 00FF 26 0001 'k' 0001 'v' \
             0003 'w/t' 0004 'gone' 0004 'user' 0004 00FF80FE",
            "30 0A 0003 'a/b' 00 'body'",
            "3B 2C 0003 'a/b' 0007 \
             20 01 01 02 0000003C 03 0004 'text' 08 0003 'r/t' 09 0002 00FF 26 0001 'k' 0001 'v' \
             'body'",
            "34 08 0003 'a/b' FFFF 00",
            "40 02 0007",
            "40 03 0007 10",
            "40 04 0007 80 00",
            "40 0B 0007 80 07 1F 0004 'oops'",
            "50 03 0007 97",
            "62 02 0007",
            "62 04 0007 92 00",
            "70 03 0007 92",
            "82 0F 0001 02 0B 07 0003 'a/#' 2E 0001 '+' 11",
            "A2 0B 0001 00 0003 'a/#' 0001 '+'",
            "C0 00",
            "E0 00",
            "E0 01 04",
            "E0 02 04 00",
            "E0 0E 00 0C 11 0000000A 1F 0004 'done'",
        ],
    };
    texts.iter().map(|text| bytes(text)).collect()
}
