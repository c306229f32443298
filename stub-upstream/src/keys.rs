//! Signing keys: JWS compact serialization (RFC 7515, section 7.1) and the published set (RFC 7517, section 5).

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::chance::Chance;

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Alg {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Alg {
    /// Its name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// How many earlier keys stay published after a rotation.
const KEPT: usize = 3;

/// The keys of one issuer: the newest of each algorithm signs, the last few are published.
pub(crate) struct KeyRing {
    kid: fn(Alg, u32) -> String,
    keys: RwLock<Arc<Keys>>,
}

struct Keys {
    generation: u32,
    algs: Vec<Alg>,
    /// Newest first.
    all: Vec<Arc<Key>>,
    jwks: Bytes,
}

struct Key {
    kid: String,
    alg: Alg,
    pair: Pair,
    jwk: Value,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl KeyRing {
    pub(crate) fn new(algs: Vec<Alg>, kid: fn(Alg, u32) -> String) -> Result<Self, Unspecified> {
        let keys = Keys::new(1, algs, kid, Vec::new())?;
        Ok(Self { kid, keys: RwLock::new(Arc::new(keys)) })
    }

    /// New keys sign; the old ones stay published for a while.
    pub(crate) fn rotate(&self) -> Result<(), Unspecified> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let generation = keys.generation.saturating_add(1);
        *keys = Arc::new(Keys::new(generation, keys.algs.clone(), self.kid, keys.all.clone())?);
        Ok(())
    }

    /// Has a published key for this algorithm from now on.
    pub(crate) fn add(&self, alg: Alg) -> Result<(), Unspecified> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.algs.contains(&alg) {
            let key = Arc::new(Key::generate(alg, (self.kid)(alg, keys.generation))?);
            let algs = keys.algs.iter().copied().chain([alg]).collect();
            let all = keys.all.iter().cloned().chain([key]).collect();
            *keys = Arc::new(Keys::of(keys.generation, algs, all));
        }
        Ok(())
    }

    /// The JWK set as JSON.
    pub(crate) fn jwks(&self) -> Bytes {
        self.keys().jwks.clone()
    }

    /// Signs `claims`; header exactly `alg` and `kid`, but for what `edit` does to it. It also sees the key.
    pub(crate) fn sign(
        &self,
        alg: Alg,
        claims: &Map<String, Value>,
        chance: &Chance,
        edit: impl FnOnce(&mut Map<String, Value>, &Value),
    ) -> Result<String, Unspecified> {
        self.sign_text(alg, &serde_json::to_string(claims).map_err(|_| Unspecified)?, chance, edit)
    }

    /// Signs what may be odd JSON.
    pub(crate) fn sign_text(
        &self,
        alg: Alg,
        payload: &str,
        chance: &Chance,
        edit: impl FnOnce(&mut Map<String, Value>, &Value),
    ) -> Result<String, Unspecified> {
        let keys = self.keys();
        let key = keys.newest(alg)?;
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(alg.name()));
        header.insert("kid".to_owned(), json!(key.kid));
        edit(&mut header, &key.jwk);
        let mut jws = signing_input(&Value::Object(header), payload);
        let signature = key.pair.sign(jws.as_bytes(), chance)?;
        jws.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
        Ok(jws)
    }

    /// HS256 keyed by the text of the public key: what a verifier that lets the header choose would accept.
    pub(crate) fn confuse(&self, alg: Alg, claims: &Map<String, Value>) -> Result<String, Unspecified> {
        let keys = self.keys();
        let key = keys.newest(alg)?;
        let pem = STANDARD.encode(key.pair.spki()?);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        Ok(shared(&json!({ "alg": "HS256", "kid": key.kid }), &pem, claims))
    }

    /// The claims of a JWS that one of the published keys signed; expiry is not looked at.
    pub(crate) fn verify(&self, jws: &str) -> Option<Map<String, Value>> {
        let (input, signature) = jws.rsplit_once('.')?;
        let (header, payload) = input.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let keys = self.keys();
        let key = keys.all.iter().find(|key| header.get("kid").and_then(Value::as_str) == Some(&key.kid))?;
        if header.get("alg").and_then(Value::as_str) != Some(key.alg.name()) {
            return None;
        }
        key.pair.verify(input.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A JWS without a signature: `alg` `none` (RFC 7518, section 3.6).
pub(crate) fn alg_none(claims: &Map<String, Value>) -> String {
    format!("{}.", unsigned(&json!({ "alg": "none" }), claims))
}

/// A JWS by a shared secret: HS256 (RFC 7518, section 3.2), header as `FranceConnect` v1 had it.
pub(crate) fn sign_shared(
    secret: &str,
    claims: &Map<String, Value>,
    edit: impl FnOnce(&mut Map<String, Value>),
) -> String {
    let mut header = Map::from_iter([("typ".to_owned(), json!("JWT")), ("alg".to_owned(), json!("HS256"))]);
    edit(&mut header);
    shared(&Value::Object(header), secret, claims)
}

fn shared(header: &Value, secret: &str, claims: &Map<String, Value>) -> String {
    let mut jws = unsigned(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), jws.as_bytes());
    jws.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, &mut jws);
    jws
}

/// The claims of a JWS that nobody verified.
pub(crate) fn unverified(jws: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?).ok()
}

/// Whether [`sign_shared`] made this with the same secret.
pub(crate) fn verify_shared(secret: &str, jws: &str) -> bool {
    let Some((input, signature)) = jws.rsplit_once('.') else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, input.as_bytes(), &signature).is_ok()
}

