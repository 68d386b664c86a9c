//! Every defect is there, and is the only one.

mod support;

use firsthop_certs::{Authority, Defect, DeviceCertificate, Identity, Validity};
use support::{common_names, is_ca, parse, text, verify};
use time::OffsetDateTime;
use time::macros::datetime;
use x509_parser::certificate::X509Certificate;

const NOW: OffsetDateTime = datetime!(2030-01-02 03:04:05 UTC);

fn group() -> Authority {
    Authority::root("Root").unwrap().intermediate("Group").unwrap()
}

/// What is amiss with a leaf, in the order in which a verifier might look.
fn findings(identity: &Identity, group: &Authority) -> Vec<&'static str> {
    let leaf = parse(&identity.chain[0]);
    let issuer = parse(group.certificate_der());
    let mut found = Vec::new();
    let mut note = |amiss: bool, what| {
        if amiss {
            found.push(what);
        }
    };
    note(NOW > leaf.validity().not_after.to_datetime(), "expired");
    note(NOW < leaf.validity().not_before.to_datetime(), "not yet valid");
    note(leaf.issuer().as_raw() != issuer.subject().as_raw(), "other issuer");
    note(leaf.issuer().as_raw() == leaf.subject().as_raw(), "self-issued");
    note(leaf.verify_signature(Some(issuer.public_key())).is_err(), "other signer");
    note(is_ca(&leaf), "CA");
    note(!leaf.key_usage().unwrap().is_some_and(|usage| usage.value.digital_signature()), "no digitalSignature");
    note(!client_auth(&leaf), "no clientAuth");
    note(common_names(&leaf) != ["dev-1"], "other names");
    note(leaf.extensions().iter().any(|e| e.critical && e.parsed_extension().unsupported()), "unknown critical");
    found
}

fn client_auth(leaf: &X509Certificate<'_>) -> bool {
    leaf.extended_key_usage().unwrap().is_some_and(|usage| usage.value.client_auth)
}

#[test]
fn a_sound_device_has_no_finding() {
    let group = group();
    let device = DeviceCertificate::new("dev-1").validity(Validity::days(NOW, 1)).signed_by(&group).unwrap();
    assert_eq!(findings(&device, &group), [""; 0]);
}

#[test]
fn every_defect_shows_and_is_the_only_one() {
    let group = group();
    for defect in Defect::ALL {
        let expected: &[&str] = match defect {
            Defect::Expired => &["expired"],
            Defect::NotYetValid => &["not yet valid"],
            Defect::WrongEku | Defect::AnyEku => &["no clientAuth"],
            Defect::ForeignCa | Defect::LeafAsCa => &["other issuer", "other signer"],
            Defect::ImpostorCa => &["other signer"],
            Defect::SelfSigned => &["other issuer", "self-issued", "other signer"],
            Defect::SelfSignedCa => {
                &["other issuer", "self-issued", "other signer", "CA", "no digitalSignature", "no clientAuth"]
            }
            Defect::CaAsLeaf => &["CA"],
            Defect::NoDigitalSignature => &["no digitalSignature"],
            Defect::TwoCommonNames | Defect::NoCommonName => &["other names"],
            Defect::UnknownCriticalExtension => &["unknown critical"],
        };
        let device = group.broken_device_at("dev-1", defect, NOW).unwrap();
        assert_eq!(findings(&device, &group), expected, "{defect}");
    }
}

#[test]
fn extended_key_usages_are_serverauth_and_any_alone() {
    let group = group();
    let usage = |defect| {
        let device = group.broken_device("dev-1", defect).unwrap();
        let leaf = parse(&device.chain[0]);
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        (usage.client_auth, usage.server_auth, usage.any)
    };
    assert_eq!(usage(Defect::WrongEku), (false, true, false));
    assert_eq!(usage(Defect::AnyEku), (false, false, true));
}

#[test]
fn two_common_names_are_two_and_none_is_an_empty_subject() {
    let group = group();
    let two = group.broken_device("dev-1", Defect::TwoCommonNames).unwrap();
    assert_eq!(common_names(&parse(&two.chain[0])), ["dev-1", "dev-1-other"]);
    let none = group.broken_device("dev-1", Defect::NoCommonName).unwrap();
    assert_eq!(parse(&none.chain[0]).subject().iter().count(), 0);
}

#[test]
fn a_leaf_that_signed_another_stands_in_the_chain_as_a_leaf() {
    let group = group();
    let device = group.broken_device("dev-1", Defect::LeafAsCa).unwrap();
    assert_eq!(device.chain.len(), 3);
    let (leaf, signer) = (parse(&device.chain[0]), parse(&device.chain[1]));
    leaf.verify_signature(Some(signer.public_key())).unwrap();
    signer.verify_signature(Some(parse(group.certificate_der()).public_key())).unwrap();
    assert!(!is_ca(&signer));
    assert_eq!(common_names(&signer), ["dev-1-signer"]);
}

#[test]
fn an_impostor_presents_the_real_authority_and_a_forged_signature() {
    let group = group();
    let device = group.broken_device("dev-1", Defect::ImpostorCa).unwrap();
    assert_eq!(device.chain[1], *group.certificate_der());
    let sound = group.device("dev-1").unwrap();
    let key_id = |identity: &Identity| {
        let leaf = parse(&identity.chain[0]);
        let found =
            leaf.iter_extensions().find(|e| e.oid == x509_parser::oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER);
        found.map(|extension| extension.value.to_vec())
    };
    assert_eq!(key_id(&device), key_id(&sound));
    assert!(key_id(&sound).is_some());
}

#[test]
fn openssl_refuses_what_it_judges_and_says_why() {
    let root = Authority::root("Root").unwrap();
    let dir = tempfile::tempdir().unwrap();
    root.write(dir.path(), "root").unwrap();
    let at = |name: &str| dir.path().join(name);
    for (defect, reason) in [
        (Defect::Expired, "certificate has expired"),
        (Defect::NotYetValid, "certificate is not yet valid"),
        (Defect::WrongEku, "certificate purpose"),
        (Defect::ForeignCa, "unable to get local issuer certificate"),
        (Defect::ImpostorCa, "certificate signature failure"),
        (Defect::SelfSigned, "self-signed certificate"),
        (Defect::SelfSignedCa, "self-signed certificate"),
        (Defect::LeafAsCa, "invalid CA certificate"),
        (Defect::UnknownCriticalExtension, "unhandled critical extension"),
    ] {
        root.broken_device("dev-1", defect).unwrap().write(dir.path(), defect.name()).unwrap();
        let refused = verify("sslclient", &at("root.pem"), &at(&format!("{defect}.pem")));
        assert!(!refused.status.success(), "{defect}");
        assert!(text(&refused).contains(reason), "{defect}: {}", text(&refused));
    }
}

#[test]
fn names_of_defects_are_read_back_and_all_different() {
    for defect in Defect::ALL {
        assert_eq!(defect.name().parse(), Ok(defect));
    }
    assert!("nonsense".parse::<Defect>().is_err());
}
