//! The little ASN.1 between tokens and TLS: signatures of ECDSA, and names of digests.

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Longest r or s: P-521.
const MAX_NUMBER: usize = 66;

/// The last arc of a digest's name, and the digest's length.
const fn digest_info(arc: u8, len: u8) -> [u8; 19] {
    // SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.arc, NULL }, OCTET STRING }
    [SEQUENCE, 17 + len, SEQUENCE, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0, 0x04, len]
}

pub const SHA256_INFO: [u8; 19] = digest_info(1, 32);
pub const SHA384_INFO: [u8; 19] = digest_info(2, 48);
pub const SHA512_INFO: [u8; 19] = digest_info(3, 64);

/// r and s of equal length, one after the other, as the sequence of two integers that TLS wants.
pub fn ecdsa_signature(numbers: &[u8]) -> Option<Vec<u8>> {
    if numbers.is_empty() || !numbers.len().is_multiple_of(2) || numbers.len() > 2 * MAX_NUMBER {
        return None;
    }
    let (r, s) = numbers.split_at(numbers.len() / 2);
    let mut content = integer(r);
    content.extend(integer(s));
    let mut signature = vec![SEQUENCE];
    // At most two times 66 octets, a sign's octet each, and two heads.
    match u8::try_from(content.len()).ok()? {
        short @ ..0x80 => signature.push(short),
        long => signature.extend([0x81, long]),
    }
    signature.extend(content);
    Some(signature)
}

/// Without leading zeros, and with one where the number would read as negative.
fn integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|octet| *octet != 0).unwrap_or(number.len() - 1);
    let number = &number[first..];
    let sign = number[0] >= 0x80;
    // Shorter than 68 octets: the length is one octet.
    let mut integer = vec![INTEGER, number.len() as u8 + u8::from(sign)];
    integer.extend(sign.then_some(0));
    integer.extend_from_slice(number);
    integer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_leading_zeros_and_keep_their_sign() {
        assert_eq!(ecdsa_signature(&[0x00, 0x01, 0x80, 0x00]).unwrap(), [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 0]);
        assert_eq!(ecdsa_signature(&[0, 0, 0, 0x7f]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0x7f]);
        assert_eq!(ecdsa_signature(&[0xff; 2]).unwrap(), [0x30, 8, 2, 2, 0, 0xff, 2, 2, 0, 0xff]);
    }

    #[test]
    fn a_long_signature_has_a_long_length() {
        let signature = ecdsa_signature(&[0xff; 2 * MAX_NUMBER]).unwrap();
        assert_eq!(signature[..6], [0x30, 0x81, 2 * (2 + 67), 2, 67, 0]);
        assert_eq!(signature.len(), 3 + 2 * (2 + 67));
    }

    #[test]
    fn what_cannot_be_two_numbers_is_no_signature() {
        for bad in [&[][..], &[1], &[1, 2, 3], &[1; 2 * MAX_NUMBER + 2]] {
            assert_eq!(ecdsa_signature(bad), None);
        }
    }
}
