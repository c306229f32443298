//! Digests: SHA-256 (FIPS 180-4) and HMAC (RFC 2104).

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// HMAC-SHA-512 of `message` under `key`.
pub fn hmac_sha512(key: &[u8], message: &[u8]) -> [u8; 64] {
    let mut code = [0; 64];
    code.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), message).as_ref());
    code
}

/// HMAC-SHA-256 of `message` under `key`.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    HmacKey::new(key).sha256(&[message])
}

/// A key for HMAC-SHA-256 that is used often: prepared once, which is half of the cost of a short message. No `Debug`.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// From its bytes.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// HMAC-SHA-256 over the concatenation of `parts`.
    pub fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        let mut code = [0; 32];
        code.copy_from_slice(context.sign().as_ref());
        code
    }
}
