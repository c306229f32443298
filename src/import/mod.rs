//! Other brokers' configurations, made ours: pure functions from text to text, for the command line.
//!
//! KIF's `config.properties` is read ([`Kif::read`]), every fault with its line, and written as TOML
//! ([`Kif::to_toml`]). A choice that only a human can make is a comment and a key `unsettled_…` beneath it,
//! which `check-config` refuses by name as long as it stands there.

mod callback;
mod kif;
mod page;
mod properties;
mod provider;
mod render;
mod upstream;

pub use kif::Kif;
pub use render::SecretFiles;
