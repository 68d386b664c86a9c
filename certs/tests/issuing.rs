//! What sound authorities, devices and servers look like, by x509-parser's reading and by openssl's.

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use firsthop_certs::{
    Authority, AuthorityCertificate, AuthorityProblem, DeviceCertificate, IssueError, KeyKind, ServerCertificate,
    Validity,
};
use support::{common_names, is_ca, openssl, parse, text, verify};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

fn subject_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let found = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    found.expect("a subject key identifier")
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let found = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    found.expect("an authority key identifier")
}

#[test]
fn a_device_certificate_says_what_a_device_may_do_and_nothing_more() {
    let root = Authority::root("Root").unwrap();
    let device = root.intermediate("Line 1").unwrap().device("dev-0001").unwrap();
    let leaf = parse(&device.chain[0]);
    assert_eq!(common_names(&leaf), ["dev-0001"]);
    assert_eq!(leaf.subject().iter().count(), 1);
    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1, "digitalSignature alone");
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth && !extended.any && extended.other.is_empty());
}

#[test]
fn an_authority_certificate_may_sign_certificates_and_has_its_path_length() {
    let root = AuthorityCertificate::new("Root").path_length(1).self_signed().unwrap();
    let certificate = parse(root.certificate_der());
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(1));
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    let unlimited = Authority::root("Root").unwrap();
    let constraints = parse(unlimited.certificate_der()).basic_constraints().unwrap().unwrap().value.clone();
    assert_eq!(constraints.path_len_constraint, None);
}

#[test]
fn a_server_certificate_has_its_dns_names_and_addresses() {
    let names = ["localhost", "*.hub.example", "127.0.0.1", "::1"].map(str::to_owned);
    let server = Authority::root("Root").unwrap().server(&names).unwrap();
    let leaf = parse(&server.chain[0]);
    let found = leaf.subject_alternative_name().unwrap().unwrap();
    let mut loopback6 = [0; 16];
    loopback6[15] = 1;
    assert_eq!(
        found.value.general_names,
        [
            GeneralName::DNSName("localhost"),
            GeneralName::DNSName("*.hub.example"),
            GeneralName::IPAddress(&[127, 0, 0, 1]),
            GeneralName::IPAddress(&loopback6),
        ]
    );
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth);
    assert!(!is_ca(&leaf));
}

#[test]
fn server_names_that_are_no_names_are_refused() {
    let root = Authority::root("Root").unwrap();
    for name in ["", "with space", "a/b", "münchen.example", "a\0b", "*."] {
        let error = root.server(&[name.to_owned()]).unwrap_err();
        assert!(matches!(&error, IssueError::ServerName(refused) if refused == name), "{name:?}: {error:?}");
    }
    assert!(matches!(root.server(&[]), Err(IssueError::NoServerName)));
}

#[test]
fn hostile_registration_ids_reach_the_common_name_unchanged() {
    let root = Authority::root("Root").unwrap();
    let long = "x".repeat(300);
    for id in ["a\0b", "a/b", "a+b,CN=c", "#", "ünïcode-😀", "", " ", "a\r\nb", "$provisioning", long.as_str()] {
        let device = root.device(id).unwrap();
        assert_eq!(common_names(&parse(&device.chain[0])), [id]);
    }
}

#[test]
fn every_certificate_names_its_issuer_and_the_issuers_key() {
    let root = Authority::root("Root").unwrap();
    let group = root.intermediate("Group").unwrap();
    let device = group.device("dev").unwrap();
    let certificates = [root.certificate_der(), group.certificate_der(), &device.chain[0]].map(parse);
    for (issuer, subject) in [(0, 0), (0, 1), (1, 2)] {
        let (issuer, subject) = (&certificates[issuer], &certificates[subject]);
        assert_eq!(subject.issuer().as_raw(), issuer.subject().as_raw());
        assert_eq!(authority_key_id(subject), subject_key_id(issuer));
        subject.verify_signature(Some(issuer.public_key())).expect("the issuer's signature");
    }
    assert_ne!(subject_key_id(&certificates[1]), subject_key_id(&certificates[2]));
}

#[test]
fn serial_numbers_are_sixteen_positive_bytes_and_never_the_same() {
    let root = Authority::root("Root").unwrap();
    let serials: HashSet<_> = (0..100)
        .map(|_| {
            let device = root.device("dev").unwrap();
            let serial = parse(&device.chain[0]).raw_serial().to_vec();
            assert!(serial.len() == 16 && serial[0] & 0x80 == 0);
            serial
        })
        .collect();
    assert_eq!(serials.len(), 100);
}

#[test]
fn the_chain_holds_every_intermediate_but_not_the_root() {
    let root = Authority::root("Root").unwrap();
    let upper = root.intermediate("Upper").unwrap();
    let lower = upper.intermediate("Lower").unwrap();
    assert_eq!(root.device("dev").unwrap().chain.len(), 1);
    let device = lower.device("dev").unwrap();
    let above = [lower.certificate_der().clone(), upper.certificate_der().clone()];
    assert_eq!(device.chain[1..], above);
    let leaf = device.chain[0].clone();
    assert_eq!(device.without_intermediates().chain, [leaf]);
}

