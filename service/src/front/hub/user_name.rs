//! What an MQTT user name says on a hub: nothing, the device id, or `{hub}/{deviceId}/?api-version=…` as the SDKs write it.

/// A user name that names a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserName<'a> {
    pub hub: &'a str,
    pub device: &'a str,
    /// A module of the device, where it names one.
    pub module: Option<&'a str>,
}

impl<'a> UserName<'a> {
    /// `None` when it is of another form, such as `{scope}/registrations/{id}/api-version=…` of provisioning.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let (hub, device) = (parts.next()?, parts.next()?);
        let is_query = |part: &str| part.is_empty() || part.starts_with('?') || part.starts_with("api-version=");
        let module = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(query), None) if is_query(query) => None,
            (Some(module), Some(query)) if is_query(query) && device != "registrations" => Some(module),
            _ => return None,
        };
        let named = ![hub, device].contains(&"") && parts.next().is_none();
        named.then_some(Self { hub, device, module })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_a_device_and_a_query_name_a_device_on_a_hub() {
        for text in [
            "hub.example/dev-1/?api-version=2021-04-12&DeviceClientType=py%2F2.14",
            "hub.example/dev-1/api-version=2016-11-14",
            "hub.example/dev-1/",
            "hub.example/dev-1",
        ] {
            assert_eq!(
                UserName::parse(text),
                Some(UserName { hub: "hub.example", device: "dev-1", module: None }),
                "{text}"
            );
        }
    }

    #[test]
    fn a_module_is_seen() {
        let name = UserName::parse("hub/dev-1/camera/?api-version=2021-04-12");
        assert_eq!(name, Some(UserName { hub: "hub", device: "dev-1", module: Some("camera") }));
    }

    #[test]
    fn a_user_name_of_provisioning_names_no_hub() {
        for text in [
            "scope/registrations/dev-1/api-version=2019-03-31&ClientVersion=x",
            "scope/registrations/dev-1",
            "dev-1",
            "",
            "/dev-1/?api-version=1",
            "hub//?api-version=1",
            "hub/dev-1/a/b/?api-version=1",
        ] {
            assert_eq!(UserName::parse(text), None, "{text}");
        }
    }
}
