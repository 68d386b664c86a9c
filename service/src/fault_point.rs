//! Where a test may end the process, to see what a restart makes of it: `FIRSTHOP_FAULT=abort-before:<point>` or
//! `abort-after:<point>`, where a point is a step of a move, as `transfer::Step::name` says it, `removed` for its end, `commit` for a
//! decision that takes one commit, or `hub-provision`, `hub-fence`, `hub-release`, `hub-remove` for what a hub is asked to do. Builds for
//! use have no such points.

/// Just before something becomes durable, after all that leads to it was done.
#[cfg(debug_assertions)]
pub fn before(point: &str) {
    abort_if_armed("abort-before", point);
}

/// Just after it became durable.
#[cfg(debug_assertions)]
pub fn after(point: &str) {
    abort_if_armed("abort-after", point);
}

#[cfg(debug_assertions)]
fn abort_if_armed(when: &str, point: &str) {
    static ARMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let armed = ARMED.get_or_init(|| std::env::var("FIRSTHOP_FAULT").ok());
    if armed.as_deref().and_then(|armed| armed.split_once(':')) == Some((when, point)) {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub const fn before(_point: &str) {}

#[cfg(not(debug_assertions))]
pub const fn after(_point: &str) {}
