//! Subscriptions that outlive the connection: the SDKs do not subscribe again, not even after a restart of the service.

use firsthop_protocol::ErrorCode;
use rustls::pki_types::CertificateDer;

use super::super::codec::{Filter, QoS, RetainHandling, SubscribeReason};
use super::super::session::Session;
use super::OnHub;
use crate::domain::hub_device::Subscription;
use crate::domain::refusal::Refusal;

/// Most bytes of filters that are kept for one device.
const MOST_BYTES: usize = 8 * 1024;

impl Session<OnHub> {
    /// Subscribes to what the device's last session did. `Err`: not all of it can be had now, so the client has to come again.
    pub(super) async fn resume(
        &mut self,
        subscriptions: Vec<Subscription>,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), String> {
        for Subscription { filter, qos } in subscriptions {
            if let Err((_, why)) = self.has_room() {
                // The limit is smaller than it was: what a client could not have today would keep it out for ever.
                tracing::warn!(filter, why, "a subscription of the last session was left out");
                continue;
            }
            let filter = Filter {
                path: filter,
                qos: QoS::from_bits(qos).unwrap_or(QoS::AtLeastOnce),
                no_local: false,
                retain_as_published: false,
                // It was sent them when it subscribed.
                retain_handling: RetainHandling::Never,
            };
            match self.subscribe(&filter, None, chain, &mut Vec::new()).await {
                Ok(_) => {}
                Err((SubscribeReason::NotAuthorized, why)) => {
                    tracing::info!(filter = filter.path, why, "a subscription of the last session was left out");
                }
                Err((_, why)) => return Err(format!("the subscriptions of the last session cannot be resumed: {why}")),
            }
        }
        Ok(())
    }

    pub(super) async fn keep_hub_subscriptions(&mut self) -> Result<(), Refusal> {
        if !self.role.lasts {
            return Ok(());
        }
        if self.role.has_ended() {
            // It would undo what the device subscribes to over its new connection.
            return Err(Refusal::new(ErrorCode::NotConnected, "the session has ended"));
        }
        let feeds = self.role.feeds.iter().map(|known| (&*known.filter, known.qos));
        let mut subscriptions: Vec<_> = feeds
            .chain(self.ordinary.filters())
            .map(|(filter, qos)| Subscription { filter: filter.to_owned(), qos: qos as u8 })
            .collect();
        let bytes: usize = subscriptions.iter().map(|subscription| subscription.filter.len()).sum();
        if bytes > MOST_BYTES {
            let message = format!("the filters of a lasting session may have {MOST_BYTES} bytes in all, not {bytes}");
            return Err(Refusal::new(ErrorCode::TooLarge, message));
        }
        // In one order: the hub writes only what changed, and most clients subscribe to the same again.
        subscriptions.sort_unstable_by(|one, other| one.filter.cmp(&other.filter));
        let (hub, device) = (&self.role.door.hub, &self.role.admitted.device);
        let kept = hub.keep_subscriptions(device, subscriptions).await;
        if let Err(refusal) = &kept {
            let (code, told, detail) = (refusal.code.number(), refusal.message.as_str(), refusal.detail.as_str());
            tracing::warn!(code, told, detail, "subscriptions were not kept");
        }
        kept
    }

    /// The client has said that it will not come back to its session.
    pub(super) async fn forget_subscriptions(&mut self) {
        if !std::mem::take(&mut self.role.lasts) {
            return;
        }
        if let Err(refusal) = self.role.door.hub.keep_subscriptions(&self.role.admitted.device, Vec::new()).await {
            tracing::warn!(told = refusal.message, detail = refusal.detail, "the session was not forgotten");
        }
    }
}
