//! The fronts: each joins one application protocol to the broker. They never name each other.

pub mod legacy;
