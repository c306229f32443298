//! How one value is read.
