//! What the decisions need from outside, as traits. Implemented on the outer floor, called by the use cases.

mod allocator;
mod clock;
mod hub;
mod hub_store;
mod sessions;
mod store;

pub use allocator::*;
pub use clock::*;
pub use hub::*;
pub use hub_store::*;
pub use sessions::*;
pub use store::*;
