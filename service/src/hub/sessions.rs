//! Live sessions, one for each device, and the direct methods that wait for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firsthop_protocol::DeviceId;

use super::calls::{self, Calls, Method, MethodAnswer, Progress};
use super::post::{HubMail, Post};

/// Most direct methods under way on one hub.
const MAX_CALLS: usize = 10_000;

/// A session's number, never used again in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionNumber(u64);

#[derive(Default)]
pub(super) struct Sessions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Devices that have a session or a call.
    devices: HashMap<DeviceId, Device>,
    /// The last number given to a session or a call.
    last: u64,
    sessions: u64,
    calls: usize,
}

#[derive(Default)]
struct Device {
    session: Option<Live>,
    calls: Calls,
}

struct Live {
    number: SessionNumber,
    post: Arc<Post>,
    /// To direct methods.
    listens: bool,
}

/// A direct method under way. Dropping it gives the call up.
pub(super) struct Ticket {
    sessions: Arc<Sessions>,
    device: DeviceId,
    rid: u64,
    pub(super) progress: Progress,
}

impl Sessions {
    /// The device's one session from now on. An earlier one is told that it was taken over.
    pub(super) fn enter(&self, device: &DeviceId, post: Arc<Post>) -> SessionNumber {
        let mut state = self.lock();
        let number = SessionNumber(state.number());
        let earlier = state.change(device, |device| {
            let earlier = device.session.replace(Live { number, post, listens: false })?;
            device.calls.end(earlier.number);
            Some(earlier)
        });
        if let Some(earlier) = earlier {
            earlier.post.leave(HubMail::TakenOver);
        }
        number
    }

    pub(super) fn leave(&self, device: &DeviceId, number: SessionNumber) {
        self.lock().end(device, |live| live.number == number);
    }

    /// Ends the device's session, or only the one of that number; `false`: there is none.
    pub(super) fn close(&self, device: &DeviceId, number: Option<SessionNumber>, moved_to: Option<String>) -> bool {
        let ended = self.lock().end(device, |live| number.is_none_or(|number| live.number == number));
        let Some(live) = ended else { return false };
        live.post.leave(HubMail::Close { moved_to });
        true
    }

    /// Leaves a message for the device's session; `false`: it has none.
    pub(super) fn post(&self, device: &DeviceId, mail: HubMail) -> bool {
        let mut state = self.lock();
        let Some(live) = state.devices.get(device).and_then(|device| device.session.as_ref()) else { return false };
        let lives = live.post.leave(mail);
        if !lives {
            state.end(device, |_| true);
        }
        lives
    }

    pub(super) fn is_live(&self, device: &DeviceId) -> bool {
        self.lock().devices.get(device).is_some_and(|device| device.session.is_some())
    }

    pub(super) fn count(&self) -> u64 {
        self.lock().sessions
    }

    /// The session listens to direct methods from now on, or no longer. Those that waited for it are sent.
    pub(super) fn listen(&self, device: &DeviceId, number: SessionNumber, listens: bool) {
        let mut state = self.lock();
        let entry = state.devices.get_mut(device).and_then(|device| device.session.as_mut());
        let Some(live) = entry.filter(|live| live.number == number) else { return };
        live.listens = listens;
        state.send_calls(device);
    }

    /// Begins a direct method; `None`: as many are under way as may be.
    pub(super) fn call(self: &Arc<Self>, device: &DeviceId, method: Method) -> Option<Ticket> {
        let mut state = self.lock();
        let under_way = state.devices.get(device).map_or(0, |device| device.calls.len());
        if under_way >= calls::MAX_CALLS || state.calls >= MAX_CALLS {
            return None;
        }
        let rid = state.number();
        let progress = state.change(device, |device| device.calls.begin(rid, method));
        state.send_calls(device);
        Some(Ticket { sessions: self.clone(), device: device.clone(), rid, progress })
    }

    /// The device's answer; `false`: nobody waits for it any more.
    pub(super) fn answer(&self, device: &DeviceId, rid: u64, answer: MethodAnswer) -> bool {
        let mut state = self.lock();
        state.devices.contains_key(device) && state.change(device, |device| device.calls.answer(rid, answer))
    }

    /// Whether nothing is kept.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.devices.is_empty() && state.sessions == 0 && state.calls == 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.sessions.lock().change(&self.device, |device| device.calls.give_up(self.rid));
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Everything that adds or ends sessions and calls goes through here, so that the counts are right and nothing stays behind.
    fn change<T>(&mut self, id: &DeviceId, change: impl FnOnce(&mut Device) -> T) -> T {
        let device = self.devices.entry(id.clone()).or_default();
        self.sessions -= device.sessions();
        self.calls -= device.calls.len();
        let changed = change(device);
        self.sessions += device.sessions();
        self.calls += device.calls.len();
        if device.session.is_none() && device.calls.is_empty() {
            self.devices.remove(id);
        }
        changed
    }

    /// Ends the device's session if it is the one that is meant, and the calls that were sent to it.
    fn end(&mut self, id: &DeviceId, meant: impl FnOnce(&Live) -> bool) -> Option<Live> {
        if !self.devices.contains_key(id) {
            return None;
        }
        self.change(id, |device| {
            let live = device.session.take_if(|live| meant(live))?;
            device.calls.end(live.number);
            Some(live)
        })
    }

    /// Sends the calls that wait, if the device's session listens.
    fn send_calls(&mut self, id: &DeviceId) {
        let Some(Device { session: Some(live), calls }) = self.devices.get_mut(id) else { return };
        if live.listens && !calls.send(live.number, &live.post) {
            self.end(id, |_| true);
        }
    }
}

impl Device {
    fn sessions(&self) -> u64 {
        u64::from(self.session.is_some())
    }
}
