//! Twins as both sides know them: what a part of one may hold, and merge patches.

pub mod limits;
pub mod merge;
