//! Many entries, and entries that do not go together.

use super::*;
use crate::domain::attestation::path::{MAX_TRIES, MAX_TRIES_PER_LEVEL};
use crate::domain::book::BookError;

/// How many enrolled certificates were tried for the chain.
fn tries(chain: &[Der], book: &Book) -> usize {
    examine(chain, book, NOW).map(|accepted| accepted.tries).map_err(Refusal::from).unwrap()
}

#[test]
fn entries_are_found_by_name() {
    let ca = Ca::root("Line 1");
    let leaf = self_signed("dev-1", |_| {});
    let book = Book::new(7, vec![individual_entry("Dev-1", &leaf), group("Line-1", &ca)]).unwrap();
    assert_eq!((book.generation(), book.len(), book.is_empty()), (7, 2, false));
    assert!(book.individual(&RegistrationId::parse("DEV-1").unwrap()).is_some());
    assert!(book.group(&GroupId::parse("LINE-1").unwrap()).is_some());
    let names: Vec<String> = book.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["group:line-1", "individual:dev-1"]);
    assert!(book.iter().all(|entry| book.entry(&entry.name).is_some_and(|found| Arc::ptr_eq(found, entry))));
}

#[test]
fn an_empty_book_accepts_nobody() {
    assert_eq!(refused(&[Ca::root("Line 1").device("dev-1")], &Book::default()).code, ErrorCode::NotEnrolled);
}

#[test]
fn a_name_can_be_given_once() {
    let (one, two) = (Ca::root("One"), Ca::root("Two"));
    let error = Book::new(1, vec![group("Line", &one), group("line", &two)]).unwrap_err();
    assert_eq!(error, BookError::DuplicateName(EnrollmentName::Group(GroupId::parse("line").unwrap())));
    let leaf = self_signed("dev-1", |_| {});
    let error = Book::new(1, vec![individual_entry("dev-1", &leaf), individual_entry("DEV-1", &leaf)]).unwrap_err();
    assert!(error.concerns(&EnrollmentName::Individual(RegistrationId::parse("dev-1").unwrap())));
}

#[test]
fn a_group_and_an_individual_may_have_the_same_name() {
    let (ca, leaf) = (Ca::root("Line 1"), self_signed("same", |_| {}));
    assert!(Book::new(1, vec![group("same", &ca), individual_entry("same", &leaf)]).is_ok());
}

#[test]
fn a_ca_cannot_belong_to_two_groups_and_both_are_named() {
    let (one, two) = (Ca::root("One"), Ca::root("Two"));
    let renewed = one.renewed(|_| {});
    for other in [&one, &renewed] {
        for entries in
            [vec![group("a", &one), group("b", other)], vec![group("a", &one), group_of_two("b", &two, other)]]
        {
            let error = Book::new(1, entries).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains("group:a") && message.contains("group:b") && message.contains("CN=One"),
                "{message}"
            );
            for name in ["a", "b"] {
                assert!(error.concerns(&EnrollmentName::Group(GroupId::parse(name).unwrap())));
            }
        }
    }
}

#[test]
fn a_group_may_have_the_same_ca_twice() {
    let ca = Ca::root("One");
    let book = book(vec![group_of_two("a", &ca, &ca)]);
    assert_eq!(accepted_by(&[ca.device("dev-1")], &book), "group:a");
}

#[test]
fn a_device_certificate_makes_no_group() {
    let mut entry = group("a", &Ca::root("One"));
    entry.certificates.secondary = Some(EnrolledCertificate::leaf(self_signed("dev-1", |_| {})).unwrap());
    assert!(matches!(Book::new(1, vec![entry]), Err(BookError::NotACa(_))));
}

#[test]
fn three_hundred_groups_whose_cas_share_one_name_all_work_at_one_try_each() {
    let cas: Vec<Ca> = (0..300).map(|_| Ca::root("Root CA")).collect();
    let book = book(cas.iter().enumerate().map(|(at, ca)| group(&format!("tenant-{at}"), ca)).collect());
    for (at, ca) in cas.iter().enumerate().step_by(37) {
        let chain = [ca.device("dev-1"), ca.der.clone()];
        assert_eq!(accepted_by(&chain, &book), format!("group:tenant-{at}"));
        assert_eq!(tries(&chain, &book), 1);
    }
    let stranger = Ca::root("Root CA");
    let refusal = refused(&[stranger.device("dev-1"), stranger.der.clone()], &book);
    assert!(refusal.detail.contains("of 300 enrolled CAs with that name none has the key id"), "{refusal:?}");
}

