//! How long a move waits before it is tried again.

use std::time::Duration;

use firsthop_protocol::OperationId;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// Doubles with each time in vain, up to a minute, and is spread by half around that: the moves that one hub keeps waiting shall not come
/// back to it all at once. Operation ids are random, so they do the spreading.
pub(super) fn wait(operation: OperationId, retries: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << retries.min(10)).min(LONGEST);
    let byte = operation.as_bytes()[retries as usize % 16];
    whole.mul_f64(0.5 + f64::from(byte) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_spread_around_it() {
        let least = |retries| wait(OperationId::from_bytes([0; 16]), retries);
        let most = |retries| wait(OperationId::from_bytes([255; 16]), retries);
        assert_eq!((least(0), most(0)), (Duration::from_millis(250), Duration::from_millis(750)));
        assert_eq!((least(3), most(3)), (Duration::from_secs(2), Duration::from_secs(6)));
        assert_eq!((least(u32::MAX), most(u32::MAX)), (Duration::from_secs(30), Duration::from_secs(90)));
    }
}
