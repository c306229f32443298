//! The claims of a JWT (RFC 7519; OpenID Connect Core, sections 2, 3.1.3.7 and 5.3.2), checked on our clock.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::crypto::jws::JwsError;
use crate::event::reasons::upstream;
use crate::event::{Facts, Reason};
use crate::secret::same;

/// What a JWT must say.
pub(super) struct Expected<'a> {
    /// The only issuer.
    pub issuer: &'a str,
    /// The only audience.
    pub client_id: &'a str,
    /// Our time.
    pub now: Timestamp,
    /// Seconds by which clocks may differ.
    pub leeway: u64,
    /// The shape of `sub`.
    pub sub_fits: fn(&str) -> bool,
}

/// Why a JWT does not pass.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// It is no compact JWS, or its payload is no JSON object with each member once.
    #[error("malformed")]
    Malformed,
    /// Its `alg` may not be used.
    #[error("its alg may not be used")]
    Alg(Option<String>),
    /// Its header has `crit`, or another `typ`.
    #[error("its header is not accepted")]
    Header,
    /// No key fits.
    #[error("no key fits its kid and alg")]
    KeyUnknown {
        /// Its algorithm.
        alg: &'static str,
        /// Its key id.
        kid: Option<String>,
    },
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature {
        /// Its algorithm.
        alg: &'static str,
        /// Its key id.
        kid: Option<String>,
    },
    /// It came in clear where it must be encrypted.
    #[error("it is not encrypted")]
    NotEncrypted,
    /// Its encryption algorithms may not be used.
    #[error("its encryption may not be used")]
    EncryptionAlg(Option<String>),
    /// None of our keys fits.
    #[error("none of our decryption keys fits its kid and alg")]
    DecryptionKeyUnknown {
        /// Its algorithm.
        alg: String,
        /// Its key id.
        kid: Option<String>,
    },
    /// It was encrypted for somebody else, or changed.
    #[error("it does not decrypt")]
    DoesNotDecrypt,
    /// `iss`.
    #[error("iss is missing or another")]
    Issuer,
    /// `aud` or `azp`.
    #[error("aud or azp is not us alone")]
    Audience,
    /// `exp`, by seconds from now.
    #[error("it has expired")]
    Expired(i64),
    /// `iat` or `nbf`, by seconds from now.
    #[error("it is dated in the future")]
    Future(i64),
    /// `nonce`.
    #[error("nonce is missing or another")]
    Nonce,
    /// `at_hash`.
    #[error("at_hash does not fit the access token")]
    AtHash,
    /// `sub`.
    #[error("sub is missing or out of shape")]
    Sub,
    /// A claim that is needed is missing, or has the wrong type.
    #[error("{0} is missing or has the wrong type")]
    ClaimType(&'static str),
}

impl JwtError {
    /// The operator's row.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed => upstream::ID_TOKEN_MALFORMED,
            Self::Alg(_) => upstream::ALG_REFUSED,
            Self::Header => upstream::JWT_HEADER,
            Self::KeyUnknown { .. } => upstream::KEY_UNKNOWN,
            Self::Signature { .. } => upstream::SIGNATURE,
            Self::NotEncrypted => upstream::NOT_ENCRYPTED,
            Self::EncryptionAlg(_) => upstream::ENCRYPTION_ALG,
            Self::DecryptionKeyUnknown { .. } => upstream::DECRYPTION_KEY,
            Self::DoesNotDecrypt => upstream::DECRYPTION,
            Self::Issuer => upstream::ISSUER_CLAIM,
            Self::Audience => upstream::AUDIENCE,
            Self::Expired(_) => upstream::EXPIRED,
            Self::Future(_) => upstream::ISSUED_IN_FUTURE,
            Self::Nonce => upstream::NONCE,
            Self::AtHash => upstream::AT_HASH,
            Self::Sub => upstream::SUB,
            Self::ClaimType(_) => upstream::CLAIM_TYPE,
        }
    }

    /// Adds what the operator may know of it.
    pub(super) fn describe(&self, facts: &mut Facts) {
        match self {
            Self::Alg(alg) | Self::EncryptionAlg(alg) => facts.alg.clone_from(alg),
            Self::DecryptionKeyUnknown { alg, kid } => {
                facts.alg = Some(alg.clone());
                facts.kid.clone_from(kid);
            }
            Self::KeyUnknown { alg, kid } | Self::Signature { alg, kid } => {
                facts.alg = Some((*alg).to_owned());
                facts.kid.clone_from(kid);
            }
            Self::Expired(offset) | Self::Future(offset) => facts.offset_s = Some(*offset),
            Self::ClaimType(name) => facts.names = Some((*name).to_owned()),
            Self::Malformed
            | Self::Header
            | Self::NotEncrypted
            | Self::DoesNotDecrypt
            | Self::Issuer
            | Self::Audience
            | Self::Nonce
            | Self::AtHash
            | Self::Sub => {}
        }
    }
}

impl From<JwsError> for JwtError {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed => Self::Malformed,
            JwsError::Alg(alg) => Self::Alg(alg),
            JwsError::Header => Self::Header,
        }
    }
}

