//! `aes-256-gcm`: lowercase hex of `ts ‖ iv ‖ ciphertext ‖ tag`, a key per direction and application, `ts` as
//! associated data.

use super::{Dialect, FIXED_IV, Keyed, Opened, Wire};
use crate::clock::Timestamp;
use crate::crypto::alg::ContentEncryption;
use crate::crypto::seal::{IV, SealKey, TAG};
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::event::reasons::legacy::{DOES_NOT_OPEN, NOT_HEX, TOO_SHORT};
use crate::legacy::keys::{Direction, MasterKey};
use crate::secret::Secret;
use crate::service::ServiceId;

/// The wire.
pub(super) struct Aes256Gcm;

/// The length of `ts`: big-endian Unix seconds.
const TS: usize = 8;

impl Wire for Aes256Gcm {
    fn name(&self) -> &'static str {
        "aes-256-gcm"
    }

    fn dialect(&self) -> Dialect {
        Dialect::Stamped
    }

    fn iv_length(&self) -> usize {
        IV
    }

    fn message_key(&self, key: &MasterKey, direction: Direction, app: &ServiceId) -> Secret<Vec<u8>> {
        Secret::new(key.derive(self.name(), direction, app).expose().to_vec())
    }

    fn jwk_alg(&self) -> &'static str {
        ContentEncryption::A256Gcm.as_str()
    }

    fn keyed(&self, key: &MasterKey, app: &ServiceId, _: Option<[u8; FIXED_IV]>) -> Option<Box<dyn Keyed>> {
        let keys = Direction::ALL
            .map(|direction| (direction, SealKey::new(key.derive(self.name(), direction, app).expose())));
        Some(Box::new(Keys(keys)))
    }
}

struct Keys([(Direction, SealKey); 4]);

impl Keys {
    fn of(&self, wanted: Direction) -> Result<&SealKey, Reason> {
        self.0.iter().find_map(|(direction, key)| (*direction == wanted).then_some(key)).ok_or(DOES_NOT_OPEN)
    }
}

impl Keyed for Keys {
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason> {
        if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NOT_HEX);
        }
        let bytes = hex::decode(text).map_err(|_| NOT_HEX)?;
        let (ts, rest) = bytes.split_first_chunk::<TS>().ok_or(TOO_SHORT)?;
        let (iv, sealed) = rest.split_first_chunk::<IV>().ok_or(TOO_SHORT)?;
        if sealed.len() < TAG {
            return Err(TOO_SHORT);
        }
        let plaintext = self.of(direction)?.open(iv, ts, sealed).map_err(|_| DOES_NOT_OPEN)?;
        let sealed_at = Timestamp::from_seconds(u64::from_be_bytes(*ts));
        Ok(Opened { sealed_at: Some(sealed_at), iv: Some(iv.to_vec()), plaintext, bytes })
    }

    fn seal(&self, direction: Direction, now: Timestamp, entropy: &dyn Entropy, plaintext: &[u8]) -> String {
        let Ok(key) = self.of(direction) else { return String::new() };
        let ts = now.seconds().to_be_bytes();
        let iv = entropy.bytes::<IV>();
        let sealed = key.seal(&iv, &ts, plaintext);
        hex::encode([ts.as_slice(), iv.as_slice(), sealed.as_slice()].concat())
    }
}
