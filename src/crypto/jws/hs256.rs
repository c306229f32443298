//! HS256 (RFC 7518, section 3.2), verifying side: a type of its own, which no public key can become and from
//! which no [`super::VerifyingKey`] can be made, so that one is never taken for the other.

use std::fmt;

use aws_lc_rs::hmac;

use super::Jws;
use crate::crypto::alg::SignedBy;

/// The shortest secret, in bytes: a key at least as long as the hash (RFC 7518, section 3.2).
pub const MIN_SECRET: usize = 32;

/// A secret that two parties share, as a key for HS256 and nothing else.
pub struct SharedKey(hmac::Key);

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

/// The secret is shorter than [`MIN_SECRET`]: whoever holds one token could search for it.
#[derive(Debug, thiserror::Error)]
#[error("the secret is too short for HS256")]
pub struct TooShort;

impl SharedKey {
    /// The bytes of `secret` as they are.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        if secret.len() < MIN_SECRET {
            return Err(TooShort);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Whether the signature is this secret's. What a key pair signed never is.
    pub fn verifies(&self, jws: &Jws<'_>) -> bool {
        // Compares in constant time, and the length with it.
        jws.signed_by == SignedBy::Secret && hmac::verify(&self.0, jws.signed, &jws.signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::testing::{TestKey, hs256};
    use super::super::{JwsError, Signers, VerifyingKey};
    use super::*;
    use crate::crypto::alg::{Alg, HS256};

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

    fn key() -> SharedKey {
        SharedKey::new(SECRET).unwrap()
    }

    fn verified(key: &SharedKey, compact: &str) -> Result<bool, JwsError> {
        Jws::parse(compact, Signers::Secret).map(|jws| key.verifies(&jws))
    }

    #[test]
    fn the_example_of_rfc_7515_verifies() {
        // Appendix A.1.
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = SharedKey::new(&URL_SAFE_NO_PAD.decode(secret).unwrap()).unwrap();
        let jws = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                   eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                   dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(verified(&key, jws).unwrap());
        assert_eq!(Jws::parse(jws, Signers::Secret).unwrap().claims().unwrap()["iss"], "joe");
        assert!(!verified(&self::key(), jws).unwrap());
    }

    #[test]
    fn a_secret_shorter_than_the_hash_is_no_key() {
        assert!(SharedKey::new(&SECRET[..31]).is_err());
        assert!(SharedKey::new(b"").is_err());
    }

    #[test]
    fn another_secret_text_or_signature_is_refused() {
        let jws = hs256(SECRET, HEADER, r#"{"sub":"1"}"#);
        assert!(verified(&key(), &jws).unwrap());
        let (text, signature) = jws.rsplit_once('.').unwrap();
        let other = hs256(SECRET, HEADER, r#"{"sub":"2"}"#);
        let (_, other) = other.rsplit_once('.').unwrap();
        let longer = URL_SAFE_NO_PAD.encode([URL_SAFE_NO_PAD.decode(signature).unwrap(), vec![0]].concat());
        for wrong in [
            hs256(b"another secret of thirty-two byt", HEADER, r#"{"sub":"1"}"#),
            format!("{text}.{other}"),
            format!("{text}."),
            format!("{text}.{}", &signature[..40]),
            format!("{text}.{longer}"),
        ] {
            assert!(!verified(&key(), &wrong).unwrap(), "{wrong}");
        }
        let hex = SharedKey::new(hex::encode(SECRET).as_bytes()).unwrap();
        assert!(!verified(&hex, &jws).unwrap(), "the raw bytes, not their hex");
    }

    #[test]
    fn every_other_alg_is_refused_even_under_the_right_secret() {
        for alg in
            ["none", "None", "hs256", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "HS256 ", ""]
        {
            let jws = hs256(SECRET, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert!(matches!(verified(&key(), &jws), Err(JwsError::Alg(Some(_)))), "{alg}");
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"Alg":"HS256"}"#] {
            let jws = hs256(SECRET, header, "{}");
            assert!(matches!(verified(&key(), &jws), Err(JwsError::Alg(None))), "{header}");
        }
        let critical = hs256(SECRET, r#"{"alg":"HS256","crit":["exp"]}"#, "{}");
        assert!(matches!(verified(&key(), &critical), Err(JwsError::Critical)));
        for malformed in ["", "..", "a.b", "a.b.c.d", r#"{"alg":"HS256"}.{}.x"#] {
            assert!(matches!(verified(&key(), malformed), Err(JwsError::Malformed)), "{malformed}");
        }
        let twice = hs256(SECRET, r#"{"alg":"HS256","alg":"HS256"}"#, "{}");
        assert!(matches!(verified(&key(), &twice), Err(JwsError::Malformed)));
    }

    /// CVE-2015-9235 and its many sisters: a public key used as a shared secret.
    #[test]
    fn the_two_kinds_of_keys_never_meet() {
        let rsa = TestKey::generate(Alg::Rs256);
        let public = rsa.jwk(&serde_json::json!({}))["n"].as_str().unwrap().to_owned();
        let confused = hs256(public.as_bytes(), HEADER, "{}");
        let keys = Signers::Keys(&Alg::ALL);
        assert!(matches!(Jws::parse(&confused, keys), Err(JwsError::Alg(Some(_)))));
        assert!(Alg::parse(HS256).is_none());
        let signed = rsa.sign(Alg::Rs256, r#"{"alg":"RS256"}"#, "{}");
        assert!(matches!(verified(&key(), &signed), Err(JwsError::Alg(Some(_)))));
        let relabelled = rsa.sign(Alg::Rs256, HEADER, "{}");
        assert!(!verified(&key(), &relabelled).unwrap());
        // Whoever asks the wrong one is told no.
        let shared = hs256(SECRET, HEADER, "{}");
        let public = VerifyingKey::new(Alg::Rs256, &rsa.public()).unwrap();
        assert!(!Jws::parse(&shared, Signers::Secret).unwrap().verified_by(&public));
        assert!(!key().verifies(&Jws::parse(&signed, keys).unwrap()));
    }
}
