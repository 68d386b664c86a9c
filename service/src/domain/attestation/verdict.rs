//! The verdict on a path from a device's certificate to an enrolled CA that signed it (rules B1, B3): the rules that path validation
//! leaves to us, and the wording of the faults that it finds.

use firsthop_protocol::{ErrorCode, RegistrationId, Timestamp};
use x509_parser::certificate::X509Certificate;

use super::anchors::{Candidate, Voucher};
use super::chain::Chain;
use super::fault::{Fault, Place, outside_validity};
use super::presented::Validity;
use super::{constraints, leaf};
use crate::domain::enrollment::Enrollment;

/// A path whose signatures are genuine: presented certificates from the device's own upward, and the enrolled CA that signed the last.
pub(super) struct Path<'a, 'c, 'b, V> {
    pub(super) chain: &'a Chain<'c>,
    pub(super) id: &'a RegistrationId,
    pub(super) now: Timestamp,
    pub(super) certificates: &'a [usize],
    pub(super) candidate: Candidate<'b, V>,
}

impl<V: Voucher> Path<'_, '_, '_, V> {
    /// The rules that webpki leaves to us, for a path that it accepts.
    /// Tells in which time every certificate of it is valid.
    pub(super) fn accept(&self) -> Result<Validity, Box<Fault>> {
        let candidate = self.candidate;
        let sign = |fault| candidate.voucher.sign(fault);
        candidate.voucher.refuse_disabled()?;
        let leaf = self.chain.leaf()?;
        leaf::usage(leaf).map_err(sign)?;
        let mut validity = candidate.certificate.validity();
        let what = || format!("the CA certificate that issued it ({})", candidate.certificate.subject());
        if let Some(fault) = outside_validity(validity, self.now, what, Place::Enrollment) {
            return Err(sign(fault));
        }
        self.judge_intermediates().map_err(sign)?;
        self.judge_common_name().map_err(sign)?;
        for at in self.certificates {
            if let Some(cert) = self.chain.certificate(*at) {
                validity = validity.and(Validity::of(cert));
            }
        }
        Ok(validity)
    }

    /// The anchor's path length, and key usage of the certificates between it and the device's.
    fn judge_intermediates(&self) -> Result<(), Box<Fault>> {
        let candidate = self.candidate;
        let between = self.certificates.len().saturating_sub(1);
        if let Some(limit) =
            candidate.anchor.path_len.filter(|limit| u32::try_from(between).map_or(true, |between| between > *limit))
        {
            let message = format!(
                "{between} CA certificates stand between the device's and the enrolled {}, which allows {limit} (pathLenConstraint)",
                candidate.certificate.subject(),
            );
            return Err(Fault::bad("B3", Place::Enrollment, message));
        }
        for at in self.certificates.iter().copied().skip(1) {
            let Some(cert) = self.chain.certificate(at) else { continue };
            let allowed = cert.key_usage().map(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
            if !allowed.unwrap_or(false) {
                let message = format!(
                    "{} may not sign certificates (keyCertSign is missing in its key usage)",
                    self.chain.describe(at)
                );
                return Err(Fault::bad("B3", Place::Certificate(at), message));
            }
        }
        Ok(())
    }

    /// DNS name constraints of every CA above the device, for a common name that is a DNS name.
    fn judge_common_name(&self) -> Result<(), Box<Fault>> {
        let allowed = |ca: &X509Certificate<'_>| constraints::allow_common_name(ca, self.id.as_str());
        let candidate = self.candidate;
        // Nearly no CA is constrained: the enrolled one is not read again to learn that.
        let anchor_allows =
            candidate.anchor.trust.name_constraints.is_none() || candidate.certificate.read(allowed).unwrap_or(false);
        if anchor_allows && self.certificates.iter().skip(1).filter_map(|at| self.chain.certificate(*at)).all(allowed) {
            return Ok(());
        }
        let message = format!("the common name {} is outside the DNS name constraints of a CA above it", self.id);
        Err(Fault::bad("B3", Place::Certificate(0), message))
    }

    /// The fault of a path that webpki refuses, though its signatures are genuine.
    pub(super) fn refuse(&self, error: &webpki::Error) -> Box<Fault> {
        if let Err(fault) = self.candidate.voucher.refuse_disabled() {
            return fault;
        }
        let mut fault = self.first_fault().unwrap_or_else(|| {
            let (place, message) = match error {
                webpki::Error::PathLenConstraintViolated => (
                    Place::Chain,
                    "more CA certificates stand below one of those sent than it allows (pathLenConstraint)".to_owned(),
                ),
                webpki::Error::NameConstraintViolation => (
                    Place::Certificate(0),
                    "a name in the certificate is outside the name constraints of a CA above it".to_owned(),
                ),
                other => (Place::Chain, format!("the certificates sent are not a valid path: {other}")),
            };
            Fault::bad("B3", place, message)
        });
        fault.detail = format!("path validation: {error:?}");
        self.candidate.voucher.sign(fault)
    }

    /// The first certificate of the path with a fault of its own. Wording only: that the path is refused is decided.
    fn first_fault(&self) -> Option<Box<Fault>> {
        self.certificates.iter().copied().find_map(|at| {
            let cert = self.chain.certificate(at)?;
            let place = Place::Certificate(at);
            let what = || self.chain.describe(at);
            let is_ca = cert.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca);
            if at == 0 && is_ca {
                return Some(Fault::bad(
                    "B3",
                    place,
                    "certificate is a CA certificate; a device needs one of its own (CA:false)",
                ));
            }
            if at != 0 && !is_ca {
                return Some(Fault::bad("B3", place, format!("{} is not a CA certificate", what())));
            }
            if let Some(fault) = outside_validity(Validity::of(cert), self.now, what, place) {
                return Some(fault);
            }
            if at == 0 {
                return leaf::usage(cert).err();
            }
            if let Err(mut fault) = leaf::refuse_unknown_critical(cert, place) {
                fault.message = format!("{}: {}", what(), fault.message);
                return Some(fault);
            }
            let usage = cert.extended_key_usage().ok().flatten();
            usage.filter(|usage| !usage.value.client_auth).map(|_| {
                let message =
                    format!("{} may not issue certificates for client authentication (its extended key usage)", what());
                Fault::bad("B3", place, message)
            })
        })
    }
}

pub(super) fn refuse_disabled(enrollment: &Enrollment) -> Result<(), Box<Fault>> {
    if enrollment.enabled {
        return Ok(());
    }
    Err(Fault::new(ErrorCode::Disabled, "B1", Place::Enrollment, "the enrollment of this device is disabled")
        .by(&enrollment.name))
}

pub(super) fn not_signed(chain: &Chain<'_>, lower: usize, upper: usize) -> Box<Fault> {
    let message = format!(
        "{} was not signed by {}, although it names it as its issuer",
        chain.describe(lower),
        chain.describe(upper)
    );
    Fault::new(ErrorCode::NotEnrolled, "B3", Place::Issuer(lower), message)
}

pub(super) fn unsupported_signature(chain: &Chain<'_>, at: Option<usize>) -> Box<Fault> {
    let at = at.unwrap_or_default();
    let algorithm =
        chain.certificate(at).map(|cert| cert.signature_algorithm.algorithm.to_id_string()).unwrap_or_default();
    let message = format!("{} is signed with an algorithm that is not accepted ({algorithm})", chain.describe(at));
    Fault::bad("B3", Place::Certificate(at), message)
}
