//! Every message goes out, in its order as far as the hub lets it, and nothing is done in vain.

use firsthop_protocol::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::Waiting;
use crate::disk::OutboxLimits;

const QUOTA_EXCEEDED: u8 = 0x97;
const SHUTTING_DOWN: u8 = 0x8B;
const PACKET_TOO_LARGE: u8 = 0x95;

fn reason(code: u8) -> Reason {
    Reason::of_v5(code, None)
}

fn closed(reason: Option<Reason>) -> Error {
    Error::Closed { server: "hub:1".into(), waiting: Waiting::Messages, reason }
}

/// An outbox with messages, and one connection to a hub.
struct World {
    forwarding: Forwarding,
    suspect: Suspect,
    disk: Disk,
    /// Packet ids count the publications, from one.
    sent: Vec<String>,
    now: Instant,
    _folder: TempDir,
}

impl World {
    async fn with(messages: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (disk, _) = Disk::start(&folder.path().join("state"), OutboxLimits::default()).unwrap();
        for at in 1..=messages {
            let body = at.to_string().into_bytes();
            disk.store(Telemetry { properties: String::new(), body, at: Timestamp::from_secs(1) }).await.unwrap();
        }
        let (forwarding, suspect) = (Forwarding::new(), Suspect::default());
        Self { forwarding, suspect, disk, sent: Vec::new(), now: Instant::now(), _folder: folder }
    }

    /// What is to be read now is read.
    async fn load(&mut self) -> Option<Vec<(Sequence, Telemetry)>> {
        self.forwarding.pass(self.now);
        let (behind, messages) = self.forwarding.wanted(usize::from(u16::MAX), 0, &self.suspect)?;
        Some(Loading::start(&self.disk, behind, messages).await.unwrap())
    }

    fn send(&mut self, messages: Vec<(Sequence, Telemetry)>) {
        let sent = &mut self.sent;
        let publish = |_: String, body: Bytes| {
            sent.push(String::from_utf8(body.to_vec()).unwrap());
            u16::try_from(sent.len()).ok()
        };
        self.forwarding.send(messages, &DeviceId::parse("dev-1").unwrap(), publish, &self.disk);
    }

    async fn forward(&mut self) {
        while let Some(messages) = self.load().await {
            self.send(messages);
        }
    }

    fn acknowledged(&mut self, packet_id: u16, refused: Option<u8>) {
        let refused = refused.map(reason);
        let known =
            self.forwarding.acknowledged((packet_id, refused.as_ref()), &mut self.suspect, &self.disk, self.now);
        assert!(known);
    }
}

#[tokio::test]
async fn what_is_read_while_the_hub_refuses_an_earlier_message_does_not_overtake_it() {
    let mut world = World::with(60).await;
    world.forward().await;
    assert_eq!(world.sent.len(), WINDOW);
    for packet_id in 2..=32 {
        world.acknowledged(packet_id, None);
    }
    let messages = world.load().await.unwrap();
    world.acknowledged(1, Some(QUOTA_EXCEEDED));
    world.send(messages);
    assert_eq!(world.sent.len(), WINDOW, "the hub has no room");

    world.now += HOLD;
    world.forward().await;
    assert_eq!(world.sent[WINDOW..][..2], ["1", "33"]);
}

#[tokio::test]
async fn a_wait_that_is_over_while_the_hub_is_behind_with_its_acknowledgements_is_not_waited_for_again() {
    let mut world = World::with(60).await;
    world.forward().await;
    world.acknowledged(1, Some(QUOTA_EXCEEDED));
    assert_eq!(world.forwarding.wake(), Some(world.now + HOLD));
    world.now += HOLD;
    world.forward().await;
    assert_eq!(world.forwarding.wake(), None, "a time that has passed would be woken up for at once, and again");
}

#[tokio::test]
async fn a_hub_that_is_stopped_again_and_again_costs_no_message() {
    let mut world = World::with(1).await;
    for _ in 0..2 * PATIENCE {
        world.forwarding = Forwarding::new();
        world.forward().await;
        world.forwarding.ended(&closed(Some(reason(SHUTTING_DOWN))), &mut world.suspect, &world.disk);
    }
    assert_eq!(world.sent.len(), 2 * PATIENCE as usize);
}

#[tokio::test]
async fn a_message_that_connections_end_over_does_not_keep_those_behind_it_for_ever() {
    for reason in [None, Some(reason(PACKET_TOO_LARGE))] {
        let mut world = World::with(3).await;
        for _ in 0..PATIENCE {
            world.forwarding = Forwarding::new();
            world.forward().await;
            world.forwarding.ended(&closed(reason.clone()), &mut world.suspect, &world.disk);
        }
        world.forwarding = Forwarding::new();
        world.sent.clear();
        world.forward().await;
        assert_eq!(world.sent, ["2", "3"]);
    }
}

#[tokio::test]
async fn telemetry_leaves_places_for_what_does_not_wait_in_the_outbox() {
    for (places, telemetry) in [(1, 1), (2, 2), (4, 3), (16, 12), (1000, WINDOW)] {
        let mut world = World::with(0).await;
        let wanted = world.forwarding.wanted(places, 0, &world.suspect);
        assert_eq!(wanted, Some((None, telemetry)), "{places}");
    }
}
