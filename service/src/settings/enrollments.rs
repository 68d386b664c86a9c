//! Enrollment groups and individual enrollments as the configuration file declares them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use firsthop_config::{ConfigError, Located, Source};
use firsthop_protocol::body::EnrollmentName;
use firsthop_protocol::{DeviceId, GroupId, HubName, RegistrationId};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::Value;

use super::models::{SchemaSource, schema};
use super::state;
use crate::domain::allocation::AllocationPolicy;
use crate::domain::attestation::{CertificateFault, EnrolledCertificate};
use crate::domain::book::Book;
use crate::domain::device::DeviceModel;
use crate::domain::enrollment::{Certificates, Enrollment, TopicGrants, Webhook};
use crate::domain::hub::Hubs;
use crate::domain::identity;
use crate::domain::metadata::{MetadataRules, Pattern};
use crate::domain::reprovision::ReprovisionPolicy;
use crate::front::access::OWN_ID;
use crate::front::{codec, tls};
use crate::provisioner::QuotaConfig;

/// All devices whose chain runs through a CA certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    id: Located<GroupId>,
    /// PEM file of the CA certificate, root or intermediate.
    primary: Located<PathBuf>,
    /// A second one, while CAs are rolled over.
    secondary: Option<Located<PathBuf>>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    allocation: Located<AllocationPolicy>,
    #[serde(default)]
    hubs: Vec<Located<HubName>>,
    #[serde(default)]
    metadata: Metadata,
    model: Option<Located<String>>,
    #[serde(default)]
    quotas: QuotaConfig,
    #[serde(default)]
    topics: Topics,
    /// What happens when a device that is assigned registers again. Without it, old clients stay and newer ones migrate.
    reprovision: Option<ReprovisionPolicy>,
    initial_twin: Option<Located<state::InitialTwin>>,
    #[serde(default)]
    capabilities: state::Capabilities,
    #[serde(default)]
    resources: state::ResourcesFile,
    /// Of the custom allocation policy.
    webhook: Option<Located<state::WebhookFile>>,
}

/// One device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Individual {
    registration_id: Located<RegistrationId>,
    /// The device's name on its hub, when it differs.
    device_id: Option<DeviceId>,
    /// PEM file of the device's certificate.
    primary: Located<PathBuf>,
    /// A second one, while certificates are rolled over.
    secondary: Option<Located<PathBuf>>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    allocation: Located<AllocationPolicy>,
    #[serde(default)]
    hubs: Vec<Located<HubName>>,
    #[serde(default)]
    metadata: Metadata,
    model: Option<Located<String>>,
    #[serde(default)]
    quotas: QuotaConfig,
    #[serde(default)]
    topics: Topics,
    /// What happens when a device that is assigned registers again. Without it, old clients stay and newer ones migrate.
    reprovision: Option<ReprovisionPolicy>,
    initial_twin: Option<Located<state::InitialTwin>>,
    #[serde(default)]
    capabilities: state::Capabilities,
    #[serde(default)]
    resources: state::ResourcesFile,
    /// Of the custom allocation policy.
    webhook: Option<Located<state::WebhookFile>>,
}

/// Rules that a device's metadata is compared with. Keys are paths with dots.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Metadata {
    required: Vec<String>,
    allowed: BTreeMap<String, Vec<Value>>,
    patterns: BTreeMap<String, Located<String>>,
    schema: Option<Located<SchemaSource>>,
}

/// Ordinary topics besides `devices/{registrationId}/#`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Topics {
    publish: Vec<Located<String>>,
    subscribe: Vec<Located<String>>,
}

const fn yes() -> bool {
    true
}

/// What both kinds of entries have.
struct Entry {
    primary: Located<PathBuf>,
    secondary: Option<Located<PathBuf>>,
    enabled: bool,
    allocation: Located<AllocationPolicy>,
    hubs: Vec<Located<HubName>>,
    metadata: Metadata,
    model: Option<Located<String>>,
    quotas: QuotaConfig,
    topics: Topics,
    reprovision: Option<ReprovisionPolicy>,
    initial_twin: Option<Located<state::InitialTwin>>,
    capabilities: state::Capabilities,
    resources: state::ResourcesFile,
    webhook: Option<Located<state::WebhookFile>>,
}

impl Group {
    fn into_entry(self) -> (GroupId, Entry) {
        let entry = Entry {
            primary: self.primary,
            secondary: self.secondary,
            enabled: self.enabled,
            allocation: self.allocation,
            hubs: self.hubs,
            metadata: self.metadata,
            model: self.model,
            quotas: self.quotas,
            topics: self.topics,
            reprovision: self.reprovision,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities,
            resources: self.resources,
            webhook: self.webhook,
        };
        (self.id.into_inner(), entry)
    }
}

impl Individual {
    fn into_entry(self) -> (RegistrationId, Option<DeviceId>, Entry) {
        let entry = Entry {
            primary: self.primary,
            secondary: self.secondary,
            enabled: self.enabled,
            allocation: self.allocation,
            hubs: self.hubs,
            metadata: self.metadata,
            model: self.model,
            quotas: self.quotas,
            topics: self.topics,
            reprovision: self.reprovision,
            initial_twin: self.initial_twin,
            capabilities: self.capabilities,
            resources: self.resources,
            webhook: self.webhook,
        };
        (self.registration_id.into_inner(), self.device_id, entry)
    }
}

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
