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
    let mut code = [0; 32];
    code.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    code
}
