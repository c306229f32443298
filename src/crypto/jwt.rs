//! Signed claims (RFC 7519): one [`Policy`] for each kind, and one function that verifies by it, so that what was
//! signed as one kind is never taken for another (RFC 8725, sections 3.11 and 3.12).
//!
//! A new kind is a variant of [`Kind`] and a policy beside whoever accepts it; nothing here changes.

use std::fmt;

use serde_json::Value;

use super::alg::SignedBy;
use super::json::{Members, NotJson};
use super::jwks::MAX_TRIES;
use super::jws::{Jws, JwsError, MAX_LENGTH, Signers};
use crate::clock::{Clock, Timestamp};

/// What signed claims are: what messages call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenID Connect Core, section 2.
    IdToken,
    /// OpenID Connect Core, section 5.3.2.
    Userinfo,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdToken => "id_token",
            Self::Userinfo => "signed userinfo",
        })
    }
}

/// What one kind must be. Whoever verifies chooses a policy, and no single rule.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// What it is.
    pub kind: Kind,
    /// What `typ` may say.
    pub typ: Typ,
    /// Whose signatures count.
    pub signers: Signers<'a>,
    /// For whom it may be.
    pub audience: Audience,
    /// The members that must be there; the others are checked where they are.
    pub required: &'static [&'static str],
    /// Seconds by which clocks may differ.
    pub leeway: u64,
}

/// What `typ` may say (RFC 7515, section 4.1.9).
#[derive(Clone, Copy, Debug)]
pub struct Typ {
    /// The media types, without `application/`.
    pub accepted: &'static [&'static str],
    /// Whether it may be absent.
    pub optional: bool,
}

/// A rule for `aud` (RFC 7519, section 4.1.3). Kinds that must be for us by one string alone bring theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// We alone, or we among others where `azp` names us; `azp`, where present, is us (OpenID Connect Core, section
    /// 3.1.3.7).
    AmongOthers,
}

/// Between whom.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// The only issuer.
    pub issuer: &'a str,
    /// How the issuer calls us.
    pub us: &'a str,
}

/// Claims that may be believed: signed by whom the policy trusts, for us, now. No `Debug`: they are somebody's.
pub struct Verified {
    /// How they were signed.
    pub signed_by: SignedBy,
    /// The key that signed.
    pub kid: Option<String>,
    /// What they say.
    pub claims: Members,
    /// When that was found.
    pub at: Timestamp,
}

/// Why signed claims are not believed. The text goes after the name of the kind.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// No compact JWS, or the payload is no JSON object with each member once.
    #[error("it is malformed")]
    Malformed,
    /// So many bytes.
    #[error("it has {0} bytes, more than the {MAX_LENGTH} that are looked at")]
    TooLong(usize),
    /// The claims are no JSON object with each member once.
    #[error("its claims are no JSON object with each member once: {0}")]
    Claims(NotJson),
    /// `alg` may not be used.
    #[error("its alg may not be used")]
    Alg(Option<String>),
    /// The header has `crit`.
    #[error("its header names a critical extension")]
    Critical,
    /// `typ` says that it is of another kind.
    #[error("its typ is of another kind")]
    Typ,
    /// No key fits, or none of those that fit made the signature.
    #[error("{}{newest}", reproach(*why))]
    Signature {
        /// Which of the two.
        why: Mismatch,
        /// Whether the keys that were tried are the newest.
        newest: Newest,
        /// Its algorithm.
        alg: &'static str,
        /// Its key id.
        kid: Option<String>,
    },
    /// `iss`.
    #[error("its iss is another: {due:?} is due, {found} was found")]
    Issuer {
        /// The only issuer.
        due: String,
        /// What it says: no secret, but anybody's text.
        found: String,
    },
    /// `aud` or `azp`.
    #[error("its aud or azp is not us alone: aud is {0}")]
    Audience(String),
    /// `exp`, by seconds from now.
    #[error("it has expired")]
    Expired(i64),
    /// `iat` or `nbf`, by seconds from now.
    #[error("it is dated in the future")]
    Future(i64),
    /// A member that must be there is not.
    #[error("its {0} is missing")]
    Missing(&'static str),
    /// A member has the wrong type.
    #[error("its {0} has the wrong type")]
    WrongType(&'static str),
}

fn reproach(why: Mismatch) -> String {
    match why {
        Mismatch::KeyUnknown => "no key fits its kid and alg".to_owned(),
        Mismatch::Signature => "its signature is wrong".to_owned(),
        Mismatch::TooMany(fit) => {
            format!(
                "{fit} keys fit its kid and alg, more than the {MAX_TRIES} that are tried, none of which signed it"
            )
        }
    }
}

impl From<JwsError> for NotAccepted {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed => Self::Malformed,
            JwsError::TooLong(length) => Self::TooLong(length),
            JwsError::Claims(why) => Self::Claims(why),
            JwsError::Alg(alg) => Self::Alg(alg),
            JwsError::Critical => Self::Critical,
        }
    }
}

