//! Turns of those who change one device's twin. Who comes first is done first, and the outcome is told before the next one begins: so
//! changes do not conflict with each other, and the device hears of them in the order in which they were committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firsthop_protocol::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most that wait for, or have, the turn of one device.
const MAX_WAITING: usize = 64;

/// One gate for each device whose twin is being changed.
#[derive(Default)]
pub(super) struct Turns {
    gates: Mutex<HashMap<DeviceId, Gate>>,
}

struct Gate {
    gate: Arc<Semaphore>,
    /// How many wait for it or have passed it.
    taken: usize,
}

/// A place in the line of one device. Dropping it leaves the line, or passes the turn on.
pub(super) struct Place {
    turns: Arc<Turns>,
    device: DeviceId,
    turn: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for the device's turn; `None`: too many wait already.
    pub(super) async fn take(self: &Arc<Self>, device: &DeviceId) -> Option<Place> {
        let (mut place, gate) = self.line_up(device)?;
        // The gate is never closed.
        place.turn = gate.acquire_owned().await.ok();
        Some(place)
    }

    fn line_up(self: &Arc<Self>, device: &DeviceId) -> Option<(Place, Arc<Semaphore>)> {
        let mut gates = self.lock();
        let new = || Gate { gate: Arc::new(Semaphore::new(1)), taken: 0 };
        let gate = gates.entry(device.clone()).or_insert_with(new);
        if gate.taken >= MAX_WAITING {
            return None;
        }
        gate.taken += 1;
        Some((Place { turns: self.clone(), device: device.clone(), turn: None }, gate.gate.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut gates = self.turns.lock();
        if let Some(gate) = gates.get_mut(&self.device) {
            gate.taken -= 1;
            if gate.taken == 0 {
                gates.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn turns_come_in_the_order_of_asking_and_nothing_stays_behind() {
        let (turns, device) = (Arc::new(Turns::default()), DeviceId::parse("dev-1").unwrap());
        let first = turns.take(&device).now_or_never().unwrap();
        let (mut second, mut third) = (Box::pin(turns.take(&device)), Box::pin(turns.take(&device)));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        assert!(turns.take(&DeviceId::parse("dev-2").unwrap()).now_or_never().is_some(), "others do not wait");
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let turn = second.as_mut().now_or_never().unwrap();
        drop(third);
        drop(turn);
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn a_line_has_an_end() {
        let (turns, device) = (Arc::new(Turns::default()), DeviceId::parse("dev-1").unwrap());
        let turn = turns.take(&device).now_or_never().unwrap();
        let mut waiting: Vec<_> = (1..MAX_WAITING).map(|_| Box::pin(turns.take(&device))).collect();
        assert!(waiting.iter_mut().all(|place| place.as_mut().now_or_never().is_none()));
        assert!(turns.take(&device).now_or_never().unwrap().is_none());
        drop((waiting, turn));
        assert!(turns.lock().is_empty());
    }
}
