//! The wires: how a message is sealed into text. One file each, one line in [`WIRES`].

mod aes_256_gcm;

use super::keys::{Direction, MasterKey};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::service::AppId;

/// Every wire, the default first.
pub const WIRES: &[&dyn Wire] = &[&aes_256_gcm::Aes256Gcm];

/// The wire of this name.
pub fn find(name: &str) -> Option<&'static dyn Wire> {
    WIRES.iter().copied().find(|wire| wire.name() == name)
}

/// One wire.
pub trait Wire: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// The length of its IV, in bytes.
    fn iv_length(&self) -> usize;

    /// Derives and expands an application's keys, once.
    fn keyed(&self, key: &MasterKey, app: &AppId) -> Box<dyn Keyed>;
}

/// A wire under one application's keys.
pub trait Keyed: Send + Sync {
    /// Opens `text`, which must have been sealed for `direction`. Does not judge freshness.
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason>;

    /// Seals `plaintext`, stamped `now`, with a fresh IV.
    fn seal(&self, direction: Direction, now: Timestamp, entropy: &dyn Entropy, plaintext: &[u8]) -> String;
}

/// A message that opened.
pub struct Opened {
    /// When it was sealed, by its sender's clock.
    pub sealed_at: Timestamp,
    /// Its IV.
    pub iv: Vec<u8>,
    /// The decoded bytes, which identify the message whatever its spelling.
    pub bytes: Vec<u8>,
    /// What was sealed.
    pub plaintext: Vec<u8>,
}
