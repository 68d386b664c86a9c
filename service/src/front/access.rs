//! The access list of ordinary topics. Deny by default: a device has `devices/{its name}/#`, and what its enrollment grants.

use firsthop_protocol::RegistrationId;

use crate::domain::enrollment::TopicGrants;

/// What one device may do.
pub struct Access<'a> {
    /// Its name in its own tree: the registration id, and on a hub the device id.
    pub name: &'a str,
    /// What stands for the placeholder.
    pub id: &'a RegistrationId,
    pub grants: &'a TopicGrants,
}

/// The placeholder for the device's own id in grants.
pub const OWN_ID: &str = "{registrationId}";

impl<'a> Access<'a> {
    /// Of a device that is named by its registration id.
    pub fn of(id: &'a RegistrationId, grants: &'a TopicGrants) -> Self {
        Self { name: id.as_str(), id, grants }
    }

    pub fn may_publish(&self, topic: &str) -> bool {
        self.covered(topic, &self.grants.publish)
    }

    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.covered(filter, &self.grants.subscribe)
    }

    fn covered(&self, filter: &str, grants: &[String]) -> bool {
        !filter.starts_with('$')
            && (self.is_own(filter) || grants.iter().any(|grant| covers(grant, self.id.as_str(), filter)))
    }

    fn is_own(&self, filter: &str) -> bool {
        let mut levels = filter.split('/');
        levels.next() == Some("devices") && levels.next() == Some(self.name)
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
            // Not by its own spelling, which every device could write.
            (OWN_ID, own) if own == Some(id) => {}
            (OWN_ID, _) => return false,
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
        Access::of(&id, &grants).may_publish(topic)
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
    fn a_device_with_a_name_of_its_own_has_the_tree_below_that_name() {
        let id = RegistrationId::parse("dev-1").unwrap();
        let grants = TopicGrants { publish: vec!["all/{registrationId}/up".into()], subscribe: vec![] };
        let access = Access { name: "Pump", id: &id, grants: &grants };
        assert!(access.may_publish("devices/Pump/a") && access.may_publish("all/dev-1/up"));
        assert!(!access.may_publish("devices/dev-1/a") && !access.may_publish("all/Pump/up"));
    }

    #[test]
    fn the_placeholder_itself_is_no_id() {
        assert!(!may("devices/{registrationId}/a"));
    }
}
