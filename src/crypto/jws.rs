//! JSON Web Signature (RFC 7515), verifying side: compact form, a closed list of algorithms (RFC 7518, RFC
//! 8037), keys parsed once. What is signed by a shared secret is apart, in [`hs256`].

pub mod hs256;
pub mod json;
pub mod sign;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest compact form that is looked at, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The longest `kid` that is looked at, in bytes.
pub const MAX_KID: usize = 256;

/// The signature algorithms that may be configured. No `none`, no shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// From the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }

    /// The left half of the digest that goes with this algorithm, as base64url: `at_hash` (OpenID Connect
    /// Core, section 3.1.3.6).
    pub fn left_half_hash(self, of: &[u8]) -> String {
        let digest = match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => digest(&digest::SHA256, of),
            Self::Es384 => digest(&digest::SHA384, of),
            Self::EdDsa => digest(&digest::SHA512, of),
        };
        let (left, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
        URL_SAFE_NO_PAD.encode(left)
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key for one algorithm, parsed once.
pub struct VerifyingKey {
    alg: Alg,
    key: ParsedPublicKey,
}

/// The numbers are no key of that algorithm, or one that is too weak or too large.
#[derive(Debug, thiserror::Error)]
#[error("not an acceptable public key")]
pub struct NotAKey;

impl VerifyingKey {
    /// An RSA key of 2048 to 4096 bits, from modulus and exponent (big-endian).
    pub fn rsa(alg: Alg, n: &[u8], e: &[u8]) -> Result<Self, NotAKey> {
        let algorithm = match alg {
            Alg::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Alg::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Alg::Es256 | Alg::Es384 | Alg::EdDsa => return Err(NotAKey),
        };
        if !(256..=512).contains(&n.len()) || e.is_empty() || e.len() > 4 {
            return Err(NotAKey);
        }
        let key = signature::RsaPublicKeyComponents { n, e }.to_parsed_public_key(algorithm);
        Ok(Self { alg, key: key.map_err(|_| NotAKey)? })
    }

    /// A point on the curve that goes with `alg`, from its coordinates (RFC 7518, section 6.2.1: full length).
    pub fn ec(alg: Alg, x: &[u8], y: &[u8]) -> Result<Self, NotAKey> {
        let (algorithm, length) = match alg {
            Alg::Es256 => (&signature::ECDSA_P256_SHA256_FIXED, 32),
            Alg::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, 48),
            Alg::Rs256 | Alg::Ps256 | Alg::EdDsa => return Err(NotAKey),
        };
        if x.len() != length || y.len() != length {
            return Err(NotAKey);
        }
        let point = [&[4], x, y].concat();
        Ok(Self { alg, key: ParsedPublicKey::new(algorithm, point).map_err(|_| NotAKey)? })
    }

    /// An Ed25519 key (RFC 8037, section 2).
    pub fn ed25519(x: &[u8]) -> Result<Self, NotAKey> {
        if x.len() != 32 {
            return Err(NotAKey);
        }
        let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| NotAKey)?;
        Ok(Self { alg: Alg::EdDsa, key })
    }

    /// The one algorithm that this key verifies.
    pub fn alg(&self) -> Alg {
        self.alg
    }
}

/// A compact JWS, taken apart but not yet verified.
pub struct Jws<'a> {
    /// `alg` of the header, one of the list.
    pub alg: Alg,
    /// `kid` of the header.
    pub kid: Option<String>,
    signed: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

/// Why a text is not a JWS that may be verified.
#[derive(Debug, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url, or the header is no JSON object with each member once.
    #[error("not a compact JWS")]
    Malformed,
    /// `alg` is missing, or not on the list: `none`, a shared secret, or something unknown.
    #[error("the algorithm is not allowed")]
    Alg(Option<String>),
    /// `crit` is present, or `typ` says that it is something other than a JWT.
    #[error("the header names a critical extension or another type")]
    Header,
}

impl JwsError {
    /// An `alg` that is not allowed, cut to what an event may hold.
    fn alg(name: &str) -> Self {
        Self::Alg(Some(name.chars().take(32).collect()))
    }
}

/// The three parts of a compact JWS, whoever signed it.
struct Parts<'a> {
    header: Map<String, Value>,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn read(compact: &'a str) -> Result<Self, JwsError> {
        if compact.len() > MAX_LENGTH {
            return Err(JwsError::Malformed);
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        if payload.contains('.') {
            return Err(JwsError::Malformed);
        }
        Ok(Self { header: object(header)?, signed, payload, signature })
    }

    /// No `crit`, and `typ` absent or `JWT`.
    fn check_header(&self) -> Result<(), JwsError> {
        if self.header.contains_key("crit") {
            return Err(JwsError::Header);
        }
        match self.header.get("typ") {
            None => Ok(()),
            Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => Ok(()),
            Some(_) => Err(JwsError::Header),
        }
    }

    fn signature(&self) -> Result<Vec<u8>, JwsError> {
        URL_SAFE_NO_PAD.decode(self.signature).map_err(|_| JwsError::Malformed)
    }
}

