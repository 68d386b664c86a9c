//! What a local program can ask for.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firsthop_agent::disk::Telemetry;
use firsthop_agent::twin::Properties;
use firsthop_protocol::document::Document;
use firsthop_protocol::{Timestamp, property_bag};
use serde::Deserialize;

use super::answer::Refusal;

/// A request, by its `op`.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    // Braces, because a variant without them would let unknown fields pass.
    Status {},
    Publish(Publication),
    Report {
        patch: Document,
    },
    Twin {},
    Watch {},
    Messages {},
    Reprovision {
        #[serde(default)]
        reset: bool,
    },
}

/// Telemetry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publication {
    #[serde(default)]
    properties: BTreeMap<String, Option<String>>,
    body: Option<String>,
    body_base64: Option<String>,
}

/// The client has dealt with a message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    pub accept: u64,
}

impl Request {
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(line).map_err(|error| Refusal::bad(plain(&error)))
    }

    /// Its `op`, for the log.
    pub fn op(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Publish(_) => "publish",
            Self::Report { .. } => "report",
            Self::Twin {} => "twin",
            Self::Watch {} => "watch",
            Self::Messages {} => "messages",
            Self::Reprovision { .. } => "reprovision",
        }
    }
}

impl Acceptance {
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(line)
            .map_err(|error| Refusal::bad(format!("expected {{\"accept\":n}}: {}", plain(&error))))
    }
}

impl Publication {
    pub fn telemetry(self, at: Timestamp) -> Result<Telemetry, Refusal> {
        let body = match (self.body, self.body_base64) {
            (Some(_), Some(_)) => return Err(Refusal::bad("a message has body or bodyBase64, not both".to_owned())),
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                STANDARD.decode(base64).map_err(|error| Refusal::bad(format!("bodyBase64 is no base64: {error}")))?
            }
            (None, None) => Vec::new(),
        };
        let properties = self.properties.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        Ok(Telemetry { properties: property_bag::encode(properties), body, at })
    }
}

pub fn properties(patch: Document) -> Properties {
    patch.0
}

/// A request is one line: its number says nothing.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let error = match Request::parse(line.as_bytes()) {
            Ok(Request::Publish(publication)) => {
                publication.telemetry(Timestamp::from_secs(0)).map(drop).expect_err(line)
            }
            Ok(other) => panic!("{line}: {other:?}"),
            Err(refusal) => refusal,
        };
        error.message
    }

    #[test]
    fn what_is_no_request_is_told_readably() {
        for (line, message) in [
            ("{", "EOF"),
            ("{}", "missing field `op`"),
            (r#"{"op":"sing"}"#, "unknown variant `sing`, expected one of `status`"),
            (r#"{"op":"status","loud":true}"#, "unknown field `loud`"),
            (r#"{"op":"publish","boddy":"x"}"#, "unknown field `boddy`"),
            (r#"{"op":"publish","properties":{"a":1}}"#, "invalid type: integer `1`, expected a string"),
            (r#"{"op":"publish","body":"x","bodyBase64":"eA=="}"#, "not both"),
            (r#"{"op":"publish","bodyBase64":"x"}"#, "no base64"),
            (r#"{"op":"report"}"#, "missing field `patch`"),
            (r#"{"op":"report","patch":[1]}"#, "expected a map"),
            (r#"{"op":"reprovision","reset":1}"#, "expected a boolean"),
        ] {
            assert!(refused(line).contains(message), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn telemetry_has_its_properties_url_encoded_and_its_body_as_it_is() {
        let telemetry = |line: &str| match Request::parse(line.as_bytes()).unwrap() {
            Request::Publish(publication) => publication.telemetry(Timestamp::from_secs(7)).unwrap(),
            other => panic!("{other:?}"),
        };
        let text = telemetry(r#"{"op":"publish","properties":{"site":"a/b","flag":null},"body":"21 °C"}"#);
        assert_eq!((text.properties.as_str(), text.body.as_slice()), ("flag&site=a%2Fb", "21 °C".as_bytes()));
        assert_eq!(telemetry(r#"{"op":"publish","bodyBase64":"AAE="}"#).body, [0, 1]);
        assert_eq!(telemetry(r#"{"op":"publish"}"#).body, b"");
    }
}
