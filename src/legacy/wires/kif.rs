//! KIF's own wires: hexadecimal, under K itself and one IV for all messages.
//!
//! `kif-gcm` is broken by design: two messages under one IV give the authentication key away. Nothing authenticates
//! `kif-cbc` (AES-256-CBC with PKCS#7 padding): the grammar of what it says must, and every refusal looks alike.

use super::{Dialect, FIXED_IV, Keyed, Opened, Wire};
use crate::clock::Timestamp;
use crate::crypto::alg::ContentEncryption;
use crate::crypto::cbc::CbcKey;
use crate::crypto::seal::{LongIvKey, TAG};
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::event::reasons::legacy::{DOES_NOT_OPEN, NOT_HEX, TOO_SHORT};
use crate::legacy::keys::{Direction, MasterKey};
use crate::secret::Secret;
use crate::service::ServiceId;

/// The wire `kif-gcm`: ciphertext and tag.
pub(super) const GCM: Kif = Kif {
    name: "kif-gcm",
    jwk_alg: ContentEncryption::A256Gcm.as_str(),
    is_authenticated: true,
    cipher: |key| Box::new(LongIvKey::new(key)),
};

/// The wire `kif-cbc`.
pub(super) const CBC: Kif = Kif {
    name: "kif-cbc",
    jwk_alg: "A256CBC",
    is_authenticated: false,
    cipher: |key| Box::new(CbcKey::new(key)),
};

/// One key and one IV for both.
const DIRECTIONS: &[Direction] = &[Direction::Request, Direction::Response];

/// One of the wires.
pub(super) struct Kif {
    name: &'static str,
    jwk_alg: &'static str,
    is_authenticated: bool,
    cipher: fn(&[u8; 32]) -> Box<dyn Cipher>,
}

impl Wire for Kif {
    fn name(&self) -> &'static str {
        self.name
    }

    fn dialect(&self) -> Dialect {
        Dialect::Kif
    }

    fn is_authenticated(&self) -> bool {
        self.is_authenticated
    }

    fn iv_length(&self) -> usize {
        FIXED_IV
    }

    fn directions(&self) -> &'static [Direction] {
        DIRECTIONS
    }

    fn message_key(&self, key: &MasterKey, _: Direction, _: &ServiceId) -> Secret<Vec<u8>> {
        Secret::new(key.itself().expose().to_vec())
    }

    fn jwk_alg(&self) -> &'static str {
        self.jwk_alg
    }

    fn keyed(&self, key: &MasterKey, _: &ServiceId, iv: Option<[u8; FIXED_IV]>) -> Option<Box<dyn Keyed>> {
        Some(Box::new(Key { cipher: (self.cipher)(key.itself().expose()), iv: iv? }))
    }
}

struct Key {
    cipher: Box<dyn Cipher>,
    iv: [u8; FIXED_IV],
}

impl Keyed for Key {
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason> {
        let bytes = hex::decode(text).map_err(|_| NOT_HEX)?;
        if !DIRECTIONS.contains(&direction) {
            return Err(DOES_NOT_OPEN);
        }
        let plaintext = self.cipher.open(&self.iv, &bytes)?;
        Ok(Opened { sealed_at: None, iv: None, plaintext, bytes })
    }

    fn seal(&self, direction: Direction, _: Timestamp, _: &dyn Entropy, plaintext: &[u8]) -> String {
        if DIRECTIONS.contains(&direction) {
            hex::encode(self.cipher.seal(&self.iv, plaintext))
        } else {
            String::new()
        }
    }
}

/// A cipher under its key.
trait Cipher: Send + Sync {
    fn open(&self, iv: &[u8; FIXED_IV], sealed: &[u8]) -> Result<Vec<u8>, Reason>;

    fn seal(&self, iv: &[u8; FIXED_IV], plaintext: &[u8]) -> Vec<u8>;
}

impl Cipher for LongIvKey {
    fn open(&self, iv: &[u8; FIXED_IV], sealed: &[u8]) -> Result<Vec<u8>, Reason> {
        if sealed.len() < TAG {
            return Err(TOO_SHORT);
        }
        self.open(iv, sealed).map_err(|_| DOES_NOT_OPEN)
    }

    fn seal(&self, iv: &[u8; FIXED_IV], plaintext: &[u8]) -> Vec<u8> {
        self.seal(iv, plaintext)
    }
}

impl Cipher for CbcKey {
    fn open(&self, iv: &[u8; FIXED_IV], sealed: &[u8]) -> Result<Vec<u8>, Reason> {
        self.decrypt(iv, sealed).map_err(|_| DOES_NOT_OPEN)
    }

    fn seal(&self, iv: &[u8; FIXED_IV], plaintext: &[u8]) -> Vec<u8> {
        self.encrypt(iv, plaintext)
    }
}