/// Whoever can tell whether a signature counts.
pub trait Keys: Sync {
    /// Why there are no keys to tell it by.
    type Fault;

    /// Tells it.
    fn check(&self, jws: &Jws<'_>) -> impl Future<Output = Result<(), NotVerified<Self::Fault>>> + Send;
}

/// Why no key verifies a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// No key fits `kid` and `alg`.
    KeyUnknown,
    /// A key fits, and the signature is not its.
    Signature,
    /// So many keys fit, more than are tried, and the signature is of none of the first.
    TooMany(usize),
}

/// Whether the keys that were tried are the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newest {
    /// They were just fetched, or are not fetched at all.
    #[default]
    Yes,
    /// They were fetched a moment ago, and are not fetched again for so many seconds.
    NotFor(u64),
}

impl fmt::Display for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => Ok(()),
            Self::NotFor(seconds) => {
                write!(
                    f,
                    "; the keys were asked for a moment ago, and are not asked for again for {seconds} s"
                )
            }
        }
    }
}

/// Why a signature does not count.
#[derive(Debug)]
pub enum NotVerified<F> {
    /// It is nobody's whom we trust.
    Mismatch(Mismatch, Newest),
    /// There are no keys to try.
    Keys(F),
}

/// Why there are no claims.
#[derive(Debug)]
pub enum Failed<F> {
    /// They are not believed.
    NotAccepted(NotAccepted),
    /// There are no keys to try.
    Keys(F),
}

impl<F, E: Into<NotAccepted>> From<E> for Failed<F> {
    fn from(error: E) -> Self {
        Self::NotAccepted(error.into())
    }
}

/// Verifies `compact` by `policy`: its form and header, its signature, and only then what it says.
pub async fn verify<K: Keys>(
    policy: &Policy<'_>,
    parties: Parties<'_>,
    keys: &K,
    clock: &dyn Clock,
    compact: &str,
) -> Result<Verified, Failed<K::Fault>> {
    let jws = Jws::parse(compact, policy.signers)?;
    if !policy.typ.accepts(jws.header("typ")) {
        return Err(NotAccepted::Typ.into());
    }
    let checked = keys.check(&jws).await;
    let (alg, kid) = (jws.signed_by.as_str(), jws.kid.clone());
    match checked {
        Ok(()) => {}
        Err(NotVerified::Mismatch(why, newest)) => {
            return Err(NotAccepted::Signature { why, newest, alg, kid }.into());
        }
        Err(NotVerified::Keys(fault)) => return Err(Failed::Keys(fault)),
    }
    let verified = Verified { signed_by: jws.signed_by, kid, claims: jws.claims()?, at: clock.now() };
    policy.check(&verified, parties)?;
    Ok(verified)
}

impl Typ {
    fn accepts(self, told: Option<&Value>) -> bool {
        match told {
            None => self.optional,
            Some(Value::String(told)) => self.accepted.iter().any(|subtype| is_type(told, subtype)),
            Some(_) => false,
        }
    }
}

/// Whether a header's `typ` or `cty` is this media type, whose `application/` may be left out.
pub(super) fn is_type(told: &str, subtype: &str) -> bool {
    let told = match told.split_once('/') {
        Some((top, rest)) if top.eq_ignore_ascii_case("application") => rest,
        _ => told,
    };
    told.eq_ignore_ascii_case(subtype)
}

