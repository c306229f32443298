//! Identity broker.
