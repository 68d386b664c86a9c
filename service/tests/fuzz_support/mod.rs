//! A source of hostile input, a loop with a time limit, and an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant, SystemTime};

/// How long one run takes, unless the environment says otherwise.
const SECONDS: u64 = 2;
/// No input grows past this.
const MAX_INPUT: usize = 20 * 1024;

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(size: usize) {
    // Gone already while the thread ends, when nobody asks any more.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get().saturating_add(size)));
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and how many bytes it allocated on the way, those counted that it freed again.
pub fn allocated<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = work();
    (result, ALLOCATED.get() - before)
}

/// Numbers that look like chance and follow from the seed (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Less than `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        match self.below(3) {
            0 => [0, 1, 0x7f, 0x80, 0xff, b'"', b'/', b'#'][self.below(8)],
            _ => self.next() as u8,
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.byte()).collect()
    }
}

/// One of the seeds with some changes, or now and then bytes that have nothing to do with any.
pub fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    if random.below(12) == 0 {
        return random.bytes(512);
    }
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(64) + 1);
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.byte(),
            2 => drop(input.drain(at..end)),
            3 => drop(input.splice(at..end, random.bytes(16))),
            4 => {
                let copy = input[at..end].repeat(1 + random.below(40));
                input.splice(at..at, copy);
            }
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
            6 => input.truncate(at),
            // A length that lies.
            7 => {
                let length = [0, 1, 0x7fff, 0xffff, 0xffff_ffff, 1 << 63, u64::MAX][random.below(7)].to_be_bytes();
                let width = 1 + random.below(8);
                let end = (at + width).min(input.len());
                input.splice(at..end, length[8 - width..].iter().copied());
            }
            _ => {}
        }
    }
    input.truncate(MAX_INPUT);
    input
}

/// Inputs by `make`, to be tried one after another.
pub fn fuzz<M: FnMut(&mut Random) -> Vec<u8>>(make: M) -> Fuzz<M> {
    Fuzz { make }
}

pub struct Fuzz<M> {
    make: M,
}

impl<M: FnMut(&mut Random) -> Vec<u8>> Fuzz<M> {
    /// Tries until the time is over. A failure tells the input and the seed.
    pub fn run(mut self, mut attempt: impl FnMut(&[u8])) {
        let seed = from_environment("FIRSTHOP_FUZZ_SEED").unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            now.as_nanos() as u64 ^ u64::from(std::process::id())
        });
        let time = Duration::from_secs(from_environment("FIRSTHOP_FUZZ_SECONDS").unwrap_or(SECONDS));
        let mut random = Random(seed);
        let (start, mut tried) = (Instant::now(), 0_u64);
        while start.elapsed() < time {
            let input = (self.make)(&mut random);
            tried += 1;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| attempt(&input))) {
                let shown: String = input.iter().take(4096).map(|byte| format!("{byte:02x}")).collect();
                eprintln!("input {tried} with FIRSTHOP_FUZZ_SEED={seed}, {} bytes: {shown}", input.len());
                resume_unwind(panic);
            }
        }
        println!("{tried} inputs, seed {seed}");
        assert!(tried > 100, "only {tried} inputs in {time:?}: too slow to find anything");
    }
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
