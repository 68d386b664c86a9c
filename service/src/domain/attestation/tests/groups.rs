//! Enrollment groups: the nearest enrolled CA above the device decides (rule B1).

use super::*;

#[test]
fn a_device_below_a_root_is_accepted() {
    let root = Ca::root("Root");
    let proof = judge(&[root.device("dev-1")], &book(vec![group("all", &root)]), NOW).unwrap();
    assert_eq!((proof.id.as_str(), proof.enrollment.name.to_string().as_str()), ("dev-1", "group:all"));
    assert_eq!(
        (proof.valid_from.to_string().as_str(), proof.valid_until.secs() % 60),
        ("2026-01-01T00:00:00.0000000Z", 1)
    );
}

#[test]
fn an_intermediate_ca_can_be_enrolled_without_its_root() {
    let (line, other) = {
        let root = Ca::root("Root");
        (root.sub("Line 1"), root.sub("Line 2"))
    };
    let book = book(vec![group("line-1", &line)]);
    assert_eq!(accepted_by(&[line.device("dev-1")], &book), "group:line-1");
    assert_eq!(accepted_by(&[line.device("dev-1"), line.der.clone()], &book), "group:line-1");
    assert_eq!(refused(&[other.device("dev-1"), other.der.clone()], &book).code, ErrorCode::NotEnrolled);
}

#[test]
fn a_device_below_an_intermediate_reaches_the_enrolled_root_when_it_sends_the_intermediate() {
    let root = Ca::root("Root");
    let (factory, line);
    factory = root.sub("Factory");
    line = factory.sub("Line 1");
    let book = book(vec![group("all", &root)]);
    let leaf = line.device("dev-1");
    assert_eq!(accepted_by(&[leaf.clone(), line.der.clone(), factory.der.clone()], &book), "group:all");
    assert_eq!(
        accepted_by(&[leaf.clone(), line.der.clone(), factory.der.clone(), root.der.clone()], &book),
        "group:all"
    );
    let refusal = refused(&[leaf.clone(), line.der.clone()], &book);
    assert_refused(&refusal, ErrorCode::NotEnrolled, "send every intermediate up to an enrolled CA");
    assert_refused(&refusal, ErrorCode::NotEnrolled, "subject CN=dev-1, issuer CN=Line 1, 2 certificates sent");
    assert!(
        refusal.detail.contains("looked up issuer CN=Line 1") && refusal.detail.contains("looked up issuer CN=Factory"),
        "{refusal:?}"
    );
    assert_refused(&refused(&[leaf], &book), ErrorCode::NotEnrolled, "1 certificate sent");
}

#[test]
fn the_order_of_the_certificates_above_the_device_s_own_does_not_matter() {
    let root = Ca::root("Root");
    let factory = root.sub("Factory");
    let line = factory.sub("Line 1");
    let stranger = Ca::root("Stranger");
    let chain = [line.device("dev-1"), stranger.der.clone(), root.der.clone(), factory.der.clone(), line.der.clone()];
    assert_eq!(accepted_by(&chain, &book(vec![group("all", &root)])), "group:all");
}

#[test]
fn a_chain_that_begins_with_another_certificate_is_refused() {
    let root = Ca::root("Root");
    let line = root.sub("line-1");
    // TLS proves the key of the first one: it would be the device.
    let refusal = refused(&[line.der.clone(), line.device("dev-1")], &book(vec![group("all", &root)]));
    assert_refused(&refusal, ErrorCode::BadCertificate, "is a CA certificate");
}

#[test]
fn the_nearest_enrolled_ca_decides() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    let other = root.sub("Line 2");
    let book = book(vec![group("all", &root), group("line-1", &line)]);
    assert_eq!(accepted_by(&[line.device("dev-1"), line.der.clone()], &book), "group:line-1");
    assert_eq!(accepted_by(&[other.device("dev-2"), other.der.clone()], &book), "group:all");
}

#[test]
fn the_nearest_decides_also_when_it_is_disabled() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    let book = book(vec![group("all", &root), disabled(group("line-1", &line))]);
    let refusal = refused(&[line.device("dev-1"), line.der.clone(), root.der.clone()], &book);
    assert_refused(&refusal, ErrorCode::Disabled, "disabled");
    assert_eq!(refusal.enrollment.unwrap().to_string(), "group:line-1");
}