/// What the relay keeps of an `id_token`.
pub(super) struct IdToken {
    /// Who.
    pub sub: String,
    /// The level reached.
    pub acr: Option<String>,
    /// When they authenticated; never later than now.
    pub auth_time: Timestamp,
    /// Whether the upstream said so.
    pub auth_time_told: bool,
    /// Seconds by which `iat` differs from our clock.
    pub offset: i64,
}

/// Checks an `id_token` whose signature was verified (OpenID Connect Core, section 3.1.3.7). `at_hash` is what
/// it must be where it is present.
pub(super) fn id_token(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    nonce: &str,
    at_hash: &str,
) -> Result<IdToken, JwtError> {
    issuer(claims, expected)?;
    audience(claims, expected)?;
    time(claims, "exp")?.ok_or(JwtError::ClaimType("exp"))?;
    let iat = time(claims, "iat")?.ok_or(JwtError::ClaimType("iat"))?;
    times(claims, expected)?;
    match claims.get("nonce") {
        Some(Value::String(theirs)) if same(theirs.as_bytes(), nonce.as_bytes()) => {}
        _ => return Err(JwtError::Nonce),
    }
    if let Some(theirs) = claims.get("at_hash")
        && !theirs.as_str().is_some_and(|theirs| same(theirs.as_bytes(), at_hash.as_bytes()))
    {
        return Err(JwtError::AtHash);
    }
    let sub = sub(claims, expected)?.to_owned();
    let acr = match claims.get("acr") {
        None => None,
        Some(Value::String(acr)) if (1..=256).contains(&acr.len()) => Some(acr.clone()),
        Some(_) => return Err(JwtError::ClaimType("acr")),
    };
    let told = time(claims, "auth_time")?;
    let auth_time = told.map_or(expected.now, |seconds| Timestamp::from_seconds(seconds).min(expected.now));
    let auth_time_told = told.is_some();
    Ok(IdToken { sub, acr, auth_time, auth_time_told, offset: offset(iat, expected) })
}

/// Checks signed userinfo whose signature was verified. `strict` demands `iss` and `aud`.
pub(super) fn userinfo(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    strict: bool,
) -> Result<(), JwtError> {
    if strict || claims.contains_key("iss") {
        issuer(claims, expected)?;
    }
    if strict || claims.contains_key("aud") {
        audience(claims, expected)?;
    }
    times(claims, expected)?;
    sub(claims, expected)?;
    Ok(())
}

fn issuer(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), JwtError> {
    match claims.get("iss") {
        Some(Value::String(iss)) if iss == expected.issuer => Ok(()),
        _ => Err(JwtError::Issuer),
    }
}

/// `aud` is us alone, or us among others with `azp` naming us; `azp`, where present, is us.
fn audience(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), JwtError> {
    let us = |value: &Value| value.as_str() == Some(expected.client_id);
    let azp = claims.get("azp");
    if !azp.is_none_or(us) {
        return Err(JwtError::Audience);
    }
    let fits = match claims.get("aud") {
        Some(Value::Array(all)) => {
            all.iter().all(Value::is_string) && all.iter().any(us) && (azp.is_some() || all.iter().all(us))
        }
        Some(one) => us(one),
        None => false,
    };
    if fits { Ok(()) } else { Err(JwtError::Audience) }
}

/// `exp`, `iat` and `nbf`, each where present.
fn times(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), JwtError> {
    let leeway = i64::try_from(expected.leeway).unwrap_or(i64::MAX);
    if let Some(exp) = time(claims, "exp")? {
        let offset = offset(exp, expected);
        if offset.saturating_add(leeway) <= 0 {
            return Err(JwtError::Expired(offset));
        }
    }
    for name in ["iat", "nbf"] {
        if let Some(time) = time(claims, name)? {
            let offset = offset(time, expected);
            if offset > leeway {
                return Err(JwtError::Future(offset));
            }
        }
    }
    Ok(())
}

fn sub<'a>(claims: &'a Map<String, Value>, expected: &Expected<'_>) -> Result<&'a str, JwtError> {
    match claims.get("sub") {
        Some(Value::String(sub)) if (expected.sub_fits)(sub) => Ok(sub),
        _ => Err(JwtError::Sub),
    }
}

/// A `NumericDate` (RFC 7519, section 2) in whole seconds: a number that is not negative, never a text.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, JwtError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // The year 9999 bounds what arithmetic must bear.
    let seconds = value.as_u64().or_else(|| {
        let fraction = value.as_f64().filter(|seconds| (0.0..253_402_300_800.0).contains(seconds))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
        let whole = fraction as u64;
        Some(whole)
    });
    seconds.filter(|seconds| *seconds < 253_402_300_800).map(Some).ok_or(JwtError::ClaimType(name))
}

/// Seconds from now to `seconds`.
fn offset(seconds: u64, expected: &Expected<'_>) -> i64 {
    let signed = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    signed(seconds).saturating_sub(signed(expected.now.seconds()))
}
