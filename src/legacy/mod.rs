//! legacy.
