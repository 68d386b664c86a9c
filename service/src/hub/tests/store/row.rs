//! One device's record, and what the steps of operations do with it.

use std::collections::BTreeMap;

use firsthop_protocol::{HubName, OperationId, Timestamp};

use crate::domain::hub_device::{Event, HubDevice, Identity, QueuedMessage, Standing};
use crate::domain::ports::{HubWrite, HubWriteError};
use crate::domain::twin::Twin;

pub(super) struct Row {
    pub(super) hub: HubName,
    pub(super) device: HubDevice,
    /// The last operation that ended here.
    pub(super) last: Option<OperationId>,
    pub(super) twin: Twin,
    pub(super) queue: BTreeMap<u64, QueuedMessage>,
    pub(super) events: BTreeMap<u64, Event>,
}

impl Row {
    fn free_for(&self, operation: OperationId) -> Result<(), HubWriteError> {
        match self.device.standing {
            Standing::Held(by) | Standing::Fenced(by) if by != operation => Err(HubWriteError::Busy(by)),
            _ => Ok(()),
        }
    }

    pub(super) fn identify(&mut self, operation: OperationId, identity: Identity) -> Result<(), HubWriteError> {
        self.free_for(operation)?;
        if matches!(self.device.standing, Standing::Moved { .. }) {
            return Err(HubWriteError::NotActive);
        }
        self.device.identity = identity;
        Ok(())
    }

    pub(super) fn fence(&mut self, operation: OperationId) -> Result<(), HubWriteError> {
        self.free_for(operation)?;
        match self.device.standing {
            Standing::Moved { .. } => return Err(HubWriteError::NotActive),
            Standing::Active if self.last == Some(operation) => return Err(HubWriteError::Conflict),
            Standing::Active => self.device.standing = Standing::Fenced(operation),
            Standing::Held(_) | Standing::Fenced(_) => {}
        }
        Ok(())
    }

    pub(super) fn release(&mut self, operation: OperationId) -> Result<(), HubWriteError> {
        self.free_for(operation)?;
        if matches!(self.device.standing, Standing::Moved { .. }) {
            return Err(HubWriteError::NotActive);
        }
        (self.device.standing, self.last) = (Standing::Active, Some(operation));
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        operation: OperationId,
        to: Option<String>,
        at: Timestamp,
    ) -> Result<(), HubWriteError> {
        self.free_for(operation)?;
        match self.device.standing {
            Standing::Moved { .. } if self.last == Some(operation) => return Ok(()),
            Standing::Active if self.last == Some(operation) => return Err(HubWriteError::Conflict),
            Standing::Active => return Ok(()),
            _ => {}
        }
        (self.device.standing, self.last) = (Standing::Moved { to, at }, Some(operation));
        self.queue.clear();
        self.events.clear();
        Ok(())
    }

    pub(super) fn change(&mut self, number: u64, write: HubWrite) -> Result<(), HubWriteError> {
        if !self.device.standing.is_active() {
            return Err(HubWriteError::NotActive);
        }
        let resources = self.device.identity.resources;
        match write {
            HubWrite::Twin { expected, revision, .. }
                if expected != self.twin.version || revision != self.device.revision =>
            {
                return Err(HubWriteError::Conflict);
            }
            HubWrite::Twin { twin, .. } => self.twin = twin,
            HubWrite::Subscriptions(subscriptions) => {
                (self.device.subscriptions, self.device.revision) = (subscriptions, number);
            }
            HubWrite::Enqueue(message) => {
                let size = |message: &QueuedMessage| (message.payload.len() + message.properties.len()) as u64;
                let bytes = self.queue.values().map(size).sum::<u64>() + size(&message);
                let limits = resources.command_queue;
                if self.queue.len() >= limits.messages as usize || bytes > limits.bytes {
                    return Err(HubWriteError::QueueFull);
                }
                self.queue.insert(number, message);
            }
            HubWrite::Delivered(numbers) => {
                for (_, message) in self.queue.iter_mut().filter(|(number, _)| numbers.contains(number)) {
                    message.deliveries += 1;
                }
            }
            HubWrite::Dequeue(numbers) => self.queue.retain(|number, _| !numbers.contains(number)),
            HubWrite::Event(event) => {
                self.events.insert(number, event);
                while self.events.len() > resources.events.messages as usize {
                    self.events.pop_first();
                }
            }
            other => panic!("{other:?} is of the hub port"),
        }
        Ok(())
    }
}
