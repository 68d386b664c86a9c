//! Individual enrollments: the certificate itself is enrolled, and nothing else counts (rule B1).

use super::*;

#[test]
fn a_self_signed_certificate_is_accepted_also_when_it_is_marked_as_a_ca() {
    for leaf in [
        self_signed("dev-1", |_| {}),
        // As `openssl req -x509` makes them.
        self_signed("dev-1", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.clear();
            params.extended_key_usages.clear();
        }),
    ] {
        let proof = judge(std::slice::from_ref(&leaf), &book(vec![individual_entry("dev-1", &leaf)]), NOW).unwrap();
        assert_eq!(proof.enrollment.name.to_string(), "individual:dev-1");
        assert_eq!(proof.thumbprint, EnrolledCertificate::leaf(leaf).unwrap().thumbprint);
    }
}

#[test]
fn the_secondary_certificate_is_accepted_as_the_primary_is() {
    let (old, new) = (self_signed("dev-1", |_| {}), self_signed("dev-1", |_| {}));
    let mut entry = individual_entry("dev-1", &old);
    entry.certificates.secondary = Some(EnrolledCertificate::leaf(new.clone()).unwrap());
    let book = book(vec![entry]);
    assert_eq!(accepted_by(&[old], &book), "individual:dev-1");
    assert_eq!(accepted_by(&[new], &book), "individual:dev-1");
}

#[test]
fn another_certificate_of_that_name_never_falls_through_to_a_group() {
    let ca = Ca::root("Line 1");
    let enrolled = self_signed("dev-1", |_| {});
    let book = book(vec![individual_entry("dev-1", &enrolled), group("line-1", &ca)]);
    let refusal = refused(&[ca.device("dev-1")], &book);
    assert_eq!(refusal.code, ErrorCode::NotEnrolled);
    assert_eq!(refusal.enrollment.unwrap().to_string(), "individual:dev-1");
    assert_eq!(accepted_by(&[ca.device("dev-2")], &book), "group:line-1");
}

#[test]
fn a_certificate_of_a_group_may_be_enrolled_individually_and_then_the_group_does_not_count() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device("dev-1");
    let book = book(vec![disabled(group("line-1", &ca)), individual_entry("dev-1", &leaf)]);
    assert_eq!(accepted_by(&[leaf], &book), "individual:dev-1");
}

#[test]
fn a_disabled_entry_refuses_even_where_a_group_would_accept() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device("dev-1");
    let book = book(vec![group("line-1", &ca), disabled(individual_entry("dev-1", &leaf))]);
    let refusal = refused(&[leaf], &book);
    assert_refused(&refusal, ErrorCode::Disabled, "disabled");
    assert_eq!(refusal.code.number(), 403_001);
}

#[test]
fn a_stranger_is_not_told_whether_the_name_is_enrolled_or_disabled() {
    let stranger = self_signed("dev-1", |_| {});
    let enrolled = self_signed("dev-1", |_| {});
    let nobody = refused(std::slice::from_ref(&stranger), &book(vec![]));
    let somebody = refused(std::slice::from_ref(&stranger), &book(vec![individual_entry("dev-1", &enrolled)]));
    let barred = refused(std::slice::from_ref(&stranger), &book(vec![disabled(individual_entry("dev-1", &enrolled))]));
    assert_eq!((nobody.code, &nobody.message), (somebody.code, &somebody.message));
    assert_eq!((nobody.code, &nobody.message), (barred.code, &barred.message));
    assert_ne!(nobody.detail, somebody.detail);
}

#[test]
fn dates_and_key_uses_are_judged() {
    let expired = self_signed("dev-1", |params| {
        params.not_before = datetime!(2025-01-01 0:00 UTC);
        params.not_after = datetime!(2026-01-01 0:00 UTC);
    });
    let refusal = refused(std::slice::from_ref(&expired), &book(vec![individual_entry("dev-1", &expired)]));
    assert_refused(&refusal, ErrorCode::OutsideValidity, "certificate expired on 2026-01-01T00:00:00Z");
    let server = self_signed("dev-1", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let refusal = refused(std::slice::from_ref(&server), &book(vec![individual_entry("dev-1", &server)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "clientAuth");
    let agreement = self_signed("dev-1", |params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    let refusal = refused(std::slice::from_ref(&agreement), &book(vec![individual_entry("dev-1", &agreement)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "digitalSignature");
}

#[test]
fn the_name_in_the_certificate_decides_which_entry_is_asked() {
    let leaf = self_signed("dev-2", |_| {});
    // Enrolled by mistake under a name that the certificate does not carry.
    assert_eq!(
        refused(std::slice::from_ref(&leaf), &book(vec![individual_entry("dev-1", &leaf)])).code,
        ErrorCode::NotEnrolled
    );
}

#[test]
fn certificates_above_the_device_s_own_are_ignored() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device("dev-1");
    let book = book(vec![individual_entry("dev-1", &leaf)]);
    assert_eq!(accepted_by(&[leaf, ca.der.clone(), CertificateDer::from(vec![0; 9])], &book), "individual:dev-1");
}
