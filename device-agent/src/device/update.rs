//! What a device is told by its hub, and how its owner answers.

use std::sync::Arc;

use bytes::Bytes;
use firsthop_protocol::property_bag::Property;
use tokio::sync::mpsc::OwnedPermit;

use crate::twin::Desired;

/// What a device is told.
#[derive(Debug)]
pub enum Update {
    /// The desired properties are others than before.
    Desired(Arc<Desired>),
    /// A direct method is called.
    Method(MethodCall),
    /// A device-bound message came.
    Message(Message),
}

/// What the owner says to a call or a message.
#[derive(Debug)]
pub(super) enum Answer {
    Method { connection: u64, rid: String, status: i32, payload: Vec<u8> },
    Message { call: Call, accepted: bool },
}

/// A message on one of the device's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub connection: u64,
    pub packet_id: u16,
}

/// A call of a direct method. Dropped without an answer, it is answered with 500.
#[derive(Debug)]
pub struct MethodCall {
    /// The method.
    pub name: String,
    /// The payload, JSON by convention.
    pub payload: Bytes,
    connection: u64,
    rid: String,
    /// A place kept for the answer, so that giving it waits for nothing.
    place: Option<OwnedPermit<Answer>>,
}

impl MethodCall {
    pub(super) fn new(name: String, payload: Bytes, connection: u64, rid: String, place: OwnedPermit<Answer>) -> Self {
        Self { name, payload, connection, rid, place: Some(place) }
    }

    /// Answers the call, with JSON by convention. An answer that comes after the connection is gone has nowhere to go.
    pub fn answer(mut self, status: i32, payload: Vec<u8>) {
        self.send(status, payload);
    }

    fn send(&mut self, status: i32, payload: Vec<u8>) {
        if let Some(place) = self.place.take() {
            let rid = std::mem::take(&mut self.rid);
            place.send(Answer::Method { connection: self.connection, rid, status, payload });
        }
    }
}

impl Drop for MethodCall {
    fn drop(&mut self) {
        self.send(500, br#"{"error":"the call was dropped"}"#.to_vec());
    }
}

/// A message of the hub's command queue. The hub forgets it when it is accepted; dropped without, it is offered again to whoever wants
/// messages next, also after a restart.
#[derive(Debug)]
pub struct Message {
    /// Its properties.
    pub properties: Vec<Property>,
    /// Its body.
    pub body: Bytes,
    call: Call,
    place: Option<OwnedPermit<Answer>>,
}

impl Message {
    pub(super) fn new(properties: Vec<Property>, body: Bytes, call: Call, place: OwnedPermit<Answer>) -> Self {
        Self { properties, body, call, place: Some(place) }
    }

    /// The message has been dealt with: the hub may forget it.
    pub fn accept(mut self) {
        self.send(true);
    }

    fn send(&mut self, accepted: bool) {
        if let Some(place) = self.place.take() {
            place.send(Answer::Message { call: self.call, accepted });
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.send(false);
    }
}
