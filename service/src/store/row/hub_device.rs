//! The row of a device on its hub:
//!
//! ```text
//! 1 | flags | hub 4 | revision 8 | created 8 | [operation 16] | [fresh twin 8] | [left 8] | [to] | identity | [subscriptions]
//! to: length 2, text        subscriptions: number 2, then each: QoS 1, length 2, filter
//! ```

use firsthop_protocol::{OperationId, Timestamp};

use super::bytes::{Bytes, Pack, flags};
use super::identity::IdentityV1;
use super::{RowError, field};
use crate::domain::hub_device::{HubDevice, Identity, Standing, Subscription};

const HUB_DEVICE_V1: u8 = 1;

/// The two lowest bits: how it stands.
const STANDING: u8 = 0b11;
const ACTIVE: u8 = 0;
const HELD: u8 = 1;
const FENCED: u8 = 2;
const MOVED: u8 = 3;
const HAS_OPERATION: u8 = 1 << 2;
const FRESH_TWIN: u8 = 1 << 3;
const HAS_TO: u8 = 1 << 4;
const HAS_SUBSCRIPTIONS: u8 = 1 << 5;
const APART: u8 = 1 << 6;

pub type Operation = [u8; 16];

/// A device on its hub as stored, with a number in place of the hub's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDeviceV1<'a> {
    pub hub: u32,
    pub revision: u64,
    pub created: u64,
    pub standing: StandingV1<'a>,
    /// When a twin was made that nothing was written to since: it has no row.
    pub fresh_twin: Option<u64>,
    /// The row is not under its registration's number, which that of another hub had when this one was made.
    pub apart: bool,
    pub identity: IdentityV1<'a>,
    /// QoS and filter.
    pub subscriptions: Vec<(u8, &'a str)>,
}

/// How the device stands. `last` is the operation of the hub port that was the last to end here: what comes late of it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingV1<'a> {
    Active { last: Option<Operation> },
    Held(Operation),
    Fenced(Operation),
    Moved { last: Option<Operation>, at: u64, to: Option<&'a str> },
}

impl StandingV1<'_> {
    fn number(&self) -> u8 {
        match self {
            Self::Active { .. } => ACTIVE,
            Self::Held(_) => HELD,
            Self::Fenced(_) => FENCED,
            Self::Moved { .. } => MOVED,
        }
    }

    fn operation(&self) -> Option<Operation> {
        match self {
            Self::Active { last } | Self::Moved { last, .. } => *last,
            Self::Held(operation) | Self::Fenced(operation) => Some(*operation),
        }
    }

    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active { .. })
    }

    /// When it left, if it did: the row is the trace of it.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Moved { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The operation that holds or fences it.
    pub fn busy(&self) -> Option<Operation> {
        match self {
            Self::Held(operation) | Self::Fenced(operation) => Some(*operation),
            _ => None,
        }
    }
}

/// Whether the address that a device left for can be stored, or why not.
pub fn check_address(to: Option<&str>) -> Result<(), RowError> {
    to.map_or(Ok(()), |to| Vec::with_capacity(64).medium_text("new address", to))
}

/// Whether subscriptions can be stored, or why not.
pub fn check_subscriptions(subscriptions: &[Subscription]) -> Result<(), RowError> {
    encode_subscriptions(&mut Vec::new(), &packed(subscriptions))
}

/// QoS and filter of each.
pub fn packed(subscriptions: &[Subscription]) -> Vec<(u8, &str)> {
    subscriptions.iter().map(|subscription| (subscription.qos, &*subscription.filter)).collect()
}

fn encode_subscriptions(row: &mut Vec<u8>, subscriptions: &[(u8, &str)]) -> Result<(), RowError> {
    row.medium("subscriptions", subscriptions.len())?;
    subscriptions.iter().try_for_each(|(qos, filter)| {
        row.u8(*qos);
        row.medium_text("filter", filter)
    })
}