#[test]
fn a_fault_below_the_nearest_group_is_not_healed_by_a_wider_one() {
    let root = Ca::root("Root");
    let line = root.sub_with("Line 1", |params| params.not_after = datetime!(2026-06-01 0:00 UTC));
    let book = book(vec![group("all", &root), group("line-1", &line)]);
    let refusal = refused(&[line.device("dev-1"), line.der.clone(), root.der.clone()], &book);
    assert_refused(&refusal, ErrorCode::OutsideValidity, "(CN=Line 1) expired on 2026-06-01T00:00:00Z");
    assert_eq!(refusal.enrollment.unwrap().to_string(), "group:line-1");
}

#[test]
fn a_disabled_group_says_so_before_any_fault_of_the_certificate() {
    let ca = Ca::root("Line 1");
    let leaf = ca.device_with("dev-1", |params| params.not_after = datetime!(2026-02-01 0:00 UTC));
    assert_eq!(refused(&[leaf], &book(vec![disabled(group("line-1", &ca))])).code, ErrorCode::Disabled);
}

#[test]
fn a_disabled_group_tells_nothing_to_those_whom_it_did_not_sign() {
    let ca = Ca::root("Line 1");
    let impostor = Ca::root("Line 1");
    let leaf = impostor.device_with("dev-1", |params| params.use_authority_key_identifier_extension = false);
    assert_eq!(refused(&[leaf], &book(vec![disabled(group("line-1", &ca))])).code, ErrorCode::NotEnrolled);
}

#[test]
fn a_misleading_key_id_does_not_lead_past_the_nearest_group() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    // The holder of the line's key writes what they like into what they sign.
    let mut params = line.params.clone();
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![7; 20]);
    let forger =
        Ca { params, key: KeyPair::try_from(line.key.serialize_der().as_slice()).unwrap(), der: line.der.clone() };
    let book = book(vec![group("all", &root), disabled(group("line-1", &line))]);
    let chain = [forger.device("dev-1"), line.der.clone()];
    assert_eq!(refused(&chain, &book).code, ErrorCode::Disabled);
    // Nor does another certificate of the line's, with that key id.
    let other: Der = forger.params.signed_by(&forger.key, &root.issuer()).unwrap().into();
    assert_eq!(refused(&[forger.device("dev-1"), other], &book).code, ErrorCode::Disabled);
}

#[test]
fn among_many_cas_of_one_name_the_one_that_was_sent_is_asked() {
    let plain = |params: &mut CertificateParams| params.use_authority_key_identifier_extension = false;
    let root = Ca::root("Root");
    let lines: Vec<Ca> = (0..12).map(|_| root.sub("Line")).collect();
    let mut entries: Vec<Enrollment> =
        lines.iter().enumerate().map(|(at, ca)| disabled(group(&format!("line-{at}"), ca))).collect();
    entries.push(group("all", &root));
    let book = book(entries);
    for (at, line) in lines.iter().enumerate() {
        let refusal = refused(&[line.device_with("dev-1", plain), line.der.clone()], &book);
        assert_eq!(
            (refusal.code, refusal.enrollment.unwrap().to_string()),
            (ErrorCode::Disabled, format!("group:line-{at}"))
        );
    }
}

#[test]
fn primary_and_secondary_of_a_group_are_equal() {
    let (old, new, third) = (Ca::root("Line 1"), Ca::root("Line 1 v2"), Ca::root("Line 1 v3"));
    let both = book(vec![group_of_two("line-1", &old, &new)]);
    assert_eq!(accepted_by(&[old.device("dev-1")], &both), "group:line-1");
    assert_eq!(accepted_by(&[new.device("dev-1")], &both), "group:line-1");
    // The end of a roll-over.
    let after = book(vec![group_of_two("line-1", &new, &third)]);
    assert_eq!(refused(&[old.device("dev-1")], &after).code, ErrorCode::NotEnrolled);
    assert_eq!(accepted_by(&[new.device("dev-1")], &after), "group:line-1");
}

