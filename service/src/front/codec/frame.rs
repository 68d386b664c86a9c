//! The fixed header: which packet, how long, and whether a client may send it at all.
//!
//! Everything here is judged before the body arrives, so that a refused packet costs no memory.

use super::{
    Version,
    error::{DecodeError, DecodeReason},
};

/// The packets that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    Unsubscribe,
    PingReq,
    Disconnect,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::PingReq => "PINGREQ",
            Self::Disconnect => "DISCONNECT",
        }
    }

    pub(super) fn error(self, reason: DecodeReason, detail: &'static str) -> DecodeError {
        DecodeError { reason, packet: self.name(), detail }
    }
}

/// A fixed header that has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Bytes of the fixed header itself, 2 to 5.
    pub(super) header_len: usize,
    /// Bytes of the whole packet.
    pub(super) packet_len: usize,
}

/// Reads the fixed header at the front of `bytes`; `None` while it is incomplete.
pub(super) fn read(bytes: &[u8], version: Option<Version>, limit: usize) -> Result<Option<Header>, DecodeError> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let kind = kind(first)?;
    if version.is_none() && kind != Kind::Connect {
        return Err(kind.error(DecodeReason::ProtocolError, "the first packet is not a CONNECT"));
    }
    let flags = first & 0x0F;
    check_flags(kind, flags)?;

    let mut remaining = 0;
    for (at, &byte) in rest.iter().enumerate().take(4) {
        remaining |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 != 0 {
            continue;
        }
        // Clients that reserve space for the length are known in 3.1.1, which allows it.
        if version == Some(Version::V5) && at > 0 && byte == 0 {
            return Err(
                kind.error(DecodeReason::Malformed, "the remaining length is encoded in more bytes than it needs")
            );
        }
        let header_len = at + 2;
        let packet_len = header_len + remaining;
        if packet_len > limit {
            let reason = DecodeReason::TooLarge { announced: packet_len, limit };
            return Err(kind.error(reason, "the packet is larger than this connection may send"));
        }
        return Ok(Some(Header { kind, flags, header_len, packet_len }));
    }
    if rest.len() >= 4 {
        return Err(kind.error(DecodeReason::Malformed, "the remaining length takes more than four bytes"));
    }
    Ok(None)
}

/// rumqttd's reader panics on a CONNACK or UNSUBACK: types that only a server sends end here.
fn kind(first: u8) -> Result<Kind, DecodeError> {
    let server_only = |packet| {
        Err(DecodeError { reason: DecodeReason::ProtocolError, packet, detail: "only a server sends this packet" })
    };
    match first >> 4 {
        1 => Ok(Kind::Connect),
        2 => server_only("CONNACK"),
        3 => Ok(Kind::Publish),
        4 => Ok(Kind::PubAck),
        5 => Ok(Kind::PubRec),
        6 => Ok(Kind::PubRel),
        7 => Ok(Kind::PubComp),
        8 => Ok(Kind::Subscribe),
        9 => server_only("SUBACK"),
        10 => Ok(Kind::Unsubscribe),
        11 => server_only("UNSUBACK"),
        12 => Ok(Kind::PingReq),
        13 => server_only("PINGRESP"),
        14 => Ok(Kind::Disconnect),
        15 => Err(DecodeError {
            reason: DecodeReason::ProtocolError,
            packet: "AUTH",
            detail: "enhanced authentication is not offered",
        }),
        _ => {
            Err(DecodeError { reason: DecodeReason::Malformed, packet: "packet", detail: "packet type 0 is reserved" })
        }
    }
}

fn check_flags(kind: Kind, flags: u8) -> Result<(), DecodeError> {
    let malformed = |detail| Err(kind.error(DecodeReason::Malformed, detail));
    match kind {
        Kind::Publish if flags & 0b0110 == 0b0110 => malformed("QoS 3 does not exist"),
        Kind::Publish if flags & 0b1110 == 0b1000 => malformed("DUP is set at QoS 0"),
        Kind::Publish => Ok(()),
        Kind::PubRel | Kind::Subscribe | Kind::Unsubscribe if flags == 0b0010 => Ok(()),
        Kind::PubRel | Kind::Subscribe | Kind::Unsubscribe => malformed("the reserved flag bits are not 0010"),
        _ if flags == 0 => Ok(()),
        _ => malformed("the reserved flag bits are not 0000"),
    }
}
