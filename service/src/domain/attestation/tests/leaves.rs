//! The device's own certificate: its name (rule B2) and its uses (rule B3).

use rcgen::DnValue;

use super::*;

fn refusal_of(change: impl FnOnce(&mut CertificateParams)) -> Refusal {
    let ca = Ca::root("Line 1");
    refused(&[ca.device_with("dev-1", change)], &book(vec![group("line-1", &ca)]))
}

fn named(value: impl Into<DnValue>) -> Refusal {
    refusal_of(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, value);
    })
}

#[test]
fn the_registration_id_is_the_common_name_in_lower_case() {
    let ca = Ca::root("Line 1");
    let proof = judge(&[ca.device("Dev-1:A.b_C")], &book(vec![group("line-1", &ca)]), NOW).unwrap();
    assert_eq!(proof.id.as_str(), "dev-1:a.b_c");
}

#[test]
fn other_attributes_of_the_subject_do_not_matter() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device_with("dev-1", |params| {
        params.distinguished_name.push(DnType::OrganizationName, "Example/+#");
        params.distinguished_name.push(DnType::CountryName, "PT");
    });
    assert_eq!(accepted_by(&[leaf], &book(vec![group("line-1", &ca)])), "group:line-1");
}

#[test]
fn a_common_name_that_is_no_registration_id_is_refused_with_what_is_wrong_with_it() {
    for (name, words) in [
        ("dev/1", "not '/'"),
        ("dev+1", "not '+'"),
        ("#", "not '#'"),
        ("dev\0admin", "\\0"),
        ("gerät", "not 'ä'"),
        ("dev\u{202e}1", "\\u{202e}"),
        ("dev 1", "not ' '"),
        ("dev.", "must end with"),
        ("", "1 to 128"),
    ] {
        let refusal = named(name);
        assert_refused(&refusal, ErrorCode::BadCertificate, words);
        assert!(!refusal.message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{refusal:?}");
        assert!(refusal.detail.contains("B2"), "{refusal:?}");
    }
    assert_refused(&named("x".repeat(129)), ErrorCode::BadCertificate, "not 129");
}

#[test]
fn a_common_name_of_128_characters_is_accepted() {
    let ca = Ca::root("Line 1");
    let name = "x".repeat(128);
    let proof = judge(&[ca.device(&name)], &book(vec![group("line-1", &ca)]), NOW).unwrap();
    assert_eq!(proof.id.as_str(), name);
}

#[test]
fn a_subject_without_a_common_name_is_refused() {
    let refusal = refusal_of(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
    });
    assert_refused(&refusal, ErrorCode::BadCertificate, "no common name");
    let refusal = refusal_of(|params| params.distinguished_name = DistinguishedName::new());
    assert_refused(&refusal, ErrorCode::BadCertificate, "no common name");
}

#[test]
fn a_subject_with_two_common_names_is_refused_even_when_they_are_equal() {
    for second in ["dev-2", "dev-1"] {
        let refusal =
            refusal_of(|params| params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), second));
        assert_refused(&refusal, ErrorCode::BadCertificate, "2 common names");
    }
}

#[test]
fn a_common_name_in_a_two_byte_alphabet_is_refused() {
    let name = rcgen::string::BmpString::try_from("dev-1").unwrap();
    assert_refused(&named(DnValue::BmpString(name)), ErrorCode::BadCertificate, "not UTF8String");
}

#[test]
fn a_subject_alternative_name_gives_no_identity() {
    let refusal = refusal_of(|params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.subject_alt_names.push(rcgen::SanType::DnsName("dev-1".try_into().unwrap()));
    });
    assert_refused(&refusal, ErrorCode::BadCertificate, "no common name");
}

#[test]
fn key_usage_without_digital_signature_is_refused() {
    let refusal = refusal_of(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    assert_refused(&refusal, ErrorCode::BadCertificate, "digitalSignature");
    assert_eq!(refusal.enrollment.unwrap().to_string(), "group:line-1");
}

#[test]
fn no_key_usage_and_no_extended_key_usage_are_accepted() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device_with("dev-1", |params| {
        params.key_usages.clear();
        params.extended_key_usages.clear();
    });
    assert_eq!(accepted_by(&[leaf], &book(vec![group("line-1", &ca)])), "group:line-1");
}