impl<'a> Jws<'a> {
    /// Takes a compact JWS apart and checks its header: `alg` among `allowed`, no `crit`, `typ` absent or
    /// `JWT`. `jku`, `x5u`, `jwk` and their like are never looked at.
    pub fn parse(compact: &'a str, allowed: &[Alg]) -> Result<Self, JwsError> {
        let parts = Parts::read(compact)?;
        let alg = match parts.header.get("alg") {
            Some(Value::String(name)) => {
                Alg::parse(name).filter(|alg| allowed.contains(alg)).ok_or_else(|| JwsError::alg(name))?
            }
            _ => return Err(JwsError::Alg(None)),
        };
        parts.check_header()?;
        let kid = match parts.header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
            Some(_) => return Err(JwsError::Malformed),
        };
        let signature = parts.signature()?;
        Ok(Self { alg, kid, signed: parts.signed.as_bytes(), payload: parts.payload, signature })
    }

    /// Whether the signature is `key`'s. A key of another algorithm never fits.
    pub fn verified_by(&self, key: &VerifyingKey) -> bool {
        key.alg == self.alg && key.key.verify_sig(self.signed, &self.signature).is_ok()
    }

    /// The payload, which must be a JSON object. Only for a JWS that was verified.
    pub fn claims(&self) -> Result<Map<String, Value>, JwsError> {
        object(self.payload)
    }
}

/// A base64url part that holds a JSON object.
fn object(part: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    json::object(&bytes).map_err(|_| JwsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::testing::TestKey;
    use super::*;

    const HEADER: &str = r#"{"alg":"ES256","kid":"a"}"#;

    fn es256() -> (TestKey, VerifyingKey) {
        let key = TestKey::generate(Alg::Es256);
        let jwk = key.jwk(&serde_json::json!({}));
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let public = VerifyingKey::ec(Alg::Es256, &bytes("x"), &bytes("y")).unwrap();
        (key, public)
    }

    #[test]
    fn a_signature_fits_its_key_and_its_text_alone() {
        let (key, public) = es256();
        let jwt = key.sign(Alg::Es256, HEADER, r#"{"sub":"1"}"#);
        let jws = Jws::parse(&jwt, &[Alg::Es256]).unwrap();
        assert_eq!(jws.kid.as_deref(), Some("a"));
        assert!(jws.verified_by(&public));
        assert_eq!(jws.claims().unwrap()["sub"], "1");
        assert!(!jws.verified_by(&es256().1));

        let other = key.sign(Alg::Es256, HEADER, r#"{"sub":"2"}"#);
        let (text, _) = jwt.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let mixed = format!("{text}.{signature}");
        assert!(!Jws::parse(&mixed, &[Alg::Es256]).unwrap().verified_by(&public));
        let unsigned = format!("{text}.");
        assert!(!Jws::parse(&unsigned, &[Alg::Es256]).unwrap().verified_by(&public));
    }

    #[test]
    fn algorithms_off_the_list_are_refused_before_any_key() {
        let (key, _) = es256();
        for alg in ["none", "NONE", "HS256", "RS256", "es256", "ES256K", ""] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert!(matches!(Jws::parse(&jwt, &[Alg::Es256]), Err(JwsError::Alg(Some(_)))), "{alg}");
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#] {
            let jwt = key.sign(Alg::Es256, header, "{}");
            assert!(matches!(Jws::parse(&jwt, &[Alg::Es256]), Err(JwsError::Alg(None))), "{header}");
        }
    }

    #[test]
    fn headers_that_change_the_meaning_are_refused() {
        let (key, _) = es256();
        for more in [r#""crit":["exp"]"#, r#""crit":[]"#, r#""typ":"at+jwt""#, r#""typ":1"#] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256",{more}}}"#), "{}");
            assert!(matches!(Jws::parse(&jwt, &[Alg::Es256]), Err(JwsError::Header)), "{more}");
        }
        for more in [r#""typ":"jwt""#, r#""jku":"https://evil.example/""#, r#""x5u":"x","jwk":{}"#] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256",{more}}}"#), "{}");
            assert!(Jws::parse(&jwt, &[Alg::Es256]).is_ok(), "{more}");
        }
    }

    #[test]
    fn what_is_no_compact_jws_is_malformed() {
        let (key, _) = es256();
        let jwt = key.sign(Alg::Es256, HEADER, "{}");
        let mut cases = vec![
            String::new(),
            "..".to_owned(),
            "a.b".to_owned(),
            format!("{jwt}="),
            format!("{jwt}.x"),
            format!("{jwt}.x.y"),
            format!(" {jwt}"),
            jwt.replace('.', "+."),
            "x".repeat(MAX_LENGTH + 1),
            key.sign(Alg::Es256, r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),
            key.sign(Alg::Es256, r#"{"alg":"ES256","kid":1}"#, "{}"),
            key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(257)), "{}"),
        ];
        for case in cases.drain(..) {
            assert!(matches!(Jws::parse(&case, &[Alg::Es256]), Err(JwsError::Malformed)), "{case}");
        }
        for payload in ["", "[]", "\"x\"", r#"{"sub":"a","sub":"b"}"#] {
            let jwt = key.sign(Alg::Es256, HEADER, payload);
            assert!(Jws::parse(&jwt, &[Alg::Es256]).unwrap().claims().is_err(), "{payload}");
        }
    }

    #[test]
    fn at_hash_takes_the_digest_of_the_algorithm() {
        // OpenID Connect Core, appendix A.3.
        let token = b"jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(Alg::Rs256.left_half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(Alg::Es384.left_half_hash(token).len(), 32);
        assert_eq!(Alg::EdDsa.left_half_hash(token).len(), 43);
    }
}
