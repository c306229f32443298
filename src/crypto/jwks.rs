//! JWK Sets of others (RFC 7517, section 5), parsed once: what verifies their signatures, and why the rest does not.

use std::fmt;

use serde_json::Value;

use super::alg::{Alg, SignedBy};
use super::json::Members;
use super::jwk::{PublicKey, UnusableKey};
use super::jws::{Jws, MAX_KID, VerifyingKey};
use super::jwt::Mismatch;

/// The most keys that a set may have.
pub const MAX_KEYS: usize = 64;

/// The most keys that are tried on one signature.
pub const MAX_TRIES: usize = 16;

/// The most unusable keys that an error names.
const MAX_NAMED: usize = 4;

/// A parsed set.
pub struct KeySet {
    /// A key that serves two algorithms is there twice.
    keys: Vec<Candidate>,
    usable: usize,
    unusable: Unusable,
}

struct Candidate {
    kid: Option<String>,
    key: VerifyingKey,
}

/// Why something is not a JWK Set with which signatures can be verified.
#[derive(Debug, thiserror::Error)]
pub enum NotAKeySet {
    /// Not a JWK Set.
    #[error("the answer is no JWK Set: {0}")]
    Malformed(String),
    /// No key that may verify.
    #[error("the JWK Set has no usable key{0}")]
    Empty(Unusable),
    /// More keys than any honest set has.
    #[error("the JWK Set has too many keys")]
    TooMany,
}

/// The keys of a set that are not used: each one's `kid`, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unusable(pub Vec<(Option<String>, UnusableKey)>);

impl Unusable {
    /// What whoever publishes the set should know; keys for other uses and of other kinds are in good order.
    pub fn defects(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter(|(_, why)| why.is_defect()).map(named)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(MAX_NAMED).try_for_each(|unusable| write!(f, "; {}", named(unusable)))
    }
}

fn named((kid, why): &(Option<String>, UnusableKey)) -> String {
    match kid {
        Some(kid) => format!("key {kid:?}: {why}"),
        None => format!("a key without kid: {why}"),
    }
}

impl KeySet {
    /// Reads a JWK Set. Keys that cannot verify are passed over, and remembered with the reason.
    pub fn parse(body: &[u8]) -> Result<Self, NotAKeySet> {
        let set = Members::read(body).map_err(|why| NotAKeySet::Malformed(why.to_string()))?;
        let Some(Value::Array(members)) = set.get("keys") else {
            return Err(NotAKeySet::Malformed("its `keys` is no list".to_owned()));
        };
        let (mut keys, mut usable, mut unusable) = (Vec::new(), 0, Unusable::default());
        for jwk in members {
            let jwk = jwk.as_object().cloned().map(Members::from);
            // A name that nobody can ask for names nothing.
            let kid =
                jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str()).filter(|kid| kid.len() <= MAX_KID);
            match jwk.as_ref().ok_or(UnusableKey::NotAnObject).and_then(verifying) {
                Ok(parsed) => {
                    usable += 1;
                    keys.extend(parsed.into_iter().map(|key| Candidate { kid: kid.map(str::to_owned), key }));
                }
                Err(_) if unusable.0.len() == MAX_KEYS => {}
                Err(why) => unusable.0.push((kid.map(|kid| kid.chars().take(64).collect()), why)),
            }
            if usable > MAX_KEYS {
                return Err(NotAKeySet::TooMany);
            }
        }
        if keys.is_empty() { Err(NotAKeySet::Empty(unusable)) } else { Ok(Self { keys, usable, unusable }) }
    }

    /// How many of its keys verify.
    pub fn usable(&self) -> usize {
        self.usable
    }

    /// Those that do not.
    pub fn unusable(&self) -> &Unusable {
        &self.unusable
    }

    /// The algorithms of its keys, each once.
    pub fn algs(&self) -> Vec<Alg> {
        Alg::ALL.into_iter().filter(|alg| self.keys.iter().any(|key| key.key.alg() == *alg)).collect()
    }

    /// Tries the keys that fit by algorithm and, where the header names one, by kid.
    pub fn check(&self, jws: &Jws<'_>) -> Result<(), Mismatch> {
        let fits = |key: &&Candidate| {
            jws.signed_by == SignedBy::Key(key.key.alg()) && (jws.kid.is_none() || key.kid == jws.kid)
        };
        let mut fit = self.keys.iter().filter(fits);
        if fit.by_ref().take(MAX_TRIES).any(|key| jws.verified_by(&key.key)) {
            return Ok(());
        }
        Err(match self.keys.iter().filter(fits).count() {
            0 => Mismatch::KeyUnknown,
            many if many > MAX_TRIES => Mismatch::TooMany(many),
            _ => Mismatch::Signature,
        })
    }
}

