//! Metadata rules of an enrollment (rule A3): required keys, allow lists, patterns and a JSON Schema. A broken rule names its field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use firsthop_protocol::ErrorCode;
use firsthop_protocol::document::kind;
use regex::Regex;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Keys are paths with dots: `site` or `location.country`.
#[derive(Debug, Default)]
pub struct MetadataRules {
    pub required: Vec<String>,
    /// Values a field may have; a field that is absent has none of them.
    pub allowed: BTreeMap<String, Vec<Value>>,
    /// Patterns that a text field must match as a whole.
    pub patterns: BTreeMap<String, Pattern>,
    pub schema: Option<Schema>,
}

impl MetadataRules {
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.allowed.is_empty() && self.patterns.is_empty() && self.schema.is_none()
    }

    pub fn judge(&self, metadata: &Map<String, Value>) -> Result<(), Refusal> {
        let invalid = |message: String| Refusal::new(ErrorCode::InvalidMetadata, message);
        for path in &self.required {
            if field(metadata, path).is_none_or(Value::is_null) {
                return Err(invalid(format!("metadata.{path}: required by the enrollment, but absent")));
            }
        }
        for (path, allowed) in &self.allowed {
            match field(metadata, path) {
                Some(value) if allowed.contains(value) => {}
                Some(value) => {
                    // Which values are allowed is the operator's knowledge; the device is told only about its own.
                    return Err(Refusal::new(
                        ErrorCode::MetadataNotAllowed,
                        format!("metadata.{path}: {} is not allowed", shown(&value.to_string())),
                    )
                    .detail(format!("allowed are {}", Value::Array(allowed.clone()))));
                }
                None => {
                    return Err(Refusal::new(
                        ErrorCode::MetadataNotAllowed,
                        format!("metadata.{path}: absent, but restricted by the enrollment"),
                    ));
                }
            }
        }
        for (path, pattern) in &self.patterns {
            match field(metadata, path) {
                Some(Value::String(text)) if pattern.0.is_match(text) => {}
                Some(Value::String(text)) => {
                    return Err(invalid(format!(
                        "metadata.{path}: {text:?} has not the form that the enrollment wants"
                    ))
                    .detail(format!("pattern {}", pattern.0)));
                }
                Some(other) => return Err(invalid(format!("metadata.{path}: must be a text, not {}", kind(other)))),
                None => return Err(invalid(format!("metadata.{path}: absent, but the enrollment wants a form"))),
            }
        }
        match &self.schema {
            Some(schema) => schema.judge(metadata).map_err(|fault| invalid(format!("metadata{fault}"))),
            None => Ok(()),
        }
    }
}

/// Longest part of a device's own words in a message, in characters.
const SHOWN: usize = 120;

/// The beginning of a text: what a device sent is not repeated at length.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn field<'a>(metadata: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = metadata.get(parts.next()?)?;
    for part in parts {
        value = value.as_object()?.get(part)?;
    }
    Some(value)
}

/// A regular expression that a whole text must match. Matching takes time linear in the text.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        // By itself first: `a)|(?:b` would escape the anchors.
        Regex::new(text).map_err(|error| error.to_string())?;
        regex::RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// A JSON Schema (draft 2020-12 unless it says otherwise), compiled. It may refer to itself only: nothing is fetched.
#[derive(Debug)]
pub struct Schema(jsonschema::Validator);

impl Schema {
    pub fn parse(schema: Value) -> Result<Self, String> {
        // A linear-time pattern engine: a schema's pattern must not let a device's text burn the processor.
        jsonschema::options()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema)
            .map(Self)
            .map_err(|error| format!("{}: {error}", error.schema_path()))
    }

    /// `Err` is `/path: fault`.
    pub fn judge(&self, values: &Map<String, Value>) -> Result<(), String> {
        self.0
            .validate(&Value::Object(values.clone()))
            .map_err(|error| shown(&format!("{}: {error}", error.instance_path())).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn rules() -> MetadataRules {
        MetadataRules {
            required: vec!["serial".into(), "location.country".into()],
            allowed: BTreeMap::from([("location.country".into(), vec![json!("pt"), json!("de")])]),
            patterns: BTreeMap::from([("serial".into(), Pattern::parse("[A-Z]{2}[0-9]+").unwrap())]),
            schema: Some(
                Schema::parse(json!({"properties": {"floor": {"type": "integer"}}, "additionalProperties": true}))
                    .unwrap(),
            ),
        }
    }

    #[test]
    fn metadata_within_the_rules_passes() {
        assert_eq!(rules().judge(&map(json!({"serial": "AB12", "location": {"country": "pt"}, "floor": 3}))), Ok(()));
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        let cases = [
            (json!({"location": {"country": "pt"}}), ErrorCode::InvalidMetadata, "metadata.serial: required"),
            (
                json!({"serial": "AB12", "location": {"country": "fr"}}),
                ErrorCode::MetadataNotAllowed,
                "metadata.location.country: \"fr\"",
            ),
            (
                json!({"serial": "xAB12", "location": {"country": "de"}}),
                ErrorCode::InvalidMetadata,
                "metadata.serial: \"xAB12\"",
            ),
            (
                json!({"serial": "AB12x", "location": {"country": "de"}}),
                ErrorCode::InvalidMetadata,
                "metadata.serial: \"AB12x\"",
            ),
            (
                json!({"serial": 7, "location": {"country": "de"}}),
                ErrorCode::InvalidMetadata,
                "metadata.serial: must be a text, not a number",
            ),
            (
                json!({"serial": "AB12", "location": {"country": "de"}, "floor": "3"}),
                ErrorCode::InvalidMetadata,
                "metadata/floor: ",
            ),
        ];
        for (metadata, code, message) in cases {
            let refusal = rules().judge(&map(metadata)).unwrap_err();
            assert_eq!(refusal.code, code, "{refusal:?}");
            assert!(refusal.message.starts_with(message), "{refusal:?}");
        }
    }

    #[test]
    fn allowed_values_are_told_to_the_operator_only() {
        let refusal = rules().judge(&map(json!({"serial": "AB12", "location": {"country": "fr"}}))).unwrap_err();
        assert!(!refusal.message.contains("pt") && refusal.detail.contains("pt"), "{refusal:?}");
    }

    #[test]
    fn a_schema_that_refers_elsewhere_is_refused() {
        assert!(Schema::parse(json!({"$ref": "https://example.com/schema.json"})).is_err());
        assert!(Schema::parse(json!({"$ref": "file:///etc/passwd"})).is_err());
    }
}
