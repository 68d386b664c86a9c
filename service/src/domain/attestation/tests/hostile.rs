//! Chains that nobody sends by mistake.

use proptest::prelude::*;

use super::*;

#[test]
fn a_chain_of_too_many_certificates_is_refused_unread() {
    let ca = Ca::root("Line 1");
    let mut chain = vec![ca.device("dev-1")];
    chain.extend((0..MAX_CHAIN_LEN).map(|_| ca.der.clone()));
    let book = book(vec![group("line-1", &ca)]);
    assert_refused(&refused(&chain, &book), ErrorCode::BadCertificate, "11 certificates were sent; at most 10");
    assert_eq!(accepted_by(&chain[..MAX_CHAIN_LEN], &book), "group:line-1");
}

#[test]
fn a_chain_of_too_many_bytes_is_refused_unread() {
    let ca = Ca::root("Line 1");
    let chain = [ca.device("dev-1"), CertificateDer::from(vec![0; MAX_CHAIN_BYTES])];
    assert_refused(&refused(&chain, &book(vec![group("line-1", &ca)])), ErrorCode::BadCertificate, "at most 65536");
}

#[test]
fn certificates_that_are_not_needed_are_not_read() {
    let ca = Ca::root("Line 1");
    let chain = [ca.device("dev-1"), CertificateDer::from(vec![0xff; 50])];
    assert_eq!(accepted_by(&chain, &book(vec![group("line-1", &ca)])), "group:line-1");
}

#[test]
fn an_unreadable_certificate_that_might_be_the_missing_issuer_is_named() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    let chain = [line.device("dev-1"), CertificateDer::from(line.der[..200].to_vec())];
    assert_refused(
        &refused(&chain, &book(vec![group("all", &root)])),
        ErrorCode::BadCertificate,
        "certificate 2 of those sent cannot be read",
    );
}

#[test]
fn certificates_that_sign_each_other_in_a_circle_end_in_a_refusal() {
    let (a, b) = (Ca::root("A"), Ca::root("B"));
    let (a_by_b, b_by_a) = (a.certified_by(&b), b.certified_by(&a));
    let chain = [a.device("dev-1"), a_by_b.der.clone(), b_by_a.der.clone(), a_by_b.der.clone()];
    assert_eq!(refused(&chain, &book(vec![])).code, ErrorCode::NotEnrolled);
}

/// A chain of three below an enrolled root.
fn sound() -> (Vec<Der>, Book) {
    let root = Ca::root("Root");
    let factory = root.sub("Factory");
    let line = factory.sub("Line 1");
    (vec![line.device("dev-1"), line.der.clone(), factory.der.clone()], book(vec![group("all", &root)]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_certificate_changed_anywhere_never_panics_and_is_never_accepted(
        which in 0..3_usize, at in any::<prop::sample::Index>(), value in 1..=255_u8
    ) {
        let (mut chain, book) = sound();
        let mut bytes = chain[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= value;
        chain[which] = bytes.into();
        prop_assert!(judge(&chain, &book, NOW).is_err());
        prop_assert!(!explain(&chain, &book, NOW).to_string().is_empty());
        let _ = EnrolledCertificate::group_ca(chain[which].clone());
        let _ = EnrolledCertificate::leaf(chain[which].clone());
    }

    #[test]
    fn a_certificate_cut_or_spliced_anywhere_never_panics_and_is_never_accepted(
        which in 0..3_usize, from in any::<prop::sample::Index>(), remove in 1..40_usize, insert in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let (mut chain, book) = sound();
        let mut bytes = chain[which].to_vec();
        let from = from.index(bytes.len());
        let to = (from + remove).min(bytes.len());
        prop_assume!(bytes[from..to] != insert);
        bytes.splice(from..to, insert);
        chain[which] = bytes.into();
        prop_assert!(judge(&chain, &book, NOW).is_err());
        prop_assert!(!explain(&chain, &book, NOW).to_string().is_empty());
    }

    #[test]
    fn arbitrary_bytes_never_panic(chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12)) {
        let chain: Vec<Der> = chain.into_iter().map(Der::from).collect();
        let book = Book::default();
        prop_assert!(judge(&chain, &book, NOW).is_err());
        prop_assert!(!explain(&chain, &book, NOW).to_string().is_empty());
    }
}
