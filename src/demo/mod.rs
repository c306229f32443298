//! demo.

pub mod legacy_app; // an application that knows the relay by its wire only
