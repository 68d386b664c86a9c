//! (being built)
pub mod front;