/// The verifying keys of one JWK: one for each algorithm by which it may have signed.
fn verifying(jwk: &Members) -> Result<Vec<VerifyingKey>, UnusableKey> {
    // What a key for another use looks like is not our concern, unless it is private.
    let public = match PublicKey::parse(jwk) {
        Err(private @ UnusableKey::Private(_)) => return Err(private),
        parsed => parsed,
    };
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return Err(UnusableKey::Use("use"));
    }
    match jwk.get("key_ops") {
        None => {}
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
        Some(_) => return Err(UnusableKey::Use("key_ops")),
    }
    let public = public?;
    let declared = match jwk.get("alg") {
        None => None,
        Some(alg) => Some(alg.as_str().and_then(Alg::parse).ok_or(UnusableKey::Alg)?),
    };
    let algs = public.algs().iter().filter(|alg| declared.is_none_or(|declared| declared == **alg));
    let keys: Vec<_> = algs.map(|alg| VerifyingKey::new(*alg, &public)).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(UnusableKey::Alg) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::super::jws::Signers;
    use super::super::jws::testing::TestKey;
    use super::*;

    fn signed(key: &TestKey, alg: Alg, kid: Option<&str>) -> String {
        let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
        key.sign(alg, &format!(r#"{{"alg":"{alg}"{kid}}}"#), "{}")
    }

    fn set(keys: &Value) -> Result<KeySet, NotAKeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn check(set: &KeySet, compact: &str) -> Result<(), Mismatch> {
        set.check(&Jws::parse(compact, Signers::Keys(&Alg::ALL)).unwrap())
    }

    #[test]
    fn every_algorithm_verifies_with_its_own_key() {
        for alg in Alg::ALL {
            let key = TestKey::generate(alg);
            for more in [
                json!({}),
                json!({"use": "sig", "alg": alg, "key_ops": ["verify"]}),
                json!({"use": null, "alg": null, "key_ops": null, "kid": null, "d": null}),
            ] {
                let set = set(&json!([key.jwk(&more)])).unwrap();
                assert!(check(&set, &signed(&key, alg, None)).is_ok(), "{alg} {more}");
            }
            let other = set(&json!([TestKey::generate(alg).jwk(&json!({}))])).unwrap();
            assert_eq!(check(&other, &signed(&key, alg, None)), Err(Mismatch::Signature), "{alg}");
        }
    }

    #[test]
    fn ed25519_has_two_names() {
        let key = TestKey::generate(Alg::EdDsa);
        for declared in ["EdDSA", "Ed25519"] {
            let set = set(&json!([key.jwk(&json!({"alg": declared}))])).unwrap();
            for named in ["EdDSA", "Ed25519"] {
                let compact = key.sign(Alg::EdDsa, &format!(r#"{{"alg":"{named}"}}"#), "{}");
                assert!(check(&set, &compact).is_ok(), "{declared} {named}");
            }
        }
    }

    #[test]
    fn a_declared_algorithm_binds() {
        let key = TestKey::generate(Alg::Rs256);
        let set = set(&json!([key.jwk(&json!({"alg": "PS256"}))])).unwrap();
        assert!(check(&set, &signed(&key, Alg::Ps256, None)).is_ok());
        assert_eq!(check(&set, &signed(&key, Alg::Rs256, None)), Err(Mismatch::KeyUnknown));
    }

    #[test]
    fn keys_that_may_not_verify_are_passed_over_and_named() {
        let (ec, rsa) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Rs256));
        let bad = [
            (json!(null), UnusableKey::NotAnObject),
            (json!({}), UnusableKey::Kind),
            (json!({"kty": "oct", "k": "AAAA"}), UnusableKey::Private("k")),
            (ec.jwk(&json!({"d": "AAAA"})), UnusableKey::Private("d")),
            (rsa.jwk(&json!({"p": "AAAA"})), UnusableKey::Private("p")),
            (ec.jwk(&json!({"use": "enc"})), UnusableKey::Use("use")),
            (ec.jwk(&json!({"use": "enc", "y": 1})), UnusableKey::Use("use")),
            (ec.jwk(&json!({"use": "enc", "d": "AAAA"})), UnusableKey::Private("d")),
            (ec.jwk(&json!({"use": 1})), UnusableKey::Use("use")),
            (ec.jwk(&json!({"key_ops": ["sign"]})), UnusableKey::Use("key_ops")),
            (ec.jwk(&json!({"key_ops": "verify"})), UnusableKey::Use("key_ops")),
            (ec.jwk(&json!({"alg": "ES384"})), UnusableKey::Alg),
            (ec.jwk(&json!({"alg": "HS256"})), UnusableKey::Alg),
            (ec.jwk(&json!({"alg": "ECDH-ES"})), UnusableKey::Alg),
            (ec.jwk(&json!({"crv": "P-521"})), UnusableKey::Kind),
            (ec.jwk(&json!({"y": "AAAA"})), UnusableKey::Numbers),
            (ec.jwk(&json!({"y": URL_SAFE_NO_PAD.encode([1; 32])})), UnusableKey::Numbers),
            (rsa.jwk(&json!({"n": URL_SAFE_NO_PAD.encode([0xff; 64])})), UnusableKey::Size(512)),
            (rsa.jwk(&json!({"n": URL_SAFE_NO_PAD.encode([0xff; 1024])})), UnusableKey::Size(8192)),
            (rsa.jwk(&json!({"e": ""})), UnusableKey::Member("e")),
            (rsa.jwk(&json!({"e": "AA"})), UnusableKey::Member("e")),
        ];
        for (jwk, defect) in &bad {
            let Err(NotAKeySet::Empty(unusable)) = set(&json!([jwk])) else { panic!("{jwk}") };
            assert_eq!(unusable.0, [(None, defect.clone())], "{jwk}");
        }
        let mut all: Vec<_> = bad.iter().map(|(jwk, _)| jwk.clone()).collect();
        all.push(ec.jwk(&json!({"kid": "good"})));
        let whole = set(&json!(all)).unwrap();
        assert_eq!((whole.usable(), whole.unusable().0.len()), (1, bad.len()));
        assert!(check(&whole, &signed(&ec, Alg::Es256, Some("good"))).is_ok());
        let told = set(&json!([ec.jwk(&json!({"kid": "k1", "d": "AAAA"}))])).err().unwrap().to_string();
        assert_eq!(told, "the JWK Set has no usable key; key \"k1\": it has `d`, which is private");
    }

    #[test]
    fn kid_chooses_and_where_it_does_not_all_that_fit_are_tried() {
        let (a, b) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Es256));
        let keys = set(&json!([a.jwk(&json!({"kid": "a"})), b.jwk(&json!({"kid": "b"}))])).unwrap();
        assert!(check(&keys, &signed(&b, Alg::Es256, Some("b"))).is_ok());
        assert!(check(&keys, &signed(&b, Alg::Es256, None)).is_ok());
        assert_eq!(check(&keys, &signed(&b, Alg::Es256, Some("a"))), Err(Mismatch::Signature));
        assert_eq!(check(&keys, &signed(&b, Alg::Es256, Some("c"))), Err(Mismatch::KeyUnknown));
        // The same kid twice: a rotation that forgot to rename.
        let twins = set(&json!([a.jwk(&json!({"kid": "a"})), b.jwk(&json!({"kid": "a"}))])).unwrap();
        assert!(check(&twins, &signed(&b, Alg::Es256, Some("a"))).is_ok());
    }

    #[test]
    fn sets_are_bounded_and_strict() {
        let jwk = TestKey::generate(Alg::Es256).jwk(&json!({}));
        assert!(set(&json!(vec![&jwk; MAX_KEYS])).is_ok());
        assert!(matches!(set(&json!(vec![&jwk; MAX_KEYS + 1])), Err(NotAKeySet::TooMany)));
        assert!(matches!(set(&json!([])), Err(NotAKeySet::Empty(_))));
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(matches!(KeySet::parse(text.as_bytes()), Err(NotAKeySet::Malformed(_))), "{text}");
        }
    }
}
