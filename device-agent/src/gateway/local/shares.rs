//! How many connections there may be, and how many of them one user may have, so that no user keeps out the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections in all.
pub const MAX_CONNECTIONS: usize = 64;
/// Connections of one user.
pub const MAX_PER_USER: usize = 16;

/// Who has how many. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shares(Arc<Mutex<HashMap<u32, usize>>>);

/// The place of one connection, as long as it is kept.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    uid: u32,
}

impl Shares {
    /// `None`: there is no place for this user.
    pub fn take(&self, uid: u32) -> Option<Share> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= MAX_CONNECTIONS {
            return None;
        }
        let own = taken.entry(uid).or_default();
        if *own >= MAX_PER_USER {
            return None;
        }
        *own += 1;
        Some(Share { shares: self.clone(), uid })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_share_and_leaves_the_others_theirs() {
        let shares = Shares::default();
        let first: Vec<Share> = std::iter::from_fn(|| shares.take(1)).collect();
        assert_eq!(first.len(), MAX_PER_USER);
        let second = shares.take(2).expect("another user");
        drop(first);
        drop(second);
        assert!(shares.taken().is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn there_is_an_end_to_all_shares() {
        let shares = Shares::default();
        let all: Vec<Share> = (0..).map_while(|uid| shares.take(uid)).collect();
        assert_eq!(all.len(), MAX_CONNECTIONS);
    }
}
