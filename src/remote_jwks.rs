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
use crate::outbound::{Outbound, OutboundError, chain};

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
        let Some(keys) = self.kept.fresh(clock) else {
            return Box::pin(self.fetch_and_verify(url, jws, clock, trace)).await;
        };
        match keys.check(jws) {
            Ok(()) => Ok(()),
            // Rotation gives a new kid: the same one is not worth a call.
            Err(NotVerified::Signature) if jws.kid.is_some() => Err(NotVerified::Signature),
            Err(_) => Box::pin(self.fetch_and_verify(url, jws, clock, trace)).await,
        }
    }

    /// The algorithms of the keys at `url`, each once.
    pub async fn algs(
        &self,
        url: &Url,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Vec<Alg>, Arc<JwksError>> {
        let keys = self.kept.get(clock, self.fetch(url, trace), |_| {}).await?;
        Ok(Alg::ALL.into_iter().filter(|alg| keys.keys.iter().any(|key| key.key.alg() == *alg)).collect())
    }

    /// The rare way: the keys are not there, due, or do not fit.
    async fn fetch_and_verify(
        &self,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified> {
        let noted = |error: &JwksError| {
            let facts = Facts { cause: Some(chain(error)), url: Some(url.to_string()), ..Facts::default() };
            trace.because(Step::UpstreamJwks, upstream::JWKS, None, facts);
        };
        let keys = self.kept.get(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        match keys.check(jws) {
            Ok(()) => return Ok(()),
            Err(NotVerified::Signature) if jws.kid.is_some() => return Err(NotVerified::Signature),
            Err(_) => {}
        }
        let keys = self.kept.refresh(clock, self.fetch(url, trace), noted).await;
        keys.map_err(NotVerified::Keys)?.check(jws)
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::clock::{HandClock, Timestamp};
    use crate::crypto::jws::testing::TestKey;
    use crate::event::{Events, Recorder};
    use crate::outbound::OutboundSettings;
    use crate::outbound::testing::{Reply, Server};

    fn jwt(key: &TestKey, alg: Alg, kid: Option<&str>) -> String {
        let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        key.sign(alg, &format!(r#"{{"alg":"{alg}"{kid}}}"#), "{}")
    }

    fn set(keys: &Value) -> Result<KeySet, JwksError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn check(set: &KeySet, jwt: &str) -> Result<(), NotVerified> {
        set.check(&Jws::parse(jwt, &Alg::ALL).unwrap())
    }

    #[test]
    fn every_algorithm_verifies_with_its_own_key() {
        for alg in Alg::ALL {
            let key = TestKey::generate(alg);
            for more in [json!({}), json!({"use": "sig", "alg": alg, "key_ops": ["verify"]})] {
                let set = set(&json!([key.jwk(&more)])).unwrap();
                assert!(check(&set, &jwt(&key, alg, None)).is_ok(), "{alg} {more}");
            }
            let other = set(&json!([TestKey::generate(alg).jwk(&json!({}))])).unwrap();
            assert!(matches!(check(&other, &jwt(&key, alg, None)), Err(NotVerified::Signature)), "{alg}");
        }
    }

    #[test]
    fn a_declared_algorithm_binds() {
        let key = TestKey::generate(Alg::Rs256);
        let set = set(&json!([key.jwk(&json!({"alg": "PS256"}))])).unwrap();
        assert!(check(&set, &jwt(&key, Alg::Ps256, None)).is_ok());
        assert!(matches!(check(&set, &jwt(&key, Alg::Rs256, None)), Err(NotVerified::KeyUnknown)));
    }

    #[test]
    fn keys_that_may_not_verify_are_passed_over() {
        let (ec, rsa) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Rs256));
        let weak = URL_SAFE_NO_PAD.encode([0xff; 64]);
        let huge = URL_SAFE_NO_PAD.encode([0xff; 1024]);
        let bad = [
            json!(null),
            json!({}),
            json!({"kty": "oct", "k": "AAAA"}),
            ec.jwk(&json!({"d": "AAAA"})),
            rsa.jwk(&json!({"p": "AAAA"})),
            ec.jwk(&json!({"use": "enc"})),
            ec.jwk(&json!({"use": 1})),
            ec.jwk(&json!({"key_ops": ["sign"]})),
            ec.jwk(&json!({"key_ops": "verify"})),
            ec.jwk(&json!({"alg": "ES384"})),
            ec.jwk(&json!({"alg": "HS256"})),
            ec.jwk(&json!({"alg": "ECDH-ES"})),
            ec.jwk(&json!({"kid": 1})),
            ec.jwk(&json!({"crv": "P-521"})),
            ec.jwk(&json!({"y": "AAAA"})),
            ec.jwk(&json!({"y": URL_SAFE_NO_PAD.encode([1; 32])})),
            json!({"kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([9; 32])}),
            rsa.jwk(&json!({"n": weak})),
            rsa.jwk(&json!({"n": huge})),
            rsa.jwk(&json!({"e": ""})),
            rsa.jwk(&json!({"e": "AA=="})),
        ];
        for jwk in &bad {
            assert!(matches!(set(&json!([jwk])), Err(JwksError::Empty)), "{jwk}");
        }
        let mut all = bad.to_vec();
        all.push(ec.jwk(&json!({"kid": "good"})));
        let set = set(&json!(all)).unwrap();
        assert_eq!(set.usable, 1);
        assert!(check(&set, &jwt(&ec, Alg::Es256, Some("good"))).is_ok());
    }

    #[test]
    fn the_shared_secret_of_a_public_key_does_not_verify() {
        let key = TestKey::generate(Alg::Es256);
        let confused = key.sign(Alg::Es256, r#"{"alg":"HS256"}"#, "{}");
        assert!(Jws::parse(&confused, &Alg::ALL).is_err());
    }

    #[test]
    fn kid_chooses_and_where_it_does_not_all_that_fit_are_tried() {
        let (a, b) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Es256));
        let keys = set(&json!([a.jwk(&json!({"kid": "a"})), b.jwk(&json!({"kid": "b"}))])).unwrap();
        assert!(check(&keys, &jwt(&b, Alg::Es256, Some("b"))).is_ok());
        assert!(check(&keys, &jwt(&b, Alg::Es256, None)).is_ok());
        assert!(matches!(check(&keys, &jwt(&b, Alg::Es256, Some("a"))), Err(NotVerified::Signature)));
        assert!(matches!(check(&keys, &jwt(&b, Alg::Es256, Some("c"))), Err(NotVerified::KeyUnknown)));
        // The same kid twice: a rotation that forgot to rename.
        let twins = set(&json!([a.jwk(&json!({"kid": "a"})), b.jwk(&json!({"kid": "a"}))])).unwrap();
        assert!(check(&twins, &jwt(&b, Alg::Es256, Some("a"))).is_ok());
    }

    #[test]
    fn sets_are_bounded_and_strict() {
        let jwk = TestKey::generate(Alg::Es256).jwk(&json!({}));
        assert!(set(&json!(vec![&jwk; MAX_KEYS])).is_ok());
        assert!(matches!(set(&json!(vec![&jwk; MAX_KEYS + 1])), Err(JwksError::TooMany)));
        assert!(matches!(set(&json!([])), Err(JwksError::Empty)));
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(matches!(KeySet::parse(text.as_bytes()), Err(JwksError::Malformed)), "{text}");
        }
    }

    /// A peer whose answer can be changed.
    async fn peer(answer: Option<Value>) -> (Server, Arc<Mutex<Option<Value>>>) {
        let answer = Arc::new(Mutex::new(answer.map(|keys| json!({ "keys": keys }))));
        let shared = Arc::clone(&answer);
        let server = Server::start(move |_| match &*shared.lock().unwrap() {
            Some(set) => Reply::Full(200, "application/jwk-set+json", set.to_string()),
            None => Reply::Full(503, "text/html", "down".to_owned()),
        })
        .await;
        (server, answer)
    }

    #[tokio::test]
    async fn an_unknown_kid_fetches_at_most_once_a_minute() {
        let (old, new) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Es256));
        let (server, answer) = peer(Some(json!([old.jwk(&json!({"kid": "old"}))]))).await;
        let jwks = RemoteJwks::new(Outbound::new(&OutboundSettings::default()).unwrap());
        let clock = HandClock::at(Timestamp::from_seconds(1_790_000_000));
        let recorder = Recorder::default();
        let trace = Trace::new(Events::to(recorder.clone()), None);
        let (old_jwt, new_jwt) = (jwt(&old, Alg::Es256, Some("old")), jwt(&new, Alg::Es256, Some("new")));
        let verify = async |text: &str| {
            let jws = Jws::parse(text, &[Alg::Es256]).unwrap();
            jwks.verify(&server.url("jwks"), &jws, &clock, &trace).await
        };

        let (a, b, c) = tokio::join!(verify(&old_jwt), verify(&old_jwt), verify(&old_jwt));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(server.requests(), 1, "one flight");

        *answer.lock().unwrap() = Some(json!({"keys": [new.jwk(&json!({"kid": "new"}))]}));
        assert!(verify(&new_jwt).await.is_ok(), "rotated a moment after the first fetch");
        assert_eq!(server.requests(), 2);
        for _ in 0..50 {
            assert!(matches!(verify(&old_jwt).await, Err(NotVerified::KeyUnknown)));
        }
        clock.advance(Duration::from_secs(59));
        assert!(matches!(verify(&old_jwt).await, Err(NotVerified::KeyUnknown)));
        assert_eq!(server.requests(), 2, "once a minute");
        clock.advance(Duration::from_secs(1));
        assert!(matches!(verify(&old_jwt).await, Err(NotVerified::KeyUnknown)));
        assert_eq!(server.requests(), 3);

        // A wrong signature under a known kid is no reason to ask.
        clock.advance(Duration::from_mins(2));
        let forged = jwt(&old, Alg::Es256, Some("new"));
        assert!(matches!(verify(&forged).await, Err(NotVerified::Signature)));
        assert_eq!(server.requests(), 3);

        // The peer fails: its last good keys serve for a day, and it is said.
        *answer.lock().unwrap() = None;
        clock.advance(Duration::from_hours(2));
        assert!(verify(&new_jwt).await.is_ok());
        assert_eq!(server.requests(), 4);
        assert_eq!(recorder.events().iter().filter(|event| event.reason.is_some()).count(), 1);
        clock.advance(Duration::from_hours(22));
        assert!(matches!(verify(&new_jwt).await, Err(NotVerified::Keys(_))));
    }
}
