//! Who signed a certificate, asked one signature at a time. Only faults are explained with it: acceptance is path validation's alone.

use std::sync::LazyLock;

use rustls::crypto::WebPkiSupportedAlgorithms;
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// The signature algorithms that TLS accepts too.
pub(super) static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> =
    LazyLock::new(|| rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms);

/// Smallest RSA key that [`ALGORITHMS`] accept, in bits.
const MIN_RSA_BITS: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Genuine,
    /// Made by another key, or over other content.
    Foreign,
    /// The algorithm is not accepted, whoever's key it is.
    Unsupported,
}

/// Whether the key of `issuer` made the signature on `cert`.
pub(super) fn check(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Signature {
    let (Some(algorithm), Some(key_algorithm)) = (signature_algorithm(cert), key_algorithm(issuer)) else {
        return Signature::Unsupported;
    };
    let mut known = false;
    for candidate in ALGORITHMS.all.iter().filter(|candidate| candidate.signature_alg_id().as_ref() == algorithm) {
        known = true;
        if candidate.public_key_alg_id().as_ref() == key_algorithm
            && candidate
                .verify_signature(
                    &issuer.public_key().subject_public_key.data,
                    cert.tbs_certificate.as_ref(),
                    &cert.signature_value.data,
                )
                .is_ok()
        {
            return Signature::Genuine;
        }
    }
    if known { Signature::Foreign } else { Signature::Unsupported }
}

/// Whether signatures of the certificate's key can be accepted at all.
pub(super) fn is_supported_key(cert: &X509Certificate<'_>) -> bool {
    let algorithm = key_algorithm(cert);
    let known = ALGORITHMS.all.iter().any(|candidate| Some(candidate.public_key_alg_id().as_ref()) == algorithm);
    match cert.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => known && key.key_size() >= MIN_RSA_BITS,
        Ok(_) => known,
        Err(_) => false,
    }
}

/// The content of a DER element: without tag and length.
pub(super) fn content(der: &[u8]) -> Option<&[u8]> {
    Any::from_der(der).ok().map(|(_, element)| element.data)
}

fn signature_algorithm<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    let (after_signed_part, _) = Any::from_der(content(cert.as_raw())?).ok()?;
    content(after_signed_part)
}

fn key_algorithm<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    content(content(cert.tbs_certificate.subject_pki.raw)?)
}
