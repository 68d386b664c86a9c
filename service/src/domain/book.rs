//! All enrollment entries, ready to be looked up (rule B1). Immutable: a change makes a new book of the next generation.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{DeviceId, GroupId, RegistrationId};

use super::attestation::AnchorIndex;
use super::enrollment::Enrollment;

/// The enrollment entries at one moment.
#[derive(Default)]
pub struct Book {
    generation: u64,
    individuals: BTreeMap<RegistrationId, Arc<Enrollment>>,
    groups: BTreeMap<GroupId, Arc<Enrollment>>,
    /// Of individual enrollments that name the device otherwise than its registration.
    renamed: HashMap<DeviceId, RegistrationId>,
    anchors: AnchorIndex,
}

/// Why entries do not make a book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    #[error("{0} is there twice; every enrollment needs a name of its own")]
    DuplicateName(EnrollmentName),
    /// A device below that CA would belong to both, and which one decides would be chance.
    #[error(
        "group:{first} and group:{second} both have the CA {subject:?} (same name and key); remove it from one of them"
    )]
    SharedCa { first: GroupId, second: GroupId, subject: String },
    /// On a hub they would be one device.
    #[error("individual:{first} and individual:{second} both have the device id {device_id}; give one of them another")]
    SharedDeviceId { first: RegistrationId, second: RegistrationId, device_id: DeviceId },
    #[error("{0} has a device certificate where a group needs a CA certificate")]
    NotACa(EnrollmentName),
}

impl BookError {
    /// Whether the entry of that name is one of those that do not go together.
    pub fn concerns(&self, name: &EnrollmentName) -> bool {
        match self {
            Self::DuplicateName(concerned) | Self::NotACa(concerned) => concerned == name,
            Self::SharedDeviceId { first, second, .. } => {
                matches!(name, EnrollmentName::Individual(id) if id == first || id == second)
            }
            Self::SharedCa { first, second, .. } => {
                matches!(name, EnrollmentName::Group(id) if id == first || id == second)
            }
        }
    }
}

impl Book {
    pub fn new(generation: u64, entries: Vec<Enrollment>) -> Result<Self, BookError> {
        let mut book = Self { generation, ..Self::default() };
        for entry in entries.into_iter().map(Arc::new) {
            let replaced = match &entry.name {
                EnrollmentName::Individual(id) => book.individuals.insert(id.clone(), entry.clone()),
                EnrollmentName::Group(id) => book.groups.insert(id.clone(), entry.clone()),
            };
            if replaced.is_some() {
                return Err(BookError::DuplicateName(entry.name.clone()));
            }
        }
        book.refuse_shared_cas()?;
        book.index_device_ids()?;
        for entry in book.groups.values() {
            book.anchors.add(entry);
        }
        book.anchors.seal();
        Ok(book)
    }

    fn refuse_shared_cas(&self) -> Result<(), BookError> {
        let mut owners: HashMap<(&[u8], &[u8]), &GroupId> = HashMap::with_capacity(self.groups.len());
        for (id, entry) in &self.groups {
            for certificate in entry.certificates.iter() {
                let identity = certificate.authority().ok_or_else(|| BookError::NotACa(entry.name.clone()))?;
                if let Some(first) = owners.insert(identity, id).filter(|first| *first != id) {
                    return Err(BookError::SharedCa {
                        first: first.clone(),
                        second: id.clone(),
                        subject: certificate.subject(),
                    });
                }
            }
        }
        Ok(())
    }

    fn index_device_ids(&mut self) -> Result<(), BookError> {
        for (id, entry) in &self.individuals {
            let Some(device_id) = &entry.device_id else { continue };
            if let Some(first) = self.renamed.insert(device_id.clone(), id.clone()) {
                return Err(BookError::SharedDeviceId { first, second: id.clone(), device_id: device_id.clone() });
            }
        }
        Ok(())
    }

    /// The registration of the device that an individual enrollment gave this name.
    pub fn registration_of(&self, device_id: &DeviceId) -> Option<&RegistrationId> {
        self.renamed.get(device_id)
    }

    /// Grows with every change of an entry.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn individual(&self, id: &RegistrationId) -> Option<&Arc<Enrollment>> {
        self.individuals.get(id)
    }

    pub fn group(&self, id: &GroupId) -> Option<&Arc<Enrollment>> {
        self.groups.get(id)
    }

    /// The entry of that name.
    pub fn entry(&self, name: &EnrollmentName) -> Option<&Arc<Enrollment>> {
        match name {
            EnrollmentName::Individual(id) => self.individual(id),
            EnrollmentName::Group(id) => self.group(id),
        }
    }

    /// Individual enrollments, in the order of their ids.
    pub fn individuals(&self) -> impl ExactSizeIterator<Item = &Arc<Enrollment>> {
        self.individuals.values()
    }

    /// Enrollment groups, in the order of their ids.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Arc<Enrollment>> {
        self.groups.values()
    }

    /// All entries: groups, then individuals.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Enrollment>> {
        self.groups.values().chain(self.individuals.values())
    }

    pub fn len(&self) -> usize {
        self.groups.len() + self.individuals.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn anchors(&self) -> &AnchorIndex {
        &self.anchors
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book")
            .field("generation", &self.generation)
            .field("groups", &self.groups.len())
            .field("individuals", &self.individuals.len())
            .finish()
    }
}
