//! The chain as presented: bounded, and each certificate read at most once, when it is first needed.

use std::cell::OnceCell;

use firsthop_protocol::ErrorCode;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use super::fault::{Fault, Place};
use super::{name, presented};

/// Most certificates that a device may send.
pub const MAX_CHAIN_LEN: usize = 10;
/// Most bytes of all certificates together.
pub const MAX_CHAIN_BYTES: usize = 64 * 1024;

pub(super) struct Chain<'c> {
    ders: &'c [CertificateDer<'c>],
    read: Vec<OnceCell<Result<X509Certificate<'c>, String>>>,
}

impl<'c> Chain<'c> {
    pub(super) fn new(ders: &'c [CertificateDer<'c>]) -> Result<Self, Box<Fault>> {
        if ders.is_empty() {
            let message = "no client certificate was presented; configure the device's certificate and key";
            return Err(Fault::new(ErrorCode::NoCredentials, "B3", Place::Chain, message));
        }
        if ders.len() > MAX_CHAIN_LEN {
            let message = format!("{} certificates were sent; at most {MAX_CHAIN_LEN} are allowed", ders.len());
            return Err(Fault::bad("B3", Place::Chain, message));
        }
        let bytes: usize = ders.iter().map(|der| der.len()).sum();
        if bytes > MAX_CHAIN_BYTES {
            let message = format!("the certificates sent have {bytes} bytes; at most {MAX_CHAIN_BYTES} are allowed");
            return Err(Fault::bad("B3", Place::Chain, message));
        }
        Ok(Self { ders, read: ders.iter().map(|_| OnceCell::new()).collect() })
    }

    pub(super) fn len(&self) -> usize {
        self.ders.len()
    }

    pub(super) fn der(&self, at: usize) -> Option<&'c CertificateDer<'c>> {
        self.ders.get(at)
    }

    /// The certificate at that place, if it is there and can be read.
    pub(super) fn certificate(&self, at: usize) -> Option<&X509Certificate<'c>> {
        self.read(at)?.as_ref().ok()
    }

    fn read(&self, at: usize) -> Option<&Result<X509Certificate<'c>, String>> {
        let der = self.ders.get(at)?;
        Some(self.read.get(at)?.get_or_init(|| presented::read(der)))
    }

    /// The device's own certificate.
    pub(super) fn leaf(&self) -> Result<&X509Certificate<'c>, Box<Fault>> {
        match self.read(0) {
            Some(Ok(leaf)) => Ok(leaf),
            Some(Err(error)) => {
                Err(Fault::bad("B3", Place::Certificate(0), format!("certificate cannot be read: {error}")))
            }
            None => {
                Err(Fault::new(ErrorCode::NoCredentials, "B3", Place::Chain, "no client certificate was presented"))
            }
        }
    }

    /// Why the certificate cannot be read, if it was tried and cannot.
    pub(super) fn unreadable(&self, at: usize) -> Option<&str> {
        self.read.get(at)?.get()?.as_ref().err().map(String::as_str)
    }

    /// The certificate in words, as `certificate` for the device's own and `intermediate certificate 2 (CN=Line 1)` for others.
    pub(super) fn describe(&self, at: usize) -> String {
        if at == 0 {
            return "certificate".to_owned();
        }
        let subject = self.certificate(at).map(|cert| name::distinguished(cert.subject())).unwrap_or_default();
        format!("intermediate certificate {} ({subject})", at + 1)
    }

    /// The refusal when no entry accepts the chain. It says the same whether or not an entry exists for the name in the certificate.
    pub(super) fn not_enrolled(&self, place: Place) -> Box<Fault> {
        let Some(leaf) = self.certificate(0) else {
            return Fault::new(ErrorCode::NotEnrolled, "B1", place, "no enrollment accepts this certificate");
        };
        let mut message = format!(
            "no enrollment accepts this certificate (subject {}, issuer {}, {} sent)",
            name::distinguished(leaf.subject()),
            name::distinguished(leaf.issuer()),
            match self.len() {
                1 => "1 certificate".to_owned(),
                count => format!("{count} certificates"),
            },
        );
        if !self.certificate(self.len() - 1).is_some_and(is_self_issued) {
            message.push_str("; send every intermediate up to an enrolled CA");
        }
        Fault::new(ErrorCode::NotEnrolled, "B1", place, message)
    }
}

/// Whether the certificate names itself as its issuer.
pub(super) fn is_self_issued(cert: &X509Certificate<'_>) -> bool {
    cert.subject().as_raw() == cert.issuer().as_raw()
}
