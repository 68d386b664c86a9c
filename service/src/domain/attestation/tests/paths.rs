//! What path validation has to refuse between a device and an enrolled CA (rule B3).

use rcgen::{GeneralSubtree, NameConstraints, SanType};

use super::*;

/// A device below an intermediate that was changed, below an enrolled root that was changed.
fn verdict(
    root: impl FnOnce(&mut CertificateParams),
    sub: impl FnOnce(&mut CertificateParams),
) -> Result<Proof, Refusal> {
    let root = Ca::root_with("Root", root);
    let sub = root.sub_with("Sub", sub);
    judge(&[sub.device("dev-1"), sub.der.clone()], &book(vec![group("all", &root)]), NOW)
}

#[test]
fn the_proof_is_valid_as_long_as_every_certificate_of_the_path() {
    let proof = verdict(
        |root| root.not_before = datetime!(2026-03-01 0:00 UTC),
        |sub| sub.not_after = datetime!(2026-09-01 0:00 UTC),
    )
    .unwrap();
    assert_eq!(proof.valid_from.to_string(), "2026-03-01T00:00:00.0000000Z");
    assert_eq!(proof.valid_until.to_string(), "2026-09-01T00:00:01.0000000Z");
}

#[test]
fn an_expired_intermediate_is_refused() {
    let refusal = verdict(|_| {}, |sub| sub.not_after = datetime!(2026-06-01 0:00 UTC)).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::OutsideValidity);
    assert_eq!(refusal.message, "intermediate certificate 2 (CN=Sub) expired on 2026-06-01T00:00:00Z");
}

#[test]
fn a_leaf_of_an_expired_group_ca_is_refused() {
    let refusal = verdict(|root| root.not_after = datetime!(2026-06-01 0:00 UTC), |_| {}).unwrap_err();
    assert_refused(
        &refusal,
        ErrorCode::OutsideValidity,
        "the CA certificate that issued it (CN=Root) expired on 2026-06-01T00:00:00Z",
    );
}

#[test]
fn a_leaf_of_a_group_ca_of_the_future_is_refused() {
    let refusal = verdict(|root| root.not_before = datetime!(2026-08-01 0:00 UTC), |_| {}).unwrap_err();
    assert_refused(&refusal, ErrorCode::OutsideValidity, "is not valid before 2026-08-01T00:00:00Z");
}

#[test]
fn the_path_length_of_the_enrolled_ca_counts_the_intermediates_below_it() {
    let limited =
        |limit| move |root: &mut CertificateParams| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(limit));
    let refusal = verdict(limited(0), |_| {}).unwrap_err();
    assert_refused(&refusal, ErrorCode::BadCertificate, "1 CA certificates stand between");
    assert_refused(&refusal, ErrorCode::BadCertificate, "pathLenConstraint");
    assert!(verdict(limited(1), |_| {}).is_ok());
    let root = Ca::root_with("Root", limited(0));
    assert_eq!(accepted_by(&[root.device("dev-1")], &book(vec![group("all", &root)])), "group:all");
}