#[test]
fn a_ca_renewed_with_the_same_key_serves_the_devices_of_the_expired_one() {
    let old = Ca::root_with("Line 1", |params| params.not_after = datetime!(2026-06-01 0:00 UTC));
    let new = old.renewed(|params| params.not_after = datetime!(2030-01-01 0:00 UTC));
    let leaf = old.device("dev-1");
    for book in [book(vec![group_of_two("line-1", &old, &new)]), book(vec![group_of_two("line-1", &new, &old)])] {
        assert_eq!(accepted_by(std::slice::from_ref(&leaf), &book), "group:line-1");
    }
    let refusal = refused(&[leaf], &book(vec![group("line-1", &old)]));
    assert_refused(&refusal, ErrorCode::OutsideValidity, "expired on 2026-06-01T00:00:00Z");
}

#[test]
fn a_cross_signed_ca_is_found_from_either_side() {
    let (old_root, new_root) = (Ca::root("Old Root"), Ca::root("New Root"));
    let line = old_root.sub("Line 1");
    let cross = line.certified_by(&new_root);
    let leaf = line.device("dev-1");
    // The other certificate of the CA's key is enrolled.
    assert_eq!(accepted_by(&[leaf.clone(), line.der.clone()], &book(vec![group("line-1", &cross)])), "group:line-1");
    // Only one of the two roots is enrolled, and the device sends both ways, in either order.
    let book = book(vec![group("new", &new_root)]);
    assert_eq!(accepted_by(&[leaf.clone(), line.der.clone(), cross.der.clone()], &book), "group:new");
    assert_eq!(accepted_by(&[leaf.clone(), cross.der.clone(), line.der.clone()], &book), "group:new");
    assert_eq!(refused(&[leaf, line.der.clone()], &book).code, ErrorCode::NotEnrolled);
}

#[test]
fn a_cross_signed_root_leads_on_to_the_enrolled_one() {
    let (old_root, new_root) = (Ca::root("Old Root"), Ca::root("New Root"));
    let bridge = old_root.certified_by(&new_root);
    let line = old_root.sub("Line 1");
    let book = book(vec![group("new", &new_root)]);
    assert_eq!(accepted_by(&[line.device("dev-1"), line.der.clone(), bridge.der.clone()], &book), "group:new");
}

#[test]
fn an_impostor_ca_of_the_right_name_is_not_the_ca() {
    let ca = Ca::root("Line 1");
    let impostor = Ca::root("Line 1");
    let book = book(vec![group("line-1", &ca)]);
    for with_key_id in [true, false] {
        let leaf = impostor.device_with("dev-1", |params| params.use_authority_key_identifier_extension = with_key_id);
        for chain in [vec![leaf.clone()], vec![leaf.clone(), impostor.der.clone()], vec![leaf, ca.der.clone()]] {
            let refusal = refused(&chain, &book);
            assert_eq!(refusal.code, ErrorCode::NotEnrolled, "{refusal:?}");
            assert!(refusal.enrollment.is_none());
        }
    }
}

#[test]
fn an_impostor_that_copies_the_key_id_is_not_the_ca_either() {
    let ca = Ca::root("Line 1");
    let id = EnrolledCertificate::group_ca(ca.der.clone()).unwrap().anchor().unwrap().key_id.clone().unwrap();
    let impostor =
        Ca::root_with("Line 1", |params| params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(id.to_vec()));
    let refusal = refused(&[impostor.device("dev-1"), impostor.der.clone()], &book(vec![group("line-1", &ca)]));
    assert_eq!(refusal.code, ErrorCode::NotEnrolled);
    assert!(refusal.detail.contains("1 were tried, and none signed it"), "{refusal:?}");
}

#[test]
fn a_stranger_s_refusal_names_what_was_presented_and_no_group() {
    let ca = Ca::root("Line 1");
    let stranger = Ca::root("Elsewhere");
    let refusal = refused(&[stranger.device("dev-1"), stranger.der.clone()], &book(vec![group("secret-group", &ca)]));
    let expected =
        "no enrollment accepts this certificate (subject CN=dev-1, issuer CN=Elsewhere, 2 certificates sent)";
    assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::NotEnrolled, expected));
    assert!(refusal.enrollment.is_none());
}

#[test]
fn names_of_a_stranger_s_certificate_cannot_act_on_a_terminal_or_fill_a_log() {
    let stranger = Ca::root(&format!("\x1b[31m\n{}", "x".repeat(3000)));
    let refusal = refused(&[stranger.device("dev-1")], &book(vec![]));
    for text in [&refusal.message, &refusal.detail] {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(text.len() < 700, "{}", text.len());
    }
}