#[test]
fn without_key_ids_only_a_few_of_a_name_are_tried() {
    let plain = |params: &mut CertificateParams| params.use_authority_key_identifier_extension = false;
    let cas: Vec<Ca> = (0..MAX_TRIES_PER_LEVEL).map(|_| Ca::root("Root CA")).collect();
    let few = book(cas.iter().enumerate().map(|(at, ca)| group(&format!("tenant-{at}"), ca)).collect());
    for (at, ca) in cas.iter().enumerate() {
        assert_eq!(accepted_by(&[ca.device_with("dev-1", plain)], &few), format!("group:tenant-{at}"));
    }
    let many = book((0..50).map(|at| group(&format!("tenant-{at}"), &Ca::root("Root CA"))).collect());
    let refusal = refused(&[Ca::root("Root CA").device_with("dev-1", plain)], &many);
    assert!(refusal.detail.contains(&format!("{MAX_TRIES_PER_LEVEL} were tried")), "{refusal:?}");
}

#[test]
fn a_ca_without_a_key_id_is_found_by_name() {
    // basicConstraints CA:TRUE written by hand: the library would add a key id.
    let without_key_id = |params: &mut CertificateParams| {
        params.is_ca = IsCa::NoCa;
        params
            .custom_extensions
            .push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 3, 1, 1, 0xff]));
    };
    let ca = Ca::root_with("Root CA", without_key_id);
    assert!(EnrolledCertificate::group_ca(ca.der.clone()).unwrap().anchor().unwrap().key_id.is_none());
    let other = Ca::root("Root CA");
    let book = book(vec![group("with", &other), group("without", &ca)]);
    // The device's certificate names a key id all the same.
    assert_eq!(accepted_by(&[ca.device("dev-1")], &book), "group:without");
    assert_eq!(accepted_by(&[other.device("dev-1")], &book), "group:with");
    assert_eq!(tries(&[ca.device("dev-1")], &book), 1);
}

#[test]
fn a_chain_built_to_cause_many_signature_checks_is_cut_off() {
    let plain = |params: &mut CertificateParams| params.use_authority_key_identifier_extension = false;
    let book = book((0..20).map(|at| group(&format!("tenant-{at}"), &Ca::root("Root CA"))).collect());
    // A stranger's chain in which every certificate has the same name and could be the issuer of any other.
    let mut chain = Vec::new();
    let mut above = Ca::root_with("Root CA", plain);
    for _ in 1..MAX_CHAIN_LEN {
        // Not self-signed, though it names itself: walked past only if another name stands between.
        above = above.sub_with("Root CA", plain);
        chain.push(above.der.clone());
    }
    chain.insert(0, above.device_with("dev-1", plain));
    let refusal = refused(&chain, &book);
    assert_refused(&refusal, ErrorCode::BadCertificate, "in too many ways");
    assert!(refusal.detail.contains(&MAX_TRIES.to_string()), "{refusal:?}");
}

#[test]
fn ten_thousand_groups_cost_a_judgement_no_more_tries_than_one() {
    let mut pool: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
    let last = pool.pop().unwrap();
    let mut entries: Vec<Enrollment> = (0..9_999)
        .map(|at| {
            let der: Der = ca_params(&format!("CA {at}")).self_signed(&pool[at % pool.len()]).unwrap().into();
            let name = EnrollmentName::Group(GroupId::parse(&format!("group-{at}")).unwrap());
            entry(name, EnrolledCertificate::group_ca(der).unwrap(), None)
        })
        .collect();
    let ca = Ca::root_of(last, "CA last", |_| {});
    entries.insert(5_000, group("last", &ca));
    let book = book(entries);
    assert_eq!(book.len(), 10_000);
    let chain = [ca.device("dev-1")];
    assert_eq!(accepted_by(&chain, &book), "group:last");
    assert_eq!(tries(&chain, &book), 1);
}
