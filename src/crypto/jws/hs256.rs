//! HS256 (RFC 7518, section 3.2), verifying side: a type of its own, which no public key can become and from
//! which no [`super::VerifyingKey`] can be made, so that one is never taken for the other.

use std::fmt;

use aws_lc_rs::hmac;
use serde_json::{Map, Value};

use super::{JwsError, Parts, object};

/// The name on the wire.
pub const HS256: &str = "HS256";

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

/// Why a text is not a JWS under the shared secret.
#[derive(Debug, thiserror::Error)]
pub enum NotShared {
    /// No JWS that may be verified.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The signature is not the secret's.
    #[error("the signature is wrong")]
    Signature,
}

impl SharedKey {
    /// The bytes of `secret` as they are.
    pub fn new(secret: &[u8]) -> Result<Self, TooShort> {
        if secret.len() < MIN_SECRET {
            return Err(TooShort);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The payload of a compact JWS whose `alg` is HS256, byte for byte, and whose signature is this secret's.
    pub fn claims(&self, compact: &str) -> Result<Map<String, Value>, NotShared> {
        let parts = Parts::read(compact)?;
        match parts.header.get("alg") {
            Some(Value::String(alg)) if alg == HS256 => {}
            Some(Value::String(alg)) => return Err(JwsError::alg(alg).into()),
            _ => return Err(JwsError::Alg(None).into()),
        }
        parts.check_header()?;
        let signature = parts.signature()?;
        // Compares in constant time, and the length with it.
        hmac::verify(&self.0, parts.signed.as_bytes(), &signature).map_err(|_| NotShared::Signature)?;
        Ok(object(parts.payload)?)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::testing::{TestKey, hs256};
    use super::super::{Alg, Jws};
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

    fn key() -> SharedKey {
        SharedKey::new(SECRET).unwrap()
    }

    #[test]
    fn the_example_of_rfc_7515_verifies() {
        // Appendix A.1.
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = SharedKey::new(&URL_SAFE_NO_PAD.decode(secret).unwrap()).unwrap();
        let jwt = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                   eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                   dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(key.claims(jwt).unwrap()["iss"], "joe");
        assert!(matches!(super::SharedKey::claims(&self::key(), jwt), Err(NotShared::Signature)));
    }

    #[test]
    fn a_secret_shorter_than_the_hash_is_no_key() {
        assert!(SharedKey::new(&SECRET[..31]).is_err());
        assert!(SharedKey::new(b"").is_err());
    }

    #[test]
    fn another_secret_text_or_signature_is_refused() {
        let jwt = hs256(SECRET, HEADER, r#"{"sub":"1"}"#);
        assert_eq!(key().claims(&jwt).unwrap()["sub"], "1");
        let (text, signature) = jwt.rsplit_once('.').unwrap();
        let (_, other) = hs256(SECRET, HEADER, r#"{"sub":"2"}"#).rsplit_once('.').map(owned).unwrap();
        let longer = URL_SAFE_NO_PAD.encode([URL_SAFE_NO_PAD.decode(signature).unwrap(), vec![0]].concat());
        for wrong in [
            hs256(b"another secret of thirty-two byt", HEADER, r#"{"sub":"1"}"#),
            format!("{text}.{other}"),
            format!("{text}."),
            format!("{text}.{}", &signature[..42]),
            format!("{text}.{longer}"),
        ] {
            assert!(key().claims(&wrong).is_err(), "{wrong}");
        }
        let hex = hex::encode(SECRET);
        assert!(
            SharedKey::new(hex.as_bytes()).unwrap().claims(&jwt).is_err(),
            "the raw bytes, not their hex"
        );
    }

    fn owned((a, b): (&str, &str)) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn every_other_alg_is_refused_even_under_the_right_secret() {
        for alg in
            ["none", "None", "hs256", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "HS256 ", ""]
        {
            let jwt = hs256(SECRET, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert!(matches!(key().claims(&jwt), Err(NotShared::Jws(JwsError::Alg(Some(_))))), "{alg}");
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"Alg":"HS256"}"#] {
            let jwt = hs256(SECRET, header, "{}");
            assert!(matches!(key().claims(&jwt), Err(NotShared::Jws(JwsError::Alg(None)))), "{header}");
        }
        for more in [r#""crit":["exp"]"#, r#""typ":"at+jwt""#, r#""typ":1"#] {
            let jwt = hs256(SECRET, &format!(r#"{{"alg":"HS256",{more}}}"#), "{}");
            assert!(matches!(key().claims(&jwt), Err(NotShared::Jws(JwsError::Header))), "{more}");
        }
        for malformed in ["", "..", "a.b", "a.b.c.d", r#"{"alg":"HS256"}.{}.x"#] {
            assert!(
                matches!(key().claims(malformed), Err(NotShared::Jws(JwsError::Malformed))),
                "{malformed}"
            );
        }
        let twice = hs256(SECRET, r#"{"alg":"HS256","alg":"HS256"}"#, "{}");
        assert!(matches!(key().claims(&twice), Err(NotShared::Jws(JwsError::Malformed))));
    }

    /// CVE-2015-9235 and its many sisters: a public key used as a shared secret.
    #[test]
    fn the_two_kinds_of_keys_never_meet() {
        let rsa = TestKey::generate(Alg::Rs256);
        let public = rsa.jwk(&serde_json::json!({}))["n"].as_str().unwrap().to_owned();
        let confused = hs256(public.as_bytes(), HEADER, "{}");
        assert!(matches!(Jws::parse(&confused, &Alg::ALL), Err(JwsError::Alg(Some(_)))));
        assert!(Alg::parse(HS256).is_none());
        let signed = rsa.sign(Alg::Rs256, r#"{"alg":"RS256"}"#, "{}");
        assert!(matches!(key().claims(&signed), Err(NotShared::Jws(JwsError::Alg(Some(_))))));
        let relabelled = rsa.sign(Alg::Rs256, HEADER, "{}");
        assert!(matches!(key().claims(&relabelled), Err(NotShared::Signature)));
    }
}
