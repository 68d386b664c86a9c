//! How a connection to a hub begins: CONNECT, then the subscriptions of a device.

use std::collections::VecDeque;
use std::time::Duration;

use firsthop_protocol::DeviceId;
use firsthop_protocol::hub_topic::FEEDS;
use tokio::time::{Instant, timeout_at};

use super::under_way::UnderWay;
use super::{LARGEST, Session};
use crate::packet::{Granted, Incoming, Outgoing};
use crate::reason::Reason;
use crate::{Client, Endpoint, Error, Waiting};

/// Most publications before the subscriptions are acknowledged: a hub may be quick with some, and none has many.
const MAX_EARLY: usize = 64;

impl Session {
    /// Connects as that device and listens to its feeds.
    pub async fn open(client: &Client, device: &DeviceId) -> Result<Self, Error> {
        let options = client.options();
        let deadline = Instant::now() + options.timeout;
        let packets = client.dial(deadline).await?;
        let now = Instant::now();
        let seconds = u16::try_from(options.keep_alive.as_millis().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut session = Self {
            packets,
            endpoint: client.endpoint().clone(),
            device: device.clone(),
            max_packet: LARGEST,
            timeout: options.timeout,
            keep_alive: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
            heard: now,
            sent: now,
            pong_by: None,
            under_way: UnderWay::new(u16::MAX),
            early: VecDeque::new(),
            subscribing: None,
        };
        session.connect(seconds, deadline).await?;
        session.listen(deadline).await?;
        Ok(session)
    }

    async fn connect(&mut self, keep_alive: u16, deadline: Instant) -> Result<(), Error> {
        let user_name = user_name(&self.endpoint, &self.device);
        let device = self.device.clone();
        self.queue(Outgoing::Connect { client_id: device.as_str(), user_name: Some(&user_name), keep_alive });
        match self.receive(Waiting::ConnAck, deadline).await? {
            Incoming::ConnAck { code: 0, keep_alive, max_packet, receive_max, .. } => {
                // A hub that wants to hear the device less often is asked as often as before whether it is there.
                let chosen =
                    keep_alive.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into()));
                self.keep_alive = [self.keep_alive, chosen].into_iter().flatten().min();
                self.max_packet = max_packet.map_or(LARGEST, |most| LARGEST.min(most as usize));
                self.under_way = UnderWay::new(receive_max.unwrap_or(u16::MAX));
                Ok(())
            }
            Incoming::ConnAck { code, words, instead, .. } => {
                let version = self.packets.version();
                let reason = Reason::of_connack(version, code, words).instead(instead);
                Err(Error::ConnectionRefused { server: self.endpoint.to_string(), version, reason })
            }
            other => Err(self.out_of_place(&other)),
        }
    }

    async fn listen(&mut self, deadline: Instant) -> Result<(), Error> {
        let packet_id = self.under_way.subscription(Instant::now());
        self.queue(Outgoing::Subscribe { packet_id, filters: &FEEDS, qos: Granted::AtLeastOnce });
        loop {
            match self.receive(Waiting::SubAck, deadline).await? {
                Incoming::SubAck { packet_id: id, codes, words } if id == packet_id => {
                    self.under_way.acknowledged(id);
                    return match codes.into_iter().zip(FEEDS).find(|(code, _)| *code >= 0x80) {
                        None => Ok(()),
                        Some((code, filter)) => {
                            let reason = Reason::of_suback(self.packets.version(), code, words);
                            Err(Error::SubscriptionRefused { server: self.endpoint.to_string(), filter, reason })
                        }
                    };
                }
                packet @ Incoming::ConnAck { .. } => return Err(self.out_of_place(&packet)),
                packet @ Incoming::Publish { .. } if self.early.len() >= MAX_EARLY => {
                    return Err(self.out_of_place(&packet));
                }
                packet @ Incoming::Publish { .. } => self.early.push_back(packet),
                _ => {}
            }
        }
    }

    async fn receive(&mut self, waiting: Waiting, deadline: Instant) -> Result<Incoming, Error> {
        match timeout_at(deadline, self.packets.exchange()).await {
            Ok(Ok(Incoming::Disconnect { code, words, instead })) => Err(Error::Closed {
                server: self.endpoint.to_string(),
                waiting,
                reason: Some(Reason::of_v5(code, words).instead(instead)),
            }),
            Ok(Ok(packet)) => Ok(packet),
            Ok(Err(error)) => Err(self.failed(error, waiting)),
            Err(_) => Err(self.timed_out(waiting)),
        }
    }
}

/// As the Azure SDKs send it: also a hub that shares its port with others sees which one is meant.
fn user_name(endpoint: &Endpoint, device: &DeviceId) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{}/{device}/?api-version=2021-04-12&DeviceClientType=firsthop-agent%2F{version}", endpoint.host)
}
