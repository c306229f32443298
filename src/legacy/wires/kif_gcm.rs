//! `kif-gcm`: hex of an AES-256-GCM ciphertext and tag, under K itself and one IV for all messages, as KIF has
//! it. Broken by design: two messages give the authentication key away.

use super::{Dialect, FIXED_IV, KIF_DIRECTIONS, Keyed, Opened, Wire, kif_bytes};
use crate::clock::Timestamp;
use crate::crypto::seal::{LongIvKey, TAG};
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::event::reasons::legacy::{DOES_NOT_OPEN, TOO_SHORT};
use crate::legacy::keys::{Direction, MasterKey};
use crate::secret::Secret;
use crate::service::AppId;

/// The wire.
pub(super) struct KifGcm;

impl Wire for KifGcm {
    fn name(&self) -> &'static str {
        "kif-gcm"
    }

    fn dialect(&self) -> Dialect {
        Dialect::Kif
    }

    fn iv_length(&self) -> usize {
        FIXED_IV
    }

    fn directions(&self) -> &'static [Direction] {
        KIF_DIRECTIONS
    }

    fn message_key(&self, key: &MasterKey, _: Direction, _: &AppId) -> Secret<Vec<u8>> {
        Secret::new(key.itself().expose().to_vec())
    }

    fn jwk_alg(&self) -> &'static str {
        "A256GCM"
    }

    fn keyed(&self, key: &MasterKey, _: &AppId, iv: Option<[u8; FIXED_IV]>) -> Option<Box<dyn Keyed>> {
        Some(Box::new(Key { key: LongIvKey::new(key.itself().expose()), iv: iv? }))
    }
}

struct Key {
    key: LongIvKey,
    iv: [u8; FIXED_IV],
}

impl Keyed for Key {
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason> {
        let bytes = kif_bytes(text)?;
        if bytes.len() < TAG {
            return Err(TOO_SHORT);
        }
        if !KIF_DIRECTIONS.contains(&direction) {
            return Err(DOES_NOT_OPEN);
        }
        let plaintext = self.key.open(&self.iv, &bytes).map_err(|_| DOES_NOT_OPEN)?;
        Ok(Opened { sealed_at: None, iv: None, plaintext, bytes })
    }

    fn seal(&self, direction: Direction, _: Timestamp, _: &dyn Entropy, plaintext: &[u8]) -> String {
        if KIF_DIRECTIONS.contains(&direction) {
            hex::encode(self.key.seal(&self.iv, plaintext))
        } else {
            String::new()
        }
    }
}
