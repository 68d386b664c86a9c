//! The few MQTT 5 packets that the load consists of, written by hand so that the client side costs little.

use anyhow::bail;

/// Type of a packet, as in the upper half of its first byte.
pub mod kind {
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const SUBACK: u8 = 9;
}

pub const DISCONNECT: &[u8] = &[0xe0, 0];

pub fn connect(client_id: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x05\x02".to_vec();
    // Keep-alive of an hour, no properties.
    body.extend([0x0e, 0x10, 0]);
    text(&mut body, client_id);
    packet(0x10, &body)
}

pub fn subscribe(filters: &[&str], qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1, 0];
    for filter in filters {
        text(&mut body, filter);
        body.push(qos);
    }
    packet(0x82, &body)
}

/// Acknowledges a message of QoS 1, given by what follows its fixed header.
pub fn puback(publish: &[u8]) -> Option<Vec<u8>> {
    let topic = usize::from(u16::from_be_bytes([*publish.first()?, *publish.get(1)?]));
    Some(packet(0x40, publish.get(2 + topic..4 + topic)?))
}

/// At QoS 1 with a packet id, else at QoS 0.
pub fn publish(topic: &str, packet_id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if let Some(id) = packet_id {
        body.extend(id.to_be_bytes());
    }
    body.push(0);
    body.extend(payload);
    packet(if packet_id.is_some() { 0x32 } else { 0x30 }, &body)
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).expect("topics and ids are short").to_be_bytes());
    body.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let (digit, more) = ((rest % 128) as u8, rest / 128);
        packet.push(if more > 0 { digit | 0x80 } else { digit });
        if more == 0 {
            break;
        }
        rest = more;
    }
    packet.extend(body);
    packet
}

/// Length of the packet that the bytes begin with, and where its body begins; `None` while its header is incomplete.
pub fn header(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (at, byte) in bytes.iter().skip(1).enumerate() {
        if at == 4 {
            bail!("the server sent a length of five bytes");
        }
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((at + 2 + length, at + 2)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_acknowledged_under_its_own_number() {
        let message = publish("a/b", Some(0x0102), b"x");
        assert_eq!(puback(&message[2..]), Some(vec![0x40, 2, 1, 2]));
    }

    #[test]
    fn the_length_of_a_packet_is_read_as_it_is_written() {
        for size in [0, 100, 127, 128, 16_383, 16_384, 70_000] {
            let packet = packet(0x30, &vec![0; size]);
            let (end, body) = header(&packet).unwrap().unwrap();
            assert_eq!((end, end - body), (packet.len(), size));
        }
    }

    #[test]
    fn an_incomplete_header_is_waited_for_and_an_endless_one_refused() {
        assert!(header(&[]).unwrap().is_none());
        assert!(header(&[0x30, 0xff]).unwrap().is_none());
        assert!(header(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01]).is_err());
    }
}
