//! stub
use super::bus::Delivery;
use super::codec::{Filter, Publish, QoS, SubscribeReason, Will};
use super::session::{End, Session};
#[derive(Default)]
pub struct Ordinary;
impl Ordinary {
    pub async fn next(&mut self) -> Delivery { std::future::pending().await }
    pub fn subscriptions(&self) -> usize { 0 }
    pub fn qos_of(&self, _t: &str) -> Option<QoS> { None }
    pub fn close(&mut self) {}
}
impl Session {
    pub(super) async fn publish_ordinary(&mut self, _p: &Publish) -> Result<(), String> { Ok(()) }
    pub(super) async fn bus_subscribe(&mut self, f: &Filter, _i: Option<u32>, _r: &mut Vec<Delivery>) -> Result<SubscribeReason, String> { Ok(SubscribeReason::Granted(f.qos)) }
    pub(super) async fn bus_unsubscribe(&mut self, _f: &str) -> bool { false }
    pub(super) fn is_subscribed_ordinary(&self, _f: &str) -> bool { false }
    pub(super) fn on_delivery(&mut self, _d: Delivery) -> Result<(), End> { Ok(()) }
    pub(super) fn deliver(&mut self, _d: Delivery) {}
    pub(super) async fn publish_will(&mut self, _w: Will) {}
}
