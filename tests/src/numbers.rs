//! Pseudo-random numbers from a seed, so that a failing run can be repeated as far as the scheduler allows.

pub struct Numbers(u64);

impl Numbers {
    /// From the seed in `FIRSTHOP_TEST_SEED`, else from the clock; prints which.
    pub fn seeded() -> Self {
        let given = std::env::var("FIRSTHOP_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64) | 1);
        println!("to repeat: FIRSTHOP_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
