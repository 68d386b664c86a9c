//! Hubs and device models as the configuration file declares them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use firsthop_config::{ConfigError, Located, Source};
use firsthop_protocol::HubName;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::device::DeviceModel;
use crate::domain::hub::{self, Hubs};
use crate::domain::metadata::Schema;

/// A linked hub.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    name: Located<HubName>,
    /// DNS name or IP address that devices connect to.
    host: Located<String>,
    #[serde(default = "default_port")]
    port: u16,
    /// Share of devices relative to the other hubs, 1 to 1000.
    #[serde(default = "default_weight")]
    weight: Located<u16>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Takes no new devices.
    #[serde(default)]
    drained: bool,
}

const fn default_port() -> u16 {
    8883
}

fn default_weight() -> Located<u16> {
    1.into()
}

/// A device model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    name: Located<String>,
    #[serde(default)]
    defaults: Map<String, Value>,
    /// JSON Schema that each instance must satisfy: `{ inline = {...} }` or `{ file = "schema.json" }`.
    schema: Option<Located<SchemaSource>>,
}

/// A JSON Schema in place, or in a file of its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaSource {
    /// The schema itself.
    Inline(Value),
    /// Path of a JSON file.
    File(PathBuf),
}

pub fn hubs(source: &Source, declared: Vec<Hub>, errors: &mut Vec<ConfigError>) -> Hubs {
    let mut seen = HashMap::new();
    for hub in &declared {
        if let Some(first) = seen.insert(hub.name.as_str().to_owned(), hub.name.span()) {
            errors.push(
                source.error(hub.name.span(), format!("hub {} is declared already at {}", *hub.name, source.at(first))),
            );
        }
        if !(1..=1000).contains(&*hub.weight) {
            errors.push(source.error(hub.weight.span(), format!("a weight is 1 to 1000, not {}", *hub.weight)));
        }
        if ServerName::try_from(hub.host.as_str()).is_err() {
            errors
                .push(source.error(hub.host.span(), "a host is a DNS name or an IP address, without port or brackets"));
        }
        if hub.port == 0 {
            errors
                .push(source.error(hub.name.span(), format!("hub {} has port 0, where nobody can connect", *hub.name)));
        }
    }
    let hubs = declared.into_iter().map(|hub| hub::Hub {
        name: hub.name.into_inner(),
        host: hub.host.into_inner(),
        port: hub.port,
        weight: hub.weight.into_inner(),
        labels: hub.labels,
        drained: hub.drained,
    });
    hubs.collect()
}

pub fn models(source: &Source, declared: Vec<Model>, errors: &mut Vec<ConfigError>) -> Vec<Arc<DeviceModel>> {
    let mut models: Vec<Arc<DeviceModel>> = Vec::new();
    for model in declared {
        if models.iter().any(|known| known.name == *model.name) {
            errors.push(source.error(model.name.span(), format!("device model {} is declared already", *model.name)));
        }
        let schema = model.schema.and_then(|located| schema(source, located, errors));
        models.push(Arc::new(DeviceModel { name: model.name.into_inner(), defaults: model.defaults, schema }));
    }
    models
}

/// Compiles a schema from where it is.
pub fn schema(source: &Source, located: Located<SchemaSource>, errors: &mut Vec<ConfigError>) -> Option<Schema> {
    let span = located.span();
    let value = match located.into_inner() {
        SchemaSource::Inline(value) => Ok(value),
        SchemaSource::File(path) => {
            let path = source.resolve(&path);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display())).and_then(|bytes| {
                serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
            })
        }
    };
    match value.and_then(|value| Schema::parse(value).map_err(|error| format!("no JSON Schema: {error}"))) {
        Ok(schema) => Some(schema),
        Err(message) => {
            errors.push(source.error(span, message));
            None
        }
    }
}
