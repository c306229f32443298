//! What an `id_token` and signed userinfo say beyond what their policies check (OpenID Connect Core, sections 2,
//! 3.1.3.7 and 5.3.2).

use serde_json::Value;

use crate::clock::Timestamp;
use crate::crypto::json::Members;
use crate::crypto::jwe::JweError;
use crate::crypto::jwt::{Mismatch, NotAccepted, Verified};
use crate::event::reasons::upstream;
use crate::event::{Facts, Reason};
use crate::secret::{Secret, same};

/// Why an `id_token` or signed userinfo does not pass. The text goes after its name.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It came in clear where it must be encrypted.
    #[error("it is not encrypted")]
    NotEncrypted,
    /// It is not decrypted.
    #[error(transparent)]
    Encryption(#[from] JweError),
    /// Its policy refuses it.
    #[error(transparent)]
    Policy(#[from] NotAccepted),
    /// `nonce`.
    #[error("its nonce is another")]
    Nonce,
    /// `at_hash`.
    #[error("its at_hash does not fit the access token")]
    AtHash,
    /// `sub`.
    #[error("its sub is out of shape")]
    Sub,
}

impl TokenError {
    /// The operator's row.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotEncrypted => upstream::NOT_ENCRYPTED,
            Self::Encryption(error) => match error {
                JweError::Malformed => upstream::ID_TOKEN_MALFORMED,
                JweError::TooLong(_) => upstream::TOO_LARGE,
                JweError::NotSigned => upstream::NOT_SIGNED,
                JweError::Alg(_) => upstream::ENCRYPTION_ALG,
                JweError::Header => upstream::JWT_HEADER,
                JweError::KeyUnknown { .. } => upstream::DECRYPTION_KEY,
                JweError::DoesNotOpen => upstream::DECRYPTION,
            },
            Self::Policy(error) => match error {
                NotAccepted::Malformed | NotAccepted::Claims(_) => upstream::ID_TOKEN_MALFORMED,
                NotAccepted::TooLong(_) => upstream::TOO_LARGE,
                NotAccepted::Alg(_) => upstream::ALG_REFUSED,
                NotAccepted::Critical | NotAccepted::Typ => upstream::JWT_HEADER,
                NotAccepted::Signature { why: Mismatch::KeyUnknown, .. } => upstream::KEY_UNKNOWN,
                NotAccepted::Signature { why: Mismatch::Signature, .. } => upstream::SIGNATURE,
                NotAccepted::Signature { why: Mismatch::TooMany(_), .. } => upstream::KEYS_TOO_MANY,
                NotAccepted::Issuer { .. } => upstream::ISSUER_CLAIM,
                NotAccepted::Audience(_) => upstream::AUDIENCE,
                NotAccepted::Expired(_) => upstream::EXPIRED,
                NotAccepted::Future(_) => upstream::ISSUED_IN_FUTURE,
                NotAccepted::Missing("nonce") => upstream::NONCE,
                NotAccepted::Missing("sub") => upstream::SUB,
                NotAccepted::Missing(_) | NotAccepted::WrongType(_) => upstream::CLAIM_TYPE,
            },
            Self::Nonce => upstream::NONCE,
            Self::AtHash => upstream::AT_HASH,
            Self::Sub => upstream::SUB,
        }
    }

    /// Adds what the operator may know of it.
    pub(super) fn describe(&self, facts: &mut Facts) {
        match self {
            Self::Encryption(JweError::Alg(alg)) | Self::Policy(NotAccepted::Alg(alg)) => {
                facts.alg.clone_from(alg);
            }
            Self::Encryption(JweError::KeyUnknown { alg, kid })
            | Self::Policy(NotAccepted::Signature { alg, kid, .. }) => {
                facts.alg = Some((*alg).to_owned());
                facts.kid.clone_from(kid);
            }
            Self::Policy(NotAccepted::Expired(offset) | NotAccepted::Future(offset)) => {
                facts.offset_s = Some(*offset);
            }
            Self::Policy(NotAccepted::Missing(name) | NotAccepted::WrongType(name)) => {
                facts.names = Some((*name).to_owned());
            }
            Self::Encryption(JweError::TooLong(length)) | Self::Policy(NotAccepted::TooLong(length)) => {
                facts.length = Some(*length);
            }
            Self::NotEncrypted
            | Self::Encryption(
                JweError::Malformed | JweError::Header | JweError::DoesNotOpen | JweError::NotSigned,
            )
            | Self::Policy(
                NotAccepted::Malformed
                | NotAccepted::Claims(_)
                | NotAccepted::Critical
                | NotAccepted::Typ
                | NotAccepted::Issuer { .. }
                | NotAccepted::Audience(_),
            )
            | Self::Nonce
            | Self::AtHash
            | Self::Sub => {}
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
    pub offset: Option<i64>,
}

/// Checks an `id_token` that its policy accepts against the login that it answers (OpenID Connect Core, sections
/// 3.1.3.7 and 3.1.3.8).
pub(super) fn id_token(
    verified: &Verified,
    nonce: &str,
    access_token: &Secret<String>,
    sub_fits: fn(&str) -> bool,
) -> Result<IdToken, TokenError> {
    let claims = &verified.claims;
    let equals = |value: &Value, due: &str| {
        value.as_str().is_some_and(|theirs| same(theirs.as_bytes(), due.as_bytes()))
    };
    if !claims.get("nonce").is_some_and(|theirs| equals(theirs, nonce)) {
        return Err(TokenError::Nonce);
    }
    if let Some(theirs) = claims.get("at_hash")
        && !equals(theirs, &verified.signed_by.left_half_hash(access_token.expose().as_bytes()))
    {
        return Err(TokenError::AtHash);
    }
    let sub = sub(claims, sub_fits)?.to_owned();
    // Nobody may have asked for a level or an age: what cannot be read was not told, and meets no demand.
    let acr = claims.text_or_nothing("acr").filter(|acr| acr.len() <= 256).map(str::to_owned);
    let told = verified.date("auth_time").unwrap_or(None);
    let auth_time = told.map_or(verified.at, |seconds| Timestamp::from_seconds(seconds).min(verified.at));
    Ok(IdToken { sub, acr, auth_time, auth_time_told: told.is_some(), offset: verified.offset("iat")? })
}

/// `sub`, of the provider's shape.
pub(super) fn sub(claims: &Members, sub_fits: fn(&str) -> bool) -> Result<&str, TokenError> {
    match claims.get("sub") {
        Some(Value::String(sub)) if sub_fits(sub) => Ok(sub),
        _ => Err(TokenError::Sub),
    }
}
