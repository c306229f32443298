//! Who came back from an upstream, and how strongly that was established.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// The claims that belong to the protocol and not to the person.
pub const PROTOCOL_CLAIMS: [&str; 18] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "azp",
    "nonce",
    "state",
    "at_hash",
    "c_hash",
    "s_hash",
    "acr",
    "amr",
    "auth_time",
    "sid",
    "typ",
];

/// A person as one upstream registration described them. No `Debug`: this is personal data.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The upstream's issuer identifier.
    pub issuer: String,
    /// Who it is.
    pub subject: Subject,
    /// What upstream said of them, in upstream's order, without `sub` and the protocol's own members.
    pub claims: Map<String, Value>,
    /// The level upstream says it reached (OpenID Connect Core, section 2, `acr`).
    pub acr: Option<Acr>,
    /// When the person authenticated at the upstream; our own receipt of the answer if it does not say.
    pub auth_time: Timestamp,
    /// Whether the upstream said so itself; if not, `auth_time` proves nothing about an age.
    pub auth_time_told: bool,
    /// Whether it may be kept for single sign-on.
    pub retention: Retention,
}

/// A subject identifier and where it comes from.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// As the upstream issued it.
    Issued(String),
    /// Computed by us from claims, because the upstream issues none.
    Derived {
        /// The value.
        value: String,
        /// The rule that gave it.
        rule: String,
        /// The rule's version.
        version: u16,
    },
}

impl Subject {
    /// The value of `sub`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Issued(value) | Self::Derived { value, .. } => value,
        }
    }
}

/// How long an identity may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// For the browser session.
    Session,
    /// Erased once delivered; no single sign-on.
    None,
}

/// One authentication context class reference (OpenID Connect Core, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Acr(pub String);

/// What is demanded of the level. Levels have no order of their own: the one that counts is that of `accept`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcrPolicy {
    /// The values that satisfy, in rising order, as the operator or the provider's profile has them.
    pub accept: Vec<Acr>,
    /// Those of them that are asked of the upstream, most wanted first.
    pub asked: Vec<Acr>,
    /// What happens when another value comes back.
    pub mode: AcrMode,
    /// How the upstream is asked.
    pub ask: AcrAsk,
}

/// A request wants levels of which none is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of the levels wanted is among those that may be asked")]
pub struct OutsideLevels;

/// What happens when upstream reached another level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcrMode {
    /// The login is refused (`unmet_authentication_requirements`).
    Require,
    /// The identity is delivered with the level that was reached.
    Prefer,
}

/// How a level is asked of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcrAsk {
    /// By the `acr_values` parameter.
    AcrValues,
    /// As an essential `acr` claim in the `claims` parameter (OpenID Connect Core, section 5.5.1.1).
    Claims,
}

impl AcrPolicy {
    /// Any of these, asked by `acr_values`.
    pub fn any_of(accept: Vec<Acr>) -> Self {
        Self { asked: accept.clone(), accept, mode: AcrMode::Require, ask: AcrAsk::AcrValues }
    }

    /// Whether `reached` satisfies this demand; an absent or unknown value never satisfies `require`.
    pub fn satisfied_by(&self, reached: Option<&Acr>) -> bool {
        self.mode == AcrMode::Prefer || reached.is_some_and(|acr| self.accept.contains(acr))
    }

    /// The same demand, narrowed to what `wanted` names: that is asked, and it satisfies, or whatever comes after the
    /// lowest of it.
    pub fn narrowed(self, wanted: &[Acr]) -> Result<Self, OutsideLevels> {
        if wanted.is_empty() {
            return Ok(self);
        }
        let asked: Vec<_> = wanted.iter().filter(|acr| self.accept.contains(acr)).cloned().collect();
        let lowest = self.accept.iter().position(|acr| asked.contains(acr)).ok_or(OutsideLevels)?;
        let accept = self.accept.into_iter().skip(lowest).collect();
        Ok(Self { accept, asked, ..self })
    }
}