fn unsigned(header: &Value, claims: &Map<String, Value>) -> String {
    signing_input(header, &serde_json::to_string(claims).unwrap_or_default())
}

/// The JWS signing input (RFC 7515, section 5.1).
fn signing_input(header: &Value, payload: &str) -> String {
    let mut jws = String::with_capacity(1024);
    URL_SAFE_NO_PAD.encode_string(header.to_string(), &mut jws);
    jws.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut jws);
    jws
}

impl Keys {
    fn new(
        generation: u32,
        algs: Vec<Alg>,
        kid: fn(Alg, u32) -> String,
        old: Vec<Arc<Key>>,
    ) -> Result<Self, Unspecified> {
        let mut all = Vec::new();
        for alg in &algs {
            all.push(Arc::new(Key::generate(*alg, kid(*alg, generation))?));
        }
        all.extend(old);
        all.truncate(algs.len() * (KEPT + 1));
        Ok(Self::of(generation, algs, all))
    }

    fn of(generation: u32, algs: Vec<Alg>, all: Vec<Arc<Key>>) -> Self {
        let keys: Vec<_> = all.iter().map(|key| key.jwk.clone()).collect();
        let jwks = Bytes::from(json!({ "keys": keys }).to_string());
        Self { generation, algs, all, jwks }
    }

    fn newest(&self, alg: Alg) -> Result<&Arc<Key>, Unspecified> {
        self.all.iter().find(|key| key.alg == alg).ok_or(Unspecified)
    }
}

impl Key {
    fn generate(alg: Alg, kid: String) -> Result<Self, Unspecified> {
        let (pair, mut jwk) = match alg {
            Alg::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                let point = pair.public_key().as_ref();
                let x = URL_SAFE_NO_PAD.encode(point.get(1..33).ok_or(Unspecified)?);
                let y = URL_SAFE_NO_PAD.encode(point.get(33..65).ok_or(Unspecified)?);
                (Pair::Ec(pair), json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }))
            }
            Alg::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
                let (n, e) = rsa_components(pair.public_key().as_ref()).ok_or(Unspecified)?;
                let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
                (Pair::Rsa(Box::new(pair)), json!({ "kty": "RSA", "n": n, "e": e }))
            }
        };
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), json!(kid));
            members.insert("alg".to_owned(), json!(alg.name()));
            members.insert("use".to_owned(), json!("sig"));
        }
        Ok(Self { kid, alg, pair, jwk })
    }
}

impl Pair {
    fn sign(&self, message: &[u8], chance: &Chance) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Ec(pair) => Ok(pair.sign(chance.rng(), message)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, chance.rng(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    /// The public key as `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    fn spki(&self) -> Result<Vec<u8>, Unspecified> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ec(pair) => pair.public_key().as_der()?,
            Self::Rsa(pair) => pair.public_key().as_der()?,
        };
        Ok(der.as_ref().to_vec())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Unspecified> {
        match self {
            Self::Ec(pair) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
                .verify(message, signature),
            Self::Rsa(pair) => {
                let key: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_ref()).verify(message, signature)
            }
        }
    }
}

/// Modulus and exponent of an `RSAPublicKey` in DER (RFC 8017, appendix A.1.1), without leading zeros.
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_element(der, 0x30)?;
    let (n, rest) = der_element(sequence, 0x02)?;
    let (e, _) = der_element(rest, 0x02)?;
    Some((n.strip_prefix(&[0]).unwrap_or(n), e))
}

/// The content of the first element, and what follows it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
        (bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_shl(8) | usize::from(*byte)), rest)
    };
    if *first == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let chance = Chance::new(None).unwrap();
        let ring =
            KeyRing::new(vec![Alg::Es256, Alg::Rs256], |alg, n| format!("{}-{n}", alg.name())).unwrap();
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!("é"));
        for alg in [Alg::Es256, Alg::Rs256] {
            let jws = ring.sign(alg, &claims, &chance, |_, _| ()).unwrap();
            assert_eq!(ring.verify(&jws), Some(claims.clone()));
            assert_eq!(
                ring.verify(
                    &ring
                        .sign(alg, &claims, &chance, |header, _| drop(
                            header.insert("kid".into(), json!("x"))
                        ))
                        .unwrap()
                ),
                None
            );
            let payload = jws.split('.').nth(1).unwrap();
            assert_eq!(ring.verify(&jws.replace(payload, &URL_SAFE_NO_PAD.encode("{}"))), None);
        }
        let shared = sign_shared("secret", &claims, |_| ());
        assert!(shared.starts_with("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."), "typ, then alg: {shared}");
        assert_eq!(unverified(&shared), Some(claims.clone()));
        assert!(verify_shared("secret", &shared) && !verify_shared("another", &shared));
        for bad in ["", ".", "..", "a.b.c", &alg_none(&claims), &shared] {
            assert_eq!(ring.verify(bad), None, "{bad}");
        }
        assert!(!verify_shared("secret", "") && !verify_shared("secret", &alg_none(&claims)));
        let old = ring.sign(Alg::Es256, &claims, &chance, |_, _| ()).unwrap();
        for rotations in 1..=4 {
            ring.rotate().unwrap();
            assert_eq!(ring.verify(&old).is_some(), rotations <= 3);
        }
        let jwks: Value = serde_json::from_slice(&ring.jwks()).unwrap();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 8);
        assert_eq!(jwks["keys"][1]["kty"], "RSA");
        assert_eq!(jwks["keys"][1]["n"].as_str().unwrap().len(), 342);
        assert_eq!(jwks["keys"][1]["e"], "AQAB");
    }
}
