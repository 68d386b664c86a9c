//! What a person is shown.

use super::*;

#[test]
fn an_accepted_chain_is_drawn_up_to_the_enrolled_ca() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    let unrelated = Ca::root("Unrelated");
    let chain = [line.device("dev-1"), unrelated.der.clone(), line.der.clone()];
    let explanation = explain(&chain, &book(vec![group("all", &root)]), NOW);
    assert!(explanation.is_accepted());
    assert_eq!(explanation.path, [1, 3]);
    let text = explanation.to_string();
    let order = [
        "[1] device certificate",
        "subject   CN=dev-1",
        "issuer    CN=Line 1",
        "valid     2026-01-01T00:00:00Z to 2027-01-01T00:00:00Z",
        "key       ECDSA P-256\n",
        "[3] intermediate certificate",
        "ECDSA P-256, CA",
        "issued by the CA enrolled as group:all",
        "[*] enrolled certificate",
        "subject   CN=Root",
        "[2] sent, but not used",
        "subject   CN=Unrelated",
        "accepted: dev-1, by group:all, until 2027-01-01T00:00:01Z",
    ];
    let mut rest = text.as_str();
    for words in order {
        let Some(at) = rest.find(words) else { panic!("{words:?} is missing, or out of order, in:\n{text}") };
        rest = &rest[at..];
    }
}

#[test]
fn a_refused_chain_is_marked_where_it_broke_and_says_what_to_do() {
    let root = Ca::root("Root");
    let line = root.sub_with("Line 1", |params| params.not_after = datetime!(2026-06-01 0:00 UTC));
    let explanation = explain(&[line.device("dev-1"), line.der.clone()], &book(vec![group("all", &root)]), NOW);
    let text = explanation.to_string();
    assert!(
        text.contains("✗ rule B3: intermediate certificate 2 (CN=Line 1) expired on 2026-06-01T00:00:00Z"),
        "{text}"
    );
    assert!(text.contains("decided   by group:all"), "{text}");
    assert!(text.contains("code      401003 OutsideValidity, rule B3"), "{text}");
    assert!(text.contains("to do     renew that intermediate certificate"), "{text}");
    assert_eq!(explanation.fault.unwrap().certificate, Some(2));
}

#[test]
fn a_missing_intermediate_is_marked_at_the_last_certificate_reached() {
    let root = Ca::root("Root");
    let factory = root.sub("Factory");
    let line = factory.sub("Line 1");
    let explanation = explain(&[line.device("dev-1"), line.der.clone()], &book(vec![group("all", &root)]), NOW);
    let fault = explanation.fault.as_ref().unwrap();
    assert_eq!((fault.code, fault.certificate, fault.broken_link), (ErrorCode::NotEnrolled, Some(2), true));
    assert!(fault.advice.contains("send every intermediate"));
    assert!(explanation.to_string().contains("looked up issuer CN=Factory"), "{explanation}");
}

#[test]
fn the_verdict_is_the_judge_s_own() {
    let root = Ca::root("Root");
    let line = root.sub("Line 1");
    let leaf = self_signed("dev-9", |_| {});
    let book = book(vec![disabled(group("line-1", &line)), group("all", &root), individual_entry("dev-9", &leaf)]);
    let chains = [
        vec![],
        vec![root.device("dev-1")],
        vec![line.device("dev-1")],
        vec![root.device("dev-9")],
        vec![leaf],
        vec![root.device("a/b")],
        vec![Ca::root("Elsewhere").device("dev-1")],
        vec![root.device_with("dev-1", |params| params.not_after = datetime!(2026-02-01 0:00 UTC))],
    ];
    for chain in chains {
        let explanation = explain(&chain, &book, NOW);
        match judge(&chain, &book, NOW) {
            Ok(proof) => {
                assert!(explanation.is_accepted());
                assert_eq!(explanation.registration_id, Some(proof.id));
                assert_eq!(explanation.enrollment.as_ref(), Some(&proof.enrollment.name));
                assert_eq!(explanation.valid_until, Some(proof.valid_until));
            }
            Err(refusal) => {
                assert!(!explanation.is_accepted());
                assert_eq!(explanation.enrollment, refusal.enrollment);
                let fault = explanation.fault.unwrap();
                assert_eq!((fault.code, fault.message), (refusal.code, refusal.message));
                assert!(!fault.advice.is_empty());
            }
        }
    }
}

#[test]
fn the_explanation_is_json_too() {
    let ca = Ca::root("Line 1");
    let explanation =
        explain(&[ca.device("dev-1"), CertificateDer::from(vec![1, 2, 3])], &book(vec![group("line-1", &ca)]), NOW);
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["accepted"], true);
    assert_eq!(json["registrationId"], "dev-1");
    assert_eq!(json["certificates"][0]["subject"], "CN=dev-1");
    assert_eq!(json["certificates"][0]["notAfter"], "2027-01-01T00:00:00.0000000Z");
    assert_eq!(json["certificates"][0]["thumbprint"].as_str().unwrap().len(), 64);
    assert!(json["certificates"][1]["unreadable"].is_string());
    assert_eq!(json["enrolled"]["role"], "enrolled");
    let refused = explain(&[ca.device("a/b")], &book(vec![]), NOW);
    let json = serde_json::to_value(&refused).unwrap();
    assert_eq!((&json["fault"]["code"], &json["fault"]["rule"]), (&401_004.into(), &"B2".into()));
}
