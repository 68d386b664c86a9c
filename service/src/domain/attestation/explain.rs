//! A chain explained to a person: what was presented, what it was checked against, where it broke, and what to do about it. The verdict
//! is the judge's own; nothing is decided here.

use std::fmt;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{ErrorCode, RegistrationId, Timestamp};
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use super::chain::MAX_CHAIN_LEN;
use super::fault::{Fault, Place};
use super::presented::second;
use super::summary::{Role, Summary};
use super::{Accepted, examine};
use crate::domain::book::Book;

/// What the judge makes of a chain, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub accepted: bool,
    pub judged_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<RegistrationId>,
    /// The entry that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<EnrollmentName>,
    /// As presented, the device's own first.
    pub certificates: Vec<Summary>,
    /// The enrolled certificate that the path ends in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<Summary>,
    /// The first moment at which the proof no longer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Problem>,
    /// The order in which the certificates follow each other, by number, as far as the judge came.
    pub path: Vec<usize>,
    /// How many enrolled CA certificates were tried as the issuer; more than one only where CAs share a name and have no key id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried: Option<usize>,
}

/// Why a chain is refused.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub code: ErrorCode,
    pub name: &'static str,
    /// The rule's number.
    pub rule: &'static str,
    /// The number of the presented certificate that has the fault, or whose issuer is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<usize>,
    /// Whether the link from that certificate to its issuer is broken, rather than the certificate itself.
    pub broken_link: bool,
    /// What the device is told.
    pub message: String,
    /// What only the operator is told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do.
    pub advice: String,
}

