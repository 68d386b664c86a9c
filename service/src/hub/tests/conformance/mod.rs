//! What every hub has to do behind its port, wherever it stands. The port may be the hub itself, or a client of it on another machine;
//! the device is always played on the hub.

mod devices;
mod moves;

use std::any::Any;

use serde_json::json;

use super::*;
use crate::domain::hub_device::Standing;
use crate::domain::ports::{DeviceBound, Enqueued, HubError, MethodCall, TwinUpdate};
use crate::domain::refusal::Refusal;

pub(crate) use devices::*;
pub(crate) use moves::*;

/// A hub behind its port.
pub(crate) struct Rig {
    pub(crate) port: Arc<dyn Hub>,
    pub(crate) hub: Arc<EmbeddedHub>,
    /// What has to live as long as the test: a server, a folder.
    pub(crate) _kept: Box<dyn Any + Send + Sync>,
}

impl Rig {
    /// The device connects.
    fn connect(&self) -> (Arc<Post>, SessionNumber) {
        connect(&self.hub)
    }

    /// With `dev-1` active on the hub.
    async fn with_device(self) -> Self {
        let operation = OperationId::random();
        self.port.provision(operation, identity("dev-1"), fresh()).await.unwrap();
        self.port.release(operation, reg_1()).await.unwrap();
        self
    }

    async fn report(&self, patch: &Value) -> Result<u64, Refusal> {
        self.hub.report(&dev_1(), patch.to_string().as_bytes(), None).await
    }

    async fn standing(&self) -> Standing {
        self.port.device(dev_1()).await.unwrap().0.standing
    }

    async fn enqueue(&self, payload: &str) -> Enqueued {
        self.port.enqueue(dev_1(), message(payload)).await.unwrap()
    }
}

/// A test for each case below, over the rig that this function makes.
macro_rules! hub_conformance {
    ($rig:path) => {
        $crate::hub::tests::conformance::hub_conformance! { $rig:
            a_device_is_held_until_it_is_released
            a_repeated_step_does_nothing_more
            a_device_of_one_operation_is_busy_for_another
            a_device_id_is_of_one_registration
            a_fence_gives_exactly_what_was_acknowledged_and_nothing_is_afterwards
            a_fence_that_is_undone_lets_the_device_in_again
            a_device_that_moved_leaves_a_trace
            a_state_that_moved_is_there_as_it_was
            a_step_for_a_device_that_is_not_there_says_so
            a_session_is_reached_and_closed
            an_identity_changes_without_the_state
            a_twin_is_changed_at_the_version_that_is_expected
            a_desired_change_reaches_the_device
            a_queue_has_room_for_what_it_was_given
            a_method_is_answered_by_the_device
            stored_events_are_read_in_pages
        }
    };
    ($rig:path: $($case:ident)+) => {
        $(#[tokio::test]
        async fn $case() {
            $crate::hub::tests::conformance::$case($rig().await).await;
        })+
    };
}
pub(crate) use hub_conformance;

mod embedded {
    use super::*;

    async fn rig() -> Rig {
        let world = World::new();
        Rig { port: world.hub.clone(), hub: world.hub, _kept: Box::new(()) }
    }

    hub_conformance!(rig);
}

fn message(payload: &str) -> DeviceBound {
    DeviceBound { properties: "%24.mid=1".into(), payload: payload.into(), expires: None }
}

fn update(desired: Value) -> TwinUpdate {
    TwinUpdate { tags: None, desired: Some(desired), replace: false }
}

fn call(timeout: Duration) -> MethodCall {
    MethodCall { name: "reboot".into(), payload: json!({"in": 5}), timeout, connect_timeout: Duration::ZERO }
}

#[track_caller]
fn no_device<T: std::fmt::Debug>(result: Result<T, HubError>) {
    assert!(matches!(result, Err(HubError::NoDevice { .. })), "{result:?}");
}

#[track_caller]
fn busy<T: std::fmt::Debug>(result: Result<T, HubError>, with: OperationId) {
    assert!(matches!(result, Err(HubError::Busy { operation, .. }) if operation == with), "{result:?}");
}
