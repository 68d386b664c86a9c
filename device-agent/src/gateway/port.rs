//! What the local socket asks of the device, so that it can be tested without one.

use std::sync::Arc;

use firsthop_agent::device::{Handle, PublishError, ReportRefused, Status, Stopped};
use firsthop_agent::disk::Telemetry;
use firsthop_agent::twin::{Desired, Properties};

/// A device, as far as local programs use it.
pub trait DevicePort: Clone + Send + Sync + 'static {
    fn status(&self) -> Status;
    fn desired(&self) -> Option<Arc<Desired>>;
    fn publish(&self, message: Telemetry) -> impl Future<Output = Result<(), PublishError>> + Send;
    fn report(&self, patch: Properties) -> impl Future<Output = Result<(), ReportRefused>> + Send;
    fn register_again(&self, reset: bool) -> impl Future<Output = Result<(), Stopped>> + Send;
    fn want_messages(&self, want: bool) -> impl Future<Output = Result<(), Stopped>> + Send;
}

impl DevicePort for Handle {
    fn status(&self) -> Status {
        self.status()
    }

    fn desired(&self) -> Option<Arc<Desired>> {
        self.desired()
    }

    async fn publish(&self, message: Telemetry) -> Result<(), PublishError> {
        self.publish(message).await
    }

    async fn report(&self, patch: Properties) -> Result<(), ReportRefused> {
        self.report(patch).await
    }

    async fn register_again(&self, reset: bool) -> Result<(), Stopped> {
        self.register_again(reset).await
    }

    async fn want_messages(&self, want: bool) -> Result<(), Stopped> {
        self.want_messages(want).await
    }
}
