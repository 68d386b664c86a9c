//! Why a session ends, and what the client is told.

use super::super::codec::{DisconnectReason, DisconnectReply};

#[derive(Debug)]
pub struct End {
    pub(super) why: String,
    disconnect: Option<DisconnectReason>,
    /// `host:port` where the client should go instead.
    instead: Option<Box<str>>,
}

impl End {
    /// Nothing is said to the client.
    pub fn quiet(why: impl Into<String>) -> Self {
        Self { why: why.into(), disconnect: None, instead: None }
    }

    /// MQTT 5 clients are told.
    pub fn fault(reason: DisconnectReason, why: impl Into<String>) -> Self {
        Self { why: why.into(), disconnect: Some(reason), instead: None }
    }

    /// Nothing was heard of the client for too long.
    pub fn silent() -> Self {
        Self::fault(DisconnectReason::KeepAliveTimeout, "nothing was heard for one and a half keep-alives")
    }

    /// The device lives at another hub now; MQTT 5 clients are told where.
    pub fn moved(to: String) -> Self {
        Self {
            why: format!("this device lives at {to} now"),
            disconnect: Some(DisconnectReason::ServerMoved),
            instead: Some(to.into()),
        }
    }

    /// What the client is told.
    pub fn farewell(self) -> Option<DisconnectReply> {
        let reply = DisconnectReply::because(self.disconnect?, self.why);
        Some(DisconnectReply { server_reference: self.instead.map(String::from), ..reply })
    }
}
