//! MQTT packets over a byte stream, without a task of its own: it moves only inside the caller's calls.
//!
//! Every call may be dropped half-way: bytes read stay in the one buffer, bytes not yet written in the other.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

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

    /// The next packet; writes what was queued meanwhile, so that neither side waits for the other to read first.
    pub async fn exchange(&mut self) -> Result<Incoming, ReadError> {
        loop {
            if let Some(packet) = packet::decode(&mut self.incoming, self.version).map_err(ReadError::Packet)? {
                return Ok(packet);
            }
            self.incoming.reserve(READ);
            if poll_fn(|cx| self.poll_exchange(cx)).await.map_err(ReadError::Io)? == 0 {
                return Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Writes as much as goes; ready with the number of bytes that were read.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let written = self.poll_write(cx);
        // Neither this call nor those for writing keep state between polls, so that their futures can be made anew for each.
        let read = pin!(self.stream.read_buf(&mut self.incoming)).poll(cx);
        match (read, written) {
            // What the server said before it hung up counts more than the write that failed for it.
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (read, _) => read,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            if ready!(pin!(self.stream.write_buf(&mut self.outgoing)).poll(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Bytes that are still to be written.
    pub fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Ends the stream in its own manner (TLS: close_notify).
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}