/// What stands at the place of an identifier that is no secret, for the operator to compare.
pub fn found(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => format!("{:?}", text.chars().take(100).collect::<String>()),
        Some(other) => other.to_string().chars().take(100).collect(),
    }
}

impl Policy<'_> {
    fn check(&self, verified: &Verified, parties: Parties<'_>) -> Result<(), NotAccepted> {
        let claims = &verified.claims;
        let due = |name| self.required.contains(&name) || claims.contains_key(name);
        if due("iss") && !claims.get("iss").is_some_and(|iss| iss == parties.issuer) {
            let (due, found) = (parties.issuer.to_owned(), found(claims.get("iss")));
            return Err(NotAccepted::Issuer { due, found });
        }
        if due("aud") && !self.audience.accepts(claims, parties.us) {
            return Err(NotAccepted::Audience(found(claims.get("aud"))));
        }
        self.times(verified)?;
        match self.required.iter().find(|name| !claims.contains_key(**name)) {
            Some(name) => Err(NotAccepted::Missing(name)),
            None => Ok(()),
        }
    }

    /// `exp`, `iat` and `nbf`, each where present.
    fn times(&self, verified: &Verified) -> Result<(), NotAccepted> {
        let leeway = i64::try_from(self.leeway).unwrap_or(i64::MAX);
        if let Some(offset) = verified.offset("exp")?
            && offset.saturating_add(leeway) <= 0
        {
            return Err(NotAccepted::Expired(offset));
        }
        for name in ["iat", "nbf"] {
            if let Some(offset) = verified.offset(name)?
                && offset > leeway
            {
                return Err(NotAccepted::Future(offset));
            }
        }
        Ok(())
    }
}

impl Audience {
    fn accepts(self, claims: &Members, us: &str) -> bool {
        let is_us = |value: &Value| value == us;
        match self {
            Self::AmongOthers => {
                let azp = claims.get("azp");
                let named = match claims.get("aud") {
                    Some(Value::Array(all)) => {
                        all.iter().all(Value::is_string)
                            && all.iter().any(is_us)
                            && (azp.is_some() || all.iter().all(is_us))
                    }
                    Some(one) => is_us(one),
                    None => false,
                };
                named && azp.is_none_or(is_us)
            }
        }
    }
}

impl Verified {
    /// A `NumericDate` (RFC 7519, section 2) in whole seconds: a number that is not negative, never a text.
    pub fn date(&self, name: &'static str) -> Result<Option<u64>, NotAccepted> {
        // The end of the year 9999 bounds what arithmetic must bear.
        const END: u64 = 253_402_300_800;
        let Some(value) = self.claims.get(name) else { return Ok(None) };
        let seconds = value.as_u64().or_else(|| {
            let fraction = value.as_f64().filter(|seconds| (0.0..253_402_300_800.0).contains(seconds))?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
            let whole = fraction as u64;
            Some(whole)
        });
        seconds.filter(|seconds| *seconds < END).map(Some).ok_or(NotAccepted::WrongType(name))
    }

    /// Seconds from when it was verified to that date.
    pub fn offset(&self, name: &'static str) -> Result<Option<i64>, NotAccepted> {
        let signed = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
        let date = self.date(name)?;
        Ok(date.map(|seconds| signed(seconds).saturating_sub(signed(self.at.seconds()))))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use super::super::alg::Alg;
    use super::super::jwks::KeySet;
    use super::super::jws::testing::TestKey;
    use super::*;
    use crate::clock::HandClock;

    const NOW: u64 = 1_790_000_000;

    const POLICY: Policy<'static> = Policy {
        kind: Kind::IdToken,
        typ: Typ { accepted: &["JWT"], optional: true },
        signers: Signers::Keys(&[Alg::Es256]),
        audience: Audience::AmongOthers,
        required: &["iss", "aud", "exp", "iat"],
        leeway: 60,
    };

    impl Keys for KeySet {
        type Fault = Infallible;

        async fn check(&self, jws: &Jws<'_>) -> Result<(), NotVerified<Infallible>> {
            Self::check(self, jws).map_err(|why| NotVerified::Mismatch(why, Newest::Yes))
        }
    }