#[test]
fn validity_is_what_was_asked_for_in_whole_seconds() {
    let now = datetime!(2031-05-06 07:08:09.5 UTC);
    let root = AuthorityCertificate::new("Root").validity(Validity::days(now, 10)).self_signed().unwrap();
    let validity = parse(root.certificate_der()).validity().clone();
    assert_eq!(validity.not_before.to_datetime(), datetime!(2031-05-06 06:08:09 UTC));
    assert_eq!(validity.not_after.to_datetime(), datetime!(2031-05-16 07:08:09 UTC));
}

#[test]
fn a_certificate_for_ever_ends_with_the_year_9999_and_dates_beyond_are_refused() {
    let now = OffsetDateTime::now_utc();
    let root = AuthorityCertificate::new("Root").validity(Validity::days(now, u32::MAX)).self_signed().unwrap();
    assert_eq!(parse(root.certificate_der()).validity().not_after.to_datetime().year(), 9999);
    let before_christ = Validity::new(datetime!(-0044-03-15 12:00 UTC), now);
    let error = DeviceCertificate::new("caesar").validity(before_christ).signed_by(&root).unwrap_err();
    assert!(matches!(error, IssueError::Year(-44)));
}

#[test]
fn broken_authorities_are_made_as_asked_and_known_as_broken() {
    let now = OffsetDateTime::now_utc();
    let new = || AuthorityCertificate::new("Root").validity(Validity::days(now, 1));
    assert_eq!(new().self_signed().unwrap().problems(now), []);
    assert_eq!(new().not_a_ca().self_signed().unwrap().problems(now), [AuthorityProblem::NotAnAuthority]);
    let no_sign = new().without_key_cert_sign().self_signed().unwrap();
    assert_eq!(no_sign.problems(now), [AuthorityProblem::MayNotSign]);
    assert!(is_ca(&parse(no_sign.certificate_der())));
    let short = new().path_length(0).self_signed().unwrap();
    assert_eq!(short.problems(now), [AuthorityProblem::NoAuthorityBelow]);
    assert_eq!(short.intermediate("Below").unwrap().device("dev").unwrap().chain.len(), 2);
    let expired = new().validity(Validity::expired(now)).self_signed().unwrap();
    assert!(matches!(expired.problems(now)[..], [AuthorityProblem::Expired(at)] if at < now));
    let future = new().validity(Validity::not_yet(now)).self_signed().unwrap();
    assert!(matches!(future.problems(now)[..], [AuthorityProblem::NotYetValid(at)] if at > now));
    assert_eq!(future.problems(now + Duration::days(2)), []);
}

fn written(kind: KeyKind, dir: &Path) -> (Authority, Authority) {
    let root = AuthorityCertificate::new("Root").key_kind(kind).self_signed().unwrap();
    let group = AuthorityCertificate::new("Group").key_kind(kind).signed_by(&root).unwrap();
    root.write(dir, "root").unwrap();
    group.write(dir, "group").unwrap();
    DeviceCertificate::new("dev-0001").key_kind(kind).signed_by(&group).unwrap().write(dir, "device").unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    ServerCertificate::new(&names).key_kind(kind).signed_by(&root).unwrap().write(dir, "server").unwrap();
    (root, group)
}

/// Verifies chains, reads every field as text and proves that each key is the certificate's.
fn openssl_accepts(kind: KeyKind, algorithm: &str) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    written(kind, dir.path());

    let device = verify("sslclient", &at("root.pem"), &at("device.pem"));
    assert!(device.status.success(), "{}", text(&device));
    let server = verify("sslserver", &at("root.pem"), &at("server.pem"));
    assert!(server.status.success(), "{}", text(&server));
    let swapped = verify("sslserver", &at("root.pem"), &at("device.pem"));
    assert!(!swapped.status.success(), "a device is no server");

    let read = text(&openssl(&["x509", "-noout", "-text", "-in"], &[&at("device.pem")]));
    for expected in [algorithm, "CN = dev-0001", "CA:FALSE", "Digital Signature", "TLS Web Client Authentication"] {
        assert!(read.contains(expected), "{expected} in {read}");
    }
    for stem in ["root", "group", "device", "server"] {
        let of_certificate = openssl(&["x509", "-noout", "-pubkey", "-in"], &[&at(&format!("{stem}.pem"))]);
        let of_key = openssl(&["pkey", "-pubout", "-in"], &[&at(&format!("{stem}.key"))]);
        assert!(of_key.status.success(), "{stem}: {}", text(&of_key));
        assert_eq!(of_key.stdout, of_certificate.stdout);
    }
}

#[test]
fn openssl_accepts_chains_and_keys_of_p256() {
    openssl_accepts(KeyKind::P256, "ecdsa-with-SHA256");
}

#[test]
fn openssl_accepts_chains_and_keys_of_p384() {
    openssl_accepts(KeyKind::P384, "ecdsa-with-SHA384");
}

#[test]
fn openssl_accepts_chains_and_keys_of_rsa_2048() {
    openssl_accepts(KeyKind::Rsa2048, "sha256WithRSAEncryption");
}

#[test]
fn openssl_accepts_chains_and_keys_of_ed25519() {
    openssl_accepts(KeyKind::Ed25519, "ED25519");
}

#[test]
fn pem_lines_are_those_that_openssl_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (root, _) = written(KeyKind::P256, dir.path());
    let own = fs::read_to_string(dir.path().join("root.pem")).unwrap();
    let theirs = openssl(&["x509", "-in"], &[&dir.path().join("root.pem")]);
    assert_eq!(own.as_bytes(), theirs.stdout);
    assert_eq!(own, root.certificate_pem());
}