/// Judges the chain as at a registration, and explains the verdict.
pub fn explain(chain: &[CertificateDer<'_>], book: &Book, now: Timestamp) -> Explanation {
    let verdict = examine(chain, book, now);
    let path: &[usize] = match &verdict {
        Ok(accepted) => &accepted.path,
        Err(fault) if fault.path.is_empty() => &[0],
        Err(fault) => &fault.path,
    };
    let certificates: Vec<Summary> = chain
        .iter()
        .take(MAX_CHAIN_LEN)
        .enumerate()
        .map(|(at, der)| {
            let role = match path.iter().position(|used| *used == at) {
                Some(0) => Role::Device,
                Some(_) => Role::Intermediate,
                None => Role::Unused,
            };
            Summary::of(der, at + 1, role)
        })
        .collect();
    let path = path.iter().map(|at| at + 1).filter(|number| *number <= certificates.len()).collect();
    let blank = Explanation {
        accepted: false,
        judged_at: now,
        registration_id: None,
        enrollment: None,
        certificates,
        enrolled: None,
        valid_until: None,
        fault: None,
        path,
        tried: None,
    };
    match verdict {
        Ok(Accepted { proof, certificate, tries, .. }) => Explanation {
            tried: Some(tries),
            accepted: true,
            registration_id: Some(proof.id),
            enrollment: Some(proof.enrollment.name.clone()),
            enrolled: Some(Summary::of(certificate.der(), 0, Role::Enrolled)),
            valid_until: Some(proof.valid_until),
            ..blank
        },
        Err(fault) => Explanation { enrollment: fault.enrollment.clone(), fault: Some(Problem::from(fault)), ..blank },
    }
}

impl From<Box<Fault>> for Problem {
    fn from(fault: Box<Fault>) -> Self {
        let (certificate, broken_link) = match fault.place {
            Place::Certificate(at) => (Some(at + 1), false),
            Place::Issuer(at) => (Some(at + 1), true),
            Place::Chain | Place::Enrollment => (None, false),
        };
        let advice = advice(&fault).to_owned();
        let Fault { code, rule, message, detail, .. } = *fault;
        Self { code, name: code.name(), rule, certificate, broken_link, message, detail, advice }
    }
}

fn advice(fault: &Fault) -> &'static str {
    match (fault.code, fault.place, fault.rule) {
        (ErrorCode::NoCredentials, ..) => "give the device a certificate with its key, and let the client present it",
        (ErrorCode::NotEnrolled, Place::Enrollment, _) => {
            "enroll this certificate as the secondary one of the individual enrollment, or give the device the enrolled one"
        }
        (ErrorCode::NotEnrolled, Place::Issuer(_), "B3") => {
            "let the device send the certificate that really issued this one"
        }
        (ErrorCode::NotEnrolled, ..) => {
            "let the device send every intermediate certificate up to an enrolled CA, or enroll the CA that issued the last one as a group"
        }
        (ErrorCode::Disabled, ..) => "enable the enrollment, or remove it if a wider group shall decide",
        (ErrorCode::OutsideValidity, Place::Enrollment, _) => {
            "enroll the CA's renewed certificate, as primary or secondary"
        }
        (ErrorCode::OutsideValidity, Place::Certificate(0), _) => {
            "issue the device a new certificate; if the dates are right, set the clock"
        }
        (ErrorCode::OutsideValidity, ..) => "renew that intermediate certificate and let the device send the new one",
        (_, Place::Enrollment, _) => "enroll a CA nearer to the devices, or one whose path length allows the chain",
        (_, Place::Chain | Place::Issuer(_), _) => {
            "let the device send its own certificate first and then each issuer, up to an enrolled CA"
        }
        (_, _, "B2") => {
            "issue a certificate whose subject has one common name of 1 to 128 letters, digits, '-', '.', '_' or ':' that ends in a letter, a digit or '-'"
        }
        (_, Place::Certificate(0), _) => "issue the device a new certificate without this fault",
        (_, Place::Certificate(_), _) => "issue that intermediate certificate anew without this fault",
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, number) in self.path.iter().enumerate() {
            let Some(summary) = self.certificates.get(number - 1) else { continue };
            if step > 0 {
                f.write_str("      │ issued by\n")?;
            }
            write!(f, "{summary}")?;
            self.draw_fault(f, *number)?;
        }
        if let (Some(enrolled), Some(enrollment)) = (&self.enrolled, &self.enrollment) {
            match enrollment {
                EnrollmentName::Group(_) => writeln!(f, "      │ issued by the CA enrolled as {enrollment}")?,
                EnrollmentName::Individual(_) => writeln!(f, "      │ enrolled itself as {enrollment}")?,
            }
            write!(f, "{enrolled}")?;
        }
        for summary in self.certificates.iter().filter(|summary| summary.role == Role::Unused) {
            write!(f, "\n{summary}")?;
        }
        f.write_str("\n")?;
        if let (Some(id), Some(enrollment)) = (&self.registration_id, &self.enrollment) {
            writeln!(
                f,
                "accepted: {id}, by {enrollment}, until {}",
                second(self.valid_until.unwrap_or(self.judged_at))
            )?;
        }
        if let Some(fault) = &self.fault {
            writeln!(f, "refused: {}", fault.message)?;
            writeln!(f, "  code      {} {}, rule {}", fault.code.number(), fault.name, fault.rule)?;
            if let Some(enrollment) = &self.enrollment {
                writeln!(f, "  decided   by {enrollment}")?;
            }
            if !fault.detail.is_empty() {
                writeln!(f, "  detail    {}", fault.detail)?;
            }
            writeln!(f, "  to do     {}", fault.advice)?;
        }
        Ok(())
    }
}

impl Explanation {
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }

    fn draw_fault(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        match &self.fault {
            Some(fault) if fault.certificate == Some(number) && fault.broken_link => {
                writeln!(f, "      ✗ rule {}: no certificate that issued this one was sent or is enrolled", fault.rule)
            }
            Some(fault) if fault.certificate == Some(number) => {
                writeln!(f, "      ✗ rule {}: {}", fault.rule, fault.message)
            }
            _ => Ok(()),
        }
    }
}
