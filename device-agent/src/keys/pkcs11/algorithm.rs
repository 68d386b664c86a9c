//! How a token's key signs for TLS: what the token is asked for, and what its signature becomes.

use aws_lc_rs::digest::{self, digest};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::KeyType;
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{AlgorithmIdentifier, alg_id};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::der;

/// Keys that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    P256,
    P384,
    Rsa,
}

/// One way to sign.
#[derive(Debug, Clone, Copy)]
enum Padding {
    /// A digest as it is; the signature is r and s, one after the other.
    Ecdsa,
    /// A digest below the name of its algorithm.
    Pkcs1,
    /// A digest, with a salt that is as long.
    Pss,
}

impl Algorithm {
    /// Of the public key in a certificate.
    pub fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let algorithm = &key.algorithm;
        if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
            return Some(Self::Rsa);
        }
        let curve = algorithm.parameters.as_ref().filter(|_| algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY)?;
        match curve.as_oid().ok()? {
            curve if curve == OID_EC_P256 => Some(Self::P256),
            curve if curve == OID_NIST_EC_P384 => Some(Self::P384),
            _ => None,
        }
    }

    /// As certificates name it.
    pub fn id(self) -> AlgorithmIdentifier {
        match self {
            Self::P256 => alg_id::ECDSA_P256,
            Self::P384 => alg_id::ECDSA_P384,
            Self::Rsa => alg_id::RSA_ENCRYPTION,
        }
    }

    /// As TLS names it.
    pub fn in_tls(self) -> SignatureAlgorithm {
        match self {
            Self::P256 | Self::P384 => SignatureAlgorithm::ECDSA,
            Self::Rsa => SignatureAlgorithm::RSA,
        }
    }

    /// As tokens name it.
    pub fn in_token(self) -> KeyType {
        match self {
            Self::P256 | Self::P384 => KeyType::EC,
            Self::Rsa => KeyType::RSA,
        }
    }

    /// What a key of that kind can sign with behind a token that knows these mechanisms; the best first.
    pub fn schemes(self, known: &[MechanismType]) -> Vec<SignatureScheme> {
        use SignatureScheme::*;
        let all: &[_] = match self {
            Self::P256 => &[ECDSA_NISTP256_SHA256],
            Self::P384 => &[ECDSA_NISTP384_SHA384],
            // SHA-256 first: the smallest tokens know no other.
            Self::Rsa => {
                &[RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512]
            }
        };
        let is_known = |scheme: &&SignatureScheme| {
            way(**scheme).is_some_and(|way| known.contains(&way.mechanism().mechanism_type()))
        };
        all.iter().filter(is_known).copied().collect()
    }
}

/// What a token is asked to sign, and by which mechanism.
pub struct Task {
    pub mechanism: Mechanism<'static>,
    pub data: Vec<u8>,
    padding: Padding,
}

impl Task {
    /// `None` for a scheme that no key here can sign with.
    pub fn new(scheme: SignatureScheme, message: &[u8]) -> Option<Self> {
        let way = way(scheme)?;
        let hash = digest(way.hash, message);
        let mut data = match way.padding {
            Padding::Pkcs1 => way.prefix.to_vec(),
            Padding::Ecdsa | Padding::Pss => Vec::new(),
        };
        data.extend_from_slice(hash.as_ref());
        Some(Self { mechanism: way.mechanism(), data, padding: way.padding })
    }

    /// What TLS sends for what the token gave. `None` where that is no signature.
    pub fn finish(&self, signature: Vec<u8>) -> Option<Vec<u8>> {
        match self.padding {
            Padding::Ecdsa => der::ecdsa_signature(&signature),
            Padding::Pkcs1 | Padding::Pss => Some(signature),
        }
    }
}

struct Way {
    padding: Padding,
    hash: &'static digest::Algorithm,
    hash_mechanism: MechanismType,
    mask: PkcsMgfType,
    /// What precedes the digest in PKCS#1: `DigestInfo` of RFC 8017 up to its octets.
    prefix: &'static [u8; 19],
}

impl Way {
    fn mechanism(&self) -> Mechanism<'static> {
        match self.padding {
            Padding::Ecdsa => Mechanism::Ecdsa,
            Padding::Pkcs1 => Mechanism::RsaPkcs,
            Padding::Pss => Mechanism::RsaPkcsPss(PkcsPssParams {
                hash_alg: self.hash_mechanism,
                mgf: self.mask,
                s_len: u32::try_from(self.hash.output_len()).map_or(0, u64::from).into(),
            }),
        }
    }
}

fn way(scheme: SignatureScheme) -> Option<Way> {
    use SignatureScheme::*;
    let padding = match scheme {
        ECDSA_NISTP256_SHA256 | ECDSA_NISTP384_SHA384 => Padding::Ecdsa,
        RSA_PKCS1_SHA256 | RSA_PKCS1_SHA384 | RSA_PKCS1_SHA512 => Padding::Pkcs1,
        RSA_PSS_SHA256 | RSA_PSS_SHA384 | RSA_PSS_SHA512 => Padding::Pss,
        _ => return None,
    };
    Some(match scheme {
        ECDSA_NISTP256_SHA256 | RSA_PKCS1_SHA256 | RSA_PSS_SHA256 => Way {
            padding,
            hash: &digest::SHA256,
            hash_mechanism: MechanismType::SHA256,
            mask: PkcsMgfType::MGF1_SHA256,
            prefix: &der::SHA256_INFO,
        },
        ECDSA_NISTP384_SHA384 | RSA_PKCS1_SHA384 | RSA_PSS_SHA384 => Way {
            padding,
            hash: &digest::SHA384,
            hash_mechanism: MechanismType::SHA384,
            mask: PkcsMgfType::MGF1_SHA384,
            prefix: &der::SHA384_INFO,
        },
        _ => Way {
            padding,
            hash: &digest::SHA512,
            hash_mechanism: MechanismType::SHA512,
            mask: PkcsMgfType::MGF1_SHA512,
            prefix: &der::SHA512_INFO,
        },
    })
}