#[test]
fn the_path_length_of_an_intermediate_counts_too() {
    let root = Ca::root("Root");
    let factory = root.sub_with("Factory", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let line = factory.sub("Line 1");
    let refusal =
        refused(&[line.device("dev-1"), line.der.clone(), factory.der.clone()], &book(vec![group("all", &root)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "pathLenConstraint");
}

#[test]
fn an_intermediate_without_key_cert_sign_is_refused() {
    let refusal = verdict(|_| {}, |sub| sub.key_usages = vec![KeyUsagePurpose::DigitalSignature]).unwrap_err();
    assert_refused(
        &refusal,
        ErrorCode::BadCertificate,
        "intermediate certificate 2 (CN=Sub) may not sign certificates",
    );
    assert!(verdict(|_| {}, |sub| sub.key_usages.clear()).is_ok());
}

#[test]
fn an_intermediate_that_is_no_ca_is_refused() {
    for not_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let refusal = verdict(|_| {}, |sub| sub.is_ca = not_ca).unwrap_err();
        assert_refused(
            &refusal,
            ErrorCode::BadCertificate,
            "intermediate certificate 2 (CN=Sub) is not a CA certificate",
        );
    }
}

#[test]
fn a_device_cannot_issue_certificates_for_other_devices() {
    let ca = Ca::root("Line 1");
    let device = ca.sub_with("dev-1", |params| *params = device_params("dev-1"));
    let refusal = refused(&[device.device("dev-2"), device.der.clone()], &book(vec![group("line-1", &ca)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "is not a CA certificate");
}

#[test]
fn an_intermediate_for_servers_only_is_refused() {
    let refusal =
        verdict(|_| {}, |sub| sub.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]).unwrap_err();
    assert_refused(&refusal, ErrorCode::BadCertificate, "client authentication");
}

#[test]
fn an_intermediate_with_an_unknown_critical_extension_is_refused() {
    let refusal = verdict(|_| {}, critical_unknown).unwrap_err();
    assert_refused(&refusal, ErrorCode::BadCertificate, "intermediate certificate 2 (CN=Sub)");
    assert_refused(&refusal, ErrorCode::BadCertificate, "1.3.6.1.4.1.32473.7");
}

#[test]
fn an_intermediate_that_names_the_right_issuer_but_did_not_sign_is_refused() {
    let root = Ca::root("Root");
    let (sub, other) = (root.sub("Sub"), root.sub("Sub"));
    // `other` is genuine and has the name that the leaf asks for, but another key.
    let leaf = sub.device_with("dev-1", |params| params.use_authority_key_identifier_extension = false);
    let refusal = refused(&[leaf.clone(), other.der.clone()], &book(vec![group("all", &root)]));
    assert_refused(
        &refusal,
        ErrorCode::NotEnrolled,
        "certificate was not signed by intermediate certificate 2 (CN=Sub)",
    );
    // Beside the right one it does no harm.
    assert_eq!(accepted_by(&[leaf, other.der.clone(), sub.der.clone()], &book(vec![group("all", &root)])), "group:all");
}

#[test]
fn a_changed_certificate_is_refused() {
    let ca = Ca::root("Line 1");
    let mut bytes = ca.device("dev-1").to_vec();
    let at = bytes.windows(5).position(|window| window == b"dev-1").unwrap();
    bytes[at + 4] = b'2';
    assert_eq!(refused(&[bytes.into()], &book(vec![group("line-1", &ca)])).code, ErrorCode::NotEnrolled);
}

#[test]
fn a_signature_algorithm_that_is_not_accepted_is_named() {
    let ca = Ca::root("Line 1");
    // ecdsa-with-SHA256 becomes ecdsa-with-SHA1, inside and outside.
    let (sha256, sha1) = ([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1, 2]);
    let mut bytes = ca.device("dev-1").to_vec();
    while let Some(at) = bytes.windows(8).position(|window| window == sha256) {
        bytes[at..at + 8].copy_from_slice(&sha1);
    }
    let refusal = refused(&[bytes.into()], &book(vec![group("line-1", &ca)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "an algorithm that is not accepted");
}

#[test]
fn name_constraints_of_the_enrolled_ca_and_of_intermediates_are_enforced() {
    let for_example = |params: &mut CertificateParams| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    };
    let root = Ca::root("Root");
    let anchor = Ca::root_with("Constrained", for_example);
    let sub = root.sub_with("Constrained Sub", for_example);
    let book = book(vec![group("all", &root), group("constrained", &anchor)]);
    for (ca, above) in [(&anchor, None), (&sub, Some(sub.der.clone()))] {
        let chain = |san: &'static str| {
            let leaf = ca.device_with("dev-1", |params| {
                params.subject_alt_names.push(SanType::DnsName(san.try_into().unwrap()))
            });
            [Some(leaf), above.clone()].into_iter().flatten().collect::<Vec<_>>()
        };
        assert!(judge(&chain("dev-1.example.com"), &book, NOW).is_ok());
        assert_refused(&refused(&chain("dev-1.example.org"), &book), ErrorCode::BadCertificate, "name constraints");
    }
}

#[test]
fn dns_constraints_bind_a_common_name_that_is_a_dns_name() {
    let constrained = |params: &mut CertificateParams| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
            excluded_subtrees: vec![GeneralSubtree::DnsName("lab.example.com".to_owned())],
        });
    };
    let root = Ca::root("Root");
    let anchor = Ca::root_with("Constrained", constrained);
    let sub = root.sub_with("Constrained Sub", constrained);
    let book = book(vec![group("all", &root), group("constrained", &anchor)]);
    for (ca, above) in [(&anchor, None), (&sub, Some(sub.der.clone()))] {
        let chain = |name: &str| [Some(ca.device(name)), above.clone()].into_iter().flatten().collect::<Vec<_>>();
        for name in ["dev-1.example.com", "dev-1", "dev:1.a"] {
            assert!(judge(&chain(name), &book, NOW).is_ok(), "{name}");
        }
        for name in ["dev-1.example.org", "dev-1.lab.example.com", "dev-1.notexample.com"] {
            assert_refused(&refused(&chain(name), &book), ErrorCode::BadCertificate, "DNS name constraints");
        }
    }
}

#[test]
fn every_key_type_that_tls_takes_can_issue() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
    ] {
        let ca = Ca::root_of(KeyPair::generate_for(algorithm).unwrap(), "Line 1", |_| {});
        let book = book(vec![group("line-1", &ca)]);
        assert_eq!(accepted_by(&[ca.device("dev-1")], &book), "group:line-1");
        // Faults are found and named with the same algorithms.
        let expired = ca.device_with("dev-1", |params| params.not_after = datetime!(2026-02-01 0:00 UTC));
        assert_eq!(refused(&[expired], &book).code, ErrorCode::OutsideValidity);
    }
}
