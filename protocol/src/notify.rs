//! The body on [`NOTIFY`](crate::topic::NOTIFY): a device should register again (rule C7).

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a device is told that should register again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// For people.
    pub reason: String,
    /// Not before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The device waits a random part of so many seconds first, so that a fleet does not come at once.
    #[serde(default)]
    pub spread: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, codec};

    #[test]
    fn a_notification_says_no_more_than_it_has_to() {
        let notification = Notification { reason: "drain".into(), not_before: None, spread: 30 };
        let text = codec::encode(&notification, Format::Json);
        assert_eq!(text, br#"{"reason":"drain","spread":30}"#);
        assert_eq!(codec::decode::<Notification>(&text, Format::Json), Ok(notification));
        let later = Notification { reason: String::new(), not_before: Some(Timestamp::from_secs(60)), spread: 0 };
        let text = codec::encode(&later, Format::Json);
        assert_eq!(codec::decode::<Notification>(&text, Format::Json), Ok(later));
    }
}
