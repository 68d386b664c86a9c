//! Attestation on a hub: whether a chain proves its holder to be the device whose credential the hub was given. The rules are those of
//! the enrollment (rules B2, B3); whether that is enabled is the service's to know.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use firsthop_protocol::{RegistrationId, Timestamp};
use rustls_pki_types::CertificateDer;

use super::anchors::{AnchorIndex, Voucher};
use super::chain::Chain;
use super::enrolled::{self, CertificateFault, EnrolledCertificate};
use super::fault::{self, Fault, Place};
use super::presented::Validity;
use super::{Thumbprint, leaf, path};
use crate::domain::hub_device::Authority;
use crate::domain::refusal::Refusal;

/// The CA certificates of a credential, ready for path validation.
pub struct Authorities {
    anchors: AnchorIndex<Arc<Told>>,
}

/// Why certificates cannot be used as authorities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityFault {
    #[error("authority {told} came with another certificate, {found}")]
    Mismatch { told: Thumbprint, found: Thumbprint },
    #[error("authority {0}: {1}")]
    Certificate(Thumbprint, CertificateFault),
}

/// What a device is measured by.
#[derive(Clone, Copy)]
pub enum Trusted<'a> {
    Certificates(&'a [Thumbprint]),
    Authorities(&'a Authorities),
}

/// The certificates that a hub was told.
struct Told(Vec<EnrolledCertificate>);

impl Voucher for Arc<Told> {
    fn certificate(&self, at: usize) -> Option<&EnrolledCertificate> {
        self.0.get(at)
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }

    fn refuse_disabled(&self) -> Result<(), Box<Fault>> {
        Ok(())
    }

    fn sign(&self, fault: Box<Fault>) -> Box<Fault> {
        fault
    }
}

impl Authorities {
    pub fn read(authorities: &[Authority]) -> Result<Self, AuthorityFault> {
        let certificates = authorities.iter().map(|authority| {
            let told = authority.thumbprint;
            let certificate = EnrolledCertificate::group_ca(CertificateDer::from(authority.der.to_vec()))
                .map_err(|fault| AuthorityFault::Certificate(told, fault))?;
            match certificate.thumbprint {
                found if found != told => Err(AuthorityFault::Mismatch { told, found }),
                _ => Ok(certificate),
            }
        });
        let told = Arc::new(Told(certificates.collect::<Result<_, _>>()?));
        let mut anchors = AnchorIndex::default();
        anchors.add(&told);
        anchors.seal();
        Ok(Self { anchors })
    }
}

/// The registration id that the chain's first certificate names. Nothing is proven by it.
pub fn claimed_id(chain: &[CertificateDer<'_>]) -> Result<RegistrationId, Refusal> {
    let claimed = |chain: &Chain<'_>| leaf::identity(chain.leaf()?);
    Chain::new(chain).and_then(|chain| claimed(&chain)).map_err(Refusal::from)
}

/// Proves that the chain's holder is that device; tells the first moment at which a certificate of the path is no longer valid. The
/// refusal is for the log: it knows more than a stranger may be told.
pub fn prove(
    chain: &[CertificateDer<'_>],
    id: &RegistrationId,
    trusted: Trusted<'_>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    examine(chain, id, trusted, now).map(|validity| validity.until).map_err(Refusal::from)
}

fn examine(
    chain: &[CertificateDer<'_>],
    id: &RegistrationId,
    trusted: Trusted<'_>,
    now: Timestamp,
) -> Result<Validity, Box<Fault>> {
    let chain = Chain::new(chain)?;
    let leaf = chain.leaf()?;
    leaf::refuse_unknown_critical(leaf, Place::Certificate(0))?;
    let named = leaf::identity(leaf)?;
    if named != *id {
        return Err(chain.not_enrolled(Place::Certificate(0)).detail(format!("the device's registration id is {id}")));
    }
    let enrolled = match trusted {
        Trusted::Authorities(authorities) => {
            return path::find(&chain, id, &authorities.anchors, now).map(|found| found.validity);
        }
        Trusted::Certificates(enrolled) => enrolled,
    };
    let presented = enrolled::thumbprint(leaf.as_raw());
    if !enrolled.iter().any(|enrolled| verify_slices_are_equal(&enrolled.0, &presented.0).is_ok()) {
        let detail = format!("{presented} is none of the device's certificates");
        return Err(chain.not_enrolled(Place::Enrollment).detail(detail));
    }
    let validity = Validity::of(leaf);
    let outside = fault::outside_validity(validity, now, || chain.describe(0), Place::Certificate(0));
    outside.map_or(Ok(()), Err)?;
    leaf::usage(leaf)?;
    Ok(validity)
}