impl<'a> HubDeviceV1<'a> {
    pub fn encode(&self, row: &mut Vec<u8>) -> Result<(), RowError> {
        let operation = self.standing.operation();
        let left = match self.standing {
            StandingV1::Moved { at, to, .. } => Some((at, to)),
            _ => None,
        };
        row.clear();
        row.u8(HUB_DEVICE_V1);
        row.u8(flags(&[
            (true, self.standing.number()),
            (operation.is_some(), HAS_OPERATION),
            (self.fresh_twin.is_some(), FRESH_TWIN),
            (left.is_some_and(|(_, to)| to.is_some()), HAS_TO),
            (!self.subscriptions.is_empty(), HAS_SUBSCRIPTIONS),
            (self.apart, APART),
        ]));
        row.u32(self.hub);
        row.u64(self.revision);
        row.u64(self.created);
        if let Some(operation) = operation {
            row.bytes(&operation);
        }
        if let Some(at) = self.fresh_twin {
            row.u64(at);
        }
        if let Some((at, to)) = left {
            row.u64(at);
            to.map_or(Ok(()), |to| row.medium_text("new address", to))?;
        }
        self.identity.encode(row)?;
        if !self.subscriptions.is_empty() {
            encode_subscriptions(row, &self.subscriptions)?;
        }
        Ok(())
    }

    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let mut bytes = Bytes(row);
        match bytes.u8()? {
            HUB_DEVICE_V1 => {}
            other => return Err(RowError::Version(other)),
        }
        let flags = bytes.u8()?;
        if flags & !(STANDING | HAS_OPERATION | FRESH_TWIN | HAS_TO | HAS_SUBSCRIPTIONS | APART) != 0 {
            return Err(RowError::Flags(flags));
        }
        let (hub, revision, created) = (bytes.u32()?, bytes.u64()?, bytes.u64()?);
        let operation = (flags & HAS_OPERATION != 0).then(|| bytes.array().copied()).transpose()?;
        let fresh_twin = (flags & FRESH_TWIN != 0).then(|| bytes.u64()).transpose()?;
        let standing = match (flags & STANDING, operation) {
            (HELD, Some(operation)) => StandingV1::Held(operation),
            (FENCED, Some(operation)) => StandingV1::Fenced(operation),
            (HELD | FENCED, None) => return Err(RowError::Flags(flags)),
            (MOVED, last) => {
                let at = bytes.u64()?;
                let to = (flags & HAS_TO != 0).then(|| bytes.medium_text("new address")).transpose()?;
                StandingV1::Moved { last, at, to }
            }
            (_, last) => StandingV1::Active { last },
        };
        if flags & HAS_TO != 0 && standing.left().is_none() {
            return Err(RowError::Flags(flags));
        }
        let identity = IdentityV1::unpack(&mut bytes)?;
        let number = if flags & HAS_SUBSCRIPTIONS != 0 { bytes.u16()? } else { 0 };
        let subscriptions = (0..number).map(|_| Ok((bytes.u8()?, bytes.medium_text("filter")?)));
        let subscriptions = subscriptions.collect::<Result<_, RowError>>()?;
        bytes.end()?;
        let apart = flags & APART != 0;
        Ok(Self { hub, revision, created, standing, fresh_twin, apart, identity, subscriptions })
    }

    /// The device, with its identity from [`IdentityV1::identity`].
    pub fn device(&self, identity: Identity) -> Result<HubDevice, RowError> {
        let operation = OperationId::from_bytes;
        let subscription = |(qos, filter): &(u8, &str)| match qos {
            0 | 1 => Ok(Subscription { filter: (*filter).to_owned(), qos: *qos }),
            other => Err(field("QoS", other)),
        };
        Ok(HubDevice {
            identity,
            standing: match self.standing {
                StandingV1::Active { .. } => Standing::Active,
                StandingV1::Held(by) => Standing::Held(operation(by)),
                StandingV1::Fenced(by) => Standing::Fenced(operation(by)),
                StandingV1::Moved { at, to, .. } => {
                    Standing::Moved { to: to.map(str::to_owned), at: Timestamp::from_micros(at) }
                }
            },
            subscriptions: self.subscriptions.iter().map(subscription).collect::<Result<_, _>>()?,
            created: Timestamp::from_micros(self.created),
            revision: self.revision,
        })
    }
}
