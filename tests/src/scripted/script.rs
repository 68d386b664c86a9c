//! What a scripted broker is told to do.

use firsthop_certs::Identity;
use firsthop_protocol::error_code::Action;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::packet::Property;

/// Things to do one after the other; the last one goes on for ever.
#[derive(Debug, Clone)]
pub struct Plan<T>(Vec<T>);

impl<T: Clone> Plan<T> {
    pub fn new(steps: impl IntoIterator<Item = T>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        assert!(!steps.is_empty(), "a plan has a step");
        Self(steps)
    }

    pub(super) fn take(&mut self) -> T {
        if self.0.len() > 1 { self.0.remove(0) } else { self.0[0].clone() }
    }
}

/// How a connection begins.
#[derive(Clone)]
pub enum Greeting {
    /// CONNECT is accepted and everything is answered, as the script says.
    Welcome,
    /// CONNACK with that code and, in MQTT 5, those properties; then the end.
    Refuse(u8, Vec<Property>),
    /// TCP ends at once.
    HangUp,
    /// TCP stands, and nothing comes.
    NoTls,
    /// TLS stands, and CONNECT is not answered.
    NoConnAck,
    /// TLS with this certificate; then as `Welcome`.
    Shows(Box<Identity>),
    /// TLS for devices of this authority only.
    Trusts(CertificateDer<'static>),
    /// The bytes of another protocol, in the place of TLS.
    Babble,
}

impl std::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Welcome => "Welcome",
            Self::Refuse(code, _) => return write!(f, "Refuse({code:#04x})"),
            Self::HangUp => "HangUp",
            Self::NoTls => "NoTls",
            Self::NoConnAck => "NoConnAck",
            Self::Shows(_) => "Shows",
            Self::Trusts(_) => "Trusts",
            Self::Babble => "Babble",
        })
    }
}

/// The service's answer to a registration or a look-up.
#[derive(Debug, Clone)]
pub enum Reply {
    /// On that hub, as `host:port`.
    Assigned(String),
    Pending {
        retry_after: u32,
    },
    Rejected {
        status: u16,
        action: Action,
        retry_after: Option<u32>,
    },
    /// A body that is no answer.
    Garbled,
    /// PUBACK, and no answer.
    Silent,
    /// The connection ends.
    HangUp,
}

impl Reply {
    pub fn rejected(status: u16, action: Action, retry_after: Option<u32>) -> Self {
        Self::Rejected { status, action, retry_after }
    }
}

/// Everything that a broker answers.
#[derive(Debug, Clone)]
pub struct Script {
    pub greetings: Plan<Greeting>,
    pub register: Plan<Reply>,
    pub status: Plan<Reply>,
    /// Statuses of answers to twin requests: below 300, or an error.
    pub twin_get: Plan<u16>,
    pub twin_report: Plan<u16>,
    /// What each filter of a SUBSCRIBE is granted; `None`: what it asks for.
    pub subscribe: Plan<Option<u8>>,
    /// The code of the PUBACK of telemetry; `None`: it does not come.
    pub telemetry: Plan<Option<u8>>,
    /// The device's twin, as a hub shows it.
    pub twin: Value,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greetings: Plan::new([Greeting::Welcome]),
            register: Plan::new([Reply::rejected(503, Action::Retry, None)]),
            status: Plan::new([Reply::rejected(404, Action::Reregister, None)]),
            twin_get: Plan::new([200]),
            twin_report: Plan::new([204]),
            subscribe: Plan::new([None]),
            telemetry: Plan::new([Some(0)]),
            twin: json!({"desired": {"$version": 1}, "reported": {"$version": 1}}),
        }
    }
}

impl Script {
    /// A hub that answers everything.
    pub fn hub() -> Self {
        Self::default()
    }

    /// A service that assigns every device to that hub.
    pub fn service(hub: &str) -> Self {
        let reply = Reply::Assigned(hub.to_owned());
        Self { register: Plan::new([reply.clone()]), status: Plan::new([reply]), ..Self::default() }
    }

    #[must_use]
    pub fn greeting(self, greetings: impl IntoIterator<Item = Greeting>) -> Self {
        Self { greetings: Plan::new(greetings), ..self }
    }

    #[must_use]
    pub fn registering(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { register: Plan::new(replies), ..self }
    }

    #[must_use]
    pub fn looking_up(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { status: Plan::new(replies), ..self }
    }
}
