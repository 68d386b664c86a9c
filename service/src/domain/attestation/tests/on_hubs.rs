//! What a hub asks of a chain: the rules of the enrollment, without the enrollment.

use super::*;
use crate::domain::hub_device::Authority;

fn authority(ca: &Ca) -> Authority {
    Authority { thumbprint: enrolled::thumbprint(&ca.der), der: ca.der.as_ref().into() }
}

fn proven_below(chain: &[Der], authorities: &[&Ca], id: &str) -> Result<Timestamp, Refusal> {
    let told: Vec<_> = authorities.iter().map(|ca| authority(ca)).collect();
    prove(chain, &RegistrationId::parse(id).unwrap(), Trusted::Authorities(&Authorities::read(&told).unwrap()), NOW)
}

fn proven_as(chain: &[Der], certificates: &[&Der], id: &str) -> Result<Timestamp, Refusal> {
    let told: Vec<_> = certificates.iter().map(|der| enrolled::thumbprint(der)).collect();
    prove(chain, &RegistrationId::parse(id).unwrap(), Trusted::Certificates(&told), NOW)
}

#[test]
fn a_device_below_one_of_its_authorities_is_proven_for_as_long_as_the_path_is_valid() {
    let (old, new) = (Ca::root("Root"), Ca::root("New Root"));
    let line = new.sub_with("Line 1", |params| params.not_after = datetime!(2026-08-01 0:00 UTC));
    assert!(proven_below(&[old.device("dev-1")], &[&old, &new], "dev-1").is_ok());
    let until = proven_below(&[line.device("dev-1"), line.der.clone()], &[&old, &new], "DEV-1").unwrap();
    assert!(until.to_string().starts_with("2026-08-01T00:00:01"), "{until}");
}

#[test]
fn a_stranger_s_authority_of_the_same_name_proves_nothing() {
    let (root, stranger) = (Ca::root("Root"), Ca::root("Root"));
    let refusal = proven_below(&[stranger.device("dev-1"), stranger.der.clone()], &[&root], "dev-1").unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotEnrolled);
    assert_eq!(proven_below(&[root.device("dev-1")], &[], "dev-1").unwrap_err().code, ErrorCode::NotEnrolled);
}

#[test]
fn the_name_in_the_certificate_has_to_be_the_device_s() {
    let root = Ca::root("Root");
    let leaf = root.device("dev-2");
    let refusal = proven_below(std::slice::from_ref(&leaf), &[&root], "dev-1").unwrap_err();
    assert!(refusal.code == ErrorCode::NotEnrolled && refusal.detail.contains("dev-1"), "{refusal:?}");
    assert_eq!(proven_as(std::slice::from_ref(&leaf), &[&leaf], "dev-1").unwrap_err().code, ErrorCode::NotEnrolled);
    assert_eq!(claimed_id(&[leaf]).unwrap().as_str(), "dev-2");
}

#[test]
fn dates_and_key_uses_count_as_they_do_for_the_enrollment() {
    let root = Ca::root("Root");
    let expired = |params: &mut CertificateParams| params.not_after = datetime!(2026-06-01 0:00 UTC);
    let server =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for (leaf, code) in [
        (root.device_with("dev-1", expired), ErrorCode::OutsideValidity),
        (root.device_with("dev-1", server), ErrorCode::BadCertificate),
        (root.device_with("dev-1", critical_unknown), ErrorCode::BadCertificate),
    ] {
        assert_eq!(proven_below(std::slice::from_ref(&leaf), &[&root], "dev-1").unwrap_err().code, code);
        assert_eq!(proven_as(std::slice::from_ref(&leaf), &[&leaf], "dev-1").unwrap_err().code, code);
    }
    let gone = Ca::root_with("Root", expired);
    let refusal = proven_below(&[gone.device("dev-1")], &[&gone], "dev-1").unwrap_err();
    assert_eq!((refusal.code, refusal.enrollment), (ErrorCode::OutsideValidity, None));
}

#[test]
fn either_certificate_of_an_individual_enrollment_proves_its_device() {
    let (old, new) = (self_signed("dev-1", |_| {}), self_signed("dev-1", |_| {}));
    for leaf in [&old, &new] {
        let until = proven_as(std::slice::from_ref(leaf), &[&old, &new], "dev-1").unwrap();
        assert!(until.to_string().starts_with("2027-01-01"), "{until}");
    }
    let refusal = proven_as(&[new], &[&old], "dev-1").unwrap_err();
    assert_eq!(refusal.code, ErrorCode::NotEnrolled);
}

#[test]
fn nothing_that_is_sent_makes_it_panic() {
    let root = Ca::root("Root");
    for chain in [vec![], vec![CertificateDer::from(vec![0x30, 0x82])], vec![root.der.clone(); 11]] {
        assert!(proven_below(&chain, &[&root], "dev-1").is_err());
        assert!(claimed_id(&chain).is_err());
    }
}

#[test]
fn an_authority_has_to_be_the_certificate_that_it_is_named_after() {
    let (root, other) = (Ca::root("Root"), Ca::root("Other"));
    let swapped = Authority { der: other.der.as_ref().into(), ..authority(&root) };
    assert!(matches!(Authorities::read(&[swapped]), Err(AuthorityFault::Mismatch { .. })));
    let leaf = root.device("dev-1");
    let no_ca = Authority { thumbprint: enrolled::thumbprint(&leaf), der: leaf.as_ref().into() };
    assert!(matches!(Authorities::read(&[no_ca]), Err(AuthorityFault::Certificate(_, CertificateFault::NotCa))));
}
