//! JSON Web Signature (RFC 7515), verifying side: compact form, the algorithms of [`super::alg`], keys parsed once.
//! What is signed by a shared secret is apart, in [`hs256`].

pub mod hs256;
#[cfg(test)]
mod library;
pub mod sign;
#[cfg(test)]
pub(crate) mod testing;

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::alg::{Alg, HS256, SignedBy};
use super::json::{Members, NotJson};
use super::jwk::{Curve, PublicKey, UnusableKey};

/// The longest compact form that is looked at, in bytes.
pub const MAX_LENGTH: usize = 64 * 1024;

/// The longest `kid` that is looked at, in bytes.
pub const MAX_KID: usize = 256;

/// A public key for one algorithm, parsed once.
pub struct VerifyingKey {
    alg: Alg,
    key: ParsedPublicKey,
}

impl VerifyingKey {
    /// The key that verifies what `public`'s private half signs by `alg`.
    pub fn new(alg: Alg, public: &PublicKey) -> Result<Self, UnusableKey> {
        let key = match (alg, public) {
            (Alg::Rs256 | Alg::Ps256, PublicKey::Rsa { n, e }) => {
                let algorithm = match alg {
                    Alg::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                let components = signature::RsaPublicKeyComponents { n, e };
                components.to_parsed_public_key(algorithm).map_err(|_| UnusableKey::Numbers)?
            }
            (Alg::Es256, PublicKey::Ec { curve: Curve::P256, x, y }) => {
                let point = [&[4], &x[..], y].concat();
                parsed(&signature::ECDSA_P256_SHA256_FIXED, &point)?
            }
            (Alg::Es384, PublicKey::Ec { curve: Curve::P384, x, y }) => {
                let point = [&[4], &x[..], y].concat();
                parsed(&signature::ECDSA_P384_SHA384_FIXED, &point)?
            }
            (Alg::EdDsa, PublicKey::Ed25519 { x }) => parsed(&signature::ED25519, x)?,
            _ => return Err(UnusableKey::Alg),
        };
        Ok(Self { alg, key })
    }

    /// The one algorithm that this key verifies.
    pub fn alg(&self) -> Alg {
        self.alg
    }
}

fn parsed(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, UnusableKey> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| UnusableKey::Numbers)
}

/// Whose signatures count. No header ever turns one into the other.
#[derive(Clone, Copy, Debug)]
pub enum Signers<'a> {
    /// Those of key pairs, by these algorithms.
    Keys(&'a [Alg]),
    /// Those of a shared secret, by HS256.
    Secret,
}

/// A compact JWS, taken apart but not yet verified.
pub struct Jws<'a> {
    /// What its header says signed it: one that may.
    pub signed_by: SignedBy,
    /// `kid` of the header.
    pub kid: Option<String>,
    header: Members,
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
    /// It is longer than [`MAX_LENGTH`]: so many bytes.
    #[error("longer than is looked at")]
    TooLong(usize),
    /// The payload is no JSON object with each member once.
    #[error("the claims are no JSON object: {0}")]
    Claims(NotJson),
    /// `alg` is missing, or not on the list: `none`, the other kind of signer, or something unknown.
    #[error("the algorithm is not allowed")]
    Alg(Option<String>),
    /// `crit` is present: no extension is understood.
    #[error("the header names a critical extension")]
    Critical,
}

impl<'a> Jws<'a> {
    /// Takes a compact JWS apart: its `alg` must be one of `signers`', and there must be no `crit`. `jku`, `x5u`,
    /// `jwk` and their like are never looked at.
    pub fn parse(compact: &'a str, signers: Signers<'_>) -> Result<Self, JwsError> {
        if compact.len() > MAX_LENGTH {
            return Err(JwsError::TooLong(compact.len()));
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed)?;
        if payload.contains('.') {
            return Err(JwsError::Malformed);
        }
        let header = object(header)?;
        let Some(Value::String(alg)) = header.get("alg") else { return Err(JwsError::Alg(None)) };
        let signed_by = match signers {
            Signers::Keys(algs) => Alg::parse(alg).filter(|alg| algs.contains(alg)).map(SignedBy::Key),
            Signers::Secret => (alg == HS256).then_some(SignedBy::Secret),
        };
        // An event holds no more of it.
        let signed_by = signed_by.ok_or_else(|| JwsError::Alg(Some(alg.chars().take(32).collect())))?;
        if header.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
            Some(_) => return Err(JwsError::Malformed),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwsError::Malformed)?;
        Ok(Self { signed_by, kid, header, signed: signed.as_bytes(), payload, signature })
    }

    /// A member of its header.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// Whether the signature is `key`'s. A key of another algorithm never fits.
    pub fn verified_by(&self, key: &VerifyingKey) -> bool {
        SignedBy::Key(key.alg) == self.signed_by && key.key.verify_sig(self.signed, &self.signature).is_ok()
    }

    /// The payload, which must be a JSON object. Only for a JWS that was verified.
    pub(super) fn claims(&self) -> Result<Members, JwsError> {
        let payload = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| JwsError::Malformed)?;
        Members::read(&payload).map_err(JwsError::Claims)
    }
}

