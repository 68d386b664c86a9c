//! What is checked when a certificate is enrolled, because path validation does not look at an anchor again.

use super::*;

fn fault_of(change: impl FnOnce(&mut CertificateParams)) -> CertificateFault {
    EnrolledCertificate::group_ca(Ca::root_with("Line 1", change).der).unwrap_err()
}

#[test]
fn a_group_ca_keeps_what_is_shown_of_it() {
    let root = Ca::root("Root");
    let ca = root.sub_with("Line 1", |params| {
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc");
        params.serial_number = Some(SerialNumber::from_slice(&[0x12, 0xab]));
    });
    let enrolled = EnrolledCertificate::group_ca(ca.der).unwrap();
    assert_eq!((enrolled.subject().as_str(), enrolled.issuer().as_str()), ("CN=Line 1, O=Example^, Inc", "CN=Root"));
    assert_eq!(enrolled.serial(), "12ab");
    assert_eq!(enrolled.not_before().to_string(), "2026-01-01T00:00:00.0000000Z");
    assert_eq!(enrolled.not_after().to_string(), "2027-01-01T00:00:00.0000000Z");
    assert_eq!(enrolled.thumbprint.to_string().len(), 64);
    assert!(enrolled.is_group_ca());
}

#[test]
fn a_certificate_that_may_not_sign_others_is_no_group_ca() {
    assert_eq!(fault_of(|params| params.is_ca = IsCa::ExplicitNoCa), CertificateFault::NotCa);
    assert_eq!(fault_of(|params| params.is_ca = IsCa::NoCa), CertificateFault::NotCa);
    assert_eq!(
        fault_of(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
        CertificateFault::NoCertSign
    );
    let servers =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(fault_of(servers), CertificateFault::NotForClients);
}

#[test]
fn a_group_ca_without_key_usage_is_accepted() {
    assert!(EnrolledCertificate::group_ca(Ca::root_with("Line 1", |params| params.key_usages.clear()).der).is_ok());
}

#[test]
fn a_group_ca_needs_a_subject() {
    assert_eq!(fault_of(|params| params.distinguished_name = DistinguishedName::new()), CertificateFault::EmptySubject);
}

#[test]
fn an_unknown_critical_extension_cannot_be_enrolled() {
    let fault = CertificateFault::UnknownCriticalExtension("1.3.6.1.4.1.32473.7".to_owned());
    assert_eq!(fault_of(critical_unknown), fault);
    assert_eq!(EnrolledCertificate::leaf(self_signed("dev-1", critical_unknown)).unwrap_err(), fault);
}

#[test]
fn a_ca_constrained_to_directory_names_cannot_be_enrolled_because_nothing_below_it_would_pass() {
    let fault = fault_of(|params| {
        let subtree = rcgen::GeneralSubtree::DirectoryName(params.distinguished_name.clone());
        params.name_constraints =
            Some(rcgen::NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() });
    });
    assert_eq!(fault, CertificateFault::DirectoryNameConstraint);
}

#[test]
fn an_expired_group_ca_can_be_enrolled_because_dates_are_judged_at_each_use() {
    let ca = Ca::root_with("Line 1", |params| {
        params.not_before = datetime!(2020-01-01 0:00 UTC);
        params.not_after = datetime!(2021-01-01 0:00 UTC);
    });
    assert!(EnrolledCertificate::group_ca(ca.der).is_ok());
}

#[test]
fn a_version_1_certificate_cannot_be_enrolled() {
    let old = version_1(&Ca::root("Line 1").der);
    assert_eq!(EnrolledCertificate::group_ca(old.clone()).unwrap_err(), CertificateFault::Version(1));
    assert_eq!(EnrolledCertificate::leaf(old).unwrap_err(), CertificateFault::Version(1));
}

#[test]
fn what_is_no_certificate_cannot_be_enrolled() {
    for bytes in [vec![], vec![0x30], b"-----BEGIN CERTIFICATE-----".to_vec(), Ca::root("Line 1").der[..100].to_vec()] {
        assert!(
            matches!(EnrolledCertificate::group_ca(bytes.clone().into()), Err(CertificateFault::Unreadable(_))),
            "{bytes:?}"
        );
        assert!(
            matches!(EnrolledCertificate::leaf(bytes.clone().into()), Err(CertificateFault::Unreadable(_))),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_key_that_no_signature_is_accepted_from_cannot_be_enrolled() {
    // secp256k1 in place of P-256: an EC key of a curve that is not accepted.
    let (p256, other) = ([0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 6]);
    let mut bytes = Ca::root("Line 1").der.to_vec();
    let at = bytes.windows(8).position(|window| window == p256).unwrap();
    bytes[at..at + 8].copy_from_slice(&other);
    assert_eq!(EnrolledCertificate::group_ca(bytes.into()).unwrap_err(), CertificateFault::UnsupportedKey);
}

/// The same certificate as old tools make it: without version and extensions. Its signature is void.
fn version_1(der: &Der) -> Der {
    use x509_parser::asn1_rs::{Any, FromDer};
    let (_, outer) = Any::from_der(der).unwrap();
    let (after_tbs, tbs) = Any::from_der(outer.data).unwrap();
    let mut fields = Vec::new();
    let mut rest = tbs.data;
    while !rest.is_empty() {
        let (next, field) = Any::from_der(rest).unwrap();
        // [0] version, [3] extensions.
        if !matches!(field.header.class(), x509_parser::asn1_rs::Class::ContextSpecific) {
            fields.extend_from_slice(&rest[..rest.len() - next.len()]);
        }
        rest = next;
    }
    let mut content = sequence(&fields);
    content.extend_from_slice(after_tbs);
    sequence(&content).into()
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, high, low], content].concat()
}
