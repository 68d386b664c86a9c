//! From entries of the configuration file to enrollments, with every fault at its place in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use firsthop_config::{ConfigError, Located, Source};
use firsthop_protocol::DeviceId;
use firsthop_protocol::body::EnrollmentName;
use rustls::pki_types::CertificateDer;

use super::entries::{Entry, Group, Individual, Metadata};
use super::models::schema;
use super::state;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::attestation::{CertificateFault, EnrolledCertificate};
use crate::domain::book::Book;
use crate::domain::device::DeviceModel;
use crate::domain::enrollment::{Certificates, Enrollment, TopicGrants, Webhook};
use crate::domain::hub::Hubs;
use crate::domain::identity;
use crate::domain::metadata::{MetadataRules, Pattern};
use crate::front::access::OWN_ID;
use crate::front::{codec, tls};

/// The book of all entries; `None` when one of them is wrong, which `errors` then tells.
pub fn book(
    source: &Source,
    groups: Vec<Group>,
    individuals: Vec<Individual>,
    hubs: &Hubs,
    models: &[Arc<DeviceModel>],
    errors: &mut Vec<ConfigError>,
    notices: &mut Vec<String>,
) -> Option<Book> {
    let before = errors.len();
    let mut entries = Vec::with_capacity(groups.len() + individuals.len());
    let mut places = Vec::with_capacity(entries.capacity());
    let mut reader = Reader { source, hubs, models, errors, notices };
    for group in groups {
        places.push(group.id.span());
        let (id, entry) = group.into_entry();
        entries.extend(reader.enrollment(EnrollmentName::Group(id), None, entry, EnrolledCertificate::group_ca));
    }
    for individual in individuals {
        places.push(individual.registration_id.span());
        let (id, device_id, entry) = individual.into_entry();
        let places_of = [Some(entry.primary.span()), entry.secondary.as_ref().map(Located::span)];
        let enrollment =
            reader.enrollment(EnrollmentName::Individual(id.clone()), device_id, entry, EnrolledCertificate::leaf);
        for (certificate, at) in
            enrollment.iter().flat_map(|entry| entry.certificates.iter()).zip(places_of.into_iter().flatten())
        {
            if certificate.registration_id().as_ref() != Some(&id) {
                let message =
                    format!("the certificate's common name is not {id} (rule B2), but {}", certificate.subject());
                reader.errors.push(source.error(at, message));
            }
        }
        entries.extend(enrollment);
    }
    if errors.len() > before {
        return None;
    }
    let names: Vec<EnrollmentName> = entries.iter().map(|entry| entry.name.clone()).collect();
    match Book::new(1, entries) {
        Ok(book) => Some(book),
        Err(error) => {
            // The last of those that do not go together.
            let at = names.iter().rposition(|name| error.concerns(name)).and_then(|at| places.get(at)).copied();
            errors.push(source.error(at.unwrap_or_default(), error.to_string()));
            None
        }
    }
}

struct Reader<'a> {
    source: &'a Source,
    hubs: &'a Hubs,
    models: &'a [Arc<DeviceModel>],
    errors: &'a mut Vec<ConfigError>,
    notices: &'a mut Vec<String>,
}