/// A base64url part that holds a JSON object.
fn object(part: &str) -> Result<Members, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed)?;
    Members::read(&bytes).map_err(|_| JwsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::testing::TestKey;
    use super::*;

    const HEADER: &str = r#"{"alg":"ES256","kid":"a"}"#;
    const ES256: Signers<'static> = Signers::Keys(&[Alg::Es256]);

    fn es256() -> (TestKey, VerifyingKey) {
        let key = TestKey::generate(Alg::Es256);
        let public = key.public();
        let public = VerifyingKey::new(Alg::Es256, &public).unwrap();
        (key, public)
    }

    #[test]
    fn a_signature_fits_its_key_and_its_text_alone() {
        let (key, public) = es256();
        let jwt = key.sign(Alg::Es256, HEADER, r#"{"sub":"1"}"#);
        let jws = Jws::parse(&jwt, ES256).unwrap();
        assert_eq!(jws.kid.as_deref(), Some("a"));
        assert!(jws.verified_by(&public));
        assert_eq!(jws.claims().unwrap()["sub"], "1");
        assert!(!jws.verified_by(&es256().1));

        let other = key.sign(Alg::Es256, HEADER, r#"{"sub":"2"}"#);
        let (text, _) = jwt.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let mixed = format!("{text}.{signature}");
        assert!(!Jws::parse(&mixed, ES256).unwrap().verified_by(&public));
        let unsigned = format!("{text}.");
        assert!(!Jws::parse(&unsigned, ES256).unwrap().verified_by(&public));
    }

    #[test]
    fn algorithms_off_the_list_are_refused_before_any_key() {
        let (key, _) = es256();
        for alg in ["none", "NONE", "HS256", "RS256", "es256", "ES256K", ""] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
            assert!(matches!(Jws::parse(&jwt, ES256), Err(JwsError::Alg(Some(_)))), "{alg}");
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#] {
            let jwt = key.sign(Alg::Es256, header, "{}");
            assert!(matches!(Jws::parse(&jwt, ES256), Err(JwsError::Alg(None))), "{header}");
        }
    }

    #[test]
    fn headers_that_change_the_meaning_are_refused() {
        let (key, _) = es256();
        for more in [r#""crit":["exp"]"#, r#""crit":[]"#, r#""crit":["b64"],"b64":true"#] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256",{more}}}"#), "{}");
            assert!(matches!(Jws::parse(&jwt, ES256), Err(JwsError::Critical)), "{more}");
        }
        for more in [
            r#""typ":"any""#,
            r#""jku":"https://evil.example/""#,
            r#""x5u":"x","jwk":{}"#,
            r#""kid":null,"crit":null"#,
        ] {
            let jwt = key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256",{more}}}"#), "{}");
            assert!(Jws::parse(&jwt, ES256).is_ok(), "{more}");
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
            key.sign(Alg::Es256, r#"{"alg":"ES256","alg":"ES256"}"#, "{}"),
            key.sign(Alg::Es256, r#"{"alg":"ES256","kid":1}"#, "{}"),
            key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(257)), "{}"),
        ];
        for case in cases.drain(..) {
            assert!(matches!(Jws::parse(&case, ES256), Err(JwsError::Malformed)), "{case}");
        }
        for payload in ["", "[]", "\"x\"", r#"{"sub":"a","sub":"b"}"#] {
            let jwt = key.sign(Alg::Es256, HEADER, payload);
            assert!(Jws::parse(&jwt, ES256).unwrap().claims().is_err(), "{payload}");
        }
    }
}
