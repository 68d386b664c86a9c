//! The reprovision policy of an enrollment (rules C1 to C3): what happens when a device that is assigned already registers again.

use firsthop_protocol::ApiVersion;
use serde::Deserialize;

/// A policy as stored with an enrollment. An enrollment without one is decided by [`ReprovisionPolicy::in_force`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReprovisionPolicy {
    /// The allocation policy decides again; when the hub changes, the device's current state moves with it.
    Migrate,
    /// The allocation policy decides again; the device gets its initial state, also when its hub stays the same.
    Reset,
    /// Hub and state stay.
    Never,
}

/// The newest API version of clients that expect to stay where they are when no policy is stored (rule C3).
const STICKY_UNTIL: ApiVersion = ApiVersion::of(2018, 4, 1);

impl ReprovisionPolicy {
    /// The policy that holds for a client of that API version. A stored one always wins; without one, old clients stay where they are
    /// and newer ones migrate. A client that does not say its version speaks this service's own protocol, which is newer.
    pub fn in_force(stored: Option<Self>, client: Option<ApiVersion>) -> Self {
        match (stored, client) {
            (Some(policy), _) => policy,
            (None, Some(version)) if version <= STICKY_UNTIL => Self::Never,
            (None, _) => Self::Migrate,
        }
    }

    /// Whether the hub is chosen again.
    pub fn updates_hub_assignment(self) -> bool {
        self != Self::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_policy_wins_whatever_the_client_speaks() {
        use ReprovisionPolicy::*;
        for stored in [Migrate, Reset, Never] {
            for client in ["2017-11-15", "2018-04-01", "2021-06-01"].map(ApiVersion::parse).into_iter().chain([None]) {
                assert_eq!(ReprovisionPolicy::in_force(Some(stored), client), stored);
            }
        }
    }

    #[test]
    fn without_a_policy_old_clients_stay_and_newer_ones_migrate() {
        for (client, policy) in [
            ("2017-11-15", ReprovisionPolicy::Never),
            ("2018-04-01", ReprovisionPolicy::Never),
            ("2018-09-01-preview", ReprovisionPolicy::Migrate),
            ("2019-03-31", ReprovisionPolicy::Migrate),
        ] {
            assert_eq!(ReprovisionPolicy::in_force(None, ApiVersion::parse(client)), policy, "{client}");
        }
        assert_eq!(ReprovisionPolicy::in_force(None, None), ReprovisionPolicy::Migrate);
    }
}
