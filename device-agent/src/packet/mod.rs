//! The few MQTT packets that a provisioning client exchanges, in one vocabulary for MQTT 3.1.1 and MQTT 5.
//!
//! Reading and writing is done by rumqttc's packet types. Its event loop is not used: that one opens its own sockets (TLS only through
//! the crate's own, older stack, or else over a Unix socket to a bridge), reconnects by itself, and needs channels and a task for each
//! connection. Over a stream of ours the packet types alone are smaller, and one connection is one attempt.
//!
//! The frame is cut here, before rumqttc sees it, because its readers answer "more bytes needed" to some complete but malformed frames,
//! refuse a DISCONNECT of two or three bytes (which MQTT 5 allows), and know not every reason code.

mod v4;
mod v5;

use bytes::{Bytes, BytesMut};
use firsthop_protocol::Format;

/// Largest packet that is read: a twin. Its desired and reported properties have 32 KiB each, of which every byte may take six in JSON.
/// MQTT 5 servers are told.
pub const MAX_PACKET: usize = 512 * 1024;

/// Most publications that are not acknowledged to the server: device-bound messages that nobody has accepted. MQTT 5 servers are told.
pub const RECEIVE_MAX: u16 = 256;

/// The edition of MQTT that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    #[default]
    V5,
}

impl std::fmt::Display for MqttVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// The highest QoS at which a subscription wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    AtMostOnce,
    AtLeastOnce,
}

/// A packet to the server.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    Connect {
        client_id: &'a str,
        /// `None`: none is sent.
        user_name: Option<&'a str>,
        keep_alive: u16,
    },
    Subscribe {
        packet_id: u16,
        filters: &'a [&'a str],
        qos: Granted,
    },
    Unsubscribe {
        packet_id: u16,
        filters: &'a [&'a str],
    },
    /// At QoS 1.
    Publish {
        packet_id: u16,
        topic: &'a str,
        /// Told as MQTT 5's Content Type.
        format: Option<Format>,
        body: &'a Bytes,
    },
    PubAck {
        packet_id: u16,
    },
    PingReq,
    Disconnect,
}

/// A packet from the server. Codes are as sent, so that unknown ones can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    ConnAck {
        code: u8,
        words: Option<String>,
        /// The server's own choice of a keep-alive time (MQTT 5).
        keep_alive: Option<u16>,
        /// The largest packet that the server takes (MQTT 5).
        max_packet: Option<u32>,
        /// How many publications the server takes before it has acknowledged the first (MQTT 5 Receive Maximum).
        receive_max: Option<u16>,
        /// Where to connect instead (MQTT 5 Server Reference).
        instead: Option<String>,
    },
    Publish {
        topic: String,
        /// Present with QoS 1: the server awaits a PUBACK.
        packet_id: Option<u16>,
        body: Bytes,
    },
    PubAck {
        packet_id: u16,
        code: u8,
        words: Option<String>,
    },
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
        words: Option<String>,
    },
    UnsubAck {
        packet_id: u16,
    },
    PingResp,
    Disconnect {
        code: u8,
        words: Option<String>,
        /// Where to connect instead (MQTT 5 Server Reference).
        instead: Option<String>,
    },
}

impl Incoming {
    /// The packet's name in the standard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ConnAck { .. } => "CONNACK",
            Self::Publish { .. } => "PUBLISH",
            Self::PubAck { .. } => "PUBACK",
            Self::SubAck { .. } => "SUBACK",
            Self::UnsubAck { .. } => "UNSUBACK",
            Self::PingResp => "PINGRESP",
            Self::Disconnect { .. } => "DISCONNECT",
        }
    }
}

/// What the server sent is no MQTT, or has no place in a client's connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    #[error("a packet of {0} bytes is larger than the {MAX_PACKET} we read")]
    TooLarge(usize),
    #[error("the length of a packet is malformed")]
    Length,
    #[error("no packet begins with the byte 0x{0:02X}")]
    Flags(u8),
    #[error("malformed {0}: {1}")]
    Malformed(&'static str, String),
    #[error("packet type {0} has no place here")]
    Unexpected(u8),
    #[error("PUBLISH with QoS 2, and at most 1 was granted")]
    QoS2,
}

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const UNSUBACK: u8 = 11;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;

