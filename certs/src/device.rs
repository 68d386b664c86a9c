//! Device certificates, sound by default, with a knob for everything a verifier should look at.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::certificate::parameters;
use crate::{Authority, Identity, IssueError, KeyKind, Validity};

const DEVICE_DAYS: u32 = 365;

/// The common name's number. rcgen keeps a name as a map; spelled as a custom type a second one has room in it.
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];

/// An extension below the enterprise number that is set aside for examples (RFC 5612); nobody understands it.
const UNKNOWN_EXTENSION: [u64; 8] = [1, 3, 6, 1, 4, 1, 32473, 1];
const DER_NULL: [u8; 2] = [5, 0];

/// Builds a device's [`Identity`].
#[derive(Debug, Clone)]
pub struct DeviceCertificate {
    common_name: Option<String>,
    second_common_name: Option<String>,
    key_kind: KeyKind,
    validity: Validity,
    key_usages: Vec<KeyUsagePurpose>,
    extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    ca: bool,
    unknown_critical_extension: bool,
}

impl DeviceCertificate {
    /// The registration id becomes the common name exactly as it is, however hostile.
    pub fn new(registration_id: &str) -> Self {
        Self {
            common_name: Some(registration_id.to_owned()),
            second_common_name: None,
            key_kind: KeyKind::default(),
            validity: Validity::from_now(DEVICE_DAYS),
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            extended_key_usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            ca: false,
            unknown_critical_extension: false,
        }
    }

    #[must_use]
    pub fn key_kind(mut self, kind: KeyKind) -> Self {
        self.key_kind = kind;
        self
    }

    #[must_use]
    pub fn validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// An empty subject (unless a second name is given).
    #[must_use]
    pub fn without_common_name(mut self) -> Self {
        self.common_name = None;
        self
    }

    /// A further common name after the first.
    #[must_use]
    pub fn second_common_name(mut self, name: &str) -> Self {
        self.second_common_name = Some(name.to_owned());
        self
    }

    /// Instead of digitalSignature; none leaves the extension out.
    #[must_use]
    pub fn key_usages(mut self, usages: impl IntoIterator<Item = KeyUsagePurpose>) -> Self {
        self.key_usages = usages.into_iter().collect();
        self
    }

    /// Instead of clientAuth; none leaves the extension out.
    #[must_use]
    pub fn extended_key_usages(mut self, usages: impl IntoIterator<Item = ExtendedKeyUsagePurpose>) -> Self {
        self.extended_key_usages = usages.into_iter().collect();
        self
    }

    /// basicConstraints say CA:TRUE.
    #[must_use]
    pub fn as_ca(mut self) -> Self {
        self.ca = true;
        self
    }

    /// An extension that is critical and that no verifier knows.
    #[must_use]
    pub fn unknown_critical_extension(mut self) -> Self {
        self.unknown_critical_extension = true;
        self
    }

    pub fn signed_by(self, authority: &Authority) -> Result<Identity, IssueError> {
        let (params, key) = self.parts()?;
        let certificate = params.signed_by(&key, authority.issuer()).map_err(IssueError::Sign)?;
        Ok(Identity::new(certificate.into(), authority.intermediates(), &key))
    }

    pub fn self_signed(self) -> Result<Identity, IssueError> {
        let (params, key) = self.parts()?;
        let certificate = params.self_signed(&key).map_err(IssueError::Sign)?;
        Ok(Identity::new(certificate.into(), Vec::new(), &key))
    }

    fn parts(self) -> Result<(CertificateParams, KeyPair), IssueError> {
        let mut subject = DistinguishedName::new();
        if let Some(name) = self.common_name {
            subject.push(DnType::CommonName, name);
        }
        if let Some(name) = self.second_common_name {
            subject.push(DnType::CustomDnType(COMMON_NAME.to_vec()), name);
        }
        let mut params = parameters(subject, self.validity)?;
        params.key_usages = self.key_usages;
        params.extended_key_usages = self.extended_key_usages;
        if self.ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        if self.unknown_critical_extension {
            let mut extension = CustomExtension::from_oid_content(&UNKNOWN_EXTENSION, DER_NULL.to_vec());
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        }
        Ok((params, self.key_kind.generate()?))
    }
}
