//! Reads certificates back, with x509-parser and with the openssl command.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::process::{Command, Output};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

pub fn parse<'a>(der: &'a CertificateDer<'_>) -> X509Certificate<'a> {
    X509Certificate::from_der(der).expect("a certificate that parses").1
}

pub fn common_names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<&'a str> {
    certificate.subject().iter_common_name().map(|name| name.as_str().expect("a UTF-8 name")).collect()
}

pub fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    certificate.basic_constraints().unwrap().is_some_and(|constraints| constraints.value.ca)
}

pub fn openssl(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new("openssl").args(arguments).args(files).output().expect("the openssl command")
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `openssl verify` of the first certificate in `leaf`, the others in it being the untrusted ones.
pub fn verify(purpose: &str, root: &Path, leaf: &Path) -> Output {
    let root = root.to_str().unwrap();
    let chain = leaf.to_str().unwrap();
    openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, "-untrusted", chain], &[leaf])
}