/// Appends a packet to the buffer.
pub fn encode(packet: Outgoing<'_>, version: MqttVersion, into: &mut BytesMut) {
    match version {
        MqttVersion::V311 => v4::encode(packet, into),
        MqttVersion::V5 => v5::encode(packet, into),
    }
}

/// Takes the next packet off the buffer; `None` when it is not there as a whole yet.
pub fn decode(buffer: &mut BytesMut, version: MqttVersion) -> Result<Option<Incoming>, PacketError> {
    let Some(first) = buffer.first() else { return Ok(None) };
    let kind = first >> 4;
    // Packets from a server have no flags but for PUBLISH. A peer that speaks something else is found out here, not by waiting for the
    // rest of what looks like a packet.
    if kind != PUBLISH && first & 0x0f != 0 {
        return Err(PacketError::Flags(*first));
    }
    let Some((header, length)) = frame(buffer)? else { return Ok(None) };
    let frame = Frame { header, bytes: buffer.split_to(length) };
    match version {
        MqttVersion::V311 => v4::decode(kind, frame),
        MqttVersion::V5 => v5::decode(kind, frame),
    }
    .map(Some)
}

/// One whole packet.
struct Frame {
    /// Bytes before the packet's own fields.
    header: usize,
    bytes: BytesMut,
}

impl Frame {
    /// The byte at a place behind the header.
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(self.header + at).copied()
    }
}

