//! The wire `aes-256-gcm`: `token = lowercase hex( ts ‖ iv ‖ ciphertext ‖ tag )`, `ts` being 8 bytes of
//! big-endian Unix seconds and the associated data, under a key derived for one direction and application.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;

/// HMAC-SHA-256(K, "relais-1 aes-256-gcm DIR APP").
fn derive(key: &[u8; 32], app: &str, direction: &str) -> hmac::Tag {
    mac(key, &format!("relais-1 aes-256-gcm {direction} {app}"))
}

/// Lowercase hex of HMAC-SHA-256(K, "relais-1 claim APP").
pub(super) fn claim_password(key: &[u8; 32], app: &str) -> String {
    hex::encode(mac(key, &format!("relais-1 claim {app}")))
}

fn mac(key: &[u8; 32], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

/// The token of `plaintext`, with a fresh IV.
pub(super) fn seal(key: &[u8; 32], app: &str, direction: &str, ts: u64, plaintext: &str) -> Option<String> {
    seal_with(random(), key, app, direction, ts, plaintext)
}

pub(super) fn seal_with(
    iv: [u8; NONCE_LEN],
    key: &[u8; 32],
    app: &str,
    direction: &str,
    ts: u64,
    plaintext: &str,
) -> Option<String> {
    let ts = ts.to_be_bytes();
    let mut sealed = plaintext.as_bytes().to_vec();
    cipher(key, app, direction)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(ts), &mut sealed)
        .ok()?;
    Some(hex::encode([&ts[..], &iv, &sealed].concat()))
}

/// When a token was sealed and what it says; `None` if one bit of it, or the key, is not right.
pub(super) fn open(key: &[u8; 32], app: &str, direction: &str, token: &str) -> Option<(u64, Vec<u8>)> {
    if token.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return None;
    }
    let bytes = hex::decode(token).ok()?;
    let (ts, rest) = bytes.split_first_chunk::<8>()?;
    let (iv, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let mut text = sealed.to_vec();
    let iv = Nonce::assume_unique_for_key(*iv);
    let length = cipher(key, app, direction)?.open_in_place(iv, Aad::from(*ts), &mut text).ok()?.len();
    text.truncate(length);
    Some((u64::from_be_bytes(*ts), text))
}

fn cipher(key: &[u8; 32], app: &str, direction: &str) -> Option<LessSafeKey> {
    let derived = derive(key, app, direction);
    UnboundKey::new(&AES_256_GCM, derived.as_ref()).ok().map(LessSafeKey::new)
}

/// Fresh bytes from the system.
#[expect(clippy::disallowed_methods, reason = "a stranger's application has its own source of chance")]
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 29, 30, 31,
    ];
    const TS: u64 = 1_790_791_514;
    const W04: &str = "000000006abd4f5a67f8657fcdab859c8b0ba2a90f742c51edda483b17b9a46b1c8c7584837ed9701ede3cec4cfc81374612aab633274b18e8008aa50ffb83bebdb6ea3c67de1c4c28";

    /// The values of the published vectors w-01, w-03, w-05, w-06 and w-11.
    #[test]
    fn keys_derive_as_published() {
        for (direction, derived) in [
            ("request", "0628beb0bd05568941bf42e12803f041a7caf956a8fd705c7ec2f5fdc72e38a1"),
            ("response", "4c61a34748bff763218cd7543d865a86e001fafdfc937d41d3ec786977991dad"),
            ("refusal", "42b3db12ff217aa83d9f39b703976e595145268e755a17a682ec0a3eb4ff00fb"),
            ("logout", "aa34bd095bcc749b643883d04b9d1cbab3948cbf9f564e7fab416c2d6ae7cb09"),
        ] {
            assert_eq!(hex::encode(derive(&KEY, "compta", direction)), derived, "{direction}");
        }
        assert_eq!(
            claim_password(&KEY, "compta"),
            "8e5ce8e961a0e2f53f2e9c6fa842c12ad32e9c7623ed5bc4dfb13d4508b05e69"
        );
    }

    /// The published vector w-04.
    #[test]
    fn a_token_seals_and_opens_as_published() {
        let mut iv = [0; NONCE_LEN];
        hex::decode_to_slice("67f8657fcdab859c8b0ba2a9", &mut iv).unwrap();
        let plaintext = r#"{"sub":"s1","given_name":"\u00c9ric"}"#;
        assert_eq!(seal_with(iv, &KEY, "compta", "response", TS, plaintext).unwrap(), W04);
        assert_eq!(open(&KEY, "compta", "response", W04).unwrap(), (TS, plaintext.as_bytes().to_vec()));
    }

    #[test]
    fn nothing_else_opens() {
        assert!(open(&KEY, "compta", "refusal", W04).is_none(), "another direction");
        assert!(open(&KEY, "paie", "response", W04).is_none(), "another application");
        assert!(open(&KEY, "compta", "response", &W04.to_uppercase()).is_none(), "upper case");
        for at in 0..W04.len() {
            let mut changed = W04.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(
                open(&KEY, "compta", "response", std::str::from_utf8(&changed).unwrap()).is_none(),
                "{at}"
            );
            assert!(open(&KEY, "compta", "response", &W04[..at]).is_none(), "cut at {at}");
        }
    }
}
