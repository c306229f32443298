//! The keys of a legacy application: one random K in a file, everything else derived from it, so that one
//! direction, one wire or one application never endangers another.

use super::KeyFingerprint;
use crate::crypto::hash::{hmac_sha256, hmac_sha512, sha256};
use crate::login::Hex;
use crate::secret::Secret;
use crate::service::ServiceId;

/// What a message is for; each has a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the application.
    Request,
    /// An identity for the application.
    Response,
    /// A refusal for the application.
    Refusal,
    /// A logout asked by the application.
    Logout,
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 4] = [Self::Request, Self::Response, Self::Refusal, Self::Logout];

    /// The word in the derivation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Refusal => "refusal",
            Self::Logout => "logout",
        }
    }
}

/// K: 32 random bytes that the application and the relay share.
pub struct MasterKey(Secret<[u8; 32]>);

/// Why a text is not a key. Never says the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not 64 digits.
    #[error("it has {0} characters instead of 64 hexadecimal digits")]
    Length(usize),
    /// Other characters than digits.
    #[error("it holds characters that are not hexadecimal digits")]
    Digits,
    /// No key at all.
    #[error("all its bytes are equal")]
    Trivial,
}

impl MasterKey {
    /// From 64 hexadecimal digits; white space around them is ignored.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        if text.chars().count() != 64 {
            return Err(BadKey::Length(text.chars().count()));
        }
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).map_err(|_| BadKey::Digits)?;
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(BadKey::Trivial);
        }
        Ok(Self(Secret::new(key)))
    }

    /// From fresh random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Whether this is the sample key that KIF's README, templates and images publish.
    pub fn is_published_sample(&self) -> bool {
        /// SHA-256 of the published key: no key stands where keys are made.
        const DIGEST: [u8; 32] = [
            0xa3, 0xee, 0x43, 0x6e, 0x69, 0x8d, 0xad, 0x71, 0xbd, 0xfb, 0x0c, 0xdb, 0xf3, 0x6d, 0x4e, 0xa6,
            0x36, 0xd5, 0x70, 0x66, 0xd3, 0x85, 0x66, 0xb3, 0x06, 0x45, 0x4f, 0x35, 0x5d, 0x14, 0x87, 0xbb,
        ];
        sha256(&[self.0.expose()]) == DIGEST
    }

    /// Finds the key again among an application's keys; useless for anything else.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let digest = sha256(&[b"relais-1 fingerprint", self.0.expose()]);
        KeyFingerprint(Hex(digest.first_chunk().copied().unwrap_or_default()))
    }

    /// HMAC-SHA-256(K, "relais-1 WIRE DIR APP"): the key of one wire, direction and application.
    pub fn derive(&self, wire: &str, direction: Direction, app: &ServiceId) -> Secret<[u8; 32]> {
        self.hmac(&format!("relais-1 {wire} {} {app}", direction.as_str()))
    }

    /// HMAC-SHA-512(K, "relais-1 WIRE DIR APP"), for wires that want 64 bytes.
    pub fn derive_wide(&self, wire: &str, direction: Direction, app: &ServiceId) -> Secret<[u8; 64]> {
        let label = format!("relais-1 {wire} {} {app}", direction.as_str());
        Secret::new(hmac_sha512(self.0.expose(), label.as_bytes()))
    }

    /// K itself: only KIF's wires encrypt with it.
    pub(super) fn itself(&self) -> &Secret<[u8; 32]> {
        &self.0
    }

    /// Lowercase hex of HMAC-SHA-256(K, "relais-1 claim APP"): the password of `/idp/claim`.
    pub fn claim_password(&self, app: &ServiceId) -> Secret<String> {
        Secret::new(hex::encode(self.hmac(&format!("relais-1 claim {app}")).expose()))
    }

    fn hmac(&self, label: &str) -> Secret<[u8; 32]> {
        Secret::new(hmac_sha256(self.0.expose(), label.as_bytes()))
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sample_key_is_known() {
        let sample = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
        assert!(MasterKey::from_hex(sample).unwrap().is_published_sample());
        assert!(!MasterKey::new([7; 32]).is_published_sample());
    }

    #[test]
    fn a_key_is_64_digits_and_not_one_byte_repeated() {
        assert_eq!(MasterKey::from_hex(&"a1".repeat(31)).err(), Some(BadKey::Length(62)));
        assert_eq!(MasterKey::from_hex(&"g1".repeat(32)).err(), Some(BadKey::Digits));
        assert_eq!(MasterKey::from_hex(&"00".repeat(32)).err(), Some(BadKey::Trivial));
        assert!(MasterKey::from_hex(&format!("{}\n", "0a1b".repeat(16))).is_ok());
    }
}
