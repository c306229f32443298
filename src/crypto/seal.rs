//! AES-256-GCM (NIST SP 800-38D), 12-byte IV, 16-byte tag: the only symmetric cipher of new formats. And with
//! the 16-byte IV of an old one.

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{Aes256Gcm, AesGcm, Nonce};

/// The length of an IV, in bytes.
pub const IV: usize = 12;
/// The length of a tag, in bytes.
pub const TAG: usize = 16;

/// A key, expanded once.
#[derive(Clone)]
pub struct SealKey(Aes256Gcm);

/// The text does not open: another key, IV or associated data, or a changed byte.
#[derive(Debug, thiserror::Error)]
#[error("the sealed text does not open")]
pub struct DoesNotOpen;

impl SealKey {
    /// From 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// The ciphertext with its tag appended.
    pub fn seal(&self, iv: &[u8; IV], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        // Fails only over 64 GiB, which no caller can hold.
        self.0.encrypt(&Nonce::from(*iv), Payload { msg: plaintext, aad }).unwrap_or_default()
    }

    /// The plaintext, if nothing was changed.
    pub fn open(&self, iv: &[u8; IV], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        self.0.decrypt(&Nonce::from(*iv), Payload { msg: sealed, aad }).map_err(|_| DoesNotOpen)
    }
}

/// A key whose IV has 16 bytes, without associated data. GHASH shortens such an IV (SP 800-38D, section 7.1).
#[derive(Clone)]
pub struct LongIvKey(AesGcm<Aes256, U16>);

impl LongIvKey {
    /// From 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(AesGcm::new(key.into()))
    }

    /// The ciphertext with its tag appended.
    pub fn seal(&self, iv: &[u8; 16], plaintext: &[u8]) -> Vec<u8> {
        self.0.encrypt(iv.into(), plaintext).unwrap_or_default()
    }

    /// The plaintext, if nothing was changed.
    pub fn open(&self, iv: &[u8; 16], sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        self.0.decrypt(iv.into(), sealed).map_err(|_| DoesNotOpen)
    }
}
