//! MQTT packets over a byte stream, without a task of its own: it moves only inside the caller's calls.
//!
//! Every call may be dropped half-way: bytes read stay in the one buffer, bytes not yet written in the other.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::packet::{self, Incoming, MqttVersion, Outgoing, PacketError};

/// Room made for one read: a whole answer in nearly all cases.
const READ: usize = 1024;

pub struct PacketStream<S> {
    stream: S,
    version: MqttVersion,
    incoming: BytesMut,
    outgoing: BytesMut,
}

/// Why no packet came.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    Packet(PacketError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    pub fn new(stream: S, version: MqttVersion) -> Self {
        Self { stream, version, incoming: BytesMut::new(), outgoing: BytesMut::new() }
    }

    pub fn version(&self) -> MqttVersion {
        self.version
    }

    /// Puts a packet behind those that are still to be written.
    pub fn queue(&mut self, packet: Outgoing<'_>) {
        packet::encode(packet, self.version, &mut self.outgoing);
    }

    /// Writes what was queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            if self.stream.write_buf(&mut self.outgoing).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.stream.flush().await
    }

    /// The next packet.
    pub async fn next(&mut self) -> Result<Incoming, ReadError> {
        loop {
            if let Some(packet) = packet::decode(&mut self.incoming, self.version).map_err(ReadError::Packet)? {
                return Ok(packet);
            }
            self.incoming.reserve(READ);
            if self.stream.read_buf(&mut self.incoming).await.map_err(ReadError::Io)? == 0 {
                return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Ends the stream in its own manner (TLS: close_notify).
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}
