//! Rules for the device's own certificate that path validation does not judge: the name in it, and what its key may be used for
//! (rules B2, B3).

use firsthop_protocol::RegistrationId;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;

use super::fault::{Fault, Place};
use super::name::shown;
use super::presented;

const LEAF: Place = Place::Certificate(0);

/// The registration id: the subject's one common name. Anything else that could be taken for a name is refused rather than guessed at.
pub(super) fn identity(cert: &X509Certificate<'_>) -> Result<RegistrationId, Box<Fault>> {
    let mut names = cert.subject().iter_common_name();
    let Some(common_name) = names.next() else {
        return Err(Fault::bad(
            "B2",
            LEAF,
            "certificate's subject has no common name (CN); it must be the registration id",
        ));
    };
    let others = names.count();
    if others > 0 {
        let message = format!(
            "certificate's subject has {} common names (CN); it must have exactly one, the registration id",
            others + 1
        );
        return Err(Fault::bad("B2", LEAF, message));
    }
    let Ok(text) = common_name.as_str() else {
        let message =
            "certificate's common name (CN) is not UTF8String or PrintableString text, so it is no registration id";
        return Err(Fault::bad("B2", LEAF, message));
    };
    RegistrationId::parse(text).map_err(|error| {
        let message =
            format!("certificate's common name (CN) \"{}\" is not a registration id: it {error}", shown(text));
        Fault::bad("B2", LEAF, message)
    })
}

/// Critical extensions that nobody here understands.
pub(super) fn refuse_unknown_critical(cert: &X509Certificate<'_>, place: Place) -> Result<(), Box<Fault>> {
    match presented::unknown_critical(cert) {
        None => Ok(()),
        Some(oid) => Err(Fault::bad(
            "B3",
            place,
            format!("certificate has the critical extension {oid}, which is not known here"),
        )),
    }
}

/// Key usage and extended key usage, where present, must allow a client's signature in TLS.
pub(super) fn usage(cert: &X509Certificate<'_>) -> Result<(), Box<Fault>> {
    if cert.key_usage().map_err(unreadable)?.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(Fault::bad(
            "B3",
            LEAF,
            "certificate's key usage does not allow digital signatures (digitalSignature is missing)",
        ));
    }
    match cert.extended_key_usage().map_err(unreadable)? {
        Some(usage) if !usage.value.client_auth => {
            let also = if usage.value.any { "; anyExtendedKeyUsage does not count" } else { "" };
            let message =
                format!("certificate's extended key usage does not include client authentication (clientAuth){also}");
            Err(Fault::bad("B3", LEAF, message))
        }
        _ => Ok(()),
    }
}

fn unreadable(error: X509Error) -> Box<Fault> {
    Fault::bad("B3", LEAF, format!("certificate's extensions cannot be read: {}", shown(&error.to_string())))
}
