//! The store in memory.
/// In memory.
pub struct Memory;