/// The lengths of the first packet's header and of the packet; `None` when the header or the packet is incomplete.
fn frame(buffer: &[u8]) -> Result<Option<(usize, usize)>, PacketError> {
    let mut remaining = 0;
    for (at, byte) in buffer.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let header = 2 + at;
            return match header + remaining {
                length if length > MAX_PACKET => Err(PacketError::TooLarge(length)),
                length if length > buffer.len() => Ok(None),
                length => Ok(Some((header, length))),
            };
        }
    }
    if buffer.len() > 4 { Err(PacketError::Length) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(packet: Outgoing<'_>, version: MqttVersion) -> Vec<u8> {
        let mut into = BytesMut::new();
        encode(packet, version, &mut into);
        into.to_vec()
    }

    /// A CONNACK without properties.
    fn refused(code: u8) -> Incoming {
        Incoming::ConnAck { code, words: None, keep_alive: None, max_packet: None, receive_max: None, instead: None }
    }

    fn read(bytes: &[u8], version: MqttVersion) -> Result<Option<Incoming>, PacketError> {
        decode(&mut BytesMut::from(bytes), version)
    }

    #[test]
    fn connect_asks_for_a_clean_session_in_both_versions() {
        let connect = Outgoing::Connect { client_id: "d1", user_name: None, keep_alive: 60 };
        assert_eq!(bytes_of(connect, MqttVersion::V311), b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02d1");
        // MQTT 5 adds how many publications (0x21) and the largest packet (0x27) that we take.
        assert_eq!(
            bytes_of(connect, MqttVersion::V5),
            b"\x10\x17\x00\x04MQTT\x05\x02\x00\x3c\x08\x21\x01\x00\x27\x00\x08\x00\x00\x00\x02d1"
        );
    }

    #[test]
    fn subscribe_and_publish_are_written_byte_for_byte() {
        let subscribe = Outgoing::Subscribe { packet_id: 1, filters: &["a", "b"], qos: Granted::AtMostOnce };
        assert_eq!(bytes_of(subscribe, MqttVersion::V311), b"\x82\x0a\x00\x01\x00\x01a\x00\x00\x01b\x00");
        assert_eq!(bytes_of(subscribe, MqttVersion::V5), b"\x82\x0b\x00\x01\x00\x00\x01a\x00\x00\x01b\x00");
        let body = Bytes::from_static(b"{}");
        let publish = Outgoing::Publish { packet_id: 2, topic: "t", format: Some(Format::Cbor), body: &body };
        assert_eq!(bytes_of(publish, MqttVersion::V311), b"\x32\x07\x00\x01t\x00\x02{}");
        assert_eq!(bytes_of(publish, MqttVersion::V5), b"\x32\x1b\x00\x01t\x00\x02\x13\x03\x00\x10application/cbor{}");
    }

    #[test]
    fn the_small_packets_are_the_same_in_both_versions() {
        for version in [MqttVersion::V311, MqttVersion::V5] {
            assert_eq!(bytes_of(Outgoing::PubAck { packet_id: 7 }, version), b"\x40\x02\x00\x07");
            assert_eq!(bytes_of(Outgoing::PingReq, version), b"\xc0\x00");
            assert_eq!(bytes_of(Outgoing::Disconnect, version), b"\xe0\x00");
        }
    }

    #[test]
    fn an_mqtt_5_disconnect_may_leave_out_properties_and_reason() {
        let disconnect = |bytes: &[u8]| match read(bytes, MqttVersion::V5) {
            Ok(Some(Incoming::Disconnect { code, words, .. })) => (code, words),
            other => panic!("{other:?}"),
        };
        assert_eq!(disconnect(b"\xe0\x00"), (0, None));
        assert_eq!(disconnect(b"\xe0\x01\x8b"), (0x8b, None));
        assert_eq!(disconnect(b"\xe0\x07\x8b\x05\x1f\x00\x02no"), (0x8b, Some("no".into())));
    }

    #[test]
    fn a_3_1_1_server_that_refuses_mqtt_5_is_understood() {
        let refusal = refused(1);
        assert_eq!(read(b"\x20\x02\x00\x01", MqttVersion::V5), Ok(Some(refusal)));
    }

    #[test]
    fn an_unknown_reason_code_is_kept() {
        assert_eq!(read(b"\x20\x03\x00\xee\x00", MqttVersion::V5), Ok(Some(refused(0xee))));
        assert_eq!(read(b"\x20\x02\x00\xee", MqttVersion::V311), Ok(Some(refused(0xee))));
    }

    #[test]
    fn a_complete_frame_is_never_waited_for_again() {
        // The property length is missing: rumqttc asks for more bytes although the frame has none to come.
        for frame in [&b"\x20\x02\x00\x00"[..], b"\x90\x02\x00\x01", b"\x30\x03\x00\x01t"] {
            let mut buffer = BytesMut::from(frame);
            assert!(matches!(decode(&mut buffer, MqttVersion::V5), Err(PacketError::Malformed(..))), "{frame:x?}");
        }
    }

    #[test]
    fn packets_that_only_clients_send_are_refused() {
        for kind in [0, 1, 5, 6, 7, 8, 10, 12, 15] {
            for version in [MqttVersion::V311, MqttVersion::V5] {
                assert_eq!(read(&[kind << 4, 2, 0, 1], version), Err(PacketError::Unexpected(kind)));
            }
        }
        assert_eq!(read(b"\xe0\x00", MqttVersion::V311), Err(PacketError::Unexpected(DISCONNECT)));
    }

    #[test]
    fn an_oversize_packet_is_refused_by_its_header() {
        assert_eq!(read(&[0x30, 0xff, 0xff, 0x7f], MqttVersion::V5), Err(PacketError::TooLarge(2_097_155)));
        assert_eq!(read(&[0x30, 0xff, 0xff, 0xff, 0xff], MqttVersion::V5), Err(PacketError::Length));
    }

    #[test]
    fn cut_and_changed_packets_neither_panic_nor_stall() {
        let samples: [&[u8]; 6] = [
            b"\x20\x0e\x00\x00\x0b\x13\x00\x3c\x12\x00\x05dev-1",
            b"\x32\x0b\x00\x01t\x00\x02\x03\x01\x01\x00{}",
            b"\x40\x0a\x00\x01\x10\x06\x1f\x00\x03abc",
            b"\x90\x0b\x00\x01\x05\x1f\x00\x02no\x00\x01\x87",
            b"\xd0\x00",
            b"\xe0\x07\x8b\x05\x1f\x00\x02no",
        ];
        for version in [MqttVersion::V311, MqttVersion::V5] {
            for sample in samples {
                for cut in 0..sample.len() {
                    assert_eq!(read(&sample[..cut], version), Ok(None), "{:x?}", &sample[..cut]);
                }
                for at in 0..sample.len() {
                    for value in 0..=255 {
                        let mut changed = sample.to_vec();
                        changed[at] = value;
                        let mut buffer = BytesMut::from(&changed[..]);
                        while let Ok(Some(_)) = decode(&mut buffer, version) {}
                    }
                }
            }
        }
    }
}