    fn good() -> Value {
        json!({"iss": "https://i.example", "aud": "us", "exp": NOW + 60, "iat": NOW, "sub": "s"})
    }

    struct Signer(TestKey, KeySet);

    impl Signer {
        fn new() -> Self {
            let key = TestKey::generate(Alg::Es256);
            let set = json!({"keys": [key.jwk(&json!({}))]}).to_string();
            Self(key, KeySet::parse(set.as_bytes()).unwrap())
        }

        async fn verify(
            &self,
            policy: &Policy<'_>,
            header: &str,
            claims: &Value,
        ) -> Result<Verified, NotAccepted> {
            let compact = self.0.sign(Alg::Es256, header, &claims.to_string());
            let parties = Parties { issuer: "https://i.example", us: "us" };
            let clock = HandClock::at(Timestamp::from_seconds(NOW));
            match verify(policy, parties, &self.1, &clock, &compact).await {
                Ok(verified) => Ok(verified),
                Err(Failed::NotAccepted(why)) => Err(why),
                Err(Failed::Keys(never)) => match never {},
            }
        }
    }

    #[tokio::test]
    async fn a_kind_is_told_by_its_typ() {
        let signer = Signer::new();
        let (lax, strict) =
            (POLICY, Policy { typ: Typ { accepted: &["at+jwt"], optional: false }, ..POLICY });
        for (typ, by_lax, by_strict) in [
            ("", true, false),
            (r#","typ":"JWT""#, true, false),
            // RFC 7515, section 4.1.9: `application/` may be written.
            (r#","typ":"application/jwt""#, true, false),
            (r#","typ":"at+JWT""#, false, true),
            (r#","typ":"application/at+jwt""#, false, true),
            (r#","typ":"text/jwt""#, false, false),
            (r#","typ":"JWT ""#, false, false),
            (r#","typ":null"#, true, false),
            (r#","typ":["JWT"]"#, false, false),
        ] {
            let header = format!(r#"{{"alg":"ES256"{typ}}}"#);
            for (policy, accepted) in [(&lax, by_lax), (&strict, by_strict)] {
                match signer.verify(policy, &header, &good()).await {
                    Ok(_) => assert!(accepted, "{header}"),
                    Err(why) => assert!(!accepted && matches!(why, NotAccepted::Typ), "{header}: {why}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn required_members_are_missed_and_others_are_not() {
        let signer = Signer::new();
        let header = r#"{"alg":"ES256"}"#;
        for name in ["iss", "aud", "exp", "iat", "sub"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            let refused = signer.verify(&POLICY, header, &claims).await.err();
            match name {
                "iss" => assert!(matches!(refused, Some(NotAccepted::Issuer { .. }))),
                "aud" => assert!(matches!(refused, Some(NotAccepted::Audience(_)))),
                "sub" => assert!(refused.is_none(), "not required"),
                _ => assert!(matches!(refused, Some(NotAccepted::Missing(missed)) if missed == name)),
            }
            let lax = Policy { required: &[], ..POLICY };
            assert!(signer.verify(&lax, header, &claims).await.is_ok(), "{name}");
        }
        let lax = Policy { required: &[], ..POLICY };
        for (name, value) in [("iss", "other"), ("aud", "other"), ("exp", "1")] {
            let mut claims = good();
            claims[name] = json!(value);
            assert!(signer.verify(&lax, header, &claims).await.is_err(), "{name} is checked where it is");
        }
    }

    #[tokio::test]
    async fn nothing_is_read_before_the_signature() {
        let (signer, other) = (Signer::new(), Signer::new());
        let compact = other.0.sign(Alg::Es256, r#"{"alg":"ES256"}"#, "no JSON at all");
        let parties = Parties { issuer: "https://i.example", us: "us" };
        let clock = HandClock::at(Timestamp::from_seconds(NOW));
        let refused = verify(&POLICY, parties, &signer.1, &clock, &compact).await;
        assert!(matches!(
            refused,
            Err(Failed::NotAccepted(NotAccepted::Signature {
                why: Mismatch::Signature,
                alg: "ES256",
                kid: None,
                ..
            }))
        ));
    }
}
