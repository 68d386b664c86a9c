//! Who a session is: a device with a proven enrollment, or a stranger with the reason why it is none.

use firsthop_protocol::{ErrorCode, RegistrationId};
use rustls::pki_types::CertificateDer;

use super::access::Access;
use super::codec::Connect;
use super::session::NoAccess;
use crate::domain::attestation::{self, Principal, Proof};
use crate::domain::refusal::Refusal;
use crate::provisioner::{Attested, Provisioner};

/// What a device is told that is not registered.
const REGISTER_FIRST: &str = "ordinary topics are for registered devices: register first";

/// The session's standing. Its verdict is renewed when enrollments change or a certificate leaves its dates.
#[derive(Debug)]
pub enum Identity {
    Device {
        attested: Attested,
        principal: Principal,
        /// Whether the device was found registered; asked for once.
        registered: bool,
    },
    /// May do one thing: register, and be told why it is refused.
    Stranger(Refusal),
}

impl Identity {
    /// Judges the certificates of the TLS session, and that the CONNECT says no other id (rule B2).
    pub fn of(provisioner: &Provisioner, chain: &[CertificateDer<'_>], connect: &Connect) -> Self {
        let attested = provisioner.attest(chain);
        match &attested.verdict {
            Err(refusal) => Self::Stranger(named(refusal.clone(), chain)),
            Ok(proof) => match says_other_id(connect, &proof.id) {
                Some(refusal) => Self::Stranger(named(refusal.by(&proof.enrollment.name), chain)),
                None => Self::Device { principal: proof.principal(), attested, registered: false },
            },
        }
    }

    /// The device's proof as of now, or why it has none any more.
    pub fn proof(&mut self, provisioner: &Provisioner, chain: &[CertificateDer<'_>]) -> Result<&Proof, &Refusal> {
        if let Self::Device { attested, principal, registered } = self
            && !provisioner.still_holds(attested)
        {
            *attested = provisioner.attest(chain);
            *registered = false;
            // Under another enrollment it would be another device, which has to connect anew.
            if let Ok(proof) = &attested.verdict
                && proof.principal() != *principal
            {
                let refusal =
                    Refusal::new(ErrorCode::NotEnrolled, "the enrollment of this device changed: connect again");
                attested.verdict = Err(refusal.by(&proof.enrollment.name));
            }
        }
        match self {
            Self::Device { attested, .. } => attested.verdict.as_ref(),
            Self::Stranger(refusal) => Err(refusal),
        }
    }

    /// The access list of ordinary topics, for a device that is registered. Until it is, its id may yet become that of another
    /// enrollment's device, and so may the topics below it.
    pub fn access(&mut self, provisioner: &Provisioner, chain: &[CertificateDer<'_>]) -> Result<Access<'_>, NoAccess> {
        if let Err(refusal) = self.proof(provisioner, chain) {
            return Err(NoAccess::Refused(refusal.message.clone()));
        }
        let Self::Device { attested: Attested { verdict: Ok(proof), .. }, registered, .. } = self else {
            return Err(NoAccess::NotYet(REGISTER_FIRST));
        };
        *registered = *registered || provisioner.is_registered(proof);
        if *registered {
            Ok(Access::of(&proof.id, &proof.enrollment.topics))
        } else {
            Err(NoAccess::NotYet(REGISTER_FIRST))
        }
    }

    /// The proof that the session was last judged by.
    pub fn known_proof(&self) -> Option<&Proof> {
        match self {
            Self::Device { attested, .. } => attested.verdict.as_ref().ok(),
            Self::Stranger(_) => None,
        }
    }

    pub fn id(&self) -> Option<&RegistrationId> {
        self.principal().map(|principal| &principal.id)
    }

    pub fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Device { principal, .. } => Some(principal),
            Self::Stranger(_) => None,
        }
    }
}

/// A stranger has no id that the log could name, so the log names its certificate.
fn named(mut refusal: Refusal, chain: &[CertificateDer<'_>]) -> Refusal {
    if let Some(leaf) = chain.first() {
        let separator = if refusal.detail.is_empty() { "" } else { "; " };
        refusal.detail = format!("{}{separator}presented {}", refusal.detail, attestation::in_short(leaf));
    }
    refusal
}

/// A client id is empty, the registration id, or the registration id, a slash and any label; a user name is absent or the id.
fn says_other_id(connect: &Connect, id: &RegistrationId) -> Option<Refusal> {
    let own = |text: &str| text.is_empty() || text.eq_ignore_ascii_case(id.as_str());
    let mismatch = |what: &str| {
        let message = format!("{what} says another id than the certificate, {id}");
        Refusal::new(ErrorCode::IdentityMismatch, message).detail("rule B2")
    };
    let client = connect.client_id.as_str();
    let name = client.split_once('/').map_or(client, |(name, _label)| name);
    if !own(name) || (name.is_empty() && !client.is_empty()) {
        return Some(mismatch("the client id"));
    }
    match connect.user_name.as_deref() {
        Some(user) if !own(user) => Some(mismatch("the user name")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Version;
    use super::*;

    fn accepts(client_id: &str, user_name: Option<&str>) -> bool {
        let connect = Connect {
            version: Version::V5,
            client_id: client_id.into(),
            clean: true,
            keep_alive: 0,
            user_name: user_name.map(Into::into),
            password: None,
            will: None,
            properties: None,
        };
        says_other_id(&connect, &RegistrationId::parse("dev-1").unwrap()).is_none()
    }

    #[test]
    fn a_client_id_is_empty_the_own_id_or_a_label_below_it() {
        for client_id in ["", "dev-1", "DEV-1", "dev-1/terminal-2", "dev-1/"] {
            assert!(accepts(client_id, None), "{client_id}");
        }
        for client_id in ["dev-2", "dev-10", "dev-1x", "/dev-1", "/", "dev-2/dev-1"] {
            assert!(!accepts(client_id, None), "{client_id}");
        }
    }

    #[test]
    fn a_user_name_is_absent_or_the_own_id() {
        assert!(accepts("", Some("dev-1")) && accepts("", Some("")) && accepts("dev-1", Some("Dev-1")));
        assert!(!accepts("", Some("dev-2")) && !accepts("dev-1", Some("dev-1/x")));
    }
}
