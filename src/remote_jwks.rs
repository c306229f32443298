//! Other people's keys: a JWK Set (RFC 7517) fetched, parsed once and kept; fetched again for an unknown key,
//! at most once a minute.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::Url;

use crate::clock::Clock;
use crate::crypto::jws::{Alg, Jws, MAX_KID, NotAKey, VerifyingKey, json};
use crate::event::reasons::upstream;
use crate::event::{Facts, Step, Trace};
use crate::outbound::kept::Kept;
use crate::outbound::{Outbound, OutboundError};

/// The most keys that a set may have.
pub const MAX_KEYS: usize = 64;

/// The most keys that are tried on one signature.
const MAX_TRIES: usize = 4;

/// The keys of one peer.
pub struct RemoteJwks {
    outbound: Outbound,
    kept: Kept<KeySet, JwksError>,
}

/// Why a set of keys was not had.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No answer.
    #[error("the keys were not to be had")]
    Call(#[source] OutboundError),
    /// Another status than 200.
    #[error("the keys were answered with a failure status")]
    Status(u16),
    /// Not a JWK Set.
    #[error("the answer is not a JWK Set")]
    Malformed,
    /// No key that may verify.
    #[error("the JWK Set has no usable key")]
    Empty,
    /// More keys than any honest set has.
    #[error("the JWK Set has too many keys")]
    TooMany,
}

/// Why a signature did not verify.
#[derive(Debug, thiserror::Error)]
pub enum NotVerified {
    /// No key fits `kid` and `alg`.
    #[error("no key fits")]
    KeyUnknown,
    /// A key fits, and the signature is not its.
    #[error("the signature is wrong")]
    Signature,
    /// There are no keys to try.
    #[error("the keys are not to be had")]
    Keys(#[source] Arc<JwksError>),
}

impl RemoteJwks {
    /// No keys yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, kept: Kept::new() }
    }

    /// Checks a signature with the keys at `url`.
    pub async fn verify(
        &self,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified> {
        let noted = |error: &JwksError| {
            let facts = Facts { cause: Some(error.to_string()), ..Facts::default() };
            trace.because(Step::UpstreamJwks, upstream::JWKS, None, facts);
        };
        let keys = self.kept.get(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        let first = match keys.check(jws) {
            Ok(()) => return Ok(()),
            // Rotation gives a new kid: the same one is not worth a call.
            Err(NotVerified::Signature) if jws.kid.is_some() => return Err(NotVerified::Signature),
            Err(fault) => fault,
        };
        let again =
            self.kept.refresh(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        if Arc::ptr_eq(&keys, &again) { Err(first) } else { again.check(jws) }
    }

    async fn fetch(&self, url: &Url, trace: &Trace) -> Result<KeySet, JwksError> {
        let answer = self.outbound.get(url, "application/jwk-set+json, application/json", None).await;
        let answer = answer.map_err(JwksError::Call)?;
        if answer.status != http::StatusCode::OK {
            return Err(JwksError::Status(answer.status.as_u16()));
        }
        let keys = KeySet::parse(&answer.body)?;
        let facts = Facts {
            status: Some(answer.status.as_u16()),
            elapsed_ms: u64::try_from(answer.elapsed.as_millis()).ok(),
            count: Some(keys.usable as u64),
            url: Some(url.to_string()),
            ..Facts::default()
        };
        trace.step(Step::UpstreamJwks, facts);
        Ok(keys)
    }
}

/// A parsed set. A key that serves two algorithms is there twice.
struct KeySet {
    keys: Vec<RemoteKey>,
    usable: usize,
}

struct RemoteKey {
    kid: Option<String>,
    key: VerifyingKey,
}

impl KeySet {
    fn parse(body: &[u8]) -> Result<Self, JwksError> {
        let set = json::object(body).map_err(|_| JwksError::Malformed)?;
        let Some(Value::Array(members)) = set.get("keys") else { return Err(JwksError::Malformed) };
        let (mut keys, mut usable) = (Vec::new(), 0);
        for jwk in members.iter().filter_map(Value::as_object) {
            let parsed = usable_key(jwk).unwrap_or_default();
            usable += usize::from(!parsed.is_empty());
            if usable > MAX_KEYS {
                return Err(JwksError::TooMany);
            }
            let kid = jwk.get("kid").and_then(Value::as_str);
            keys.extend(parsed.into_iter().map(|key| RemoteKey { kid: kid.map(str::to_owned), key }));
        }
        if keys.is_empty() { Err(JwksError::Empty) } else { Ok(Self { keys, usable }) }
    }

    /// Tries the keys that fit by algorithm and, where the header names one, by kid.
    fn check(&self, jws: &Jws<'_>) -> Result<(), NotVerified> {
        let fits = |key: &&RemoteKey| key.key.alg() == jws.alg && (jws.kid.is_none() || key.kid == jws.kid);
        let mut fault = NotVerified::KeyUnknown;
        for key in self.keys.iter().filter(fits).take(MAX_TRIES) {
            if jws.verified_by(&key.key) {
                return Ok(());
            }
            fault = NotVerified::Signature;
        }
        Err(fault)
    }
}

/// The members that no public key has (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The verifying keys of one JWK: none if it is private, not for signatures, or of another kind.
fn usable_key(jwk: &Map<String, Value>) -> Result<Vec<VerifyingKey>, NotAKey> {
    if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(NotAKey);
    }
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return Err(NotAKey);
    }
    if let Some(ops) = jwk.get("key_ops") {
        let ops = ops.as_array().ok_or(NotAKey)?;
        if !ops.iter().any(|op| op == "verify") {
            return Err(NotAKey);
        }
    }
    match jwk.get("kid") {
        None => {}
        Some(Value::String(kid)) if kid.len() <= MAX_KID => {}
        Some(_) => return Err(NotAKey),
    }
    let declared = match jwk.get("alg") {
        None => None,
        Some(alg) => Some(alg.as_str().and_then(Alg::parse).ok_or(NotAKey)?),
    };
    let text = |member: &str| jwk.get(member).and_then(Value::as_str).ok_or(NotAKey);
    let number = |member: &str| URL_SAFE_NO_PAD.decode(text(member)?).map_err(|_| NotAKey);
    let algs = |possible: &[Alg]| -> Vec<Alg> {
        possible.iter().copied().filter(|alg| declared.is_none_or(|declared| declared == *alg)).collect()
    };
    match (text("kty")?, jwk.get("crv").and_then(Value::as_str)) {
        ("RSA", _) => {
            let (n, e) = (number("n")?, number("e")?);
            algs(&[Alg::Rs256, Alg::Ps256]).into_iter().map(|alg| VerifyingKey::rsa(alg, &n, &e)).collect()
        }
        ("EC", Some("P-256")) => ec(&algs(&[Alg::Es256]), &number("x")?, &number("y")?),
        ("EC", Some("P-384")) => ec(&algs(&[Alg::Es384]), &number("x")?, &number("y")?),
        ("OKP", Some("Ed25519")) => {
            let x = number("x")?;
            algs(&[Alg::EdDsa]).into_iter().map(|_| VerifyingKey::ed25519(&x)).collect()
        }
        _ => Err(NotAKey),
    }
}

fn ec(algs: &[Alg], x: &[u8], y: &[u8]) -> Result<Vec<VerifyingKey>, NotAKey> {
    algs.iter().map(|alg| VerifyingKey::ec(*alg, x, y)).collect()
}
