//! The signature of a call, by which its receiver knows that the service made it, and when.

use aws_lc_rs::hmac;
use firsthop_protocol::Timestamp;

pub const TIMESTAMP: &str = "firsthop-timestamp";
pub const SIGNATURE: &str = "firsthop-signature";

/// The values of both headers. The timestamp is signed with the body, so that an old call cannot be sent again as a new one.
pub fn of(secret: &[u8], at: Timestamp, body: &[u8]) -> (String, String) {
    let at = at.secs().to_string();
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    signing.update(at.as_bytes());
    signing.update(b".");
    signing.update(body);
    let signature = signing.sign().as_ref().iter().fold("v1=".to_owned(), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    });
    (at, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reckoned by `printf '1764000000.{}' | openssl dgst -sha256 -hmac key`.
    #[test]
    fn a_call_is_signed_with_its_time_and_body() {
        let (at, signature) = of(b"key", Timestamp::from_secs(1_764_000_000), b"{}");
        assert_eq!(at, "1764000000");
        assert_eq!(signature, "v1=135a1a8c79ff2a07661486422c8068924d01c7a70da314a29ce512bc61231899");
    }

    #[test]
    fn another_time_another_body_or_another_key_give_another_signature() {
        let at = Timestamp::from_secs;
        let signatures = [of(b"k", at(1), b"b"), of(b"k", at(2), b"b"), of(b"k", at(1), b"c"), of(b"l", at(1), b"b")];
        for (number, one) in signatures.iter().enumerate() {
            assert!(signatures.iter().skip(number + 1).all(|other| other.1 != one.1));
        }
    }
}