type ReadCertificate = fn(CertificateDer<'static>) -> Result<EnrolledCertificate, CertificateFault>;

impl Reader<'_> {
    fn enrollment(
        &mut self,
        name: EnrollmentName,
        device_id: Option<DeviceId>,
        entry: Entry,
        read: ReadCertificate,
    ) -> Option<Enrollment> {
        let primary = self.certificate(&entry.primary, read);
        let secondary = entry.secondary.as_ref().map(|path| self.certificate(path, read));
        for (at, hub) in entry.hubs.iter().enumerate() {
            if entry.hubs.iter().take(at).any(|before| **before == **hub) {
                self.errors.push(self.source.error(hub.span(), format!("hub {} is named twice", **hub)));
            }
            if self.hubs.named(hub).is_none() {
                self.errors.push(self.source.error(hub.span(), format!("hub {} is not declared in [[hubs]]", **hub)));
            }
        }
        let candidates = if entry.hubs.is_empty() { self.hubs.iter().count() } else { entry.hubs.len() };
        if *entry.allocation == AllocationPolicy::Static && candidates != 1 {
            let message = format!("the static policy needs exactly one hub, but {name} has {candidates}");
            self.errors.push(self.source.error(entry.allocation.span(), message));
        }
        let model = entry.model.and_then(|wanted| {
            let model = self.models.iter().find(|model| model.name == *wanted).cloned();
            if model.is_none() {
                self.errors.push(
                    self.source.error(wanted.span(), format!("device model {} is not declared in [[models]]", *wanted)),
                );
            }
            model
        });
        let metadata = self.metadata(entry.metadata);
        let topics = TopicGrants {
            publish: self.filters(entry.topics.publish),
            subscribe: self.filters(entry.topics.subscribe),
        };
        let webhook = self.webhook(&name, &entry.allocation, entry.webhook);
        let initial_twin = state::initial_twin(self.source, entry.initial_twin, self.errors);
        let resources = state::resources(self.source, entry.resources, self.errors);
        let capabilities = state::capabilities(entry.capabilities);
        let secondary = match secondary {
            Some(secondary) => Some(secondary?),
            None => None,
        };
        let certificates = Certificates { primary: primary?, secondary };
        Some(Enrollment {
            digest: identity::digest(&name, &certificates, capabilities, &resources, &topics),
            name,
            enabled: entry.enabled,
            certificates,
            device_id,
            allocation: entry.allocation.into_inner(),
            hubs: entry.hubs.into_iter().map(Located::into_inner).collect(),
            metadata,
            model,
            quotas: entry.quotas.rates(),
            topics,
            reprovision: entry.reprovision,
            initial_twin,
            capabilities,
            resources,
            webhook,
        })
    }

    fn webhook(
        &mut self,
        name: &EnrollmentName,
        allocation: &Located<AllocationPolicy>,
        declared: Option<Located<state::WebhookFile>>,
    ) -> Option<Webhook> {
        match (**allocation == AllocationPolicy::Custom, declared) {
            (true, None) => {
                let message = format!("the custom policy asks a webhook, but {name} has none");
                self.errors.push(self.source.error(allocation.span(), message));
                None
            }
            (false, Some(declared)) => {
                let message =
                    format!("a webhook is asked by the custom policy only; set allocation = \"custom\" in {name}");
                self.errors.push(self.source.error(declared.span(), message));
                None
            }
            (true, Some(declared)) => {
                Some(state::webhook(self.source, declared.into_inner(), self.errors, self.notices))
            }
            (false, None) => None,
        }
    }

    fn certificate(&mut self, path: &Located<PathBuf>, read: ReadCertificate) -> Option<EnrolledCertificate> {
        let file = self.source.resolve(path);
        let read = tls::certificates(&file).map_err(|error| error.to_string()).and_then(|mut chain| {
            // The first one is the entry's; a file may hold the chain above it.
            read(chain.swap_remove(0)).map_err(|fault| format!("{}: {fault}", file.display()))
        });
        read.map_err(|message| self.errors.push(self.source.error(path.span(), message))).ok()
    }

    fn metadata(&mut self, declared: Metadata) -> MetadataRules {
        let mut patterns = BTreeMap::new();
        for (path, pattern) in declared.patterns {
            match Pattern::parse(&pattern) {
                Ok(compiled) => {
                    patterns.insert(path, compiled);
                }
                Err(error) => {
                    self.errors.push(self.source.error(pattern.span(), format!("no regular expression: {error}")))
                }
            }
        }
        let schema = declared.schema.and_then(|located| schema(self.source, located, self.errors));
        MetadataRules { required: declared.required, allowed: declared.allowed, patterns, schema }
    }

    fn filters(&mut self, declared: Vec<Located<String>>) -> Vec<String> {
        for filter in &declared {
            let unknown = filter.split('/').any(|level| level.contains(['{', '}']) && level != OWN_ID);
            let wrong = if unknown {
                Err("the only placeholder is {registrationId}, and it fills a level")
            } else if filter.starts_with('$') {
                Err("topics below '$' cannot be granted")
            } else {
                codec::text::topic_filter(filter)
            };
            if let Err(why) = wrong {
                self.errors.push(self.source.error(filter.span(), format!("no topic filter: {why}")));
            }
        }
        declared.into_iter().map(Located::into_inner).collect()
    }
}
