//! An MQTT client over a connection in memory, byte by byte.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::super::super::codec::{Decoder, Encoder, Packet};
use super::super::super::connection::{Arrived, Reception};
use super::super::super::limits::MAX_CONNECT;
use super::super::super::listener::Transport;
use super::super::HubDoor;

/// The server's end.
struct Wire {
    stream: DuplexStream,
    chain: Vec<CertificateDer<'static>>,
    acknowledged: Arc<AtomicUsize>,
}

impl Transport for Wire {
    fn peer_chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    fn server_name(&self) -> Option<&str> {
        None
    }

    fn acknowledge_now(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a client says when it connects.
#[derive(Clone)]
pub struct Hello {
    pub level: u8,
    pub client_id: String,
    pub user_name: Option<String>,
    pub clean: bool,
    /// MQTT 5.
    pub session_expiry: u32,
    /// MQTT 5.
    pub receive_maximum: Option<u16>,
    pub will: Option<(&'static str, &'static [u8])>,
}

pub fn v311() -> Hello {
    let client_id = "dev-1".into();
    Hello { level: 4, client_id, user_name: None, clean: true, session_expiry: 0, receive_maximum: None, will: None }
}

pub fn v5() -> Hello {
    Hello { level: 5, ..v311() }
}

impl Hello {
    pub fn lasting(self) -> Self {
        Self { clean: false, session_expiry: 3600, ..self }
    }

    fn bytes(&self) -> BytesMut {
        let mut body = BytesMut::new();
        text(&mut body, "MQTT");
        body.put_u8(self.level);
        let user = if self.user_name.is_some() { 0x80 } else { 0 };
        let will = if self.will.is_some() { 0x04 } else { 0 };
        body.put_u8(user | will | if self.clean { 0x02 } else { 0 });
        body.put_u16(60);
        if self.level == 5 {
            body.put_slice(&[if self.receive_maximum.is_some() { 8 } else { 5 }, 0x11]);
            body.put_u32(self.session_expiry);
            if let Some(maximum) = self.receive_maximum {
                body.put_u8(0x21);
                body.put_u16(maximum);
            }
        }
        text(&mut body, &self.client_id);
        if let Some((topic, payload)) = self.will {
            if self.level == 5 {
                body.put_u8(0);
            }
            text(&mut body, topic);
            body.put_u16(payload.len() as u16);
            body.put_slice(payload);
        }
        if let Some(user_name) = &self.user_name {
            text(&mut body, user_name);
        }
        frame(0x10, &body)
    }
}

/// A packet from the server: its first byte and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub head: u8,
    pub body: Vec<u8>,
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub dup: bool,
    pub id: u16,
}

pub struct Client {
    stream: DuplexStream,
    input: BytesMut,
    level: u8,
    acknowledged: Arc<AtomicUsize>,
}

impl Client {
    /// Connects with these certificates; gives the CONNACK as well.
    pub async fn connect(door: &Arc<HubDoor>, chain: &[CertificateDer<'static>], hello: &Hello) -> (Self, Frame) {
        let (stream, theirs) = duplex(64 * 1024);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let transport = Wire { stream: theirs, chain: chain.to_vec(), acknowledged: acknowledged.clone() };
        let mut input = hello.bytes();
        let mut decoder = Decoder::new(MAX_CONNECT, 256 * 1024);
        let Ok(Some(Packet::Connect(connect))) = decoder.decode(&mut input) else { panic!("no CONNECT") };
        let encoder = Encoder::for_client(&connect);
        let peer = "127.0.0.1:1".parse().unwrap();
        door.clone().receive(Arrived { connect, transport, peer, decoder, encoder, input }).await;
        let mut client = Self { stream, input: BytesMut::new(), level: hello.level, acknowledged };
        let connack = client.frame().await.expect("a CONNACK");
        assert_eq!(connack.head, 0x20);
        (client, connack)
    }

    /// How often its TCP was told at once.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The next packet; `None`: the server closed the connection.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = split(&mut self.input) {
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    /// The next packet, which is a message.
    pub async fn message(&mut self) -> Message {
        let Frame { head, body } = self.frame().await.expect("a message");
        assert_eq!(head >> 4, 3, "{head:#x} {body:?}");
        let qos = (head >> 1) & 3;
        let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let mut at = 2 + topic_len;
        let topic = String::from_utf8(body[2..at].to_vec()).unwrap();
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([body[at], body[at + 1]]);
            at += 2;
        }
        if self.level == 5 {
            at += 1 + usize::from(body[at]);
        }
        let payload = String::from_utf8(body[at..].to_vec()).unwrap();
        Message { topic, payload, qos, dup: head & 8 != 0, id }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn publish(&mut self, topic: &str, payload: &str, qos: u8, id: u16) {
        let mut body = BytesMut::new();
        text(&mut body, topic);
        if qos > 0 {
            body.put_u16(id);
        }
        if self.level == 5 {
            body.put_u8(0);
        }
        body.put_slice(payload.as_bytes());
        self.send(&frame(0x30 | (qos << 1), &body)).await;
    }

    pub async fn puback(&mut self, id: u16) {
        self.send(&frame(0x40, &id.to_be_bytes())).await;
    }

    /// Subscribes and gives the SUBACK's reason codes.
    pub async fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let mut body = BytesMut::new();
        body.put_u16(7);
        if self.level == 5 {
            body.put_u8(0);
        }
        for (filter, qos) in filters {
            text(&mut body, filter);
            body.put_u8(*qos);
        }
        self.send(&frame(0x82, &body)).await;
        let suback = self.frame().await.expect("a SUBACK");
        assert_eq!(suback.head, 0x90);
        suback.body[suback.body.len() - filters.len()..].to_vec()
    }

    /// Answers once everything before it was handled.
    pub async fn ping(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.frame().await, Some(Frame { head: 0xd0, body: Vec::new() }));
    }
}

fn text(out: &mut BytesMut, text: &str) {
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

fn frame(head: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(head);
    let mut left = body.len();
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        out.put_u8((left & 0x7f) as u8 | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    out.put_slice(body);
    out
}

fn split(input: &mut BytesMut) -> Option<Frame> {
    let (mut len, mut at) = (0, 1);
    loop {
        let byte = *input.get(at)?;
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if input.len() < at + len {
        return None;
    }
    let frame = input.split_to(at + len);
    Some(Frame { head: frame[0], body: frame[at..].to_vec() })
}
