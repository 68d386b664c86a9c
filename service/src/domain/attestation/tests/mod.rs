//! Every rule against certificates made for it. All were issued on 2026-01-01 for one year and are judged in the middle of it.

mod books;
mod enrolling;
mod explaining;
mod groups;
mod hostile;
mod individuals;
mod leaves;
mod on_hubs;
mod paths;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{ErrorCode, GroupId, RegistrationId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use time::macros::datetime;

use super::*;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::enrollment::{Certificates, QuotaRates, TopicGrants};
use crate::domain::metadata::MetadataRules;

/// 2026-07-01, noon.
const NOW: Timestamp = Timestamp::from_secs(1_782_907_200);

type Der = CertificateDer<'static>;

/// A certificate authority.
struct Ca {
    params: CertificateParams,
    key: KeyPair,
    der: Der,
}

impl Ca {
    fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root_of(KeyPair::generate().unwrap(), name, change)
    }

    fn root_of(key: KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let der = params.self_signed(&key).unwrap().into();
        Self { params, key, der }
    }

    fn sub(&self, name: &str) -> Self {
        self.sub_with(name, |_| {})
    }

    fn sub_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer()).unwrap().into();
        Self { params, key, der }
    }

    /// The same name and key, certified by another authority.
    fn certified_by(&self, other: &Self) -> Self {
        let key = KeyPair::try_from(self.key.serialize_der().as_slice()).unwrap();
        Self { der: self.params.signed_by(&key, &other.issuer()).unwrap().into(), key, params: self.params.clone() }
    }

    /// The same name and key in a certificate of its own.
    fn renewed(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::try_from(self.key.serialize_der().as_slice()).unwrap();
        let mut params = self.params.clone();
        params.serial_number = Some(SerialNumber::from(77));
        change(&mut params);
        Self { der: params.self_signed(&key).unwrap().into(), key, params }
    }

    fn device(&self, name: &str) -> Der {
        self.device_with(name, |_| {})
    }

    fn device_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Der {
        let mut params = device_params(name);
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer()).unwrap().into()
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = datetime!(2026-01-01 0:00 UTC);
    params.not_after = datetime!(2027-01-01 0:00 UTC);
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn device_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Der {
    let mut params = device_params(name);
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
}

fn critical_unknown(params: &mut CertificateParams) {
    let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 7], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions.push(extension);
}

fn entry(name: EnrollmentName, primary: EnrolledCertificate, secondary: Option<EnrolledCertificate>) -> Enrollment {
    Enrollment {
        name,
        enabled: true,
        certificates: Certificates { primary, secondary },
        device_id: None,
        allocation: AllocationPolicy::default(),
        hubs: Vec::new(),
        metadata: MetadataRules::default(),
        model: None,
        quotas: QuotaRates::default(),
        topics: TopicGrants::default(),
        reprovision: None,
        initial_twin: Default::default(),
        capabilities: Default::default(),
        resources: Default::default(),
        webhook: None,
        digest: 1,
    }
}

fn group(name: &str, ca: &Ca) -> Enrollment {
    entry(
        EnrollmentName::Group(GroupId::parse(name).unwrap()),
        EnrolledCertificate::group_ca(ca.der.clone()).unwrap(),
        None,
    )
}

fn group_of_two(name: &str, primary: &Ca, secondary: &Ca) -> Enrollment {
    let mut entry = group(name, primary);
    entry.certificates.secondary = Some(EnrolledCertificate::group_ca(secondary.der.clone()).unwrap());
    entry
}

fn individual_entry(name: &str, leaf: &Der) -> Enrollment {
    entry(
        EnrollmentName::Individual(RegistrationId::parse(name).unwrap()),
        EnrolledCertificate::leaf(leaf.clone()).unwrap(),
        None,
    )
}

fn disabled(mut entry: Enrollment) -> Enrollment {
    entry.enabled = false;
    entry
}

fn book(entries: Vec<Enrollment>) -> Book {
    Book::new(1, entries).unwrap()
}

/// The name of the entry that accepts the chain.
fn accepted_by(chain: &[Der], book: &Book) -> String {
    match judge(chain, book, NOW) {
        Ok(proof) => proof.enrollment.name.to_string(),
        Err(refusal) => panic!("refused: {refusal:?}"),
    }
}

fn refused(chain: &[Der], book: &Book) -> Refusal {
    refused_at(chain, book, NOW)
}

fn refused_at(chain: &[Der], book: &Book, now: Timestamp) -> Refusal {
    match judge(chain, book, now) {
        Ok(proof) => panic!("accepted: {proof:?}"),
        Err(refusal) => refusal,
    }
}

#[track_caller]
fn assert_refused(refusal: &Refusal, code: ErrorCode, words: &str) {
    assert_eq!(refusal.code, code, "{refusal:?}");
    assert!(refusal.message.contains(words), "{words:?} is not in {:?}", refusal.message);
}
