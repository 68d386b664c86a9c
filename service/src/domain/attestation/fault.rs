//! A fault in a chain: where it is, which rule it breaks, and how to say it to the device and to the operator.

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{ErrorCode, Timestamp};

use super::presented::Validity;
use crate::domain::refusal::Refusal;

/// Where in the chain a fault is. Numbers count presented certificates from 0, the device's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The chain as a whole.
    Chain,
    Certificate(usize),
    /// The link from this certificate to its issuer.
    Issuer(usize),
    /// The enrolled certificate at the end of the path, or the entry itself.
    Enrollment,
}

#[derive(Debug, Clone)]
pub(in crate::domain) struct Fault {
    pub(super) code: ErrorCode,
    /// The rule's number, as `B3`.
    pub(super) rule: &'static str,
    pub(super) place: Place,
    /// For the device: about what it presented, and nothing else.
    pub(super) message: String,
    /// For the operator.
    pub(super) detail: String,
    /// The entry that decided.
    pub(super) enrollment: Option<EnrollmentName>,
    /// The certificates walked, from the device's own upward.
    pub(super) path: Vec<usize>,
}

impl Fault {
    pub(super) fn new(code: ErrorCode, rule: &'static str, place: Place, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code,
            rule,
            place,
            message: message.into(),
            detail: String::new(),
            enrollment: None,
            path: Vec::new(),
        })
    }

    /// A certificate that may not be used for what it was used for.
    pub(super) fn bad(rule: &'static str, place: Place, message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorCode::BadCertificate, rule, place, message)
    }

    pub(super) fn detail(mut self: Box<Self>, detail: impl Into<String>) -> Box<Self> {
        self.detail = detail.into();
        self
    }

    pub(super) fn by(mut self: Box<Self>, enrollment: &EnrollmentName) -> Box<Self> {
        self.enrollment = Some(enrollment.clone());
        self
    }

    pub(super) fn on(mut self: Box<Self>, path: &[usize]) -> Box<Self> {
        self.path = path.to_vec();
        self
    }
}

impl From<Box<Fault>> for Refusal {
    fn from(fault: Box<Fault>) -> Self {
        let place = match fault.place {
            Place::Chain => "the chain".to_owned(),
            Place::Certificate(at) => format!("presented certificate {}", at + 1),
            Place::Issuer(at) => format!("issuer of presented certificate {}", at + 1),
            Place::Enrollment => "the enrollment".to_owned(),
        };
        let mut detail = format!("rule {}, {place}", fault.rule);
        if !fault.detail.is_empty() {
            detail.push_str(": ");
            detail.push_str(&fault.detail);
        }
        Self { enrollment: fault.enrollment, ..Self::new(fault.code, fault.message).detail(detail) }
    }
}

/// The fault of a certificate outside its dates, if it is. `what` begins the message, as in "certificate".
pub(super) fn outside_validity(
    validity: Validity,
    now: Timestamp,
    what: impl FnOnce() -> String,
    place: Place,
) -> Option<Box<Fault>> {
    let fault = validity.fault(now)?;
    let message = format!("{} {fault}", what());
    Some(Fault::new(ErrorCode::OutsideValidity, "B3", place, message).detail(format!("judged at {now}")))
}
