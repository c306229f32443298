//! The wires: how a message is sealed into text. One line each in [`WIRES`].

mod aes_256_gcm;
mod jwe;
mod kif;

use super::keys::{Direction, MasterKey};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::secret::Secret;
use crate::service::ServiceId;

/// Every wire, the default first.
pub const WIRES: &[&dyn Wire] = &[&aes_256_gcm::Aes256Gcm, &jwe::Jwe, &kif::GCM, &kif::CBC];

/// The length of the IV that KIF's wires share between all messages, in bytes.
pub const FIXED_IV: usize = 16;

/// The wire of this name.
pub fn find(name: &str) -> Option<&'static dyn Wire> {
    WIRES.iter().copied().find(|wire| wire.name() == name)
}

/// One wire.
pub trait Wire: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// What its messages say, and what applications expect back.
    fn dialect(&self) -> Dialect;

    /// Whether only whoever has the key can make a message that opens.
    fn is_authenticated(&self) -> bool {
        true
    }

    /// The length of its IV, in bytes.
    fn iv_length(&self) -> usize;

    /// What it has messages for.
    fn directions(&self) -> &'static [Direction] {
        &Direction::ALL
    }

    /// What seals its messages: derived from K, or K itself.
    fn message_key(&self, key: &MasterKey, direction: Direction, app: &ServiceId) -> Secret<Vec<u8>>;

    /// The algorithm of its keys as JSON Web Keys (RFC 7518).
    fn jwk_alg(&self) -> &'static str;

    /// Derives and expands an application's keys, once. `None` if the wire wants a fixed IV and none is given.
    fn keyed(&self, key: &MasterKey, app: &ServiceId, iv: Option<[u8; FIXED_IV]>) -> Option<Box<dyn Keyed>>;
}

/// What the messages of a wire say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The callback, stamped by the wire; answers in ASCII JSON.
    Stamped,
    /// Claims, their time among them; answers in ASCII JSON.
    Claims,
    /// KIF's: the callback and nothing else, without a time; answers are upstream's claims, in UTF-8. No
    /// refusals, no logouts.
    Kif,
}

/// A wire under one application's keys.
pub trait Keyed: Send + Sync {
    /// Opens `text`, which must have been sealed for `direction`. Does not judge freshness.
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason>;

    /// Seals `plaintext`, stamped `now` where the wire stamps, with a fresh IV where it is not fixed. Empty
    /// for a direction that the wire does not have.
    fn seal(&self, direction: Direction, now: Timestamp, entropy: &dyn Entropy, plaintext: &[u8]) -> String;
}

/// A message that opened.
pub struct Opened {
    /// When it was sealed, by its sender's clock; `None` where the wire does not say.
    pub sealed_at: Option<Timestamp>,
    /// Its IV; `None` where it is fixed.
    pub iv: Option<Vec<u8>>,
    /// The decoded bytes, which identify the message whatever its spelling.
    pub bytes: Vec<u8>,
    /// What was sealed.
    pub plaintext: Vec<u8>,
}