#[test]
fn extended_key_usage_needs_client_auth_and_any_alone_does_not_count() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let refusal = refusal_of(|params| params.extended_key_usages = vec![ServerAuth]);
    assert_refused(&refusal, ErrorCode::BadCertificate, "clientAuth");
    let refusal = refusal_of(|params| params.extended_key_usages = vec![Any]);
    assert_refused(&refusal, ErrorCode::BadCertificate, "anyExtendedKeyUsage does not count");
    let ca = Ca::root("Line 1");
    let leaf = ca.device_with("dev-1", |params| params.extended_key_usages = vec![ServerAuth, ClientAuth]);
    assert_eq!(accepted_by(&[leaf], &book(vec![group("line-1", &ca)])), "group:line-1");
}

#[test]
fn an_unknown_critical_extension_is_refused_and_an_uncritical_one_is_not() {
    assert_refused(&refusal_of(critical_unknown), ErrorCode::BadCertificate, "1.3.6.1.4.1.32473.7");
    let ca = Ca::root("Line 1");
    let leaf = ca.device_with("dev-1", |params| {
        params
            .custom_extensions
            .push(rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 7], vec![5, 0]));
    });
    assert_eq!(accepted_by(&[leaf], &book(vec![group("line-1", &ca)])), "group:line-1");
}

#[test]
fn a_ca_certificate_in_a_device_s_place_is_refused() {
    let refusal = refusal_of(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_refused(&refusal, ErrorCode::BadCertificate, "is a CA certificate");
}

#[test]
fn the_enrolled_ca_itself_in_a_device_s_place_is_refused() {
    let ca = Ca::root_with("line-1", |params| params.key_usages.push(KeyUsagePurpose::DigitalSignature));
    let refusal = refused(std::slice::from_ref(&ca.der), &book(vec![group("line-1", &ca)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "is a CA certificate");
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let refusal = refusal_of(|params| {
        params.not_before = datetime!(2024-01-01 0:00 UTC);
        params.not_after = datetime!(2025-01-01 0:00 UTC);
    });
    assert_eq!(refusal.code, ErrorCode::OutsideValidity);
    assert_eq!(refusal.message, "certificate expired on 2025-01-01T00:00:00Z");
    assert_eq!(refusal.enrollment.unwrap().to_string(), "group:line-1");
}

#[test]
fn a_certificate_of_the_future_is_refused_with_its_date() {
    let refusal = refusal_of(|params| params.not_before = datetime!(2026-08-01 0:00 UTC));
    assert_eq!(refusal.code, ErrorCode::OutsideValidity);
    assert_eq!(refusal.message, "certificate is not valid before 2026-08-01T00:00:00Z");
}

#[test]
fn the_last_second_is_valid_and_the_next_is_not() {
    let ca = Ca::root_with("Line 1", |params| params.not_after = datetime!(2028-01-01 0:00 UTC));
    let (chain, book) = ([ca.device("dev-1")], book(vec![group("line-1", &ca)]));
    let end = Timestamp::from_secs(datetime!(2027-01-01 0:00 UTC).unix_timestamp() as u64);
    let proof = judge(&chain, &book, Timestamp::from_micros(end.micros() + 999_999)).unwrap();
    assert_eq!(proof.valid_until, Timestamp::from_secs(end.secs() + 1));
    assert_eq!(refused_at(&chain, &book, proof.valid_until).code, ErrorCode::OutsideValidity);
    let start = proof.valid_from;
    assert!(judge(&chain, &book, start).is_ok());
    assert_eq!(refused_at(&chain, &book, Timestamp::from_micros(start.micros() - 1)).code, ErrorCode::OutsideValidity);
}

#[test]
fn a_clock_in_1970_serves_nobody() {
    let ca = Ca::root("Line 1");
    let refusal = refused_at(&[ca.device("dev-1")], &book(vec![group("line-1", &ca)]), Timestamp::from_secs(0));
    assert_eq!(refusal.code, ErrorCode::OutsideValidity);
}

#[test]
fn no_certificate_and_an_unreadable_one_have_messages_of_their_own() {
    assert_refused(&refused(&[], &book(vec![])), ErrorCode::NoCredentials, "no client certificate");
    let garbage = CertificateDer::from(b"\x30\x03\x02\x01".to_vec());
    assert_refused(&refused(&[garbage], &book(vec![])), ErrorCode::BadCertificate, "cannot be read");
}

#[test]
fn bytes_after_the_certificate_are_refused() {
    let ca = Ca::root("Line 1");
    let mut bytes = ca.device("dev-1").to_vec();
    bytes.push(0);
    assert_refused(
        &refused(&[bytes.into()], &book(vec![group("line-1", &ca)])),
        ErrorCode::BadCertificate,
        "1 bytes follow",
    );
}
