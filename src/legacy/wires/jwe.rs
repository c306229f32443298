//! `jwe`: a compact JWE (RFC 7516) with `dir` and `A256CBC-HS512` (RFC 7518, section 5.2) and exactly one header
//! per direction and application. For platforms without AES-GCM.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Dialect, FIXED_IV, Keyed, Opened, Wire};
use crate::clock::Timestamp;
use crate::crypto::alg::ContentEncryption;
use crate::crypto::cbc::{BLOCK, CbcKey};
use crate::crypto::hash::hmac_sha512;
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::event::reasons::legacy::{DOES_NOT_OPEN, NOT_JWE};
use crate::legacy::keys::{Direction, MasterKey};
use crate::secret::{Secret, same};
use crate::service::ServiceId;

/// The wire.
pub(super) struct Jwe;

const ENC: ContentEncryption = ContentEncryption::A256CbcHs512;

/// The length of a tag: the first half of HMAC-SHA-512.
const TAG: usize = 32;

impl Wire for Jwe {
    fn name(&self) -> &'static str {
        "jwe"
    }

    fn dialect(&self) -> Dialect {
        Dialect::Claims
    }

    fn iv_length(&self) -> usize {
        BLOCK
    }

    fn message_key(&self, key: &MasterKey, direction: Direction, app: &ServiceId) -> Secret<Vec<u8>> {
        Secret::new(key.derive_wide(self.name(), direction, app).expose().to_vec())
    }

    fn jwk_alg(&self) -> &'static str {
        ENC.as_str()
    }

    fn keyed(&self, key: &MasterKey, app: &ServiceId, _: Option<[u8; FIXED_IV]>) -> Option<Box<dyn Keyed>> {
        let keys = Direction::ALL.map(|direction| {
            let derived = key.derive_wide(self.name(), direction, app);
            let (mac, enc) = halves(derived.expose());
            Key { direction, header: header(direction, app), mac, enc: CbcKey::new(enc.expose()) }
        });
        Some(Box::new(Keys(keys)))
    }
}

/// MAC key, then ENC key.
fn halves(derived: &[u8; 64]) -> (Secret<[u8; 32]>, Secret<[u8; 32]>) {
    let (mut mac, mut enc) = ([0; 32], [0; 32]);
    let (first, second) = derived.split_at(32);
    mac.copy_from_slice(first);
    enc.copy_from_slice(second);
    (Secret::new(mac), Secret::new(enc))
}

/// The protected header, encoded. The id of an application needs no escaping in JSON.
fn header(direction: Direction, app: &ServiceId) -> String {
    let (typ, enc) = (direction.as_str(), ENC.as_str());
    URL_SAFE_NO_PAD.encode(format!(
        "{{\"alg\":\"dir\",\"enc\":\"{enc}\",\"kid\":\"{app}\",\"typ\":\"relais-{typ}+jwt\"}}"
    ))
}

struct Keys([Key; 4]);

struct Key {
    direction: Direction,
    header: String,
    mac: Secret<[u8; 32]>,
    enc: CbcKey,
}

impl Keys {
    fn of(&self, wanted: Direction) -> Option<&Key> {
        self.0.iter().find(|key| key.direction == wanted)
    }
}

impl Key {
    fn tag(&self, iv: &[u8], ciphertext: &[u8]) -> [u8; TAG] {
        let aad = self.header.as_bytes();
        let bits = u64::try_from(aad.len()).unwrap_or_default().saturating_mul(8).to_be_bytes();
        let code = hmac_sha512(self.mac.expose(), &[aad, iv, ciphertext, &bits].concat());
        code.first_chunk().copied().unwrap_or_default()
    }
}

impl Keyed for Keys {
    fn open(&self, direction: Direction, text: &str) -> Result<Opened, Reason> {
        let key = self.of(direction).ok_or(DOES_NOT_OPEN)?;
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NOT_JWE);
        let (header, wrapped, iv, ciphertext, tag) = (part()?, part()?, part()?, part()?, part()?);
        // There is one canonical text of the one header, so that texts can be compared in place of bytes.
        if parts.next().is_some() || header != key.header || !wrapped.is_empty() {
            return Err(NOT_JWE);
        }
        // The engine refuses padding and spare bits.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NOT_JWE);
        let (iv, ciphertext, tag) = (decode(iv)?, decode(ciphertext)?, decode(tag)?);
        let block: &[u8; BLOCK] = iv.as_slice().try_into().map_err(|_| NOT_JWE)?;
        // Before anything is decrypted.
        if !same(&key.tag(block, &ciphertext), &tag) {
            return Err(DOES_NOT_OPEN);
        }
        let plaintext = key.enc.decrypt(block, &ciphertext).map_err(|_| DOES_NOT_OPEN)?;
        Ok(Opened { sealed_at: None, iv: Some(iv), plaintext, bytes: text.as_bytes().to_vec() })
    }

    fn seal(&self, direction: Direction, _: Timestamp, entropy: &dyn Entropy, plaintext: &[u8]) -> String {
        let Some(key) = self.of(direction) else { return String::new() };
        let iv = entropy.bytes::<BLOCK>();
        let ciphertext = key.enc.encrypt(&iv, plaintext);
        let tag = key.tag(&iv, &ciphertext);
        let [iv, ciphertext, tag] = [&iv[..], &ciphertext, &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{}..{iv}.{ciphertext}.{tag}", key.header)
    }
}
