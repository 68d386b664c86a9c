//! The access list of ordinary topics. Deny by default: a device has `devices/{registrationId}/#`, and what its enrollment grants.

use firsthop_protocol::RegistrationId;

use crate::domain::enrollment::TopicGrants;

/// What one device may do.
pub struct Access<'a> {
    pub id: &'a RegistrationId,
    pub grants: &'a TopicGrants,
}

/// The placeholder for the device's own id in grants.
pub const OWN_ID: &str = "{registrationId}";
const OWN_TREE: &str = "devices/{registrationId}/#";

impl Access<'_> {
    pub fn may_publish(&self, topic: &str) -> bool {
        self.covered(topic, &self.grants.publish)
    }

    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.covered(filter, &self.grants.subscribe)
    }

    fn covered(&self, filter: &str, grants: &[String]) -> bool {
        !filter.starts_with('$')
            && std::iter::once(OWN_TREE)
                .chain(grants.iter().map(String::as_str))
                .any(|grant| covers(grant, self.id.as_str(), filter))
    }
}

/// Whether everything that `filter` can match is matched by `grant`.
fn covers(grant: &str, id: &str, filter: &str) -> bool {
    let mut wanted = filter.split('/');
    for level in grant.split('/') {
        match (level, wanted.next()) {
            // `a/#` also covers `a` itself.
            ("#", _) => return true,
            (_, None | Some("#")) => {
                return false;
            }
            ("+", Some(_)) => {}
            (OWN_ID, Some(level)) if level == id => {}
            (grant, Some(level)) if grant == level && level != "+" => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(topic: &str) -> bool {
        let id = RegistrationId::parse("dev-1").unwrap();
        let grants =
            TopicGrants { publish: vec!["sites/+/alarms".into(), "all/{registrationId}/up".into()], subscribe: vec![] };
        Access { id: &id, grants: &grants }.may_publish(topic)
    }

    #[test]
    fn a_device_has_its_own_tree_and_what_is_granted() {
        for topic in [
            "devices/dev-1/a",
            "devices/dev-1/a/b",
            "devices/dev-1",
            "devices/dev-1/#",
            "devices/dev-1/+/x",
            "sites/7/alarms",
            "sites/+/alarms",
            "all/dev-1/up",
        ] {
            assert!(may(topic), "{topic}");
        }
    }

    #[test]
    fn everything_else_is_denied() {
        for topic in [
            "#",
            "+",
            "devices/#",
            "devices/+/a",
            "devices/dev-2/a",
            "devices/dev-10",
            "devices",
            "sites/7",
            "sites/#",
            "sites/7/alarms/x",
            "all/+/up",
            "all/dev-2/up",
            "$SYS/broker",
            "$provisioning/register",
            "é/x",
            "/devices/dev-1/a",
            "",
        ] {
            assert!(!may(topic), "{topic}");
        }
    }

    #[test]
    fn the_placeholder_itself_is_no_id() {
        assert!(!may("devices/{registrationId}/a"));
    }
}
