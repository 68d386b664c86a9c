//! Device models and JSON Schemas as the configuration file declares them.

use std::path::PathBuf;
use std::sync::Arc;

use firsthop_config::{ConfigError, Located, Source};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::device::DeviceModel;
use crate::domain::metadata::Schema;

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
