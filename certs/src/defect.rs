//! Device certificates that a verifier must refuse, each for one reason.

use std::fmt;
use std::str::FromStr;

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use time::OffsetDateTime;

use crate::{Authority, DeviceCertificate, Identity, IssueError, Validity};

/// What is wrong with a device certificate that is sound otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Defect {
    Expired,
    NotYetValid,
    WrongEku,
    AnyEku,
    ForeignCa,
    ImpostorCa,
    SelfSigned,
    SelfSignedCa,
    CaAsLeaf,
    NoDigitalSignature,
    LeafAsCa,
    TwoCommonNames,
    NoCommonName,
    UnknownCriticalExtension,
}

impl Defect {
    pub const ALL: [Self; 14] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongEku,
        Self::AnyEku,
        Self::ForeignCa,
        Self::ImpostorCa,
        Self::SelfSigned,
        Self::SelfSignedCa,
        Self::CaAsLeaf,
        Self::NoDigitalSignature,
        Self::LeafAsCa,
        Self::TwoCommonNames,
        Self::NoCommonName,
        Self::UnknownCriticalExtension,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What is wrong, in a few words.
    pub fn description(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Expired => ("expired", "expired a day ago"),
            Self::NotYetValid => ("not-yet-valid", "becomes valid tomorrow"),
            Self::WrongEku => ("wrong-eku", "its extended key usage is serverAuth only"),
            Self::AnyEku => ("any-eku", "its extended key usage is anyExtendedKeyUsage only"),
            Self::ForeignCa => ("foreign-ca", "signed by an authority that nobody knows"),
            Self::ImpostorCa => ("impostor-ca", "names the right authority, but another key signed it"),
            Self::SelfSigned => ("self-signed", "signed by itself"),
            Self::SelfSignedCa => ("self-signed-ca", "signed by itself with CA:TRUE, as `openssl req -x509` does"),
            Self::CaAsLeaf => ("ca-as-leaf", "an authority's certificate in a device's place"),
            Self::NoDigitalSignature => ("no-digital-signature", "its key usage lacks digitalSignature"),
            Self::LeafAsCa => ("leaf-as-ca", "signed by another device's certificate"),
            Self::TwoCommonNames => ("two-common-names", "has two common names"),
            Self::NoCommonName => ("no-common-name", "has an empty subject"),
            Self::UnknownCriticalExtension => ("unknown-critical-extension", "has a critical extension nobody knows"),
        }
    }
}

impl Authority {
    /// A device certificate with this defect and no other, by the system's clock.
    pub fn broken_device(&self, registration_id: &str, defect: Defect) -> Result<Identity, IssueError> {
        self.broken_device_at(registration_id, defect, OffsetDateTime::now_utc())
    }

    /// A device certificate that is broken at `now`.
    pub fn broken_device_at(
        &self,
        registration_id: &str,
        defect: Defect,
        now: OffsetDateTime,
    ) -> Result<Identity, IssueError> {
        let sound = Validity::days(now, 365);
        let device = DeviceCertificate::new(registration_id).validity(sound);
        match defect {
            Defect::Expired => device.validity(Validity::expired(now)).signed_by(self),
            Defect::NotYetValid => device.validity(Validity::not_yet(now)).signed_by(self),
            Defect::WrongEku => device.extended_key_usages([ExtendedKeyUsagePurpose::ServerAuth]).signed_by(self),
            Defect::AnyEku => device.extended_key_usages([ExtendedKeyUsagePurpose::Any]).signed_by(self),
            Defect::ForeignCa => {
                device.signed_by(&crate::AuthorityCertificate::new("Foreign CA").validity(sound).self_signed()?)
            }
            Defect::ImpostorCa => device.signed_by(&self.impostor()?),
            Defect::SelfSigned => device.self_signed(),
            Defect::SelfSignedCa => device.as_ca().key_usages([]).extended_key_usages([]).self_signed(),
            Defect::CaAsLeaf => device
                .as_ca()
                .key_usages([KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign])
                .signed_by(self),
            Defect::NoDigitalSignature => device.key_usages([KeyUsagePurpose::KeyAgreement]).signed_by(self),
            Defect::LeafAsCa => {
                let signer =
                    DeviceCertificate::new(&format!("{registration_id}-signer")).validity(sound).signed_by(self)?;
                let signer = Self::from_identity(&signer).map_err(|error| IssueError::Issuer(Box::new(error)))?;
                device.signed_by(&signer)
            }
            Defect::TwoCommonNames => device.second_common_name(&format!("{registration_id}-other")).signed_by(self),
            Defect::NoCommonName => device.without_common_name().signed_by(self),
            Defect::UnknownCriticalExtension => device.unknown_critical_extension().signed_by(self),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, UnknownDefect> {
        let found = Self::ALL.into_iter().find(|defect| defect.name() == text);
        found.ok_or_else(|| UnknownDefect(text.to_owned()))
    }
}

/// The text names no [`Defect`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown defect {0:?}")]
pub struct UnknownDefect(pub String);
