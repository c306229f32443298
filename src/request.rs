//! What an application asked for, already checked: the noun that the protocols hand to the broker.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::service::{AppId, Demand};

/// A checked request. The OpenID Provider adds its own variant.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginRequest {
    /// From a legacy application, by an encrypted message.
    Legacy(LegacyRequest),
}

impl LoginRequest {
    /// The application that asks.
    pub fn app(&self) -> &AppId {
        match self {
            Self::Legacy(request) => &request.app,
        }
    }

    /// What it asks beyond its configuration.
    pub fn demand(&self) -> &Demand {
        match self {
            Self::Legacy(request) => &request.demand,
        }
    }

    /// What all logins of one and the same message have in common.
    pub fn mark(&self) -> &[u8; 32] {
        match self {
            Self::Legacy(request) => &request.mark,
        }
    }

    /// When the message was sealed.
    pub fn sealed_at(&self) -> Timestamp {
        match self {
            Self::Legacy(request) => request.sealed_at,
        }
    }
}

/// A legacy message that opened and passed its grammar. No `Debug`: `state` and `nonce` are inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct LegacyRequest {
    /// The application, chosen by the path of the request.
    pub app: AppId,
    /// The registered callback with the request's own query pieces, byte for byte: the answer is appended.
    pub return_to: String,
    /// `state`, decoded once.
    pub state: String,
    /// `nonce`, decoded once.
    pub nonce: String,
    /// Which of the application's keys opened the message; its answer is sealed under the same.
    pub key: KeyFingerprint,
    /// Identifies the message: SHA-256(app ‖ 00 ‖ decoded bytes, or `jti`).
    pub mark: [u8; 32],
    /// Identifies (app, iv), to notice a random source that repeats; `None` where the IV is fixed.
    pub iv_mark: Option<[u8; 32]>,
    /// Whether the message has no time of its own: then its mark is durable, for no restart makes it old.
    #[serde(default)]
    pub timeless: bool,
    /// The message's own time; that of its opening where it has none.
    pub sealed_at: Timestamp,
    /// The last instant at which the message is fresh: until then a replay must be remembered.
    pub fresh_until: Timestamp,
    /// What it asks beyond the application's configuration.
    pub demand: Demand,
}

impl LegacyRequest {
    /// The registered callback without its query.
    pub fn callback(&self) -> &str {
        self.return_to.split('?').next().unwrap_or_default()
    }
}

/// The first bytes of a digest of a key: enough to find it again, useless to an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyFingerprint(pub [u8; 8]);
