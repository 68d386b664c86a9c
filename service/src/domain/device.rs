//! The device registry entry and device models (rules A2, A4).

use std::collections::BTreeMap;

use firsthop_protocol::Timestamp;
use serde_json::{Map, Value};

use super::metadata::Schema;

/// What the registry knows of a device besides its registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// What the device said of itself.
    pub metadata: Map<String, Value>,
    /// How to communicate with it.
    pub endpoints: BTreeMap<String, String>,
    /// The instance of its model.
    pub model: Option<ModelInstance>,
    pub updated: Timestamp,
}

/// A device model filled in with what the device said.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInstance {
    pub model: String,
    pub values: Map<String, Value>,
}

/// A device model: defaults, and a schema that an instance must satisfy.
#[derive(Debug)]
pub struct DeviceModel {
    pub name: String,
    pub defaults: Map<String, Value>,
    pub schema: Option<Schema>,
}

impl DeviceModel {
    /// The model filled in with what the device said: its values win over the defaults, map by map. Says where the schema is broken.
    pub fn instance(&self, metadata: &Map<String, Value>) -> Result<ModelInstance, String> {
        let mut values = self.defaults.clone();
        fill(&mut values, metadata);
        if let Some(schema) = &self.schema {
            schema.judge(&values)?;
        }
        Ok(ModelInstance { model: self.name.clone(), values })
    }
}

fn fill(target: &mut Map<String, Value>, said: &Map<String, Value>) {
    for (key, value) in said {
        match (target.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(said)) => fill(inner, said),
            _ => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_the_device_said_wins_over_the_defaults_map_by_map() {
        let model = DeviceModel {
            name: "pump".into(),
            defaults: map(json!({"unit": {"flow": "l/min", "pressure": "bar"}, "interval": 60})),
            schema: None,
        };
        let instance = model.instance(&map(json!({"unit": {"flow": "m3/h"}, "serial": "7"}))).unwrap();
        assert_eq!(
            Value::Object(instance.values),
            json!({"unit": {"flow": "m3/h", "pressure": "bar"}, "interval": 60, "serial": "7"})
        );
    }

    #[test]
    fn an_instance_that_breaks_the_schema_says_where() {
        let schema = Schema::parse(json!({"properties": {"interval": {"type": "integer", "minimum": 1}}})).unwrap();
        let model = DeviceModel { name: "pump".into(), defaults: map(json!({"interval": 60})), schema: Some(schema) };
        assert!(model.instance(&Map::new()).is_ok());
        let error = model.instance(&map(json!({"interval": 0}))).unwrap_err();
        assert!(error.contains("/interval"), "{error}");
    }
}
